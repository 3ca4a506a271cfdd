/** What the user and the devices do to the own tracks. */
import type { Source } from "../wire/messages";
import { publishControl } from "./controls";
import * as own from "./publishing";
import type { CaptureFailure, Effect, MeetingState, Notice, Step } from "./state";
import { ask, entered, only } from "./state";
import { toasted } from "./toasts";

export function want(state: MeetingState, source: "microphone" | "camera", on: boolean, nowMs: number): Step {
  if (on && state.phase.kind === "inside" && !state.permissions.has(own.PERMISSION[source])) {
    return explain(state, source, nowMs);
  }
  const publishing = own.update(state.publishing, source, { wanted: on });
  // Switching on outside a meeting is the gesture that starts the preview.
  const preview = publishing.preview || (on && !entered(state));
  const effects: Effect[] = source === "microphone" ? [{ kind: "enable", source, on }] : [];
  return { state: { ...state, publishing: { ...publishing, preview } }, effects };
}

/** Says why a source cannot be switched on. */
export function explain(state: MeetingState, source: Source, nowMs: number): Step {
  const control = publishControl(source, state);
  const why = control.kind === "greyed" ? control.why : null;
  return { state: { ...state, toasts: toasted(state.toasts, { kind: "forbidden", source, why }, nowMs) }, effects: [] };
}

export function recapture(state: MeetingState, source: "microphone" | "camera"): Step {
  const running = state.publishing.sources[source].capture === "running";
  return { state, effects: running ? [{ kind: "capture", sources: [source] }] : [] };
}

export function captured(state: MeetingState, sources: readonly Source[]): Step {
  const isScreen = (source: Source): boolean => source === "screen" || source === "screen_audio";
  const shared = sources.some(isScreen);
  if (shared && !maySend(state)) return tooLate(state, sources.filter(isScreen));
  let { publishing } = state;
  const effects: Effect[] = [];
  // Another window was chosen, and it has no sound: that of the former one ends.
  if (shared && !sources.includes("screen_audio")) {
    const silenced = own.stop(publishing, "screen_audio");
    ({ publishing } = silenced);
    effects.push(...silenced.effects);
  }
  for (const source of sources) {
    const screen = isScreen(source);
    publishing = own.update(publishing, source, { capture: "running", ...(screen ? { wanted: true } : {}) });
    const { wanted, publication } = publishing.sources[source];
    effects.push({ kind: "enable", source, on: wanted && !(screen && state.life.share.paused) });
    if (wanted && publication.kind === "live" && !publication.muted) effects.push({ kind: "attach", source });
  }
  return { state: { ...state, publishing, picking: state.picking && !shared }, effects };
}

/** Whether a screen that was just chosen was chosen for this stay, and may be shown in it. */
const maySend = (state: MeetingState): boolean =>
  state.phase.kind === "inside" && state.picking && state.permissions.has(own.PERMISSION.screen);

const asks = (state: MeetingState): boolean => state.phase.kind === "inside" && state.link.kind === "up";

/** Gives a screen back that was chosen after the stay, or the right to show it, had ended. */
function tooLate(state: MeetingState, sources: readonly Source[]): Step {
  const publishing = sources.reduce(
    (all, source) => own.update(all, source, { wanted: false, capture: "none" }),
    state.publishing,
  );
  const effects = sources.map((source): Effect => ({ kind: "release", source }));
  // The server may still hold the place of the screen that does not come.
  if (asks(state)) {
    effects.push(ask({ type: "media.unpublish", data: { source: "screen" } }));
  }
  return { state: { ...state, publishing, picking: false }, effects };
}

export function captureFailed(state: MeetingState, source: Source, reason: CaptureFailure): Step {
  // No other window was chosen after all: the share goes on as it is.
  const goesOn = state.picking && reason !== "ended" && state.publishing.sources.screen.capture === "running";
  if (source === "screen" && goesOn) {
    return only({ ...state, picking: false, notice: noticeOf(state, source, reason) });
  }
  const { publishing, effects } = own.stop(state.publishing, source);
  const all: Effect[] = [...effects];
  // The server holds a place for the screen that will not come.
  if (source === "screen" && publishing.sources.screen.publication.kind === "off" && asks(state)) {
    all.push(ask({ type: "media.unpublish", data: { source } }));
  }
  if (source === "screen") {
    const sound = own.stop(publishing, "screen_audio");
    return {
      state: { ...state, publishing: sound.publishing, picking: false, notice: noticeOf(state, source, reason) },
      effects: [...all, ...sound.effects],
    };
  }
  return { state: { ...state, publishing, notice: noticeOf(state, source, reason) }, effects: all };
}

export function noticeOf(state: MeetingState, source: Source, reason: CaptureFailure): Notice | null {
  const silent = reason === "cancelled" || ((source === "screen" || source === "screen_audio") && reason === "ended");
  if (silent) return state.notice;
  const last = state.notice;
  // Asked for together, refused together: one after the other would hide the first.
  if (reason === "denied" && last?.kind === "device" && last.reason === "denied") {
    const both = new Set<Source>([source, last.source]);
    if (both.has("microphone") && both.has("camera")) return { kind: "bothDenied" };
  }
  return { kind: "device", source, reason };
}

export function stopScreen(state: MeetingState): Step {
  const { publishing, effects } = own.stopScreen(state.publishing);
  return { state: { ...state, publishing }, effects };
}
