import { expect, test } from "vitest";
import { needsSteadyTicks } from "./lobby";
import { savedOf } from "./saved";
import { entering, entry, inside, kinds, media, ok, push, Script } from "./script";
import { joined } from "./testing";

const knock = { outcome: "lobby", knock: "knk_1", state: "waiting", message: null, heartbeat_s: 10 } as const;
const { outcome: _, ...body } = joined();

function waitingWith(password: string): Script {
  const client = new Script();
  client.tell({ kind: "join", entry: { ...entry, credential: { kind: "password", password } } });
  client.tell({ kind: "linkOpen" });
  client.tell(ok("hello", { outcome: "welcome", media }));
  client.tell(ok("join", knock));
  return client;
}

test("a password is kept while one waits by it, and not after the admission", () => {
  const client = waitingWith("open sesame");
  expect(savedOf(client.state)).toMatchObject({ waiting: true, password: "open sesame" });
  const effects = client.tell(
    push({ type: "lobby.status", data: { state: "admitted", knock: "knk_1", joined: body } }),
  );
  expect(kinds(effects)).toContain("save");
  expect(JSON.stringify(savedOf(client.state))).not.toContain("sesame");
});

test("a password is forgotten by who is refused and by who goes", () => {
  const denied = waitingWith("open sesame");
  const effects = denied.tell(
    push({ type: "lobby.status", data: { state: "denied", knock: "knk_1", reason: null, block_s: 0 } }),
  );
  expect(kinds(effects)).toContain("forget");
  expect(savedOf(denied.state)).toBeNull();
  const gone = waitingWith("open sesame");
  expect(kinds(gone.tell({ kind: "leave" }))).toContain("forget");
  expect(savedOf(gone.state)).toBeNull();
});

test("an invite is never kept with the stay", () => {
  expect(savedOf(entering().state)).toBeNull();
  const client = new Script();
  client.tell({ kind: "join", entry: { ...entry, credential: { kind: "invite", secret: "sec_1" } } });
  client.tell({ kind: "linkOpen" });
  client.tell(ok("hello", { outcome: "welcome", media }));
  client.tell(ok("join", knock));
  expect(JSON.stringify(savedOf(client.state))).not.toContain("sec_1");
});

test("only who waits needs a clock that a hidden page does not slow down", () => {
  expect(needsSteadyTicks(waitingWith("x").state)).toBe(true);
  expect(needsSteadyTicks(inside().state)).toBe(false);
  expect(needsSteadyTicks(entering().state)).toBe(false);
});
