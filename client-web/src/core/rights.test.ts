import { describe, expect, test } from "vitest";
import type { MediaRevoked, Permission, PermissionsChanged, PushFrame } from "../wire/messages";
import {
  inside,
  kinds,
  negotiated,
  ok,
  published,
  publishing,
  push,
  refusal,
  requestsOf,
  share,
  type Script,
} from "./script";
import { participant, room } from "./testing";

const ALL: Permission[] = ["room.join", "publish.audio", "publish.video", "publish.screen", "publish.screen_audio"];
let seq = 0;
const numbered = (message: PushFrame) => push(message, (seq += 1));

const rights = (permissions: Permission[], more: Partial<PermissionsChanged> = {}) =>
  numbered({
    type: "permissions",
    data: {
      role: "attendee",
      custom_role: null,
      permissions,
      overrides: [],
      by: null,
      reason: "override_changed",
      ...more,
    },
  });
const revoked = (data: MediaRevoked) => numbered({ type: "media.revoked", data });
const toasts = (client: Script) => client.state.toasts.map((one) => one.text);
const own = (client: Script) => client.state.publishing.sources;

describe("a publication that somebody else ends", () => {
  test("a muted microphone is silent at once, stays open, and only its owner switches it on", () => {
    const client = publishing("microphone");
    client.tell(numbered({ type: "participant.joined", data: { participant: participant("ada") } }));
    const effects = client.tell(revoked({ source: "microphone", reason: "muted", by: "ada" }));
    expect(effects).toContainEqual({ kind: "enable", source: "microphone", on: false });
    expect(requestsOf(effects)).toEqual([]);
    expect(own(client).microphone).toMatchObject({ wanted: false, capture: "running" });
    expect(toasts(client)).toEqual([{ kind: "revoked", source: "microphone", reason: "muted", by: "Ada" }]);
    const back = client.tell({ kind: "want", source: "microphone", on: true });
    expect(requestsOf(back)).toEqual([{ type: "track.state", data: { source: "microphone", muted: false } }]);
  });

  test("a muted camera turns its light off", () => {
    const client = publishing("camera");
    const effects = client.tell(revoked({ source: "camera", reason: "muted", by: null }));
    expect(effects).toContainEqual({ kind: "release", source: "camera" });
    expect(requestsOf(effects)).toEqual([]);
  });

  test.each(["permission_revoked", "stopped"] as const)("%s stops the capture, and it is published anew", (reason) => {
    const client = publishing("camera");
    const effects = client.tell(revoked({ source: "camera", reason, by: null }));
    expect(effects).toEqual(
      expect.arrayContaining([
        { kind: "detach", source: "camera" },
        { kind: "release", source: "camera" },
      ]),
    );
    expect(own(client).camera).toMatchObject({ wanted: false, capture: "none", publication: { kind: "off" } });
    client.tell({ kind: "want", source: "camera", on: true });
    const asked = client.tell({ kind: "captured", sources: ["camera"] });
    expect(requestsOf(asked).map((one) => one.type)).toEqual(["media.publish"]);
  });

  test("a lock mutes and stops the capture; unmuting waits for the owner", () => {
    const client = publishing("microphone");
    client.tell(revoked({ source: "microphone", reason: "locked", by: null }));
    expect(own(client).microphone).toMatchObject({
      wanted: false,
      capture: "none",
      publication: { kind: "live", muted: true },
    });
  });

  test("a screen ends with its sound, in one message", () => {
    const client = negotiated();
    share(client, ["screen", "screen_audio"]);
    client.tell(published("screen"));
    client.tell(published("screen_audio"));
    const effects = client.tell(revoked({ source: "screen", reason: "stopped", by: null }));
    client.tell(revoked({ source: "screen_audio", reason: "stopped", by: null }));
    expect(effects).toContainEqual({ kind: "release", source: "screen" });
    expect(effects).toContainEqual({ kind: "release", source: "screen_audio" });
    expect(toasts(client)).toHaveLength(1);
    expect(requestsOf(effects)).toEqual([]);
  });

  test("what the server does not know any more is published anew when it is unmuted", () => {
    const client = publishing("microphone");
    client.tell({ kind: "want", source: "microphone", on: false });
    const mute = { type: "track.state" as const, data: { source: "microphone" as const, muted: true } };
    client.tell(refusal(mute, { code: "not_found", message: "" }));
    expect(client.state.notice).toBeNull();
    const back = requestsOf(client.tell({ kind: "want", source: "microphone", on: true }));
    expect(back.map((one) => one.type)).toEqual(["media.publish"]);
  });
});

describe("own permissions", () => {
  test("what is taken stops at once, and what comes back switches nothing on", () => {
    const client = publishing("camera");
    const taken = client.tell(rights(ALL.filter((one) => one !== "publish.video")));
    expect(taken).toContainEqual({ kind: "release", source: "camera" });
    expect(toasts(client)).toEqual([{ kind: "right", source: "camera", on: false, by: null }]);
    const given = client.tell(rights(ALL));
    expect(kinds(given)).not.toContain("capture");
    expect(own(client).camera.wanted).toBe(false);
  });

  test("a new role is told, also when the list of people told it first", () => {
    const client = inside();
    const self = { ...participant("me", {}, 2), role: "presenter" as const };
    client.tell(numbered({ type: "participant.updated", data: { participant: self } }));
    client.tell(rights(ALL, { role: "presenter", reason: "role_changed" }));
    expect(client.state.self?.role).toBe("presenter");
    expect(toasts(client)).toEqual([{ kind: "role", role: "presenter", customRole: null, by: null }]);
  });

  test("who may not watch the lobby any more knows nobody in it", () => {
    const client = inside();
    client.tell(push({ type: "lobby.update", data: { lobby_rev: 1, entries: [], more: 3, flood: false } }));
    client.tell(rights(ALL));
    expect(client.state.watch.more).toBe(0);
  });

  test("switching on what is locked says why instead", () => {
    const client = inside();
    client.tell(rights(["room.join"], { reason: "room_changed" }));
    const av_lock = { ...room.av_lock, microphone: { on: true, allow: [] } };
    client.tell(numbered({ type: "room.updated", data: { room: { ...room, rev: 2, av_lock }, by: null } }));
    expect(client.tell({ kind: "want", source: "microphone", on: true })).toEqual([]);
    expect(toasts(client).at(-1)).toEqual({ kind: "forbidden", source: "microphone", why: { reason: "locked" } });
  });
});

describe("the room", () => {
  test("tells everybody about locks, and by whom, but not the one who did it", () => {
    const client = inside(participant("ada"));
    const av_lock = { ...room.av_lock, camera: { on: true, allow: [] } };
    client.tell(
      numbered({ type: "room.updated", data: { room: { ...room, rev: 2, locked: true, av_lock }, by: "ada" } }),
    );
    expect(toasts(client)).toEqual([
      { kind: "locked", on: true, by: "Ada" },
      { kind: "sourceLocked", source: "camera", on: true, by: "Ada" },
    ]);
    client.tell(numbered({ type: "room.updated", data: { room: { ...room, rev: 3 }, by: "me" } }));
    expect(toasts(client)).toHaveLength(2);
    expect(client.state.room?.rev).toBe(3);
  });

  test("an older revision is ignored", () => {
    const client = inside();
    client.tell(numbered({ type: "room.updated", data: { room: { ...room, rev: 5, title: "New" }, by: null } }));
    client.tell(numbered({ type: "room.updated", data: { room: { ...room, rev: 4 }, by: null } }));
    expect(client.state.room?.title).toBe("New");
  });

  test("somebody who is hidden is gone from the list without a word", () => {
    const client = inside(participant("ada"), participant("bob"));
    client.tell(numbered({ type: "participant.left", data: { participant: "ada", reason: "hidden" } }));
    client.tell(push({ type: "roster.count", data: { participants: 3 } }));
    expect([...client.state.roster.keys()]).toEqual(["bob"]);
    expect(client.state.arrivals.left).toEqual([]);
    expect(client.state.count).toBe(3);
  });
});

describe("a request of a host", () => {
  const asked = () =>
    numbered({ type: "media.requested", data: { request: "req_1", source: "microphone", by: "ada", expires_s: 60 } });

  test("switches nothing on by itself, and is gone after its time", () => {
    const client = inside(participant("ada"));
    client.tell({ kind: "want", source: "microphone", on: false });
    expect(kinds(client.tell(asked(), 1_000))).toEqual(["save"]);
    expect(client.state.prompts).toEqual([{ request: "req_1", source: "microphone", by: "Ada", untilMs: 61_000 }]);
    client.tell({ kind: "tick" }, 60_999);
    expect(client.state.prompts).toHaveLength(1);
    client.tell({ kind: "tick" }, 61_000);
    expect(client.state.prompts).toEqual([]);
    expect(client.tell({ kind: "answerPrompt", request: "req_1", answer: "accept" })).toEqual([]);
    expect(own(client).microphone.wanted).toBe(false);
  });

  test("accepted by hand switches on after the answer", () => {
    const client = inside(participant("ada"));
    client.tell({ kind: "want", source: "microphone", on: false });
    client.tell(asked());
    const effects = client.tell({ kind: "answerPrompt", request: "req_1", answer: "accept" });
    expect(requestsOf(effects)).toEqual([
      { type: "media.request.reply", data: { request: "req_1", answer: "accept" } },
    ]);
    expect(own(client).microphone.wanted).toBe(true);
    expect(client.state.prompts).toEqual([]);
  });

  test.each(["decline", "later"] as const)("%s answers and leaves everything off", (reply) => {
    const client = inside(participant("ada"));
    client.tell({ kind: "want", source: "microphone", on: false });
    client.tell(asked());
    expect(requestsOf(client.tell({ kind: "answerPrompt", request: "req_1", answer: reply }))).toEqual([
      { type: "media.request.reply", data: { request: "req_1", answer: reply } },
    ]);
    expect(own(client).microphone.wanted).toBe(false);
  });

  test("for a screen asks the server before the browser asks", () => {
    const client = inside();
    client.tell(
      numbered({ type: "media.requested", data: { request: "req_2", source: "screen", by: "x", expires_s: 60 } }),
    );
    const effects = client.tell({ kind: "answerPrompt", request: "req_2", answer: "accept" });
    expect(requestsOf(effects).map((one) => one.type)).toEqual(["media.request.reply", "screen.start"]);
  });

  test("what came of it is told to who asked", () => {
    const client = inside(participant("ada"));
    client.tell(
      ok(
        "media.request",
        { request: "req_3" },
        { type: "media.request", data: { participant: "ada", source: "camera" } },
      ),
    );
    client.tell(
      numbered({
        type: "media.request.answered",
        data: { request: "req_3", participant: "ada", source: "camera", answer: null },
      }),
    );
    expect(toasts(client)).toEqual([
      { kind: "asked", who: "Ada", source: "camera" },
      { kind: "answered", who: "Ada", source: "camera", answer: null },
    ]);
  });
});

test("a new own name is told, whoever gave it", () => {
  const client = inside();
  const me = participant("me", {}, 2);
  client.tell(push({ type: "participant.updated", data: { participant: { ...me, hand: null } } }, 1));
  expect(client.state.toasts).toEqual([]);
  const renamed = { ...me, rev: 3, name: "Myself" };
  client.tell(push({ type: "participant.updated", data: { participant: renamed } }, 2));
  expect(client.state.toasts.map((one) => one.text)).toEqual([{ kind: "named", name: "Myself" }]);
});

test("a suspension is read out and told by its banner alone", () => {
  const client = publishing("camera");
  const suspended = { ...room, rev: 2, suspended: true, locked: true };
  const effects = client.tell(push({ type: "room.updated", data: { room: suspended, by: "ada" } }));
  expect(effects).toContainEqual({ kind: "announce", announcement: { kind: "suspended", on: true } });
  client.tell(push({ type: "media.revoked", data: { source: "camera", reason: "suspended", by: "ada" } }));
  expect(client.state.toasts).toEqual([]);
  expect(client.state.publishing.sources.camera).toMatchObject({ wanted: false, capture: "none" });
});
