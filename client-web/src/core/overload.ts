/** Whether sound processing keeps up with the sound: what the audio clock says against what the wall clock says. */
export interface Load {
  last: { nowMs: number; audioMs: number } | null;
  /** Windows in a row in which it did not. */
  late: number;
}

export const noLoad: Load = { last: null, late: 0 };

/** Below this share of the time, sound is missing audibly. */
const LEAST_SHARE = 0.93;
const LATE_MOST = 3;
/** A page that was asleep for longer than this did not measure anything. */
const WINDOW_MOST_MS = 6_000;

/** Takes both clocks once in about two seconds. */
export function measure(load: Load, nowMs: number, audioMs: number): Load {
  const { last } = load;
  const elapsed = last === null ? 0 : nowMs - last.nowMs;
  if (last === null || elapsed <= 0 || elapsed > WINDOW_MOST_MS) return { last: { nowMs, audioMs }, late: 0 };
  const late = (audioMs - last.audioMs) / elapsed < LEAST_SHARE;
  return { last: { nowMs, audioMs }, late: late ? load.late + 1 : 0 };
}

/** Whether it has not kept up for long enough to give up. */
export const overloaded = (load: Load): boolean => load.late >= LATE_MOST;
