import { describe, expect, test } from "vitest";
import type { BanInfo, ErrorBody, InviteInfo, Request } from "../wire/messages";
import * as desk from "./desk";
import { step, unopened, type Key, type ManagementState } from "./management";
import type { Reply } from "./state";
import { room } from "./testing";

type Ok = Reply & { kind: "ok" };
const ok = (request: Request, body: object): Ok => ({ kind: "ok", type: request.type, request, ok: body }) as Ok;
const error = (code: ErrorBody["code"], field?: string): ErrorBody => ({
  code,
  message: "",
  ...(field === undefined ? {} : { field }),
});

const invite: InviteInfo = {
  id: "inv_1",
  role: "attendee",
  custom_role: null,
  name: null,
  name_locked: false,
  max_uses: 1,
  uses: 0,
  not_before: null,
  expires_at: null,
  bypass_lobby: false,
  bind_device: false,
  note: null,
  state: "active",
  created_at: "2026-11-22T10:00:00Z",
  created_by: null,
  last_used_at: null,
};
const ban = { id: "ban_1", keys: ["device"], name: "Bob", expires_at: "2026-11-23T10:00:00Z" } as unknown as BanInfo;

describe("changes of policies", () => {
  test("name the revision they were made on, one after the other", () => {
    const first = desk.change(desk.emptyDesk, 9, { locked: true });
    expect(first.requests).toEqual([{ type: "room.update", data: { locked: true, rev: 9 } }]);
    const second = desk.change(first.desk, 9, { lobby: "off" });
    const third = desk.change(second.desk, 9, { lobby: "on", title: "New" });
    expect([...second.requests, ...third.requests]).toEqual([]);
    const next = desk.answered(third.desk, ok(first.requests[0] as Request, { rev: 10 }), 9);
    expect(next.requests).toEqual([{ type: "room.update", data: { lobby: "on", title: "New", rev: 10 } }]);
    const last = desk.answered(next.desk, ok(next.requests[0] as Request, { rev: 11 }), 11);
    expect(last.requests).toEqual([]);
    expect(last.desk.update).toEqual({ kind: "idle" });
  });

  test("on an old revision end in a conflict that is shown, and drop what waited behind", () => {
    const first = desk.change(desk.emptyDesk, 9, { locked: true });
    const second = desk.change(first.desk, 9, { lobby: "off" });
    const after = desk.refused(second.desk, first.requests[0] as desk.DeskRequest, error("conflict"));
    expect(after.requests).toEqual([]);
    expect(after.desk.problem).toMatchObject({ about: "room.update", code: "conflict" });
    expect(desk.change(after.desk, 10, { locked: true }).desk.problem).toBeNull();
  });

  test("of one part do not undo those of another that are under way", () => {
    const silent = { ...room.attendees, microphone: false };
    const first = desk.change(desk.emptyDesk, 1, { attendees: silent });
    expect(desk.awaited(room, first.desk).attendees).toEqual(silent);
    const dark = { ...desk.awaited(room, first.desk).attendees, camera: false };
    const second = desk.change(first.desk, 1, { attendees: dark });
    expect(desk.awaited(room, second.desk).attendees).toEqual({ ...room.attendees, microphone: false, camera: false });
    expect(desk.awaited(room, desk.emptyDesk).caps).toEqual(room.caps);
  });

  test("that went down with the link are forgotten", () => {
    const { desk: sent } = desk.change(desk.emptyDesk, 1, { locked: true });
    expect(desk.interrupted(sent).update).toEqual({ kind: "idle" });
  });
});

describe("invites and bans", () => {
  test("a new invite is shown with its secret until it is dismissed or revoked", () => {
    const made = desk.answered(
      { ...desk.emptyDesk, invites: [] },
      ok({ type: "invite.create", data: { role: "attendee" } }, { invite, secret: "s3cret" }),
      1,
    ).desk;
    expect(made.made?.secret).toBe("s3cret");
    expect(made.invites).toEqual([invite]);
    const revoked = desk.answered(made, ok({ type: "invite.revoke", data: { invite: "inv_1" } }, {}), 1);
    expect(revoked.desk.made).toBeNull();
    expect(revoked.requests).toEqual([{ type: "invite.list", data: {} }]);
  });

  test("a lifted ban leaves the list", () => {
    const listed = desk.answered(desk.emptyDesk, ok({ type: "ban.list", data: {} }, { bans: [ban] }), 1).desk;
    expect(desk.answered(listed, ok({ type: "ban.lift", data: { ban: "ban_1" } }, {}), 1).desk.bans).toEqual([]);
  });
});

describe("the desk before the meeting", () => {
  const key: Key = { room: "welcome", credential: { kind: "invite", secret: "s" }, deviceKey: "k" };
  const manage: Request = {
    type: "room.manage",
    data: { room: "welcome", credential: key.credential, device_key: "k" },
  };

  function opened(): ManagementState {
    const hello = step(unopened, { kind: "linkOpen" }, key);
    const greeted = step(hello.state, ok(hello.requests[0] as Request, { outcome: "welcome" }), key);
    expect(greeted.requests).toEqual([manage]);
    return step(greeted.state, ok(manage, { room, role: "host", permissions: ["room.settings"] }), key).state;
  }

  test("is opened by the host link, and changes what it heard of last", () => {
    let state = opened();
    expect(state.phase).toMatchObject({ kind: "open", role: "host" });
    state = step(
      state,
      { kind: "push", push: { type: "room.updated", data: { room: { ...room, rev: 7 }, by: null } } },
      key,
    ).state;
    expect(step(state, { kind: "updateRoom", change: { locked: true } }, key).requests).toEqual([
      { type: "room.update", data: { locked: true, rev: 7 } },
    ]);
  });

  test("says why it cannot be opened", () => {
    const { state } = step(unopened, { kind: "failed", request: manage, error: error("forbidden") }, key);
    expect(state.phase).toEqual({ kind: "closed", code: "forbidden" });
    expect(step(state, { kind: "linkClosed" }, key).state.phase).toEqual({ kind: "closed", code: "forbidden" });
    expect(step(opened(), { kind: "linkClosed" }, key).state.phase).toEqual({ kind: "closed", code: null });
  });

  test("stays open when one request is refused", () => {
    const request: desk.DeskRequest = { type: "ban.list", data: {} };
    const { state } = step(opened(), { kind: "failed", request, error: error("forbidden") }, key);
    expect(state.phase.kind).toBe("open");
    expect(state.desk.problem).toMatchObject({ about: "ban.list", code: "forbidden" });
  });
});
