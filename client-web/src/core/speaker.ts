/** Who is heard, and who is the one speaker, with hysteresis so that a cough does not move the large picture. */
export interface Loudness {
  participant: string;
  /** 0 to 127, larger is louder. */
  level: number;
}

export interface Speakers {
  /** Everybody heard just now. */
  heard: readonly string[];
  /** The one for the large place; stays after silence until somebody else speaks. */
  active: string | null;
  /** Who would become active, and since when. */
  candidate: { participant: string; sinceMs: number } | null;
}

/** About -80 dBov: room noise after the browser's noise suppression stays below. */
const AUDIBLE_LEVEL = 47;
const HYSTERESIS_MS = 500;

export const silence: Speakers = { heard: [], active: null, candidate: null };

/** Takes a `speakers` push. */
export function hear(state: Speakers, nowMs: number, levels: readonly Loudness[]): Speakers {
  const audible = levels.filter((one) => one.level >= AUDIBLE_LEVEL).sort((a, b) => b.level - a.level);
  const loudest = audible[0]?.participant ?? null;
  const candidate =
    loudest === null || loudest === state.active
      ? null
      : state.candidate?.participant === loudest
        ? state.candidate
        : { participant: loudest, sinceMs: nowMs };
  return settle({ ...state, heard: audible.map((one) => one.participant), candidate }, nowMs);
}

/** Makes the candidate active once it was the loudest for long enough. Returns `state` itself when nothing changes. */
export function settle(state: Speakers, nowMs: number): Speakers {
  if (state.candidate === null) return state;
  const due = state.active === null || nowMs >= state.candidate.sinceMs + HYSTERESIS_MS;
  return due ? { ...state, active: state.candidate.participant, candidate: null } : state;
}

/** Takes the leaving of a participant. */
export function forget(state: Speakers, participant: string): Speakers {
  return {
    heard: state.heard.filter((one) => one !== participant),
    active: state.active === participant ? null : state.active,
    candidate: state.candidate?.participant === participant ? null : state.candidate,
  };
}
