/** The peer connection as the core sees it: its generation, its negotiation, its health. */
import type { ErrorBody, MediaAnswer, Rid, Source } from "../wire/messages";
import * as own from "./publishing";
import { candidatePorts, found, lost, relayOnly } from "./relay";
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
    ...lost(state, nowMs),
    generation,
    resume: state.resume === null ? null : { ...state.resume, generation },
    transport: { kind: "offering", sinceMs: nowMs, relayOnly: relayOnly(state) },
    audioMids: [],
    slots: noSlots,
    wish: { ...state.wish, sent: null },
  };
  return { state: next, effects: [{ kind: "openTransport", generation }] };
}

export function offerAnswered(state: MeetingState, ok: MediaAnswer, nowMs: number): Step {
  if (ok.generation !== state.generation) return only(state);
  const { transport } = state;
  const effects: Effect[] = [{ kind: "answer", generation: ok.generation, sdp: ok.sdp }];
  if (transport.kind !== "offering") return { state, effects };
  const layers = Object.entries(state.layers) as [Source, readonly Rid[]][];
  effects.push(...own.reattach(state.publishing));
  effects.push(...layers.map(([source, active]): Effect => ({ kind: "layers", source, active })));
  const next: MeetingState = {
    ...state,
    transport: {
      kind: "answered",
      ice: "connecting",
      sinceMs: nowMs,
      restartedAtMs: nowMs,
      relayOnly: transport.relayOnly,
      ports: candidatePorts(ok.sdp),
    },
    audioMids: ok.slots.audio,
  };
  return { state: next, effects };
}

export function offerFailed(state: MeetingState, error: ErrorBody, nowMs: number): Step {
  const { transport } = state;
  const wait = error.retry_after_s;
  // A refused restart leaves the connection as it was, which is worth something while it carries media.
  if (transport.kind === "answered" && (transport.ice === "connected" || wait === undefined)) return only(state);
  if (wait === undefined) return mediaLost(state);
  return only({ ...state, transport: { kind: "barred", untilMs: nowMs + wait * 1_000 } });
}

export function ice(state: MeetingState, generation: number, now: string, nowMs: number): Step {
  if (generation !== state.generation || state.transport.kind !== "answered") return only(state);
  const { transport } = state;
  if (now === "connected" || now === "connecting") {
    const next = now === "connected" ? found(state) : state;
    return transport.ice === now
      ? only(next)
      : only({ ...next, transport: { ...transport, ice: now, sinceMs: nowMs } });
  }
  // `failed` needs no patience.
  const sinceMs =
    now === "failed" ? nowMs - ICE_PATIENCE_MS : transport.ice === "interrupted" ? transport.sinceMs : nowMs;
  return only({ ...lost(state, nowMs), transport: { ...transport, ice: "interrupted", sinceMs } });
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

/** Whether a new peer connection is due: the room or the user chose otherwise, or the server takes offers again. */
export function openDue(state: MeetingState, nowMs: number): boolean {
  const { transport, link, phase } = state;
  if (link.kind !== "up" || phase.kind !== "inside") return false;
  if (transport.kind === "barred") return nowMs >= transport.untilMs;
  return transport.kind === "answered" && transport.relayOnly !== relayOnly(state);
}

/** Gives up on media: the meeting goes on without it. Who was told what would help keeps that. */
export function mediaLost(state: MeetingState): Step {
  const notice = state.notice?.kind === "noPath" ? state.notice : ({ kind: "mediaLost" } as const);
  return {
    state: { ...state, transport: { kind: "closed" }, pathless: null, notice },
    effects: [{ kind: "closeTransport" }],
  };
}
