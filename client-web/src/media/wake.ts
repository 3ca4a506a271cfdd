/** Keeps the screen of a phone on during a meeting. */

/** Holds the screen awake until `signal` aborts; the system takes the lock when the page is hidden, so it is taken anew. */
export function keepAwake(signal: AbortSignal): void {
  if (!("wakeLock" in navigator) || !matchMedia("(pointer: coarse)").matches) return;
  let lock: WakeLockSentinel | null = null;
  const take = async (): Promise<void> => {
    if (document.visibilityState !== "visible" || signal.aborted) return;
    try {
      const taken = await navigator.wakeLock.request("screen");
      if (signal.aborted) await taken.release();
      else lock = taken;
    } catch {
      // A low battery: the system has other worries.
    }
  };
  document.addEventListener("visibilitychange", () => void take(), { signal });
  signal.addEventListener("abort", () => void lock?.release().catch(() => undefined), { once: true });
  void take();
}
