import { describe, expect, test } from "vitest";
import type { PushFrame, Request } from "../wire/messages";
import {
  answer,
  entering,
  entry,
  inside,
  joinData,
  kinds,
  media,
  negotiated,
  ok,
  published,
  publishing,
  push,
  refusal,
  requestsOf,
  savedMeeting,
  Script,
} from "./script";
import { joined, participant } from "./testing";

describe("coming in", () => {
  test("opens a link, greets, joins, and offers", () => {
    const client = new Script();
    expect(client.tell({ kind: "join", entry })).toContainEqual({ kind: "openLink" });
    expect(client.requests({ kind: "linkOpen" })).toEqual(["hello"]);
    expect(client.requests(ok("hello", { outcome: "welcome", media }))).toEqual(["join"]);
    const effects = client.tell(ok("join", joined(participant("ada"))));
    expect(effects).toContainEqual({ kind: "openTransport", generation: 1 });
    expect(effects).toContainEqual({ kind: "save" });
    expect(client.state.phase.kind).toBe("inside");
    expect([...client.state.roster.keys()]).toEqual(["ada"]);
    expect(client.requests({ kind: "offer", generation: 1, sdp: "offer" })).toEqual(["media.offer"]);
    expect(client.tell(ok("media.offer", answer))).toContainEqual({ kind: "answer", generation: 1, sdp: "answer" });
    expect(client.state.audioMids).toEqual(["6"]);
  });

  test("a refusal leads back outside, with its reason and without a trace", () => {
    const client = entering();
    const effects = client.tell(refusal({ type: "join", data: joinData() }, { code: "full", message: "" }));
    expect(client.state.phase).toEqual({ kind: "outside" });
    expect(client.state.notice).toMatchObject({ kind: "refused", code: "full", retryAtMs: null });
    expect(effects).toEqual(expect.arrayContaining([{ kind: "forget" }, { kind: "closeLink" }]));
  });

  test("a server that cannot be reached is tried four times", () => {
    const client = new Script();
    client.tell({ kind: "join", entry });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      client.tell({ kind: "linkClosed", code: 1006, random: 0 });
      expect(client.tell({ kind: "tick" }, 10_000 * (attempt + 1))).toContainEqual({ kind: "openLink" });
    }
    client.tell({ kind: "linkClosed", code: 1006, random: 0 });
    expect(client.state.phase.kind).toBe("outside");
    expect(client.state.notice).toEqual({ kind: "unreachable" });
  });

  test("somebody who is there already is asked", () => {
    const client = entering();
    client.tell(ok("join", { outcome: "duplicate", participant: "par_0", options: ["take_over", "join_as_second"] }));
    expect(client.state.phase.kind).toBe("duplicate");
    const [effect] = client.tell({ kind: "duplicateChoice", choice: "take_over" });
    expect(effect).toMatchObject({ request: { type: "join", data: { duplicate: "take_over" } } });
  });

  test("cancelling that leaves no link behind", () => {
    const client = entering();
    client.tell(ok("join", { outcome: "duplicate", participant: "par_0", options: ["cancel"] }));
    expect(client.tell({ kind: "duplicateChoice", choice: "cancel" })).toContainEqual({ kind: "closeLink" });
    expect(client.state.phase.kind).toBe("outside");
  });
});

describe("own tracks", () => {
  test("nothing is captured before a gesture", () => {
    const client = new Script();
    expect(client.tell({ kind: "tick" })).toEqual([]);
    expect(client.tell({ kind: "preview", on: true })).toEqual([
      { kind: "capture", sources: ["microphone", "camera"] },
    ]);
  });

  test("a track is attached only after the server said ok", () => {
    const client = negotiated();
    const asked = client.tell({ kind: "captured", sources: ["camera"] });
    expect(asked).toContainEqual({
      kind: "request",
      request: { type: "media.publish", data: { mid: "1", source: "camera", muted: false } },
    });
    expect(kinds(asked)).not.toContain("attach");
    expect(client.tell(published("camera"))).toEqual([{ kind: "attach", source: "camera" }]);
  });

  test("a camera that is switched off turns its light off at once, also without a link", () => {
    const client = publishing("camera");
    client.tell({ kind: "linkClosed", code: 1006, random: 0 });
    expect(client.tell({ kind: "want", source: "camera", on: false })).toEqual(
      expect.arrayContaining([
        { kind: "detach", source: "camera" },
        { kind: "release", source: "camera" },
      ]),
    );
    client.tell({ kind: "tick" }, 400);
    client.tell({ kind: "linkOpen" });
    const back = client.tell(
      ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "kept" }),
    );
    expect(requestsOf(back)).toContainEqual({ type: "track.state", data: { source: "camera", muted: true } });
  });

  test("a camera that comes back is attached after the server said ok", () => {
    const client = publishing("camera");
    client.tell({ kind: "want", source: "camera", on: false });
    client.tell(ok("track.state", {}, { type: "track.state", data: { source: "camera", muted: true } }));
    expect(client.tell({ kind: "want", source: "camera", on: true })).toContainEqual({
      kind: "capture",
      sources: ["camera"],
    });
    const asked = client.tell({ kind: "captured", sources: ["camera"] });
    expect(requestsOf(asked)).toEqual([{ type: "track.state", data: { source: "camera", muted: false } }]);
    expect(kinds(asked)).not.toContain("attach");
    const done = client.tell(ok("track.state", {}, { type: "track.state", data: { source: "camera", muted: false } }));
    expect(done).toEqual([{ kind: "attach", source: "camera" }]);
  });

  test("a muted microphone is silent at once and stays open", () => {
    const client = publishing("microphone");
    const effects = client.tell({ kind: "want", source: "microphone", on: false });
    expect(effects[0]).toEqual({ kind: "enable", source: "microphone", on: false });
    expect(requestsOf(effects)).toEqual([{ type: "track.state", data: { source: "microphone", muted: true } }]);
    expect(kinds(effects)).not.toContain("release");
  });

  test("somebody who changes his mind while the server is asked ends where he wanted", () => {
    const client = publishing("microphone");
    client.tell({ kind: "want", source: "microphone", on: false });
    expect(requestsOf(client.tell({ kind: "want", source: "microphone", on: true }))).toEqual([]);
    const muted: Request = { type: "track.state", data: { source: "microphone", muted: true } };
    expect(requestsOf(client.tell(ok("track.state", {}, muted)))).toEqual([
      { type: "track.state", data: { source: "microphone", muted: false } },
    ]);
  });

  test("a denied device leaves the source off, with a reason, and the meeting goes on", () => {
    const client = negotiated();
    client.tell({ kind: "captureFailed", source: "camera", reason: "denied" });
    expect(client.state.publishing.sources.camera).toMatchObject({ wanted: false, capture: "none" });
    expect(client.state.notice).toEqual({ kind: "device", source: "camera", reason: "denied" });
    expect(client.state.phase.kind).toBe("inside");
  });

  test("two devices refused together are named together", () => {
    const client = negotiated();
    client.tell({ kind: "captureFailed", source: "microphone", reason: "denied" });
    client.tell({ kind: "captureFailed", source: "camera", reason: "denied" });
    expect(client.state.notice).toEqual({ kind: "bothDenied" });
    client.tell({ kind: "captureFailed", source: "camera", reason: "denied" });
    expect(client.state.notice).toEqual({ kind: "device", source: "camera", reason: "denied" });
  });

  test("what the server refuses is not captured on", () => {
    const client = negotiated();
    client.tell({ kind: "captured", sources: ["camera"] });
    const request: Request = { type: "media.publish", data: { mid: "1", source: "camera", muted: false } };
    const effects = client.tell(refusal(request, { code: "forbidden", message: "" }));
    expect(effects).toContainEqual({ kind: "release", source: "camera" });
    expect(client.state.notice).toEqual({ kind: "forbidden", source: "camera" });
    expect(client.tell({ kind: "tick" }, 5_000)).toEqual([]);
  });

  test("the server is asked before the picker opens", () => {
    const client = negotiated();
    const start: Request = { type: "screen.start", data: { audio: true } };
    expect(requestsOf(client.tell({ kind: "shareScreen", audio: true, hint: "detail", takeOver: false }))).toEqual([
      start,
    ]);
    expect(client.tell(ok("screen.start", { outcome: "granted", share_id: "trk_1" }, start))).toEqual([
      { kind: "captureScreen", audio: true, hint: "detail" },
    ]);
    const asked = requestsOf(client.tell({ kind: "captured", sources: ["screen", "screen_audio"] }));
    expect(asked).toEqual([
      { type: "media.publish", data: { mid: "2", source: "screen", muted: false } },
      { type: "media.publish", data: { mid: "3", source: "screen_audio", muted: false } },
    ]);
    client.tell(published("screen"));
    client.tell(published("screen_audio"));
    const stopped = client.tell({ kind: "stopScreen" });
    expect(stopped).toContainEqual({ kind: "release", source: "screen" });
    expect(requestsOf(stopped)).toEqual([
      { type: "media.unpublish", data: { source: "screen" } },
      { type: "media.unpublish", data: { source: "screen_audio" } },
    ]);
  });

  test("a picker that is cancelled gives the place back and says nothing", () => {
    const client = negotiated();
    client.tell(
      ok("screen.start", { outcome: "granted", share_id: "trk_1" }, { type: "screen.start", data: { audio: false } }),
    );
    const effects = client.tell({ kind: "captureFailed", source: "screen", reason: "cancelled" });
    expect(requestsOf(effects)).toEqual([{ type: "media.unpublish", data: { source: "screen" } }]);
    expect(client.state.notice).toBeNull();
  });

  test("somebody else who shares is named as the reason", () => {
    const client = negotiated();
    client.tell(refusal({ type: "screen.start", data: { audio: false } }, { code: "busy", message: "" }));
    expect(client.state.notice).toEqual({ kind: "screenBusy" });
  });
});

describe("a lost link", () => {
  test("is tried again with growing waits, and its place asked for", () => {
    const client = negotiated();
    expect(client.tell({ kind: "linkClosed", code: 1006, random: 0 })).toContainEqual({
      kind: "announce",
      announcement: { kind: "link", state: "lost" },
    });
    expect(client.state.link).toEqual({ kind: "waiting", lostAtMs: 0, attempt: 1, retryAtMs: 300 });
    expect(client.tell({ kind: "tick" }, 299)).toEqual([]);
    expect(client.tell({ kind: "tick" }, 300)).toContainEqual({ kind: "openLink" });
    client.tell({ kind: "linkClosed", code: 1006, random: 0 }, 400);
    expect(client.state.link).toEqual({ kind: "waiting", lostAtMs: 0, attempt: 2, retryAtMs: 1_000 });
    expect(client.tell({ kind: "retryNow" }, 500)).toContainEqual({ kind: "openLink" });
    const [hello] = requestsOf(client.tell({ kind: "linkOpen" }, 600));
    expect(hello).toMatchObject({ type: "hello", data: { resume: { token: "rt_0", last_seq: 0 } } });
  });

  test("comes back without a new peer connection, and with what was missed", () => {
    const client = negotiated();
    client.tell(push({ type: "participant.joined", data: { participant: participant("ada") } }, 1));
    client.lose();
    const missed = [
      { seq: 1, type: "participant.joined" as const, data: { participant: participant("ada") } },
      { seq: 2, type: "participant.joined" as const, data: { participant: participant("bob") } },
    ];
    const effects = client.tell(
      ok("hello", { outcome: "resumed", missed, snapshot: null, resume_token: "rt_1", media: "kept" }),
    );
    expect([...client.state.roster.keys()]).toEqual(["ada", "bob"]);
    expect(client.state.resume).toMatchObject({ token: "rt_1", lastSeq: 2 });
    expect(kinds(effects)).not.toContain("openTransport");
    expect(kinds(effects)).toContain("save");
  });

  test("whose media are lost opens the next peer connection, and the tracks go on", () => {
    const client = publishing("camera");
    client.lose();
    const effects = client.tell(
      ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "lost" }),
    );
    expect(effects).toContainEqual({ kind: "openTransport", generation: 2 });
    expect(client.state.slots.slots.size).toBe(0);
    const answered = client.tell(ok("media.offer", { ...answer, generation: 2 }));
    expect(answered).toContainEqual({ kind: "attach", source: "camera" });
    expect(requestsOf(answered).filter((one) => one.type === "media.publish")).toEqual([]);
  });

  test("whose place was given up joins anew on the same link", () => {
    const client = publishing("camera");
    client.lose();
    const hello: Request = { type: "hello", data: { protocol: 1, client: "x" } };
    const effects = client.tell(refusal(hello, { code: "resume_failed", message: "", rejoin: true }));
    expect(requestsOf(effects).map((one) => one.type)).toEqual(["join"]);
    expect(client.tell(ok("join", joined()))).toContainEqual({ kind: "openTransport", generation: 2 });
    const answered = client.tell(ok("media.offer", { ...answer, generation: 2 }));
    expect(requestsOf(answered).map((one) => one.type)).toContain("media.publish");
  });

  test("is given up after two minutes", () => {
    const client = publishing("camera");
    client.tell({ kind: "linkClosed", code: 1006, random: 0 });
    const effects = client.tell({ kind: "tick" }, 120_000);
    expect(client.state.phase).toMatchObject({ kind: "left", reason: "connectionLost" });
    expect(effects).toContainEqual({ kind: "release", source: "camera" });
  });

  test.each([
    [4400, "protocolError"],
    [4403, "removed"],
    [4409, "takenOver"],
    [4410, "ended"],
  ])("closed with %d is final: %s", (code, reason) => {
    const client = publishing("camera");
    const effects = client.tell({ kind: "linkClosed", code, random: 0 });
    expect(client.state.phase).toMatchObject({ kind: "left", reason });
    expect(effects).toEqual(expect.arrayContaining([{ kind: "forget" }, { kind: "release", source: "camera" }]));
    expect(client.tell({ kind: "tick" }, 60_000)).toEqual([]);
  });

  test("a server that drains is left alone for as long as it says", () => {
    const client = negotiated();
    client.tell(push({ type: "server.draining", data: { deadline_s: 300, retry_after_s: 7 } }, 1));
    client.tell({ kind: "linkClosed", code: 4503, random: 0 });
    expect(client.state.link).toMatchObject({ kind: "waiting", retryAtMs: 7_000 });
  });
});

describe("a page that is loaded anew", () => {
  test("comes back as the same person with the next peer connection, and publishes again", () => {
    const client = new Script({ microphone: true, camera: false });
    expect(client.tell({ kind: "reload", entry, saved: savedMeeting(), chat: null })).toContainEqual({
      kind: "openLink",
    });
    const [hello] = requestsOf(client.tell({ kind: "linkOpen" }));
    expect(hello).toMatchObject({ data: { resume: { token: "rt_5", last_seq: 9 } } });
    const effects = client.tell(
      ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_6", media: "kept" }),
    );
    expect(effects).toContainEqual({ kind: "openTransport", generation: 4 });
    expect(client.state.resume).toEqual({ token: "rt_6", lastSeq: 9, generation: 4 });
    expect([...client.state.roster.keys()]).toEqual(["ada"]);
    client.tell({ kind: "captured", sources: ["microphone"] });
    const answered = client.tell(ok("media.offer", { ...answer, generation: 4 }));
    expect(requestsOf(answered)).toContainEqual({
      type: "media.publish",
      data: { mid: "0", source: "microphone", muted: false },
    });
  });
});

test("what the server kept over a reload is muted until it is captured, and a screen is ended", () => {
  const client = new Script({ microphone: false, camera: true });
  const self = participant("me", { camera: true, screen: true });
  client.tell({ kind: "reload", entry, saved: savedMeeting(self), chat: null });
  client.tell({ kind: "linkOpen" });
  client.tell(ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_6", media: "kept" }));
  const answered = requestsOf(client.tell(ok("media.offer", { ...answer, generation: 4 })));
  expect(answered).toContainEqual({ type: "track.state", data: { source: "camera", muted: true } });
  expect(answered).toContainEqual({ type: "media.unpublish", data: { source: "screen" } });
  client.tell(ok("track.state", {}, { type: "track.state", data: { source: "camera", muted: true } }));
  expect(requestsOf(client.tell({ kind: "captured", sources: ["camera"] }))).toEqual([
    { type: "track.state", data: { source: "camera", muted: false } },
  ]);
});

describe("pictures of others", () => {
  test("a change of slots is acknowledged, and shown from its first frame on", () => {
    const client = negotiated(participant("ada", { camera: true }));
    const slots = [{ mid: "4", participant: "ada", source: "camera" as const, paused: false, reason: null }];
    const effects = client.tell(push({ type: "media.slots", data: { rev: 3, slots } }));
    const ack: Request = { type: "media.slots.ack", data: { rev: 3 } };
    expect(requestsOf(effects)).toEqual([ack]);
    expect(client.state.slots.slots.get("4")?.view.kind).toBe("detached");
    client.tell(ok("media.slots.ack", { first_rtp_timestamp: { "4": 100 } }, ack));
    client.tell({ kind: "frame", mid: "4", rev: 3, rtp: 99 });
    expect(client.state.slots.slots.get("4")?.view.kind).toBe("armed");
    client.tell({ kind: "frame", mid: "4", rev: 3, rtp: 100 });
    expect(client.state.slots.slots.get("4")?.view.kind).toBe("shown");
  });

  test("what is on the stage is asked for once media are negotiated, and again after a resume", () => {
    const client = inside(participant("ada"));
    const tiles = [
      { participant: "ada", source: "camera" as const, sends: true, heightPx: 360, priority: "gallery" as const },
    ];
    expect(requestsOf(client.tell({ kind: "shown", tiles }))).toEqual([]);
    expect(requestsOf(client.tell(ok("media.offer", answer)))).toMatchObject([
      { type: "media.wish", data: { rev: 1, views: [{ participant: "ada", max_height_px: 360 }] } },
    ]);
    client.lose(5_000);
    const back = ok("hello", { outcome: "resumed", missed: [], snapshot: null, resume_token: "rt_1", media: "kept" });
    expect(requestsOf(client.tell(back, 6_000))).toMatchObject([{ type: "media.wish", data: { rev: 2 } }]);
  });

  test("an older state of a participant is ignored", () => {
    const client = inside(participant("ada", {}, 5));
    client.tell(
      push({ type: "participant.updated", data: { participant: participant("ada", { camera: true }, 4) } }, 1),
    );
    expect(client.state.roster.get("ada")?.sources.camera.published).toBe(false);
    client.tell(
      push({ type: "participant.updated", data: { participant: participant("ada", { camera: true }, 6) } }, 2),
    );
    expect(client.state.roster.get("ada")?.sources.camera.published).toBe(true);
  });

  test("arrivals within a moment are announced as one", () => {
    const client = inside();
    ["ada", "bob", "eve"].forEach((id, index) => {
      client.tell(push({ type: "participant.joined", data: { participant: participant(id) } }, index + 1), 100 * index);
    });
    expect(client.tell({ kind: "tick" }, 1_499)).toEqual([]);
    expect(client.tell({ kind: "tick" }, 1_500)).toEqual([
      { kind: "announce", announcement: { kind: "joined", names: ["Ada", "Bob", "Eve"] } },
    ]);
  });

  test("an unknown push is ignored, and counted", () => {
    const client = inside();
    client.tell(push({ type: "confetti", data: {} } as unknown as PushFrame, 1));
    expect(client.state.resume?.lastSeq).toBe(1);
  });
});

describe("the peer connection", () => {
  test("restarts ICE after two seconds of interruption, and not too often", () => {
    const client = negotiated();
    const restarts = (nowMs: number): boolean => kinds(client.tell({ kind: "tick" }, nowMs)).includes("restartIce");
    client.tell({ kind: "ice", generation: 1, state: "connected" }, 1_000);
    client.tell({ kind: "ice", generation: 1, state: "disconnected" }, 20_000);
    expect(restarts(21_999)).toBe(false);
    expect(restarts(22_000)).toBe(true);
    expect(restarts(32_999)).toBe(false);
    expect(restarts(33_000)).toBe(true);
    client.tell({ kind: "ice", generation: 1, state: "connected" }, 33_500);
    expect(restarts(60_000)).toBe(false);
  });

  test("failed needs no patience, a former generation no attention", () => {
    const client = negotiated();
    client.tell({ kind: "ice", generation: 0, state: "failed" }, 20_000);
    expect(kinds(client.tell({ kind: "tick" }, 20_000))).toEqual([]);
    client.tell({ kind: "ice", generation: 1, state: "failed" }, 20_000);
    expect(kinds(client.tell({ kind: "tick" }, 20_000))).toEqual(["restartIce"]);
  });

  test("is opened anew when the server says so, until it gives up", () => {
    const client = publishing("camera");
    expect(client.tell(push({ type: "media.reset", data: { reason: "dtls_failed" } }))).toContainEqual({
      kind: "openTransport",
      generation: 2,
    });
    const answered = client.tell(ok("media.offer", { ...answer, generation: 2 }));
    expect(answered).toContainEqual({ kind: "attach", source: "camera" });
    expect(client.tell(push({ type: "media.reset", data: { reason: "given_up" } }))).toContainEqual({
      kind: "closeTransport",
    });
    expect(client.state.notice).toEqual({ kind: "mediaLost" });
  });

  test("sends only the encodings that are wanted, also after it was opened anew", () => {
    const client = negotiated();
    const layers = push({ type: "media.layers", data: { source: "camera", active: ["q"], codec: "vp8" } });
    expect(client.tell(layers)).toEqual([{ kind: "layers", source: "camera", active: ["q"] }]);
    client.tell(push({ type: "media.reset", data: { reason: "internal" } }));
    expect(client.tell(ok("media.offer", { ...answer, generation: 2 }))).toContainEqual({
      kind: "layers",
      source: "camera",
      active: ["q"],
    });
  });
});

test("leaving says so, stops every device and keeps nothing", () => {
  const client = publishing("camera");
  const effects = client.tell({ kind: "leave" });
  expect(requestsOf(effects)).toEqual([{ type: "leave", data: {} }]);
  expect(effects.slice(1)).toEqual([
    { kind: "forget" },
    { kind: "closeTransport" },
    { kind: "release", source: "microphone" },
    { kind: "release", source: "camera" },
    { kind: "release", source: "screen" },
    { kind: "release", source: "screen_audio" },
    { kind: "closeLink" },
  ]);
  expect(client.state.phase).toMatchObject({ kind: "left", reason: "left" });
  // Coming back is a join like the first one, with devices as they were wanted.
  expect(client.tell({ kind: "join", entry })).toContainEqual({ kind: "openLink" });
  expect(client.state.publishing.sources.camera.wanted).toBe(true);
});
