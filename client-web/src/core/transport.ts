/** The peer connection as the core sees it: its generation, its negotiation, its health. */
import type { ErrorBody, MediaAnswer, Rid, Source } from "../wire/messages";
import * as own from "./publishing";
import { noSlots } from "./slots";
import type { Effect, MeetingState, Step } from "./state";
import { only } from "./state";

/** ICE may find another path by itself within this time (protocol, section 9). */
const ICE_PATIENCE_MS = 2_000;
/** The server takes six offers a minute. */
const ICE_RESTART_EVERY_MS = 11_000;

/** Opens the next peer connection; publications and wishes outlive the old one. */
export function openTransport(state: MeetingState, nowMs: number): Step {
  const generation = state.generation + 1;
  const next: MeetingState = {
    ...state,
    generation,
    resume: state.resume === null ? null : { ...state.resume, generation },
    transport: { kind: "offering", sinceMs: nowMs },
    audioMids: [],
    slots: noSlots,
    wish: { ...state.wish, sent: null },
  };
  return { state: next, effects: [{ kind: "openTransport", generation }] };
}

export function offerAnswered(state: MeetingState, ok: MediaAnswer, nowMs: number): Step {
  if (ok.generation !== state.generation) return only(state);
  const first = state.transport.kind !== "answered";
  const effects: Effect[] = [{ kind: "answer", generation: ok.generation, sdp: ok.sdp }];
  if (!first) return { state, effects };
  const layers = Object.entries(state.layers) as [Source, readonly Rid[]][];
  effects.push(...own.reattach(state.publishing));
  effects.push(...layers.map(([source, active]): Effect => ({ kind: "layers", source, active })));
  const next: MeetingState = {
    ...state,
    transport: { kind: "answered", ice: "connecting", sinceMs: nowMs, restartedAtMs: nowMs },
    audioMids: ok.slots.audio,
  };
  return { state: next, effects };
}

export function offerFailed(state: MeetingState, error: ErrorBody, nowMs: number): Step {
  if (state.transport.kind === "answered") return only(state);
  const wait = error.retry_after_s;
  if (wait === undefined) return mediaLost(state);
  // Try again once the server takes offers: `ice` state is the only timer there is, so the transport waits as if cut.
  const transport = {
    kind: "answered",
    ice: "interrupted",
    sinceMs: nowMs + wait * 1_000,
    restartedAtMs: nowMs,
  } as const;
  return only({ ...state, transport });
}

export function ice(state: MeetingState, generation: number, now: string, nowMs: number): Step {
  if (generation !== state.generation || state.transport.kind !== "answered") return only(state);
  const { transport } = state;
  if (now === "connected" || now === "connecting") {
    return transport.ice === now
      ? only(state)
      : only({ ...state, transport: { ...transport, ice: now, sinceMs: nowMs } });
  }
  // `failed` needs no patience.
  const sinceMs =
    now === "failed" ? nowMs - ICE_PATIENCE_MS : transport.ice === "interrupted" ? transport.sinceMs : nowMs;
  return only({ ...state, transport: { ...transport, ice: "interrupted", sinceMs } });
}

export function iceRestartDue(state: MeetingState, nowMs: number): boolean {
  const { transport, link } = state;
  return (
    transport.kind === "answered" &&
    transport.ice === "interrupted" &&
    link.kind === "up" &&
    nowMs >= transport.sinceMs + ICE_PATIENCE_MS &&
    nowMs >= transport.restartedAtMs + ICE_RESTART_EVERY_MS
  );
}

/** Gives up on media: the meeting goes on without it. */
export function mediaLost(state: MeetingState): Step {
  return {
    state: { ...state, transport: { kind: "closed" }, notice: { kind: "mediaLost" } },
    effects: [{ kind: "closeTransport" }],
  };
}
