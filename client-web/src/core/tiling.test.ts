import { describe, expect, test } from "vitest";
import { pageSize, tile } from "./tiling";

const GAP = 8;

describe("the tiling of the design language", () => {
  // ECOSYSTEM 5.4; widths there were computed with a gap of 4 to 8 px, hence the tolerance.
  test.each([
    [1280, 640, 2, 2, 1, 636],
    [1280, 640, 4, 2, 2, 562],
    [1280, 640, 6, 3, 2, 421],
    [1280, 640, 9, 3, 3, 370],
    [1280, 640, 12, 4, 3, 314],
    [1280, 640, 16, 4, 4, 274],
    [1920, 960, 5, 3, 2, 635],
    [1920, 960, 16, 4, 4, 416],
    [844, 340, 2, 2, 1, 418],
    [844, 340, 6, 3, 2, 276],
  ])("%d x %d, %d tiles", (width, height, count, columns, rows, tileWidth) => {
    const result = tile(count, { width, height }, GAP);
    expect([result.columns, result.rows]).toEqual([columns, rows]);
    expect(Math.abs(result.tile.width - tileWidth)).toBeLessThanOrEqual(3);
  });
});

test("tiles never stick out, whatever the area", () => {
  for (let count = 1; count <= 25; count += 1) {
    for (const [width, height] of [
      [390, 700],
      [1280, 640],
      [344, 480],
      [200, 90],
      [1, 1],
      [0, 0],
    ] as const) {
      const { columns, rows, tile: size } = tile(count, { width, height }, GAP);
      expect(columns * rows).toBeGreaterThanOrEqual(count);
      if (size.width > 0) {
        expect(columns * size.width + (columns - 1) * GAP).toBeLessThanOrEqual(width);
        expect(rows * size.height + (rows - 1) * GAP).toBeLessThanOrEqual(height + 1);
      }
    }
  }
});

test("a narrow portrait area may use squarer tiles", () => {
  const { tile: size } = tile(2, { width: 390, height: 700 }, GAP);
  expect(size.width / size.height).toBeLessThan(16 / 9);
});

test("a tie keeps the columns of before", () => {
  // Two tiles in a square area are as large beside as below each other only with a gap of 0 and a ratio of 1.
  const area = { width: 160, height: 90 };
  expect(tile(1, area, 0, 1).columns).toBe(1);
});

test("a page holds as many tiles as stay wide enough", () => {
  expect(pageSize(4, 12, { width: 1280, height: 640 }, GAP)).toBe(4);
  expect(pageSize(40, 12, { width: 1280, height: 640 }, GAP)).toBe(12);
  expect(pageSize(12, 12, { width: 344, height: 300 }, GAP)).toBeLessThan(12);
  expect(pageSize(5, 12, { width: 10, height: 10 }, GAP)).toBe(1);
});
