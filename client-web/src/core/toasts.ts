/** Short messages about what others did and what came of the own deeds. They go by themselves. */
import type { ErrorCode, LobbyOutcome, RequestAnswer, RevokedReason, Role, Source } from "../wire/messages";
import type { Why } from "./controls";
import type { Act } from "./state";

export type ToastText =
  | { kind: "revoked"; source: Source; reason: RevokedReason; by: string | null }
  | { kind: "asked"; who: string; source: Source }
  | { kind: "answered"; who: string; source: Source; answer: RequestAnswer | null }
  | { kind: "muted"; count: number }
  | { kind: "removed"; who: string; removals: number; banned: boolean }
  | { kind: "toLobby"; who: string }
  | { kind: "lobbyResult"; who: string; result: LobbyOutcome; by: string | null }
  | { kind: "admitted"; count: number }
  | { kind: "denied"; count: number }
  | { kind: "role"; role: Role; customRole: string | null; by: string | null }
  | { kind: "right"; source: Source; on: boolean; by: string | null }
  /** The own name changed, by whose hand ever. */
  | { kind: "named"; name: string }
  | { kind: "locked"; on: boolean; by: string | null }
  | { kind: "sourceLocked"; source: Source; on: boolean; by: string | null }
  | { kind: "forbidden"; source: Source; why: Why | null }
  /** Why a control is greyed. */
  | { kind: "why"; why: Why }
  /** Who shares the screen keeps it. */
  | { kind: "shareKept" }
  | { kind: "handedOver"; who: string; answer: RequestAnswer | null; permanent: boolean }
  | { kind: "noHands" }
  | { kind: "chatPrivate"; who: string }
  | { kind: "chatMention"; who: string }
  /** A part of the page could not be loaded. */
  | { kind: "partMissing" }
  /** The rights to the settings went while they were open. */
  | { kind: "deskClosed" }
  | { kind: "offline" }
  | { kind: "refused"; verb: Act["type"] | "chat.export"; code: ErrorCode; retryAfterS: number | null };

export interface Toast {
  id: number;
  text: ToastText;
  untilMs: number;
}

/** Long enough to be read twice. */
const SHOWN_MS = 8_000;
/** More would hide the meeting. */
const MOST = 4;

/** Adds a message in place of one that says the same; the oldest one gives way. */
export function toasted(toasts: readonly Toast[], text: ToastText, nowMs: number): readonly Toast[] {
  const id = 1 + toasts.reduce((most, one) => Math.max(most, one.id), 0);
  const others = toasts.filter((one) => gistOf(one.text) !== gistOf(text));
  return [...others, { id, text, untilMs: nowMs + SHOWN_MS }].slice(-MOST);
}

/** Two messages with the same gist say the same. */
function gistOf(text: ToastText): string {
  // Who was sending hears of each twice: of a lock as a change of the room, of a right as a change of the own rights,
  // and of both as the end of the own publication.
  const rights =
    (text.kind === "revoked" && text.reason === "permission_revoked") || (text.kind === "right" && !text.on);
  if (rights) return JSON.stringify(["rights", text.source === "screen_audio" ? "screen" : text.source, text.by]);
  const locks = (text.kind === "revoked" && text.reason === "locked") || (text.kind === "sourceLocked" && text.on);
  if (!locks) return JSON.stringify(text);
  return JSON.stringify(["locks", text.source === "screen_audio" ? "screen" : text.source, text.by]);
}

/** Drops what was shown long enough. Returns `toasts` itself when nothing is dropped. */
export function expired(toasts: readonly Toast[], nowMs: number): readonly Toast[] {
  return toasts.some((one) => nowMs >= one.untilMs) ? toasts.filter((one) => nowMs < one.untilMs) : toasts;
}
