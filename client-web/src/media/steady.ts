/**
 * Ticks that come on time in a hidden page too. Browsers slow the timers of such a page down to one a minute, and the
 * lobby takes somebody who is silent for 25 s for gone; a worker's timers keep their pace.
 */
export class SteadyTicks {
  readonly #tick: () => void;
  #worker: Worker | null = null;
  /** Whether the browser gives no worker: the page's own timer has to do. */
  #none = false;

  constructor(tick: () => void) {
    this.#tick = tick;
  }

  /** Begins or ends the ticks. */
  run(on: boolean): void {
    if (!on) return this.close();
    if (this.#worker !== null || this.#none) return;
    try {
      this.#worker = new Worker(new URL("./pacer.ts", import.meta.url), { type: "module" });
      this.#worker.onmessage = () => this.#tick();
      this.#worker.onerror = () => {
        this.#none = true;
        this.close();
      };
    } catch {
      this.#none = true;
    }
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}
