import { expect, test } from "vitest";
import type { QueuedHand } from "../wire/messages";
import { handControl, handRows, isCalled, kept, listened, noHands, queued } from "./hands";
import { inside, kinds, push } from "./script";
import { participant, room } from "./testing";

const hand = (who: string, position: number, over: Partial<QueuedHand> = {}): QueuedHand => ({
  participant: who,
  position,
  raised_at: "2026-11-22T10:00:00Z",
  round: 0,
  called_until: null,
  ...over,
});
const queue = (...hands: QueuedHand[]) => push({ type: "hand.queue", data: { hands } });

test("the queue is what the server says last", () => {
  const client = inside(participant("ada"));
  client.tell(queue(hand("ada", 1), hand("me", 2)));
  expect(client.state.life.hands.queue.map((one) => one.participant)).toEqual(["ada", "me"]);
  client.tell(queue(hand("me", 1)));
  expect(client.state.life.hands.queue).toHaveLength(1);
});

test("who is called hears of it once", () => {
  const client = inside(participant("ada"));
  client.tell(queue(hand("me", 1)));
  const call = hand("me", 0, { called_until: "2026-11-22T10:05:00Z" });
  expect(client.tell(queue(call))).toEqual([{ kind: "announce", announcement: { kind: "called" } }]);
  expect(isCalled(call)).toBe(true);
  expect(client.tell(queue(call))).toEqual([]);
});

test("who calls the hands hears of new ones, and of none that it knows", () => {
  const client = inside(participant("ada"), participant("bob"));
  expect(client.tell(queue(hand("ada", 1)))).toEqual([]);
  const rights = { role: "host" as const, custom_role: null, overrides: [], by: null, reason: "role_changed" as const };
  client.tell(push({ type: "permissions", data: { ...rights, permissions: ["hand.manage"] } }));
  expect(client.tell(queue(hand("ada", 1), hand("bob", 2), hand("me", 3)))).toEqual([
    { kind: "announce", announcement: { kind: "hands", names: ["Bob"] } },
    { kind: "sound", sound: "hand" },
  ]);
  expect(client.tell(queue(hand("ada", 0), hand("bob", 1), hand("me", 2)))).toEqual([]);
  const again = hand("ada", 3, { raised_at: "2026-11-22T10:10:00Z", round: 1 });
  expect(kinds(client.tell(queue(hand("bob", 1), hand("me", 2), again)))).toEqual(["announce", "sound"]);
});

test("who has spoken for 15 s with a hand up is reminded once", () => {
  const client = inside(participant("ada"));
  client.tell(queue(hand("me", 1)), 0);
  client.tell(push({ type: "speakers", data: { speakers: [{ participant: "me", level: 90 }] } }), 0);
  for (let at = 0; at <= 14_800; at += 200) client.tell({ kind: "tick" }, at);
  expect(client.state.life.hands.reminder).toBe("early");
  const effects = client.tell({ kind: "tick" }, 15_000);
  expect(kinds(effects)).toEqual(["announce"]);
  expect(client.state.life.hands.reminder).toBe("due");
  client.tell({ kind: "life", deed: { kind: "keepHand" } });
  client.tell({ kind: "tick" }, 40_000);
  expect(client.state.life.hands.reminder).toBe("dismissed");
});

test("silence between is not counted, nor what was said for an earlier hand", () => {
  let hands = queued(noHands, [hand("me", 1)], "me");
  hands = listened(hands, "me", ["me"], 0);
  hands = listened(hands, "me", ["me"], 9_000);
  hands = listened(hands, "me", [], 9_200);
  hands = listened(hands, "me", ["me"], 60_000);
  expect(hands.spokenMs).toBe(9_000);
  expect(listened(hands, "me", ["me"], 64_000).reminder).toBe("early");
  const again = queued(kept(hands), [hand("me", 1, { raised_at: "2026-11-22T11:00:00Z" })], "me");
  expect(again).toMatchObject({ spokenMs: 0, reminder: "early" });
  // The one who was called may speak.
  const called = queued(noHands, [hand("me", 0)], "me");
  expect(listened(called, "me", ["me"], 99_000)).toBe(called);
});

test("the button is usable with the right, greyed by a policy or an exception, else not there", () => {
  const viewer = { ...participant("me"), role: "viewer" as const };
  const ground = { room, self: viewer, permissions: new Set<never>(), overrides: [] };
  expect(handControl({ ...ground, permissions: new Set(["hand.raise"]) }, noHands)).toEqual({ kind: "usable" });
  expect(handControl(ground, noHands)).toEqual({ kind: "hidden" });
  const shut = { ...room, viewers: { ...room.viewers, hands: false } };
  expect(handControl({ ...ground, room: shut }, noHands)).toEqual({ kind: "greyed", why: { reason: "policy" } });
  const overrides = [{ key: "hand.raise" as const, effect: "deny" as const, expires_at: null }];
  expect(handControl({ ...ground, overrides }, noHands)).toMatchObject({ kind: "greyed", why: { reason: "override" } });
  // What is up can be taken down.
  expect(handControl({ ...ground, overrides }, queued(noHands, [hand("me", 1)], "me"))).toEqual({ kind: "usable" });
});

test("only hands of people who are shown are listed", () => {
  const rows = handRows([hand("ada", 1), hand("ghost", 2), hand("bob", 3)], [participant("bob"), participant("ada")]);
  expect(rows.map((one) => [one.person.id, one.hand.position])).toEqual([
    ["ada", 1],
    ["bob", 3],
  ]);
});
