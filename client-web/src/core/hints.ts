/** Hints about the own microphone, from its level: who is muted and speaks, and who is on and sends nothing. */
export interface Hints {
  /** For how long there was a voice while muted; it counts down in pauses. */
  spokeMs: number;
  /** Since when an open microphone has been silent. */
  silentSinceMs: number | null;
  heardAtMs: number;
  shown: { kind: "muted" | "silent"; untilMs: number } | null;
  /** No hint of being muted before then: once told, it is known. */
  againAtMs: number;
}

export const noHints: Hints = {
  spokeMs: 0,
  silentSinceMs: null,
  heardAtMs: -Infinity,
  shown: null,
  againAtMs: -Infinity,
};

/** Levels are from 0 (-60 dBFS) to 1 (0 dBFS). Speech before a microphone is above -33 dBFS, a quiet room below -45. */
const VOICE_LEVEL = 0.45;
/** What no open microphone in a room stays below. */
const SILENT_LEVEL = 0.01;
/** A cough is shorter. */
const VOICE_MS = 700;
const SILENT_MS = 10_000;
const SHOWN_MS = 6_000;
const AGAIN_MS = 30_000;

/** Takes the level of the own microphone, some times a second. Returns `state` itself when nothing changes. */
export function listen(state: Hints, nowMs: number, level: number, muted: boolean): Hints {
  const elapsed = Number.isFinite(state.heardAtMs) ? Math.min(500, nowMs - state.heardAtMs) : 0;
  const next = muted ? mutedAt(state, nowMs, elapsed, level) : openAt(state, nowMs, level);
  const shown = next.shown !== null && nowMs >= next.shown.untilMs ? null : next.shown;
  return { ...next, shown, heardAtMs: nowMs };
}

function mutedAt(state: Hints, nowMs: number, elapsed: number, level: number): Hints {
  const spokeMs = Math.max(0, state.spokeMs + (level >= VOICE_LEVEL ? elapsed : -elapsed));
  const shown = state.shown?.kind === "silent" ? null : state.shown;
  if (spokeMs < VOICE_MS || nowMs < state.againAtMs) return { ...state, spokeMs, shown, silentSinceMs: null };
  return {
    ...state,
    spokeMs: 0,
    silentSinceMs: null,
    shown: { kind: "muted", untilMs: nowMs + SHOWN_MS },
    againAtMs: nowMs + AGAIN_MS,
  };
}

function openAt(state: Hints, nowMs: number, level: number): Hints {
  if (level > SILENT_LEVEL) return { ...state, spokeMs: 0, silentSinceMs: null, shown: null };
  const silentSinceMs = state.silentSinceMs ?? nowMs;
  const silent = nowMs >= silentSinceMs + SILENT_MS;
  return { ...state, spokeMs: 0, silentSinceMs, shown: silent ? { kind: "silent", untilMs: Infinity } : null };
}

/** Takes away what is shown; of being muted nothing is said again for a while. */
export const dismiss = (state: Hints): Hints => ({ ...state, shown: null, silentSinceMs: Infinity });
