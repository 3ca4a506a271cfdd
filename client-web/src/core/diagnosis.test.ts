import { expect, test } from "vitest";
import { diagnose, diagnosticsText, type Row } from "./diagnosis";

const rows = (scale: number, local: Row = { candidateType: "host", protocol: "udp" }): Row[] => [
  { id: "T", type: "transport", selectedCandidatePairId: "P" },
  { id: "P", type: "candidate-pair", localCandidateId: "L", currentRoundTripTime: 0.042, nominated: true },
  {
    id: "L",
    type: "local-candidate",
    address: "192.0.2.7",
    ip: "192.0.2.7",
    port: 50123,
    usernameFragment: "secretufrag",
    url: "turn:relay.example.org",
    ...local,
  },
  { id: "C", type: "codec", mimeType: "video/VP8", sdpFmtpLine: "x-private=1" },
  {
    id: "I",
    type: "inbound-rtp",
    kind: "video",
    codecId: "C",
    bytesReceived: 125_000 * scale,
    packetsReceived: 95 * scale,
    packetsLost: 5 * scale,
    frameWidth: 640,
    frameHeight: 360,
    framesPerSecond: 25,
  },
  { id: "J", type: "inbound-rtp", kind: "audio", bytesReceived: 0, packetsReceived: 0, packetsLost: 0 },
  {
    id: "O",
    type: "outbound-rtp",
    kind: "video",
    codecId: "C",
    bytesSent: 62_500 * scale,
    frameWidth: 1280,
    frameHeight: 720,
  },
  { id: "R", type: "remote-inbound-rtp", fractionLost: 0.02, roundTripTime: 0.05 },
];
const two = (local?: Row) => diagnose({ atMs: 1_000, rows: rows(1, local) }, { atMs: 2_000, rows: rows(2, local) });

test("rates, loss and round trip of one second", () => {
  expect(two()).toEqual({
    rttMs: 42,
    lossUp: 0.02,
    lossDown: 0.05,
    jitterMs: null,
    upBps: 500_000,
    downBps: 1_000_000,
    path: "udp",
    streams: [
      { direction: "up", kind: "video", codec: "vp8", bps: 500_000, width: 1280, height: 720, fps: null },
      { direction: "down", kind: "video", codec: "vp8", bps: 1_000_000, width: 640, height: 360, fps: 25 },
    ],
  });
});

test("the way in words", () => {
  expect(two({ candidateType: "relay", protocol: "udp", relayProtocol: "tls" }).path).toBe("relayTls");
  expect(two({ candidateType: "relay", protocol: "udp", relayProtocol: "tcp" }).path).toBe("relayTcp");
  expect(two({ candidateType: "relay", protocol: "udp" }).path).toBe("relayUdp");
  expect(two({ candidateType: "prflx", protocol: "tcp" }).path).toBe("tcp");
});

test("nothing arrives, nothing is known", () => {
  expect(diagnose(null, { atMs: 0, rows: [] })).toEqual({
    rttMs: null,
    lossUp: null,
    lossDown: null,
    jitterMs: null,
    upBps: 0,
    downBps: 0,
    path: "unknown",
    streams: [],
  });
});

test("what is copied holds no address, no credential and no name", () => {
  const text = diagnosticsText(two(), {
    at: "2026-11-22T10:00:00Z",
    userAgent: "A browser",
    language: "en",
    link: "up",
    transport: "connected",
    layout: "auto",
    data: "full",
    participants: 3,
    quality: 3,
  });
  expect(text).not.toMatch(/192\.0\.2|secretufrag|relay\.example|50123|x-private/);
  expect(text).toContain('"rttMs": 42');
});
