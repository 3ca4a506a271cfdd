/** Reactions that are shown for a moment. */
import type { Emoji } from "../wire/messages";
import type { Control, Ground } from "./controls";

const SHOWN_MS = 5_000;
/** More at once are a blur; the oldest give way. */
const MOST = 40;
/** Reactions within this time are read out as one. */
const SAY_AFTER_MS = 1_500;

/** What one may react with, as it is offered. */
export const EMOJIS: readonly Emoji[] = Object.keys({
  "👍": 0,
  "👎": 0,
  "👏": 0,
  "❤️": 0,
  "😂": 0,
  "😮": 0,
  "😢": 0,
  "🎉": 0,
  "🤔": 0,
  "👋": 0,
  "🙏": 0,
  "✅": 0,
  "❌": 0,
  "🔥": 0,
} satisfies Record<Emoji, 0>) as Emoji[];

export interface Floating {
  id: number;
  /** Null for somebody who is not shown. */
  participant: string | null;
  emoji: Emoji;
  untilMs: number;
}

export interface Reactions {
  shown: readonly Floating[];
  /** What was not read out yet, and since when. */
  unsaid: readonly { emoji: Emoji; name: string | null }[];
  sinceMs: number;
  nextId: number;
}

export const noReactions: Reactions = { shown: [], unsaid: [], sinceMs: 0, nextId: 1 };

/** Takes a reaction of `name`, which is null for somebody who is not shown. */
export function reacted(
  reactions: Reactions,
  one: { participant: string | null; emoji: Emoji },
  name: string | null,
  nowMs: number,
): Reactions {
  const floating: Floating = { id: reactions.nextId, ...one, untilMs: nowMs + SHOWN_MS };
  return {
    shown: [...reactions.shown, floating].slice(-MOST),
    unsaid: [...reactions.unsaid, { emoji: one.emoji, name }].slice(-MOST),
    sinceMs: reactions.unsaid.length === 0 ? nowMs : reactions.sinceMs,
    nextId: reactions.nextId + 1,
  };
}

export interface Tally {
  emoji: Emoji;
  count: number;
}

/** What is read out: one person's reaction, or how many there were of each. */
export interface Said {
  name: string | null;
  tally: readonly Tally[];
}

/** Drops what was shown long enough and returns what is to be read out. The state is `reactions` itself if nothing changes. */
export function passed(reactions: Reactions, nowMs: number): { reactions: Reactions; said: Said | null } {
  const over = reactions.shown.some((one) => nowMs >= one.untilMs);
  const next = over ? { ...reactions, shown: reactions.shown.filter((one) => nowMs < one.untilMs) } : reactions;
  if (next.unsaid.length === 0 || nowMs < next.sinceMs + SAY_AFTER_MS) return { reactions: next, said: null };
  const counts = new Map<Emoji, number>();
  for (const { emoji } of next.unsaid) counts.set(emoji, (counts.get(emoji) ?? 0) + 1);
  const tally = [...counts].map(([emoji, count]) => ({ emoji, count })).sort((a, b) => b.count - a.count);
  const name = next.unsaid.length === 1 ? (next.unsaid[0]?.name ?? null) : null;
  return { reactions: { ...next, unsaid: [] }, said: { name, tally } };
}

/** Returns how the control for reactions looks. */
export function reactionControl(ground: Ground): Control {
  const { room, self, permissions } = ground;
  if (permissions.has("reaction.send")) return { kind: "usable" };
  if (room === null || self === null) return { kind: "hidden" };
  const taken = ground.overrides.find((one) => one.key === "reaction.send");
  if (taken?.effect === "deny") return { kind: "greyed", why: { reason: "override", until: taken.expires_at } };
  const policy = !room.reactions || (self.role === "viewer" && !room.viewers.reactions);
  return policy ? { kind: "greyed", why: { reason: "policy" } } : { kind: "hidden" };
}
