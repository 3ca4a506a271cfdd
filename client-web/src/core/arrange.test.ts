import { expect, test } from "vitest";
import type { Box } from "./arrange";
import { arrange, floatingBox } from "./arrange";
import type { Shape } from "./stage";

const AREAS = [
  { width: 1280, height: 640 },
  { width: 1920, height: 960 },
  { width: 390, height: 700 },
  { width: 344, height: 480 },
  { width: 844, height: 340 },
];

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

interface Case {
  area: { width: number; height: number };
  shape: Shape;
  large: number;
  count: number;
  most: number;
}

/** Every shape with every number of tiles, on every stage. */
function* cases(): Generator<Case> {
  for (const area of AREAS) {
    for (const most of [12, 49]) {
      for (let count = 1; count <= 60; count += 1) yield { area, shape: "grid", large: 0, count, most };
    }
    for (const shape of ["side", "below", "focus"] as const) {
      for (const large of [1, 2, 6]) {
        for (let count = 0; count <= 30; count += 1) yield { area, shape, large, count, most: 12 };
      }
    }
  }
}

test("no two tiles overlap, and none sticks out", () => {
  for (const one of cases()) {
    const { area } = one;
    const plan = arrange({ ...one, columns: 0 });
    expect(plan.large.length).toBe(one.large);
    const onPage = Math.min(one.count, plan.perPage);
    const boxes = [...plan.large, plan.pager, ...plan.boxes(onPage)].filter((box) => box !== null);
    const bad = boxes.find(
      (box) =>
        box.x < 0 ||
        box.y < 0 ||
        box.x + box.width > area.width + 1 ||
        box.y + box.height > area.height + 1 ||
        boxes.some((other) => other !== box && overlap(box, other)),
    );
    expect(bad, JSON.stringify(one)).toBeUndefined();
  }
});

test("a page has at most as many tiles as the user wants", () => {
  const grid = (area: Case["area"], most: number): number =>
    arrange({ area, shape: "grid", large: 0, count: 60, most, columns: 0 }).perPage;
  for (const area of AREAS) {
    expect(grid(area, 12)).toBeLessThanOrEqual(12);
    expect(grid(area, 25)).toBeLessThanOrEqual(25);
  }
  expect(grid({ width: 1280, height: 640 }, 49)).toBe(49);
  expect(grid({ width: 1280, height: 640 }, 25)).toBe(25);
});

const strip = (area: Case["area"], shape: Shape) => arrange({ area, shape, large: 1, count: 3, most: 12, columns: 0 });

test("the strip at the side stands right in a wide area and below in a tall one", () => {
  const wide = strip({ width: 1280, height: 640 }, "side");
  expect(wide.boxes(3).every((box) => box.x >= (wide.large[0]?.width ?? 0))).toBe(true);
  const tall = strip({ width: 390, height: 700 }, "side");
  expect(tall.boxes(2).every((box) => box.y >= (tall.large[0]?.height ?? 0))).toBe(true);
});

test("the strip below stands below, but in a low area", () => {
  const wide = strip({ width: 1280, height: 640 }, "below");
  expect(wide.boxes(3).every((box) => box.y >= (wide.large[0]?.height ?? 0))).toBe(true);
  const low = strip({ width: 844, height: 300 }, "below");
  expect(low.boxes(2).every((box) => box.x >= (low.large[0]?.width ?? 0))).toBe(true);
});

test("the focus gives more to what is large", () => {
  const area = { width: 1280, height: 640 };
  expect(strip(area, "focus").large[0]?.width).toBeGreaterThan(strip(area, "side").large[0]?.width ?? Infinity);
});

test("the own tile floats within the stage", () => {
  for (const area of AREAS) {
    const box = floatingBox(area);
    expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= area.width && box.y + box.height <= area.height).toBe(true);
  }
});
