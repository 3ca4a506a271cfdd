import { afterEach, expect, test, vi } from "vitest";
import { Steady } from "./steady";

class FakeConnection {
  static all: FakeConnection[] = [];
  closed = false;
  constructor() {
    FakeConnection.all.push(this);
  }
  createDataChannel(): { close(): void } {
    return { close: () => undefined };
  }
  setLocalDescription(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {
    this.closed = true;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
  FakeConnection.all = [];
});

test("one channel is held for as long as it is wanted", () => {
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  const steady = new Steady();
  steady.hold(false);
  expect(FakeConnection.all).toHaveLength(0);
  steady.hold(true);
  steady.hold(true);
  expect(FakeConnection.all.map((one) => one.closed)).toEqual([false]);
  steady.hold(false);
  steady.close();
  expect(FakeConnection.all.map((one) => one.closed)).toEqual([true]);
});

test("a browser without such connections is no error", () => {
  vi.stubGlobal("RTCPeerConnection", undefined);
  expect(() => new Steady().hold(true)).not.toThrow();
});
