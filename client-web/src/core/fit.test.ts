import { expect, test } from "vitest";
import { drawnHeight, fitOf, USUAL_RATIO } from "./fit";

test.each([
  [{ width: 320, height: 180 }, 16 / 9, "cover"],
  [{ width: 320, height: 240 }, 16 / 9, "cover"],
  [{ width: 200, height: 200 }, 16 / 9, "contain"],
  [{ width: 344, height: 480 }, 16 / 9, "contain"],
  [{ width: 320, height: 180 }, 9 / 16, "contain"],
  [{ width: 0, height: 0 }, 16 / 9, "cover"],
] as const)("%j with %d: %s", (tile, ratio, fit) => expect(fitOf(tile, ratio)).toBe(fit));

test("a picture that is shown whole in a tall tile is only as high as it is drawn", () => {
  expect(drawnHeight({ width: 320, height: 640 }, USUAL_RATIO, "contain")).toBeCloseTo(180);
  expect(drawnHeight({ width: 320, height: 240 }, USUAL_RATIO, "cover")).toBeCloseTo(240);
  expect(drawnHeight({ width: 640, height: 240 }, USUAL_RATIO, "cover")).toBeCloseTo(360);
});
