/**
 * What the statistics of the peer connection say, in few numbers. Nothing else is kept of them: no address, no name, no
 * token can be in what is copied from here, as every field is a number or one of our own words.
 */

/** One row of `getStats()`, of whatever type. */
export type Row = Readonly<Record<string, unknown>>;

export type Path = "udp" | "relayUdp" | "relayTcp" | "relayTls" | "tcp" | "unknown";

export interface Stream {
  direction: "up" | "down";
  kind: "audio" | "video";
  codec: string;
  bps: number;
  width: number | null;
  height: number | null;
  fps: number | null;
}

export interface Diagnosis {
  rttMs: number | null;
  /** Shares from 0 to 1. */
  lossUp: number | null;
  lossDown: number | null;
  jitterMs: number | null;
  upBps: number;
  downBps: number;
  path: Path;
  streams: readonly Stream[];
}

/** The sums of one moment; two of them make a diagnosis. */
export interface Sample {
  atMs: number;
  rows: readonly Row[];
}

const numberOf = (row: Row | undefined, key: string): number | null => {
  const value = row?.[key];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
};
const textOf = (row: Row | undefined, key: string): string => {
  const value = row?.[key];
  return typeof value === "string" ? value : "";
};

const CODECS = ["opus", "vp8", "vp9", "h264", "av1", "red"];

/** Compares two samples; `before` may be null at first, then there are no rates. */
export function diagnose(before: Sample | null, after: Sample): Diagnosis {
  const byId = new Map(after.rows.map((row) => [textOf(row, "id"), row]));
  const old = new Map(before?.rows.map((row) => [textOf(row, "id"), row]));
  const seconds = before === null ? 0 : (after.atMs - before.atMs) / 1_000;
  const grown = (row: Row, key: string): number =>
    Math.max(0, (numberOf(row, key) ?? 0) - (numberOf(old.get(textOf(row, "id")), key) ?? 0));
  const rate = (row: Row, key: string): number => (seconds > 0 ? Math.round((grown(row, key) * 8) / seconds) : 0);
  const of = (type: string): Row[] => after.rows.filter((row) => row["type"] === type);

  const pair = selectedPair(after.rows, byId);
  const received = of("inbound-rtp").filter((row) => grown(row, "packetsReceived") > 0);
  const sent = of("outbound-rtp").filter((row) => grown(row, "bytesSent") > 0);
  const lost = sum(received.map((row) => grown(row, "packetsLost")));
  const arrived = sum(received.map((row) => grown(row, "packetsReceived")));
  const reports = of("remote-inbound-rtp");
  const upLoss = most(reports.map((row) => numberOf(row, "fractionLost")));
  const rtt = numberOf(pair, "currentRoundTripTime") ?? most(reports.map((row) => numberOf(row, "roundTripTime")));
  const jitter = most(received.filter((row) => row["kind"] === "audio").map((row) => numberOf(row, "jitter")));

  const stream = (row: Row, direction: Stream["direction"]): Stream => ({
    direction,
    kind: row["kind"] === "audio" ? "audio" : "video",
    codec: codecOf(byId.get(textOf(row, "codecId"))),
    bps: rate(row, direction === "up" ? "bytesSent" : "bytesReceived"),
    width: numberOf(row, "frameWidth"),
    height: numberOf(row, "frameHeight"),
    fps: numberOf(row, "framesPerSecond"),
  });
  const streams = [...sent.map((row) => stream(row, "up")), ...received.map((row) => stream(row, "down"))];
  const total = (direction: Stream["direction"]): number =>
    sum(streams.filter((one) => one.direction === direction).map((one) => one.bps));
  return {
    rttMs: rtt === null ? null : Math.round(rtt * 1_000),
    lossUp: upLoss,
    lossDown: arrived + lost === 0 ? null : lost / (arrived + lost),
    jitterMs: jitter === null ? null : Math.round(jitter * 1_000),
    upBps: total("up"),
    downBps: total("down"),
    path: pathOf(byId.get(textOf(pair, "localCandidateId"))),
    streams,
  };
}

function selectedPair(rows: readonly Row[], byId: ReadonlyMap<string, Row>): Row | undefined {
  const transport = rows.find((row) => row["type"] === "transport" && row["selectedCandidatePairId"] !== undefined);
  // Firefox marks the pair itself.
  return (
    byId.get(textOf(transport, "selectedCandidatePairId")) ??
    rows.find((row) => row["type"] === "candidate-pair" && (row["selected"] === true || row["nominated"] === true))
  );
}

function pathOf(local: Row | undefined): Path {
  if (local === undefined) return "unknown";
  if (local["candidateType"] === "relay") {
    const relay = textOf(local, "relayProtocol");
    return relay === "tls" ? "relayTls" : relay === "tcp" ? "relayTcp" : "relayUdp";
  }
  return local["protocol"] === "tcp" ? "tcp" : "udp";
}

/** Only a name that we know: the rest of what stands there is not ours to pass on. */
function codecOf(row: Row | undefined): string {
  const name = textOf(row, "mimeType").split("/")[1]?.toLowerCase() ?? "";
  return CODECS.includes(name) ? name : "";
}

const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
const most = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((one) => one !== null);
  return known.length === 0 ? null : Math.max(...known);
};

/** What a user may give away when asking for help. */
export interface Surroundings {
  at: string;
  userAgent: string;
  language: string;
  link: string;
  transport: string;
  layout: string;
  data: string;
  participants: number;
  quality: number | null;
}

/** Returns the text that "copy diagnostics" copies. */
export function diagnosticsText(diagnosis: Diagnosis | null, around: Surroundings): string {
  return JSON.stringify({ ...around, connection: diagnosis }, null, 2);
}
