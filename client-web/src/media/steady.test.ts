import { afterEach, expect, test, vi } from "vitest";
import { SteadyTicks } from "./steady";

class FakeWorker {
  static all: FakeWorker[] = [];
  onmessage: (() => void) | null = null;
  onerror: (() => void) | null = null;
  terminated = false;
  constructor() {
    FakeWorker.all.push(this);
  }
  terminate(): void {
    this.terminated = true;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  FakeWorker.all = [];
});

test("one worker ticks for as long as it is wanted", () => {
  vi.stubGlobal("Worker", FakeWorker);
  const tick = vi.fn();
  const ticks = new SteadyTicks(tick);
  ticks.run(false);
  expect(FakeWorker.all).toHaveLength(0);
  ticks.run(true);
  ticks.run(true);
  FakeWorker.all[0]?.onmessage?.();
  expect(tick).toHaveBeenCalledTimes(1);
  ticks.run(false);
  expect(FakeWorker.all.map((one) => one.terminated)).toEqual([true]);
});

test("a worker that fails is not tried again, and a browser without any is no error", () => {
  vi.stubGlobal("Worker", FakeWorker);
  const ticks = new SteadyTicks(() => undefined);
  ticks.run(true);
  FakeWorker.all[0]?.onerror?.();
  ticks.run(true);
  expect(FakeWorker.all.map((one) => one.terminated)).toEqual([true]);
  vi.unstubAllGlobals();
  expect(() => new SteadyTicks(() => undefined).run(true)).not.toThrow();
});
