import { expect, test } from "vitest";
import { cameraHeight, comfortFrom, DEFAULT_COMFORT, heightMost } from "./comfort";

test("nothing stored, or nonsense, means the defaults", () => {
  for (const text of [null, "", "{", "[]", "3", "null"]) expect(comfortFrom(text)).toEqual(DEFAULT_COMFORT);
});

test("what is stored comes back", () => {
  const changed = {
    ...DEFAULT_COMFORT,
    layout: "sidebar" as const,
    pageSize: 49 as const,
    mirror: false,
    height: 360 as const,
    soundVolume: 0,
    sounds: { ...DEFAULT_COMFORT.sounds, join: false },
    keys: { ...DEFAULT_COMFORT.keys, camera: null },
  };
  expect(comfortFrom(JSON.stringify(changed))).toEqual(changed);
});

test("single values that make no sense are left out", () => {
  const text = JSON.stringify({
    layout: "mosaic",
    pageSize: 13,
    mirror: "yes",
    soundVolume: 7,
    sounds: { join: 1 },
    height: 1,
  });
  expect(comfortFrom(text)).toEqual(DEFAULT_COMFORT);
});

test("the data saver asks for small pictures, sound alone for none, and screens stay sharp", () => {
  const saver = { ...DEFAULT_COMFORT, data: "saver" as const };
  expect(heightMost(saver, "camera", false)).toBe(180);
  expect(heightMost(saver, "camera", true)).toBe(360);
  expect(heightMost(saver, "screen", true)).toBe(Infinity);
  expect(heightMost({ ...saver, data: "audio" }, "camera", true)).toBe(0);
  expect(heightMost({ ...DEFAULT_COMFORT, height: 360 }, "camera", true)).toBe(360);
  expect(cameraHeight(DEFAULT_COMFORT)).toBe(720);
  expect(cameraHeight(saver)).toBe(360);
  expect(cameraHeight({ ...DEFAULT_COMFORT, height: 180 })).toBe(180);
});
