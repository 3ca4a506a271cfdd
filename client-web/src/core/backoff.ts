/** The first wait between two attempts to reach the server, and the longest one (protocol, section 9). */
const FIRST_MS = 300;
const LONGEST_MS = 8_000;

/**
 * Returns how long to wait before attempt `attempt` (1 is the first one after a loss).
 *
 * The wait doubles from 0.3 s to 8 s; `random` in 0..1 takes off up to half of it, so that clients which lost the same
 * server do not return in step. Never below 0.3 s.
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.max(0, attempt - 1));
  return Math.max(FIRST_MS, Math.round(ceiling * (1 - random / 2)));
}
