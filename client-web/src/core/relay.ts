/** The relay as the core sees it: its credential, what is tried first, and what to say when no way leads to the server. */
import type { ErrorBody, IceServer } from "../wire/messages";
import type { Effect, MeetingState, Step } from "./state";
import { ask, only } from "./state";

/** A way through the relay. `tls` looks like web pages to whatever stands between. */
export const WAYS = ["udp", "tcp", "tls"] as const;
export type Way = (typeof WAYS)[number];

/** Renewed when this share of its life is over: what fails then has two more minutes to succeed. */
const RENEWED_AT = 2 / 3;
/** The server takes ten a minute. */
const RENEW_AGAIN_MS = 10_000;
const RENEW_AGAIN_MS_MOST = 60_000;
/** A live link answers long before. */
const UNANSWERED_MS = 15_000;
/** Without a way for so long, the ways that are left out at first are tried too. A slow line may need some seconds. */
const WIDEN_AFTER_MS = 7_000;
/** Without a way for so long, the user is told what would help. */
const TELL_AFTER_MS = 15_000;

/** The renewal of the credential; `none` where there is no relay. */
export type Renewal =
  | { kind: "none" }
  | { kind: "due"; atMs: number; failures: number }
  | { kind: "asked"; sinceMs: number; failures: number };

export interface Relay {
  /** Whether the user wants the relay and nothing else, whatever the room says. */
  own: boolean;
  renewal: Renewal;
}

export const noRelay: Relay = { own: false, renewal: { kind: "none" } };

/** Since when nothing reaches the server's media, whether all ways are tried, and whether the user was told. */
export interface Pathless {
  sinceMs: number;
  widened: boolean;
  told: boolean;
}

/** Whether media may only go through the relay: by the room, or by the user's own choice. */
export const relayOnly = (state: Pick<MeetingState, "relay" | "room">): boolean =>
  state.relay.own || state.room?.relay_only === true;

// Addresses.

interface Parsed {
  way: Way;
  host: string;
  port: number;
}

/** Takes a `turn:` or `turns:` URL apart (RFC 7065); null for what is none. */
export function parseUrl(url: string): Parsed | null {
  const [, scheme, host, port, transport] =
    /^(turns?):(\[[^\]]+\]|[^:?[\]]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i.exec(url) ?? [];
  if (scheme === undefined || host === undefined) return null;
  const secure = scheme.toLowerCase() === "turns";
  if (secure && transport?.toLowerCase() === "udp") return null;
  const way = secure ? "tls" : transport?.toLowerCase() === "tcp" ? "tcp" : "udp";
  return { way, host, port: port === undefined ? (secure ? 5349 : 3478) : Number(port) };
}

/**
 * Returns what is to be tried first: TCP without TLS is left out where TLS has the same port.
 *
 * Both reach as far, but a network that looks into its traffic cuts what is no TLS, perhaps only after a while, and a
 * browser that has both takes the plain one. Where TLS fails, the other is tried {@link WIDEN_AFTER_MS} later.
 */
export function firstChoice(servers: readonly IceServer[]): readonly IceServer[] {
  const parsed = servers.flatMap((server) => server.urls.flatMap((url) => parseUrl(url) ?? []));
  const isDouble = (url: string): boolean => {
    const one = parseUrl(url);
    return (
      one?.way === "tcp" && parsed.some((two) => two.way === "tls" && two.host === one.host && two.port === one.port)
    );
  };
  return servers.map((server) => ({ ...server, urls: server.urls.filter((url) => !isDouble(url)) }));
}

/** What a peer connection is to use at present. A browser refuses the whole list for one URL that it cannot read. */
export function usable(state: Pick<MeetingState, "iceServers" | "pathless">): readonly IceServer[] {
  const servers = state.pathless?.widened === true ? state.iceServers : firstChoice(state.iceServers);
  return servers
    .map((server) => ({ ...server, urls: server.urls.filter((url) => parseUrl(url) !== null) }))
    .filter(({ urls }) => urls.length > 0);
}

/** Returns the UDP ports of the candidates in an SDP answer. */
export function candidatePorts(sdp: string): readonly number[] {
  const ports = [...sdp.matchAll(/^a=candidate:\S+ \d+ udp \d+ \S+ (\d+) /gim)].map(([, port]) => Number(port));
  return [...new Set(ports)];
}

/** Names what a network has to let through, at least one of it; empty where nothing could help. */
export function neededPorts(state: MeetingState): readonly string[] {
  const direct = state.transport.kind === "answered" && !relayOnly(state) ? state.transport.ports : [];
  return [...new Set([...state.iceServers.flatMap(portsOf), ...direct.map((port) => `UDP ${port}`)])];
}

/** Names the ports of a relay, UDP first. */
export function portsOf(server: IceServer): readonly string[] {
  const parsed = server.urls.flatMap((url) => parseUrl(url) ?? []);
  const udp = parsed.filter((one) => one.way === "udp").map((one) => `UDP ${one.port}`);
  const tcp = parsed.filter((one) => one.way !== "udp").map((one) => `TCP ${one.port}`);
  return [...new Set([...udp, ...tcp])];
}

// The credential.

/** Takes a new credential at `nowMs`. */
export function credited(servers: readonly IceServer[], nowMs: number): Renewal {
  if (servers.length === 0) return { kind: "none" };
  const ttlMs = Math.min(...servers.map((server) => server.ttl_s)) * 1_000;
  return { kind: "due", atMs: nowMs + Math.max(RENEW_AGAIN_MS, ttlMs * RENEWED_AT), failures: 0 };
}

/** Has the credential renewed at the next occasion: the clock stood still, or the page was away. */
export function doubted(relay: Relay, nowMs: number): Relay {
  return relay.renewal.kind === "none" ? relay : { ...relay, renewal: { kind: "due", atMs: nowMs, failures: 0 } };
}

/** Takes a new credential for the connection that runs and for those to come. */
export function renewed(state: MeetingState, servers: readonly IceServer[], nowMs: number): Step {
  return {
    state: { ...state, iceServers: servers, relay: { ...state.relay, renewal: credited(servers, nowMs) } },
    effects: [{ kind: "configure" }],
  };
}

/** Takes that there is no new credential: it is asked for again, ever more seldom. */
export function notRenewed(state: MeetingState, error: ErrorBody | null, nowMs: number): MeetingState {
  const { renewal } = state.relay;
  if (renewal.kind !== "asked") return state;
  const failures = renewal.failures + 1;
  const waitMs = Math.min(RENEW_AGAIN_MS_MOST, RENEW_AGAIN_MS * 2 ** (failures - 1));
  const atMs = nowMs + Math.max(waitMs, (error?.retry_after_s ?? 0) * 1_000);
  return { ...state, relay: { ...state.relay, renewal: { kind: "due", atMs, failures } } };
}

function renew(state: MeetingState, nowMs: number): Step {
  const { renewal } = state.relay;
  if (state.phase.kind !== "inside" || state.link.kind !== "up" || renewal.kind === "none") return only(state);
  if (renewal.kind === "asked") {
    return only(nowMs >= renewal.sinceMs + UNANSWERED_MS ? notRenewed(state, null, nowMs) : state);
  }
  if (nowMs < renewal.atMs) return only(state);
  const { failures } = renewal;
  return {
    state: { ...state, relay: { ...state.relay, renewal: { kind: "asked", sinceMs: nowMs, failures } } },
    effects: [ask({ type: "turn.refresh", data: {} })],
  };
}

// The way.

/** Takes that a way was found. */
export function found(state: MeetingState): MeetingState {
  if (state.pathless === null) return state;
  return { ...state, pathless: null, notice: state.notice?.kind === "noPath" ? null : state.notice };
}

/** Takes that there is no way, at first or any more. */
export const lost = (state: MeetingState, nowMs: number): MeetingState =>
  state.pathless === null ? { ...state, pathless: { sinceMs: nowMs, widened: false, told: false } } : state;

const urlCount = (servers: readonly IceServer[]): number => servers.flatMap(({ urls }) => urls).length;

/** Tries harder, and in the end says so. */
function search(state: MeetingState, nowMs: number): Step {
  const { pathless, transport } = state;
  if (pathless === null || transport.kind !== "answered" || state.link.kind !== "up") return only(state);
  let next = state;
  const effects: Effect[] = [];
  const searchedMs = nowMs - Math.max(pathless.sinceMs, transport.restartedAtMs);
  if (!pathless.widened && searchedMs >= WIDEN_AFTER_MS) {
    next = { ...next, pathless: { ...pathless, widened: true } };
    // What is interrupted is restarted anyway.
    if (transport.ice === "connecting" && urlCount(state.iceServers) > urlCount(firstChoice(state.iceServers))) {
      next = { ...next, transport: { ...transport, restartedAtMs: nowMs } };
      effects.push({ kind: "restartIce" });
    }
  } else if (!pathless.told && nowMs >= pathless.sinceMs + TELL_AFTER_MS) {
    const notice = { kind: "noPath", ports: neededPorts(state) } as const;
    next = { ...next, pathless: { ...pathless, told: true }, notice };
  }
  return { state: next, effects };
}

/** Lets time pass. Returns the state itself when nothing changes. */
export function tick(state: MeetingState, nowMs: number): Step {
  const asked = renew(state, nowMs);
  const searched = search(asked.state, nowMs);
  return { state: searched.state, effects: [...asked.effects, ...searched.effects] };
}
