import { expect, test } from "vitest";
import { measure, noLoad, overloaded } from "./overload";

const after = (shares: readonly number[], windowMs = 2_000): boolean => {
  let load = measure(noLoad, 0, 0);
  let audioMs = 0;
  shares.forEach((share, index) => {
    audioMs += windowMs * share;
    load = measure(load, (index + 1) * windowMs, audioMs);
  });
  return overloaded(load);
};

test("sound that keeps its pace is no load", () => expect(after([1, 0.99, 1.01, 1, 0.98])).toBe(false));
test("three slow windows in a row are too much", () => expect(after([1, 0.8, 0.85, 0.9])).toBe(true));
test("a hiccup is not", () => expect(after([0.5, 0.6, 1, 0.5])).toBe(false));
test("a page that slept measured nothing", () => expect(after([0, 0, 0, 0], 60_000)).toBe(false));
