import { expect, test } from "vitest";
import { exceptionsOf, noted } from "./exceptions";
import { ok } from "./script";
import type { Reply } from "./state";
import { participant, room } from "./testing";

const target = participant("ada");
const forbidden = {
  ...target,
  sources: { ...target.sources, microphone: { ...target.sources.microphone, locked: true } },
};
const grant = (on: boolean, ttl_s: number | null = null) =>
  ok(
    "media.grant",
    { rev: 2 },
    { type: "media.grant", data: { participant: "ada", source: "microphone", on, ttl_s } },
  ) as Reply & { kind: "ok" };
const clear = ok(
  "perm.override",
  { rev: 3 },
  { type: "perm.override", data: { participant: "ada", key: "publish.audio", effect: "clear", rev: 2 } },
) as Reply & { kind: "ok" };

test("what differs from the role is an exception, whoever made it", () => {
  expect(exceptionsOf(room, target, [], 0)).toEqual([]);
  expect(exceptionsOf(room, forbidden, [], 0)).toEqual([{ source: "microphone", on: false, untilMs: null }]);
  const shut = { ...room, attendees: { ...room.attendees, camera: false } };
  expect(exceptionsOf(shut, target, [], 0)).toEqual([{ source: "camera", on: true, untilMs: null }]);
});

test("a lock is no exception", () => {
  const locked = { ...room, av_lock: { ...room.av_lock, microphone: { on: true, allow: [] } } };
  expect(exceptionsOf(locked, forbidden, [], 0)).toEqual([]);
});

test("how long it lasts is known to who made it", () => {
  const made = noted([], grant(false, 60), 1_000);
  expect(exceptionsOf(room, forbidden, made, 2_000)).toEqual([{ source: "microphone", on: false, untilMs: 61_000 }]);
  expect(exceptionsOf(room, target, made, 61_000)).toEqual([]);
  expect(noted(made, clear, 0)).toEqual([]);
  // An exception that says what the role says is one too.
  expect(exceptionsOf(room, target, noted(made, grant(true), 0), 0)).toEqual([
    { source: "microphone", on: true, untilMs: null },
  ]);
});
