import { expect, test } from "vitest";
import { heirs, owns } from "./handover";
import { inside, kinds, ok, push, refusal, requestsOf, type Script } from "./script";
import { participant } from "./testing";

const offer = (client: Script, thenLeave: boolean, permanent = false) =>
  client.tell({ kind: "life", deed: { kind: "handOver", to: "ada", permanent, thenLeave } });
const taken = ok(
  "host.transfer",
  { request: "req_1" },
  { type: "host.transfer", data: { participant: "ada", permanent: false } },
);
const answered = (answer: "accept" | "decline" | null) =>
  push({ type: "host.transfer.answered", data: { request: "req_1", answer } });

test("the lead is offered, and the outcome is said", () => {
  for (const answer of ["accept", "decline", null] as const) {
    const client = inside(participant("ada"));
    expect(requestsOf(offer(client, false))).toEqual([
      { type: "host.transfer", data: { participant: "ada", permanent: false } },
    ]);
    client.tell(taken);
    client.tell(answered(answer));
    expect(client.state.phase.kind).toBe("inside");
    expect(client.state.life.handover.offered).toBeNull();
    expect(client.state.toasts.at(-1)?.text).toEqual({ kind: "handedOver", who: "Ada", answer, permanent: false });
  }
});

test("who hands over to leave goes with the yes, and stays with a no", () => {
  const client = inside(participant("ada"));
  offer(client, true);
  client.tell(taken);
  expect(requestsOf(client.tell(answered("accept"))).map((one) => one.type)).toEqual(["leave"]);
  expect(client.state.phase).toMatchObject({ kind: "left", reason: "left" });

  const stays = inside(participant("ada"));
  offer(stays, true);
  stays.tell(taken);
  stays.tell(answered("decline"));
  expect(stays.state.phase.kind).toBe("inside");
});

test("an offer that the server refuses is none", () => {
  const client = inside(participant("ada"));
  offer(client, false);
  client.tell(refusal({ type: "host.transfer", data: { participant: "ada" } }, { code: "forbidden", message: "" }));
  expect(client.state.life.handover.offered).toBeNull();
  expect(client.state.toasts.at(-1)?.text).toMatchObject({ kind: "refused", code: "forbidden" });
});

test("who is asked accepts and gets the new link once", () => {
  const client = inside(participant("ada"));
  const asked = { request: "req_2", by: "ada", permanent: true, expires_s: 60 };
  client.tell(push({ type: "host.transfer.requested", data: asked }), 0);
  expect(client.state.life.handover.incoming).toMatchObject({ by: "Ada", permanent: true });
  const yes = { kind: "life", deed: { kind: "answerHandover", request: "req_2", answer: "accept" } } as const;
  const [reply] = requestsOf(client.tell(yes));
  expect(reply).toEqual({ type: "host.transfer.reply", data: { request: "req_2", answer: "accept" } });
  client.tell(ok("host.transfer.reply", { secret: "s".repeat(22) }, reply));
  expect(client.state.life.handover).toEqual({ offered: null, incoming: null, secret: "s".repeat(22) });
  client.tell({ kind: "life", deed: { kind: "hostLinkSeen" } });
  expect(client.state.life.handover.secret).toBeNull();
});

test("an offer ends by itself", () => {
  const client = inside(participant("ada"));
  const asked = { request: "req_2", by: "ada", permanent: false, expires_s: 60 };
  client.tell(push({ type: "host.transfer.requested", data: asked }), 0);
  client.tell({ kind: "tick" }, 60_000);
  expect(client.state.life.handover.incoming).toBeNull();
});

test("without a link nothing is offered", () => {
  const client = inside(participant("ada"));
  client.tell({ kind: "linkClosed", code: 1006, random: 0 });
  expect(kinds(offer(client, true))).toEqual([]);
  expect(client.state.life.handover.offered).toBeNull();
});

test("heirs are those who are there and lead not yet, co-hosts first", () => {
  const people = [
    { ...participant("boss"), role: "host" as const },
    participant("ada"),
    { ...participant("co"), role: "co_host" as const },
    { ...participant("away"), presence: "reconnecting" as const },
  ];
  expect(heirs(new Map(people.map((one) => [one.id, one]))).map((one) => one.id)).toEqual(["co", "ada"]);
});

test("only who came by a host link can give the room away for good", () => {
  const client = inside(participant("ada"));
  const self = { ...participant("me"), role: "host" as const };
  expect(owns({ ...client.state, self })).toBe(false);
  const { phase } = client.state;
  if (phase.kind !== "inside") throw new Error("not inside");
  const entry = { ...phase.entry, credential: { kind: "invite" as const, secret: "s" } };
  expect(owns({ ...client.state, self, phase: { ...phase, entry } })).toBe(true);
});
