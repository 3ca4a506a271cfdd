import { expect, test } from "vitest";
import {
  actionOf,
  chordOf,
  chordText,
  DEFAULT_KEYS,
  type KeyEventLike,
  keysFrom,
  type KeySettings,
  remap,
} from "./keys";

const settings: KeySettings = { on: true, letters: false, map: DEFAULT_KEYS };
const press = (code: string, change: Partial<KeyEventLike> = {}): KeyEventLike => ({
  code,
  key: code.replace(/^Key/, "").toLowerCase(),
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...change,
});
const ctrlD = press("KeyD", { ctrlKey: true });
const question = press("Minus", { key: "?", shiftKey: true });
const space = press("Space", { key: " " });

test("the usual keys, with Ctrl and with Cmd", () => {
  expect(actionOf(settings, ctrlD, "control")).toBe("microphone");
  expect(actionOf(settings, press("KeyE", { metaKey: true }), "stage")).toBe("camera");
  // On a Mac Alt makes another letter of it.
  expect(actionOf(settings, press("KeyH", { altKey: true, key: "˙" }), "stage")).toBe("hand");
  expect(actionOf(settings, question, "stage")).toBe("help");
  expect(actionOf(settings, press("KeyD", { ctrlKey: true, shiftKey: true }), "stage")).toBeNull();
});

test("while somebody types, only keys with Ctrl, Cmd or Alt count", () => {
  expect(actionOf(settings, question, "typing")).toBeNull();
  expect(actionOf(settings, space, "typing")).toBeNull();
  expect(actionOf(settings, ctrlD, "typing")).toBe("microphone");
});

test("the space bar talks on the stage and presses buttons elsewhere", () => {
  expect(actionOf(settings, space, "stage")).toBe("talk");
  expect(actionOf(settings, space, "control")).toBeNull();
});

test("single letters are off until they are switched on", () => {
  expect(actionOf(settings, press("KeyM"), "stage")).toBeNull();
  expect(actionOf({ ...settings, letters: true }, press("KeyM"), "stage")).toBe("microphone");
  expect(actionOf({ ...settings, letters: true }, press("KeyM"), "typing")).toBeNull();
  const mapped = { ...settings, map: { ...DEFAULT_KEYS, camera: "KeyX" } };
  expect(actionOf(mapped, press("KeyX"), "stage")).toBeNull();
  expect(actionOf({ ...mapped, letters: true }, press("KeyX"), "stage")).toBe("camera");
});

test("the off switch switches all of them off", () => {
  for (const one of [ctrlD, question, space]) expect(actionOf({ ...settings, on: false }, one, "stage")).toBeNull();
});

test("a chord belongs to one action", () => {
  const result = remap(settings, "camera", "Mod+KeyD");
  expect(result).toEqual({
    kind: "done",
    map: { ...DEFAULT_KEYS, camera: "Mod+KeyD", microphone: null },
    taken: "microphone",
  });
  expect(remap(settings, "camera", null)).toMatchObject({ kind: "done", map: { camera: null }, taken: null });
});

test("what the browser needs and single letters are refused", () => {
  expect(remap(settings, "camera", "Mod+KeyW")).toEqual({ kind: "refused", reason: "reserved" });
  expect(remap(settings, "camera", "KeyX")).toEqual({ kind: "refused", reason: "letter" });
  expect(remap({ ...settings, letters: true }, "camera", "KeyX")).toMatchObject({ kind: "done" });
});

test("modifiers alone and keys that move the focus are no chords", () => {
  for (const key of ["Control", "Shift", "Tab", "Escape", "Enter", "ArrowLeft"]) {
    expect(chordOf(press(key, { key }))).toBeNull();
  }
});

test("chords in words", () => {
  expect(chordText("Mod+KeyD", false)).toBe("Ctrl+D");
  expect(chordText("Mod+KeyD", true)).toBe("⌘D");
  expect(chordText("Space", false)).toBe("Space");
});

test("what was stored is taken where it makes sense", () => {
  expect(keysFrom({ camera: "Alt+KeyV", hand: 3, people: null, nonsense: "x" })).toEqual({
    ...DEFAULT_KEYS,
    camera: "Alt+KeyV",
    people: null,
  });
  expect(keysFrom("broken")).toBe(DEFAULT_KEYS);
});
