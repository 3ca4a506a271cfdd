import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reaches } from "./check";

const server = { urls: ["turn:h", "turns:h"], username: "u", credential: "c", ttl_s: 60 };

/** A connection that gathers what the test says. */
class FakeConnection {
  static last: FakeConnection;
  onicecandidate: ((event: { candidate: { type: string } | null }) => void) | null = null;
  onicegatheringstatechange: (() => void) | null = null;
  iceGatheringState = "new";
  channels = 0;
  closed = false;
  constructor(readonly configuration: RTCConfiguration) {
    FakeConnection.last = this;
  }
  createDataChannel(): void {
    this.channels += 1;
  }
  async createOffer(): Promise<object> {
    return {};
  }
  async setLocalDescription(): Promise<void> {
    this.iceGatheringState = "gathering";
  }
  close(): void {
    this.closed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const live = (): AbortSignal => new AbortController().signal;

test("an address at the relay is a yes; only one way is tried, and the connection is closed", async () => {
  const reached = reaches(server, "turns:h", live());
  const fake = FakeConnection.last;
  expect(fake.configuration).toEqual({
    iceTransportPolicy: "relay",
    iceServers: [{ urls: ["turns:h"], username: "u", credential: "c" }],
  });
  expect(fake.channels).toBe(1);
  fake.onicecandidate?.({ candidate: { type: "host" } });
  fake.onicecandidate?.({ candidate: { type: "relay" } });
  expect(await reached).toBe(true);
  expect(fake.closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test("gathering that ends without one is a no", async () => {
  const reached = reaches(server, "turn:h", live());
  FakeConnection.last.onicecandidate?.({ candidate: null });
  FakeConnection.last.iceGatheringState = "complete";
  FakeConnection.last.onicegatheringstatechange?.();
  expect(await reached).toBe(false);
  expect(FakeConnection.last.closed).toBe(true);
});

test("so is silence for five seconds, and a page that does not want to know any more", async () => {
  const silent = reaches(server, "turn:h", live());
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await silent).toBe(false);
  const gone = new AbortController();
  const unwanted = reaches(server, "turn:h", gone.signal);
  gone.abort();
  expect(await unwanted).toBe(false);
  expect(FakeConnection.last.closed).toBe(true);
});
