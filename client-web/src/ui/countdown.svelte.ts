/** The clock of the page, for texts that count. */

/** Returns the seconds until `atMs` of `performance.now()`, rounded up, 0 when it is over; it changes by itself. */
export function secondsUntil(atMs: () => number | null): () => number {
  let nowMs = $state(performance.now());
  $effect(() => {
    if (atMs() === null) return;
    nowMs = performance.now();
    const timer = setInterval(() => (nowMs = performance.now()), 250);
    return () => clearInterval(timer);
  });
  return () => {
    const at = atMs();
    return at === null ? 0 : Math.max(0, Math.ceil((at - nowMs) / 1_000));
  };
}
