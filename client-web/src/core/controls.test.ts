import { describe, expect, test } from "vitest";
import type { Override, Permission, Role, Room } from "../wire/messages";
import { publishControl, renameControl } from "./controls";
import { participant, room as open } from "./testing";

function ground(role: Role, room: Partial<Room> = {}, permissions: Permission[] = [], overrides: Override[] = []) {
  return {
    self: { ...participant("me"), role },
    room: { ...open, ...room },
    permissions: new Set(permissions),
    overrides,
  };
}
const lock = (on: boolean, allow: string[] = []) => ({ ...open.av_lock, microphone: { on, allow } });

describe("the microphone", () => {
  test("is usable with the right, whatever else is said", () => {
    expect(publishControl("microphone", ground("viewer", {}, ["publish.audio"]))).toEqual({ kind: "usable" });
  });

  test("is not there for a viewer, locked or not", () => {
    expect(publishControl("microphone", ground("viewer"))).toEqual({ kind: "hidden" });
    expect(publishControl("microphone", ground("viewer", { av_lock: lock(true) }))).toEqual({ kind: "hidden" });
  });

  test("is greyed by a lock, by a policy and by an exception, in this order", () => {
    const deny: Override = { key: "publish.audio", effect: "deny", expires_at: "2026-11-22T11:00:00Z" };
    const attendees = { ...open.attendees, microphone: false };
    expect(publishControl("microphone", ground("attendee", { av_lock: lock(true), attendees }, [], [deny]))).toEqual({
      kind: "greyed",
      why: { reason: "locked" },
    });
    expect(publishControl("microphone", ground("attendee", { attendees }, [], [deny]))).toEqual({
      kind: "greyed",
      why: { reason: "override", until: "2026-11-22T11:00:00Z" },
    });
    expect(publishControl("microphone", ground("attendee", { attendees }))).toEqual({
      kind: "greyed",
      why: { reason: "policy" },
    });
  });

  test("who is on the list of the lock is not told that the lock is the reason", () => {
    const deny: Override = { key: "publish.audio", effect: "deny", expires_at: null };
    expect(publishControl("microphone", ground("attendee", { av_lock: lock(true, ["me"]) }, [], [deny]))).toEqual({
      kind: "greyed",
      why: { reason: "override", until: null },
    });
  });

  test("a custom role that has no right to it does not show it", () => {
    const custom_roles = [{ name: "Listener", base: "attendee" as const, deny: ["publish.audio" as const] }];
    const listener = ground("attendee", { custom_roles });
    const self = { ...listener.self, custom_role: "Listener" };
    expect(publishControl("microphone", { ...listener, self })).toEqual({ kind: "hidden" });
  });
});

test("a screen is greyed where nobody may share", () => {
  expect(publishControl("screen", ground("host", { screen: "off" }))).toEqual({
    kind: "greyed",
    why: { reason: "policy" },
  });
});

test("a suspended meeting is the reason before all others", () => {
  expect(publishControl("camera", ground("attendee", { suspended: true }))).toEqual({
    kind: "greyed",
    why: { reason: "suspended" },
  });
});

test("the own name", () => {
  expect(renameControl(ground("attendee", {}, ["self.rename"]))).toEqual({ kind: "usable" });
  const attendees = { ...open.attendees, rename: false };
  expect(renameControl(ground("attendee", { attendees }))).toEqual({ kind: "greyed", why: { reason: "policy" } });
  expect(renameControl(ground("viewer"))).toEqual({ kind: "hidden" });
});
