/** How a meeting ends: the end that is announced, and what a host chooses when it leaves. */
import type { EndingReason, Participant, Permission, SessionEnding } from "../wire/messages";
import { isHost } from "./controls";
import { leads } from "./handover";

/** Seconds that a host may leave people to say goodbye. */
export const COUNTDOWNS_S = [0, 10, 30, 60] as const;

export interface Ending {
  atMs: number;
  reason: EndingReason;
  /** The name of who ends it. */
  by: string | null;
  message: string | null;
  /** Whether the reader has seen it: a limit of time is only a warning. */
  dismissed: boolean;
}

/** Takes the end that is announced, or null that there is none. */
export function announced(push: SessionEnding | null, by: string | null, nowMs: number): Ending | null {
  if (push === null || push.ends_at === null || push.reason === null) return null;
  return { atMs: nowMs + push.in_s * 1_000, reason: push.reason, by, message: push.message, dismissed: false };
}

/** The ways out of a meeting for somebody who could also end it. */
export interface Ways {
  /** Whether the lead can be handed to somebody first. */
  handOver: boolean;
  /** Whether nobody at all stays behind, in the lobby neither. */
  alone: boolean;
  /** Whether hosts or co-hosts stay behind. */
  others: boolean;
  end: boolean;
}

/** Returns what to ask somebody who leaves, or null when there is nothing to ask. */
export function waysOut(
  self: Participant | null,
  permissions: ReadonlySet<Permission>,
  roster: ReadonlyMap<string, Participant>,
  waiting: number,
): Ways | null {
  const end = permissions.has("session.end");
  const handOver = leads(self);
  const alone = roster.size + waiting === 0;
  if (alone ? !end : !end && !handOver) return null;
  return { handOver: handOver && !alone, alone, others: [...roster.values()].some((one) => isHost(one.role)), end };
}
