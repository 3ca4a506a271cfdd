import { describe, expect, test } from "vitest";
import type { LobbyStatus } from "../wire/messages";
import {
  answer,
  entering,
  inside,
  kinds,
  ok,
  publishing,
  push,
  refusal,
  requestsOf,
  Script,
  share,
  entry,
  media,
} from "./script";
import { joined, participant } from "./testing";

const knock = { outcome: "lobby", knock: "knk_1", state: "waiting", message: "Soon", heartbeat_s: 10 } as const;
const since = "2026-11-22T10:00:00Z";

function waiting(): Script {
  const client = entering();
  client.tell(ok("join", knock));
  return client;
}

const lobby = (client: Script) => (client.state.phase.kind === "waiting" ? client.state.phase.lobby : null);
const status = (data: LobbyStatus) => push({ type: "lobby.status", data });

describe("waiting", () => {
  test("begins with the host's message, keeps the devices and is saved for a reload", () => {
    const client = entering();
    client.tell({ kind: "captured", sources: ["microphone", "camera"] });
    const effects = client.tell(ok("join", knock));
    expect(lobby(client)).toMatchObject({ what: "waiting", message: "Soon", note: null, sentBack: false });
    expect(kinds(effects)).toEqual(["announce", "save"]);
    expect(client.state.publishing.sources.camera.capture).toBe("running");
    expect(client.state.link).toEqual({ kind: "up" });
  });

  test("says every ten seconds that it goes on, and only then", () => {
    const client = waiting();
    expect(requestsOf(client.tell({ kind: "tick" }, 9_999))).toEqual([]);
    expect(requestsOf(client.tell({ kind: "tick" }, 10_000))).toEqual([{ type: "lobby.ping", data: {} }]);
    expect(requestsOf(client.tell({ kind: "tick" }, 10_200))).toEqual([]);
    expect(requestsOf(client.tell({ kind: "tick" }, 20_000))).toEqual([{ type: "lobby.ping", data: {} }]);
  });

  test("shows what the hosts write, and since when by the server's clock", () => {
    const client = new Script();
    client.tell({ kind: "join", entry });
    client.tell({ kind: "linkOpen" }, 1_000_000);
    client.tell(ok("hello", { outcome: "welcome", media, server_time: "2026-11-22T10:05:00Z" }));
    client.tell(ok("join", knock));
    client.tell(status({ state: "waiting_for_host", knock: "knk_1", message: null, note: "You are next", since }));
    expect(lobby(client)).toMatchObject({ what: "waiting_for_host", message: null, note: "You are next" });
    expect(lobby(client)?.sinceMs).toBe(1_000_000 - 300_000);
  });

  test("nothing of the room is believed before the admission", () => {
    const client = waiting();
    client.tell(push({ type: "participant.joined", data: { participant: participant("ada") } }, 1));
    expect(client.state.roster.size).toBe(0);
  });

  test("a link that breaks is opened again, and knocks again by itself", () => {
    const client = waiting();
    client.tell({ kind: "linkClosed", code: 1006, random: 0 }, 5_000);
    expect(client.state.phase.kind).toBe("waiting");
    expect(client.tell({ kind: "tick" }, 5_300)).toContainEqual({ kind: "openLink" });
    const [hello] = requestsOf(client.tell({ kind: "linkOpen" }));
    expect(hello).toMatchObject({ type: "hello" });
    expect(hello?.data).not.toHaveProperty("resume");
    expect(requestsOf(client.tell(ok("hello", { outcome: "welcome", media }))).map((one) => one.type)).toEqual([
      "join",
    ]);
    client.tell(ok("join", knock), 6_000);
    expect(lobby(client)?.sinceMs).toBe(0);
  });

  test("a place that was given up is asked for again on the same link", () => {
    const client = waiting();
    const lost = refusal({ type: "lobby.ping", data: {} }, { code: "not_found", message: "" });
    expect(requestsOf(client.tell(lost)).map((one) => one.type)).toEqual(["join"]);
  });

  test("who leaves is back on the page before, and says so to the server", () => {
    const client = waiting();
    const effects = client.tell({ kind: "leave" });
    expect(requestsOf(effects)).toEqual([{ type: "leave", data: {} }]);
    expect(kinds(effects)).toContain("forget");
    expect(client.state.phase).toEqual({ kind: "outside" });
  });

  test("a lobby that was there too long without a server is left", () => {
    const client = waiting();
    client.tell({ kind: "linkClosed", code: 1006, random: 0 });
    client.tell({ kind: "tick" }, 120_000);
    expect(client.state.phase).toMatchObject({ kind: "left", reason: "connectionLost" });
  });
});

describe("the end of waiting", () => {
  test("admitted: the room on the same link, a sound, and a word in the title for a while", () => {
    const client = waiting();
    const { outcome: _, ...body } = joined(participant("ada"));
    const effects = client.tell(status({ state: "admitted", knock: "knk_1", joined: body }), 30_000);
    expect(client.state.phase.kind).toBe("inside");
    expect([...client.state.roster.keys()]).toEqual(["ada"]);
    expect(effects).toContainEqual({ kind: "sound", sound: "admitted" });
    expect(effects).toContainEqual({ kind: "openTransport", generation: 1 });
    expect(client.state.admittedAtMs).toBe(30_000);
    client.tell({ kind: "tick" }, 49_999);
    expect(client.state.admittedAtMs).toBe(30_000);
    client.tell({ kind: "tick" }, 50_000);
    expect(client.state.admittedAtMs).toBeNull();
  });

  test("denied: no link, the reason, and when one may ask again", () => {
    const client = waiting();
    const effects = client.tell(
      status({ state: "denied", knock: "knk_1", reason: "Not expected", block_s: 600 }),
      1_000,
    );
    expect(client.state.phase).toMatchObject({ kind: "denied", reason: "Not expected", againAtMs: 601_000 });
    expect(kinds(effects)).toEqual(expect.arrayContaining(["forget", "closeLink"]));
    expect(client.tell({ kind: "linkClosed", code: 1000, random: 0 })).toEqual([]);
    expect(client.tell({ kind: "join", entry })).toContainEqual({ kind: "openLink" });
  });
});

test("who is not let in is not filmed any more", () => {
  const client = new Script();
  client.tell({ kind: "preview", on: true });
  client.tell({ kind: "captured", sources: ["microphone", "camera"] });
  client.tell({ kind: "join", entry });
  client.tell({ kind: "linkOpen" });
  client.tell(ok("hello", { outcome: "welcome", media }));
  client.tell(ok("join", knock));
  const effects = client.tell(status({ state: "denied", knock: "knk_1", reason: null, block_s: 60 }));
  expect(effects).toContainEqual({ kind: "release", source: "microphone" });
  expect(effects).toContainEqual({ kind: "release", source: "camera" });
  expect(client.state.publishing.sources.camera).toMatchObject({ wanted: true, capture: "none" });
});

describe("sent back from the room", () => {
  const back = status({ state: "waiting", knock: "knk_2", message: "Wait", note: null, since });

  test("ends the connection, the screen and the right to resume, and keeps the preview", () => {
    const client = publishing("camera");
    share(client);
    const effects = client.tell(back, 1_000);
    expect(effects).toContainEqual({ kind: "closeTransport" });
    expect(effects).toContainEqual({ kind: "release", source: "screen" });
    expect(effects).not.toContainEqual({ kind: "release", source: "camera" });
    expect(lobby(client)).toMatchObject({ sentBack: true, message: "Wait" });
    expect(client.state).toMatchObject({ resume: null, room: null, self: null, transport: { kind: "closed" } });
    expect(client.state.roster.size).toBe(0);
    expect(client.state.publishing.sources.camera.publication).toEqual({ kind: "off" });
    expect(requestsOf(client.tell({ kind: "tick" }, 11_000))).toEqual([{ type: "lobby.ping", data: {} }]);
  });

  test("and admitted again it publishes on a new connection", () => {
    const client = publishing("camera");
    client.tell(back);
    const { outcome: _, ...body } = joined();
    const effects = client.tell(status({ state: "admitted", knock: "knk_2", joined: body }));
    expect(effects).toContainEqual({ kind: "openTransport", generation: 2 });
    const asked = requestsOf(client.tell(ok("media.offer", { ...answer, generation: 2 })));
    expect(asked.map((one) => one.type)).toContain("media.publish");
  });

  test("after a lost place the lobby ends the media as well", () => {
    const client = inside();
    client.lose();
    client.tell(
      refusal(
        { type: "hello", data: { protocol: 1, client: "x" } },
        { code: "resume_failed", message: "", rejoin: true },
      ),
    );
    expect(client.tell(ok("join", knock))).toContainEqual({ kind: "closeTransport" });
    expect(lobby(client)?.sentBack).toBe(false);
  });
});
