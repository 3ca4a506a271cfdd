import { expect, test } from "vitest";
import { toasted, type Toast, type ToastText } from "./toasts";

const texts = (toasts: readonly Toast[]): ToastText[] => toasts.map((one) => one.text);
const all = (...said: ToastText[]): readonly Toast[] =>
  said.reduce<readonly Toast[]>((toasts, text, at) => toasted(toasts, text, at * 1_000), []);

test("what is said again is shown once, as the newest, for the whole time", () => {
  const barred: ToastText = { kind: "forbidden", source: "microphone", why: { reason: "locked" } };
  const other: ToastText = { kind: "muted", count: 2 };
  const toasts = all(barred, other, barred);
  expect(texts(toasts)).toEqual([other, barred]);
  expect(toasts.map((one) => one.untilMs)).toEqual([9_000, 10_000]);
  expect(new Set(toasts.map((one) => one.id)).size).toBe(2);
});

test("a lock that ends the own publication is one message, in whichever order it is told", () => {
  const room: ToastText = { kind: "sourceLocked", source: "microphone", on: true, by: "Ada" };
  const own: ToastText = { kind: "revoked", source: "microphone", reason: "locked", by: "Ada" };
  expect(texts(all(room, own))).toEqual([own]);
  expect(texts(all(own, room))).toEqual([room]);
});

test("a right that is taken while it is used is one message, in whichever order it is told", () => {
  const right: ToastText = { kind: "right", source: "camera", on: false, by: "Ada" };
  const own: ToastText = { kind: "revoked", source: "camera", reason: "permission_revoked", by: "Ada" };
  expect(texts(all(right, own))).toEqual([own]);
  expect(texts(all(own, right))).toEqual([right]);
  const back: ToastText = { kind: "right", source: "camera", on: true, by: "Ada" };
  expect(texts(all(own, back))).toEqual([own, back]);
});

test("messages about different sources, people and directions stand beside each other", () => {
  const said: ToastText[] = [
    { kind: "sourceLocked", source: "microphone", on: true, by: "Ada" },
    { kind: "sourceLocked", source: "microphone", on: false, by: "Ada" },
    { kind: "sourceLocked", source: "camera", on: true, by: "Ada" },
    { kind: "revoked", source: "microphone", reason: "muted", by: "Ada" },
  ];
  expect(texts(all(...said))).toEqual(said);
});
