import { describe, expect, test } from "vitest";
import type { IceServer } from "../wire/messages";
import { candidatePorts, firstChoice, parseUrl, portsOf, usable } from "./relay";
import { answer, entering, inside, kinds, media, ok, push, refusal, requestsOf, type Script } from "./script";
import { joined, room } from "./testing";

const URLS = ["turn:meet.example:443?transport=udp", "turn:meet.example:443?transport=tcp", "turns:meet.example:443"];
const server = (credential = "one", ttlS = 600): IceServer => ({
  urls: URLS,
  username: "u",
  credential,
  ttl_s: ttlS,
});

/** Somebody in a meeting with a relay, whose media has a way to the server. */
function relayed(): Script {
  const client = entering();
  client.tell(ok("join", { ...joined(), ice_servers: [server()] }));
  negotiate(client, 1);
  return client;
}

function negotiate(client: Script, generation: number, nowMs?: number): void {
  client.tell({ kind: "offer", generation, sdp: "offer" }, nowMs);
  client.tell(ok("media.offer", { ...answer, generation }));
  client.tell({ kind: "ice", generation, state: "connected" });
}

const refreshed = (credential: string) => ok("turn.refresh", { ice_servers: [server(credential)] });
const refresh = { type: "turn.refresh", data: {} } as const;
const asks = (client: Script, nowMs: number): string[] =>
  requestsOf(client.tell({ kind: "tick" }, nowMs)).map((one) => one.type);

describe("addresses", () => {
  test("of every kind are understood, and nothing else", () => {
    expect(parseUrl("turn:h:443?transport=udp")).toEqual({ way: "udp", host: "h", port: 443 });
    expect(parseUrl("turn:h")).toEqual({ way: "udp", host: "h", port: 3478 });
    expect(parseUrl("TURN:[::1]:3478?transport=TCP")).toEqual({ way: "tcp", host: "[::1]", port: 3478 });
    expect(parseUrl("turns:h?transport=tcp")).toEqual({ way: "tls", host: "h", port: 5349 });
    for (const odd of ["stun:h", "turn:", "turns:h:443?transport=udp", "turn:h:p", "https://h/"]) {
      expect(parseUrl(odd), odd).toBeNull();
    }
  });

  test("TCP is left out at first where TLS has the same port, and nowhere else", () => {
    expect(firstChoice([server()])[0]?.urls).toEqual([URLS[0], URLS[2]]);
    const plain = { ...server(), urls: [URLS[0] ?? "", URLS[1] ?? ""] };
    expect(firstChoice([plain])).toEqual([plain]);
    const elsewhere = { ...server(), urls: ["turn:meet.example:3478?transport=tcp", "turns:meet.example:443"] };
    expect(firstChoice([elsewhere])).toEqual([elsewhere]);
  });

  test("that no browser could read are left out, and servers without any", () => {
    const servers = [
      { ...server(), urls: ["turn:h:443", "odd"] },
      { ...server(), urls: ["odd"] },
    ];
    expect(usable({ iceServers: servers, pathless: null })).toEqual([{ ...server(), urls: ["turn:h:443"] }]);
  });

  test("name their ports, UDP first and each once", () => {
    expect(portsOf({ ...server(), urls: [...URLS].reverse() })).toEqual(["UDP 443", "TCP 443"]);
    const sdp =
      "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\na=candidate:2 1 UDP 1 ::1 40000 typ host\r\n";
    expect(candidatePorts(`v=0\r\n${sdp}a=candidate:3 1 tcp 1 192.0.2.1 9 typ host\r\n`)).toEqual([40_000]);
  });
});

describe("the credential", () => {
  test("is renewed at two thirds of its life, and goes to the connection that runs", () => {
    const client = relayed();
    expect(asks(client, 399_000)).toEqual([]);
    expect(asks(client, 400_000)).toEqual(["turn.refresh"]);
    expect(asks(client, 401_000)).toEqual([]);
    const effects = client.tell(refreshed("two"));
    expect(kinds(effects)).toEqual(["configure", "save"]);
    expect(client.state.iceServers[0]?.credential).toBe("two");
    expect(asks(client, 700_000)).toEqual([]);
    expect(asks(client, 801_000)).toEqual(["turn.refresh"]);
  });

  test("that is not to be had is asked for again, ever more seldom", () => {
    const client = relayed();
    expect(asks(client, 400_000)).toEqual(["turn.refresh"]);
    expect(client.tell(refusal(refresh, { code: "conflict", message: "" }))).toEqual([]);
    expect(client.state.notice).toBeNull();
    expect(asks(client, 409_000)).toEqual([]);
    expect(asks(client, 410_000)).toEqual(["turn.refresh"]);
    client.tell(refusal(refresh, { code: "conflict", message: "" }));
    expect(asks(client, 429_000)).toEqual([]);
    expect(asks(client, 430_000)).toEqual(["turn.refresh"]);
    client.tell(refusal(refresh, { code: "rate_limited", message: "", retry_after_s: 50 }));
    expect(asks(client, 479_000)).toEqual([]);
    expect(asks(client, 480_000)).toEqual(["turn.refresh"]);
    client.tell(refreshed("two"));
    expect(client.state.relay.renewal).toMatchObject({ kind: "due", failures: 0 });
  });

  test("that nobody answers for is asked for again", () => {
    const client = relayed();
    asks(client, 400_000);
    expect(asks(client, 415_000)).toEqual([]);
    expect(asks(client, 425_000)).toEqual(["turn.refresh"]);
  });

  test("is renewed after a resumed link and after sleep", () => {
    const client = relayed();
    client.lose(1_000);
    client.tell(ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "kept" }));
    expect(asks(client, 1_200)).toEqual(["turn.refresh"]);
    client.tell(refreshed("two"));
    expect(asks(client, 2_000)).toEqual([]);
    client.tell({ kind: "woke" });
    expect(asks(client, 2_200)).toEqual(["turn.refresh"]);
  });

  test("is not asked for without a relay, without a link, or before one is in", () => {
    expect(asks(inside(), 9_000_000)).toEqual([]);
    const client = relayed();
    client.tell({ kind: "linkClosed", code: 1006, random: 0 }, 399_000);
    expect(asks(client, 399_001)).not.toContain("turn.refresh");
    expect(asks(entering(), 9_000_000)).toEqual([]);
  });
});

describe("the relay only", () => {
  const offers = (client: Script, generation: number) =>
    requestsOf(client.tell({ kind: "offer", generation, sdp: "s" }))[0];

  test("as the user's choice makes a new connection at once, and says so", () => {
    const client = relayed();
    expect(kinds(client.tell({ kind: "relayOnly", on: true }))).toContain("openTransport");
    expect(client.state.transport).toMatchObject({ kind: "offering", relayOnly: true });
    expect(offers(client, 2)).toEqual({ type: "media.offer", data: { generation: 2, sdp: "s", relay_only: true } });
    client.tell(ok("media.offer", { ...answer, generation: 2 }));
    expect(client.tell({ kind: "tick" }, 100)).toEqual([]);
    expect(kinds(client.tell({ kind: "relayOnly", on: false }))).toContain("openTransport");
    expect(offers(client, 3)).toEqual({ type: "media.offer", data: { generation: 3, sdp: "s" } });
  });

  test("chosen while one negotiates waits for the answer", () => {
    const client = inside();
    expect(client.tell({ kind: "relayOnly", on: true })).toEqual([]);
    expect(kinds(client.tell(ok("media.offer", answer)))).toContain("openTransport");
  });

  test("stays chosen for the next meeting, and counts from the first offer on", () => {
    const client = relayed();
    client.tell({ kind: "relayOnly", on: true });
    client.tell({ kind: "leave" });
    expect(client.state.relay).toEqual({ own: true, renewal: { kind: "none" } });
    const { phase } = client.state;
    if (phase.kind !== "left") throw new Error("not left");
    client.tell({ kind: "join", entry: phase.entry });
    client.tell({ kind: "linkOpen" });
    client.tell(ok("hello", { outcome: "welcome", media }));
    client.tell(ok("join", joined()));
    expect(client.state.transport).toMatchObject({ kind: "offering", relayOnly: true });
  });

  test.each(["room first", "reset first"])("by the room makes one new connection, the %s", (order) => {
    const client = relayed();
    const pushes = [
      push({ type: "room.updated", data: { room: { ...room, rev: 2, relay_only: true }, by: null } }, 1),
      push({ type: "media.reset", data: { reason: "relay_only" } }, 2),
    ];
    if (order === "reset first") pushes.reverse();
    const opened = pushes.flatMap((one, at) =>
      kinds(client.tell({ ...one, push: { ...(one as { push: object }).push, seq: at + 1 } } as typeof one)),
    );
    expect(opened.filter((kind) => kind === "openTransport")).toHaveLength(1);
    expect(client.state.transport).toMatchObject({ kind: "offering", relayOnly: true });
    expect(client.state.generation).toBe(2);
  });

  test("an offer that the server refuses for now is made again later", () => {
    const client = relayed();
    client.tell({ kind: "relayOnly", on: true });
    const offer = { type: "media.offer", data: { generation: 2, sdp: "s" } } as const;
    client.tell(refusal(offer, { code: "rate_limited", message: "", retry_after_s: 8 }));
    expect(client.tell({ kind: "tick" }, 7_900)).toEqual([]);
    expect(kinds(client.tell({ kind: "tick" }, 8_000))).toContain("openTransport");
  });
});

describe("no way to the server", () => {
  test("all ways are tried after seven seconds, and after fifteen it is said what would help", () => {
    const client = entering();
    client.tell(ok("join", { ...joined(), ice_servers: [server()] }), 1_000);
    client.tell({ kind: "offer", generation: 1, sdp: "offer" });
    const sdp = "a=candidate:1 1 udp 1 192.0.2.1 40000 typ host\r\n";
    client.tell(ok("media.offer", { ...answer, sdp }));
    expect(usable(client.state)[0]?.urls).toHaveLength(2);
    expect(client.tell({ kind: "tick" }, 7_900)).toEqual([]);
    expect(kinds(client.tell({ kind: "tick" }, 8_000))).toEqual(["restartIce"]);
    expect(usable(client.state)[0]?.urls).toEqual(URLS);
    expect(client.tell({ kind: "tick" }, 15_900)).toEqual([]);
    expect(client.state.notice).toBeNull();
    client.tell({ kind: "tick" }, 16_000);
    expect(client.state.notice).toEqual({ kind: "noPath", ports: ["UDP 443", "TCP 443", "UDP 40000"] });
    client.tell({ kind: "ice", generation: 1, state: "connected" });
    expect(client.state).toMatchObject({ notice: null, pathless: null });
  });

  test("it is said once, and outlives that the server gives up", () => {
    const client = entering();
    client.tell(ok("join", { ...joined(), ice_servers: [server()] }));
    client.tell({ kind: "relayOnly", on: true });
    client.tell(ok("media.offer", answer));
    client.tell(ok("media.offer", { ...answer, generation: 2 }));
    for (const nowMs of [7_000, 15_000]) client.tell({ kind: "tick" }, nowMs);
    expect(client.state.notice).toEqual({ kind: "noPath", ports: ["UDP 443", "TCP 443"] });
    client.tell(push({ type: "media.reset", data: { reason: "given_up" } }, 1));
    expect(client.state.notice).toMatchObject({ kind: "noPath" });
    client.tell({ kind: "dismissNotice" });
    client.tell({ kind: "tick" }, 60_000);
    expect(client.state.notice).toBeNull();
  });

  test("nothing is said while the server itself is away, or for a moment's interruption", () => {
    const client = relayed();
    client.tell({ kind: "ice", generation: 1, state: "disconnected" }, 1_000);
    client.tell({ kind: "linkClosed", code: 1006, random: 0 });
    client.tell({ kind: "tick" }, 30_000);
    expect(client.state.notice).toBeNull();
    client.tell({ kind: "linkOpen" });
    client.tell(ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "kept" }));
    client.tell({ kind: "tick" }, 31_000);
    expect(client.state.notice).toBeNull();
    client.tell({ kind: "ice", generation: 1, state: "connected" });
    expect(client.state.pathless).toBeNull();
  });
});
