import { expect, test } from "vitest";
import type { Box } from "./arrange";
import { arrange } from "./arrange";

const AREAS = [
  { width: 1280, height: 640 },
  { width: 1920, height: 960 },
  { width: 390, height: 700 },
  { width: 344, height: 480 },
  { width: 844, height: 340 },
];

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

test("no two tiles overlap, and none sticks out", () => {
  for (const area of AREAS) {
    for (const large of [false, true]) {
      for (let count = large ? 0 : 1; count <= 30; count += 1) {
        const plan = arrange(area, large, count, 0);
        for (let onPage = 1; onPage <= Math.min(count, plan.perPage); onPage += 1) {
          const boxes = [plan.large, plan.pager, ...plan.boxes(onPage)].filter((box) => box !== null);
          for (const box of boxes) {
            const where = JSON.stringify({ area, large, count, onPage, box });
            expect(box.x >= 0 && box.y >= 0, where).toBe(true);
            expect(box.x + box.width <= area.width + 1 && box.y + box.height <= area.height + 1, where).toBe(true);
            for (const other of boxes) if (other !== box) expect(overlap(box, other), where).toBe(false);
          }
        }
      }
    }
  }
});

test("a page of the grid never has more tiles than the server feeds slots", () => {
  for (const area of AREAS) expect(arrange(area, false, 60, 0).perPage).toBeLessThanOrEqual(12);
  for (const area of AREAS) expect(arrange(area, true, 60, 0).perPage).toBeLessThanOrEqual(11);
});

test("the filmstrip stands right in a wide area and below in a tall one", () => {
  const wide = arrange({ width: 1280, height: 640 }, true, 3, 0);
  expect(wide.boxes(3).every((box) => box.x >= (wide.large?.width ?? 0))).toBe(true);
  const tall = arrange({ width: 390, height: 700 }, true, 3, 0);
  expect(tall.boxes(2).every((box) => box.y >= (tall.large?.height ?? 0))).toBe(true);
});
