/**
 * Sharing a screen: asking for it, taking it over, pausing it.
 *
 * What the user pauses is dark on this device at once, whatever the network does; the server is told after that.
 */
import type { ErrorBody, Participant, Permission, RequestAnswer, Room, ScreenOutcome } from "../wire/messages";
import { outranks } from "./menu";
import type { Effect, MeetingState, Step } from "./state";
import { ask, nameOf, only } from "./state";
import { toasted } from "./toasts";

/** What matters more in the picture: sharp letters, or smooth motion. */
export type Hint = "detail" | "motion";

export interface Choice {
  audio: boolean;
  hint: Hint;
}

/** How far the wish to share has come. */
export type Attempt =
  | { kind: "none" }
  | { kind: "asking"; choice: Choice; sinceMs: number }
  /** Somebody else shares; `by` is null if that one is not shown. */
  | { kind: "busy"; choice: Choice; by: string | null }
  /** The holder was asked. */
  | { kind: "asked"; choice: Choice; request: string; untilMs: number }
  /** It may be shared, but the browser wants a fresh click before it asks what. */
  | { kind: "granted"; choice: Choice };

/** Somebody who asks for the own share. */
export interface Takeover {
  request: string;
  by: string | null;
  untilMs: number;
}

export interface Sharing {
  attempt: Attempt;
  hint: Hint;
  paused: boolean;
  /** What the server knows of `paused`, and whether it is being told. */
  told: boolean;
  telling: boolean;
  /** How many have it in sight; null until that is told. */
  viewers: number | null;
  takeovers: readonly Takeover[];
}

export const notSharing: Sharing = {
  attempt: { kind: "none" },
  hint: "detail",
  paused: false,
  told: false,
  telling: false,
  viewers: null,
  takeovers: [],
};

/** Browsers open their picker only so long after a click; the shortest of them says 5 s. */
const CLICK_LASTS_MS = 4_000;
/** How long the holder of a share is asked (protocol, `screen.takeover.answered`). */
const ASKED_MS = 60_000;
/** The answer of the server takes a moment longer than the time of the question. */
const LATE_MS = 5_000;

const withShare = (state: MeetingState, change: Partial<Sharing>): MeetingState => ({
  ...state,
  life: { ...state.life, share: { ...state.life.share, ...change } },
});

/** Whether a share of this participant would have to wait for another's, and what can be done about it. */
export type Way = { kind: "free" } | { kind: "taken"; by: Participant | null; takeOver: "none" | "ask" | "now" };

/** Returns what stands before a share, as far as is known here; with `busy` the server has just said that one is on. */
export function wayOf(
  room: Room | null,
  self: Participant | null,
  permissions: ReadonlySet<Permission>,
  holder: Participant | null,
  busy: boolean,
): Way {
  if (room === null || self === null || (holder === null && !busy)) return { kind: "free" };
  // Several may share, but the server says that these are too many.
  if (room.screen === "many") return busy ? { kind: "taken", by: null, takeOver: "none" } : { kind: "free" };
  if (room.screen !== "one_takeover") return { kind: "taken", by: holder, takeOver: "none" };
  const now = holder !== null && permissions.has("screen.takeover") && outranks(self.role, holder.role);
  return { kind: "taken", by: holder, takeOver: now ? "now" : "ask" };
}

/** Returns who shares a screen, others only. */
export const holderOf = (roster: ReadonlyMap<string, Participant>): Participant | null =>
  [...roster.values()].find((one) => one.sources.screen?.published === true) ?? null;

/** Asks the server for leave to share. */
export function askToShare(state: MeetingState, choice: Choice, takeOver: boolean, nowMs: number): Step {
  if (state.link.kind !== "up") return only({ ...state, toasts: toasted(state.toasts, { kind: "offline" }, nowMs) });
  const data = takeOver ? { audio: choice.audio, take_over: true } : { audio: choice.audio };
  return {
    state: withShare(state, { attempt: { kind: "asking", choice, sinceMs: nowMs }, hint: choice.hint }),
    effects: [ask({ type: "screen.start", data })],
  };
}

/** Takes the server's answer. Where leave is given at once the browser asks what to show. */
export function answered(state: MeetingState, audio: boolean, ok: ScreenOutcome, nowMs: number): Step {
  if (state.phase.kind !== "inside") return only(state);
  const { attempt } = state.life.share;
  const choice: Choice = attempt.kind === "asking" ? attempt.choice : { audio, hint: state.life.share.hint };
  if (ok.outcome === "asked") {
    return only(
      withShare(state, { attempt: { kind: "asked", choice, request: ok.request, untilMs: nowMs + ASKED_MS } }),
    );
  }
  const fresh = attempt.kind !== "asking" || nowMs < attempt.sinceMs + CLICK_LASTS_MS;
  return fresh ? pick(state, choice) : only(withShare(state, { attempt: { kind: "granted", choice } }));
}

/** Opens the browser's picker. */
function pick(state: MeetingState, choice: Choice): Step {
  return {
    state: { ...withShare(state, { attempt: { kind: "none" }, hint: choice.hint }), picking: true },
    effects: [{ kind: "captureScreen", ...choice }],
  };
}

/** Takes the click that a granted share waits for. */
export function picked(state: MeetingState): Step {
  const { attempt } = state.life.share;
  return attempt.kind === "granted" ? pick(state, attempt.choice) : only(state);
}

/** Opens the picker again for another window or tab; the share goes on until one is chosen. */
export function switched(state: MeetingState): Step {
  const { screen, screen_audio } = state.publishing.sources;
  if (screen.capture !== "running" || state.picking) return only(state);
  const audio = screen_audio.capture === "running";
  return {
    state: { ...state, picking: true },
    effects: [{ kind: "captureScreen", audio, hint: state.life.share.hint }],
  };
}

/** Takes the server's no. */
export function refused(state: MeetingState, error: ErrorBody): Step {
  const { attempt } = state.life.share;
  const none = withShare(state, { attempt: { kind: "none" } });
  if (error.code === "busy" && attempt.kind === "asking") {
    return only(withShare(state, { attempt: { kind: "busy", choice: attempt.choice, by: error.by ?? null } }));
  }
  if (error.code === "busy") return only({ ...none, notice: { kind: "screenBusy" } });
  if (error.code === "rate_limited" || error.code === "conflict") {
    return only({ ...none, notice: { kind: "notPublished", source: "screen", code: error.code } });
  }
  return only({ ...none, notice: { kind: "forbidden", source: "screen" } });
}

/** Takes that the user does not want to share after all. */
export function cancelled(state: MeetingState): Step {
  const { attempt } = state.life.share;
  // The server holds a place for the screen that will not come.
  const held = attempt.kind === "granted" && state.link.kind === "up";
  return {
    state: withShare(state, { attempt: { kind: "none" } }),
    effects: held ? [ask({ type: "media.unpublish", data: { source: "screen" } })] : [],
  };
}

/** Takes the holder's answer to the question for its share. */
export function takeoverAnswered(state: MeetingState, request: string, granted: boolean, nowMs: number): Step {
  const { attempt } = state.life.share;
  if (attempt.kind !== "asked" || attempt.request !== request) {
    // Nobody waits for it any more: the place is given back.
    const back = granted && attempt.kind === "none" && !state.picking;
    return { state, effects: back ? [ask({ type: "media.unpublish", data: { source: "screen" } })] : [] };
  }
  if (granted) return only(withShare(state, { attempt: { kind: "granted", choice: attempt.choice } }));
  const toasts = toasted(state.toasts, { kind: "shareKept" }, nowMs);
  return only({ ...withShare(state, { attempt: { kind: "none" } }), toasts });
}

/** Takes that somebody asks for the own share. */
export function takeoverRequested(
  state: MeetingState,
  asked: { request: string; by: string | null; expires_s: number },
  nowMs: number,
): Step {
  const takeover: Takeover = {
    request: asked.request,
    by: nameOf(state, asked.by),
    untilMs: nowMs + asked.expires_s * 1_000,
  };
  const { takeovers } = state.life.share;
  return only(withShare(state, { takeovers: [...takeovers.filter((one) => one.request !== asked.request), takeover] }));
}

/** Answers somebody who asks for the own share. */
export function answerTakeover(state: MeetingState, request: string, answer: RequestAnswer): Step {
  const { takeovers } = state.life.share;
  if (!takeovers.some((one) => one.request === request)) return only(state);
  return {
    state: withShare(state, { takeovers: takeovers.filter((one) => one.request !== request) }),
    effects: [ask({ type: "screen.takeover.reply", data: { request, answer } })],
  };
}

/** Stops or restarts the own picture and its sound, at once on this device when it is stopped. */
export function pause(state: MeetingState, on: boolean): Step {
  const { share } = state.life;
  if (state.publishing.sources.screen.capture !== "running" || share.paused === on) return only(state);
  return { state: withShare(state, { paused: on }), effects: on ? lit(state, false) : [] };
}

/** Takes the server's word on a pause: only then is anything shown again. */
export function pauseAnswered(state: MeetingState, on: boolean): Step {
  const next = withShare(state, { telling: false, told: on });
  return { state: next, effects: !on && !state.life.share.paused ? lit(state, true) : [] };
}

/** Takes the server's no to a pause: what is dark here stays dark. */
export const pauseRefused = (state: MeetingState, on: boolean): MeetingState =>
  withShare(state, { telling: false, paused: true, told: on || state.life.share.told });

function lit(state: MeetingState, on: boolean): Effect[] {
  return (["screen", "screen_audio"] as const)
    .filter((source) => state.publishing.sources[source].capture === "running")
    .map((source): Effect => ({ kind: "enable", source, on }));
}

/** Changes what matters in the picture that is shared. */
export function hinted(state: MeetingState, hint: Hint): Step {
  if (state.life.share.hint === hint) return only(state);
  const running = state.publishing.sources.screen.capture === "running";
  return { state: withShare(state, { hint }), effects: running ? [{ kind: "screenHint", hint }] : [] };
}

/** Forgets questions that went down with the link. */
export function linkLost(sharing: Sharing): Sharing {
  const asking = sharing.attempt.kind === "asking";
  if (!asking && !sharing.telling) return sharing;
  return { ...sharing, attempt: asking ? { kind: "none" } : sharing.attempt, telling: false };
}

/** Drops questions that can no longer be answered. Returns `sharing` itself when nothing is dropped. */
export function expired(sharing: Sharing, nowMs: number): Sharing {
  const { attempt, takeovers } = sharing;
  const late = attempt.kind === "asked" && nowMs >= attempt.untilMs + LATE_MS;
  const over = takeovers.some((one) => nowMs >= one.untilMs);
  if (!late && !over) return sharing;
  return {
    ...sharing,
    attempt: late ? { kind: "none" } : attempt,
    takeovers: takeovers.filter((one) => nowMs < one.untilMs),
  };
}

/** Brings the server in line with the pause, and forgets it all when the share is over. */
export function reconcile(state: MeetingState, reachable: boolean): Step {
  const { share } = state.life;
  const { screen } = state.publishing.sources;
  if (screen.capture !== "running" && screen.publication.kind !== "live") {
    const stale = share.paused || share.told || share.telling || share.viewers !== null || share.takeovers.length > 0;
    if (!stale) return only(state);
    return only(withShare(state, { paused: false, told: false, telling: false, viewers: null, takeovers: [] }));
  }
  const due = reachable && screen.publication.kind === "live" && !share.telling && share.paused !== share.told;
  if (!due) return only(state);
  return {
    state: withShare(state, { telling: true }),
    effects: [ask({ type: "screen.pause", data: { on: share.paused } })],
  };
}
