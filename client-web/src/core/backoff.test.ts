import { expect, test } from "vitest";
import { backoffMs } from "./backoff";

test("waits double from 0.3 s to 8 s", () => {
  expect([1, 2, 3, 4, 5, 6, 7, 50].map((attempt) => backoffMs(attempt, 0))).toEqual([
    300, 600, 1_200, 2_400, 4_800, 8_000, 8_000, 8_000,
  ]);
});

test("chance takes off up to a half, never below the first wait", () => {
  expect(backoffMs(6, 1)).toBe(4_000);
  expect(backoffMs(1, 1)).toBe(300);
});
