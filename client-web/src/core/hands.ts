/** Raised hands: their queue, the own one in it, and whether it was forgotten. */
import type { Participant, QueuedHand } from "../wire/messages";
import type { Control, Ground } from "./controls";

/** Who spoke for so long has probably said what the hand was raised for. */
const SPOKE_MS = 15_000;

export interface Hands {
  /** All that are shown, in the order in which they are called. */
  queue: readonly QueuedHand[];
  /** How long the owner of a raised hand has been heard since it was raised. */
  spokenMs: number;
  /** When it was last found to be heard; null while it is silent. */
  heardAtMs: number | null;
  /** Whether to say that the own hand is still up. */
  reminder: "early" | "due" | "dismissed";
}

export const noHands: Hands = { queue: [], spokenMs: 0, heardAtMs: null, reminder: "early" };

/** Takes the queue anew. A hand that is raised again is a new one: nobody has spoken for it. */
export function queued(hands: Hands, queue: readonly QueuedHand[], self: string | null): Hands {
  const before = handOf(hands, self);
  const after = queue.find((one) => one.participant === self);
  if (before !== null && before.raised_at === after?.raised_at) return { ...hands, queue };
  return { ...noHands, queue };
}

export const handOf = (hands: Hands, participant: string | null): QueuedHand | null =>
  hands.queue.find((one) => one.participant === participant) ?? null;

/** Returns the waiting hands of `after` that were not up in `before`. */
export const newHands = (before: readonly QueuedHand[], after: readonly QueuedHand[]): readonly QueuedHand[] =>
  after.filter(
    (one) =>
      !isCalled(one) && !before.some((old) => old.participant === one.participant && old.raised_at === one.raised_at),
  );

/** Whether this one was called and may speak. */
export const isCalled = (hand: QueuedHand | null): boolean => hand !== null && hand.position === 0;

/** Counts how long the owner of a waiting hand speaks. Returns `hands` itself when nothing changes. */
export function listened(hands: Hands, self: string | null, heard: readonly string[], nowMs: number): Hands {
  const own = handOf(hands, self);
  if (self === null || own === null || isCalled(own) || hands.reminder !== "early") return hands;
  if (!heard.includes(self)) return hands.heardAtMs === null ? hands : { ...hands, heardAtMs: null };
  const spokenMs = hands.spokenMs + (hands.heardAtMs === null ? 0 : nowMs - hands.heardAtMs);
  return { ...hands, spokenMs, heardAtMs: nowMs, reminder: spokenMs >= SPOKE_MS ? "due" : "early" };
}

/** Takes that the owner wants to keep its hand up. */
export const kept = (hands: Hands): Hands => ({ ...hands, reminder: "dismissed" });

/** Returns how the control for the own hand looks. A hand that is up can always be taken down. */
export function handControl(ground: Ground, hands: Hands): Control {
  const { room, self, permissions } = ground;
  if (permissions.has("hand.raise")) return { kind: "usable" };
  if (room === null || self === null) return { kind: "hidden" };
  if (handOf(hands, self.id) !== null) return { kind: "usable" };
  const taken = ground.overrides.find((one) => one.key === "hand.raise");
  if (taken?.effect === "deny") return { kind: "greyed", why: { reason: "override", until: taken.expires_at } };
  const policy = self.role === "viewer" && !room.viewers.hands;
  return policy ? { kind: "greyed", why: { reason: "policy" } } : { kind: "hidden" };
}

/** One row of the group of hands. */
export interface HandRow {
  hand: QueuedHand;
  person: Participant;
}

/** Returns the hands with who raised them, in the order in which they are called. */
export function handRows(queue: readonly QueuedHand[], people: readonly Participant[]): HandRow[] {
  const known = new Map(people.map((one) => [one.id, one]));
  return queue.flatMap((hand) => {
    const person = known.get(hand.participant);
    return person === undefined ? [] : [{ hand, person }];
  });
}
