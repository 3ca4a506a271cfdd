import { describe, expect, test } from "vitest";
import type { Request } from "../wire/messages";
import { wayOf } from "./screens";
import { inside, kinds, negotiated, ok, published, push, refusal, requestsOf, share, type Script } from "./script";
import { participant, room } from "./testing";

const start: Extract<Request, { type: "screen.start" }> = { type: "screen.start", data: { audio: false } };
const ask = (client: Script, nowMs = 0, takeOver = false) =>
  client.tell({ kind: "shareScreen", audio: false, hint: "motion", takeOver }, nowMs);
const sharing = (): Script => {
  const client = negotiated(participant("ada"));
  share(client);
  client.tell(published("screen"));
  return client;
};
const pause = (on: boolean) => ({ kind: "life", deed: { kind: "pauseScreen", on } }) as const;
const paused = (on: boolean) => ok("screen.pause", {}, { type: "screen.pause", data: { on } });

describe("asking for a share", () => {
  test("opens the picker while the click still counts", () => {
    const client = inside();
    expect(requestsOf(ask(client))).toEqual([start]);
    expect(client.tell(ok("screen.start", { outcome: "granted", share_id: "trk_1" }, start), 1_000)).toEqual([
      { kind: "captureScreen", audio: false, hint: "motion" },
    ]);
  });

  test("waits for another click when leave comes late, and gives the place back when it is not wanted", () => {
    const client = inside();
    ask(client);
    expect(client.tell(ok("screen.start", { outcome: "granted", share_id: "trk_1" }, start), 4_000)).toEqual([]);
    expect(client.state.life.share.attempt.kind).toBe("granted");
    expect(client.requests({ kind: "life", deed: { kind: "cancelShare" } })).toEqual(["media.unpublish"]);
  });

  test("explains who shares, and asks the holder", () => {
    const client = inside(participant("ada", { screen: true }));
    ask(client);
    client.tell(refusal(start, { code: "busy", message: "", by: "ada" }));
    expect(client.state.life.share.attempt).toMatchObject({ kind: "busy", by: "ada" });
    expect(requestsOf(ask(client, 0, true))).toEqual([
      { type: "screen.start", data: { audio: false, take_over: true } },
    ]);
    client.tell(ok("screen.start", { outcome: "asked", request: "req_1" }, start));
    expect(client.state.life.share.attempt).toMatchObject({ kind: "asked", request: "req_1" });
    client.tell(push({ type: "screen.takeover.answered", data: { request: "req_1", share_id: "trk_2" } }));
    expect(client.state.life.share.attempt.kind).toBe("granted");
    expect(kinds(client.tell({ kind: "life", deed: { kind: "pickScreen" } }))).toEqual(["captureScreen"]);
  });

  test("says that the holder keeps it, by its word or by silence", () => {
    const client = inside(participant("ada", { screen: true }));
    ask(client, 0, true);
    client.tell(ok("screen.start", { outcome: "asked", request: "req_1" }, start));
    client.tell(push({ type: "screen.takeover.answered", data: { request: "req_1", share_id: null } }));
    expect(client.state.life.share.attempt.kind).toBe("none");
    expect(client.state.toasts.map((one) => one.text.kind)).toEqual(["shareKept"]);
    ask(client, 0, true);
    client.tell(ok("screen.start", { outcome: "asked", request: "req_2" }, start));
    client.tell({ kind: "tick" }, 65_000);
    expect(client.state.life.share.attempt.kind).toBe("none");
  });

  test("gives back a share that nobody waits for any more", () => {
    const client = inside(participant("ada", { screen: true }));
    ask(client, 0, true);
    client.tell(ok("screen.start", { outcome: "asked", request: "req_1" }, start));
    client.tell({ kind: "life", deed: { kind: "cancelShare" } });
    const late = push({ type: "screen.takeover.answered", data: { request: "req_1", share_id: "trk_2" } });
    expect(client.requests(late)).toEqual(["media.unpublish"]);
  });
});

describe("the way to a share", () => {
  const self = { ...participant("me"), role: "presenter" as const };
  const holder = participant("ada", { screen: true });
  const may = new Set(["screen.takeover" as const]);
  test.each([
    ["one", new Set<never>(), { kind: "taken", takeOver: "none" }],
    ["one_takeover", new Set<never>(), { kind: "taken", takeOver: "ask" }],
    ["one_takeover", may, { kind: "taken", takeOver: "now" }],
    ["many", new Set<never>(), { kind: "free" }],
  ] as const)("with the policy %s", (screen, permissions, way) => {
    expect(wayOf({ ...room, screen }, self, permissions, holder, false)).toMatchObject(way);
  });

  test("is free where nobody shares, and taken where the server says so", () => {
    expect(wayOf(room, self, may, null, false)).toEqual({ kind: "free" });
    expect(wayOf({ ...room, screen: "one_takeover" }, self, may, null, true)).toEqual({
      kind: "taken",
      by: null,
      takeOver: "ask",
    });
  });
});

describe("a pause", () => {
  test("is dark here at once, and light again only by the server's word", () => {
    const client = sharing();
    const effects = client.tell(pause(true));
    expect(effects[0]).toEqual({ kind: "enable", source: "screen", on: false });
    expect(requestsOf(effects)).toEqual([{ type: "screen.pause", data: { on: true } }]);
    client.tell(paused(true));
    expect(requestsOf(client.tell(pause(false)))).toEqual([{ type: "screen.pause", data: { on: false } }]);
    expect(client.tell(paused(false))).toEqual([{ kind: "enable", source: "screen", on: true }]);
  });

  test("is told when the link is back", () => {
    const client = sharing();
    client.tell({ kind: "linkClosed", code: 1006, random: 0 }, 0);
    expect(kinds(client.tell(pause(true)))).toEqual(["enable"]);
    client.tell({ kind: "retryNow" });
    client.tell({ kind: "linkOpen" });
    const back = client.tell(
      ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "kept" }),
    );
    expect(requestsOf(back).map((one) => one.type)).toContain("screen.pause");
  });

  test("stays when the server does not let the share go on", () => {
    const client = sharing();
    client.tell(pause(true));
    client.tell(paused(true));
    client.tell(pause(false));
    const no: Request = { type: "screen.pause", data: { on: false } };
    expect(kinds(client.tell(refusal(no, { code: "forbidden", message: "" })))).toEqual([]);
    expect(client.state.life.share).toMatchObject({ paused: true, told: true, telling: false });
  });

  test("ends with the share", () => {
    const client = sharing();
    client.tell(pause(true));
    client.tell(push({ type: "screen.viewers", data: { count: 3 } }));
    expect(client.state.life.share.viewers).toBe(3);
    client.tell({ kind: "stopScreen" });
    client.tell(ok("media.unpublish", {}, { type: "media.unpublish", data: { source: "screen" } }));
    expect(client.state.life.share).toMatchObject({ paused: false, told: false, viewers: null });
  });
});

describe("another window", () => {
  test("takes the place of the one before, and nothing changes when none is chosen", () => {
    const client = sharing();
    expect(kinds(client.tell({ kind: "life", deed: { kind: "switchScreen" } }))).toEqual(["captureScreen"]);
    client.tell({ kind: "captureFailed", source: "screen", reason: "cancelled" });
    expect(client.state.publishing.sources.screen).toMatchObject({ wanted: true, capture: "running" });
    client.tell({ kind: "life", deed: { kind: "switchScreen" } });
    expect(client.tell({ kind: "captured", sources: ["screen"] })).toContainEqual({ kind: "attach", source: "screen" });
  });

  test("without sound ends the sound of the one before", () => {
    const client = negotiated(participant("ada"));
    share(client, ["screen", "screen_audio"]);
    client.tell(published("screen"));
    client.tell(published("screen_audio"));
    client.tell({ kind: "life", deed: { kind: "switchScreen" } });
    client.tell({ kind: "captured", sources: ["screen"] });
    expect(client.state.publishing.sources.screen_audio).toMatchObject({ wanted: false, capture: "none" });
  });

  test("shows what matters in it", () => {
    const client = sharing();
    expect(client.tell({ kind: "life", deed: { kind: "hintScreen", hint: "motion" } })).toEqual([
      { kind: "screenHint", hint: "motion" },
    ]);
  });
});

test("who shares is asked for its share, and the question ends by itself", () => {
  const client = sharing();
  const asked = (request: string) =>
    push({ type: "screen.takeover.requested", data: { request, by: "ada", expires_s: 60 } });
  client.tell(asked("req_1"), 0);
  expect(client.state.life.share.takeovers).toEqual([{ request: "req_1", by: "Ada", untilMs: 60_000 }]);
  const answer = { kind: "life", deed: { kind: "answerTakeover", request: "req_1", answer: "accept" } } as const;
  expect(requestsOf(client.tell(answer))).toEqual([
    { type: "screen.takeover.reply", data: { request: "req_1", answer: "accept" } },
  ]);
  client.tell(asked("req_2"), 0);
  client.tell({ kind: "tick" }, 60_000);
  expect(client.state.life.share.takeovers).toEqual([]);
});
