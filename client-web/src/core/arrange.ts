/** Where tiles go on the stage: a grid, or one large tile with a filmstrip. */
import type { Size } from "./tiling";
import { pageSize, tile } from "./tiling";

export interface Box extends Size {
  x: number;
  y: number;
}

export interface Arrangement {
  large: Box | null;
  /** Where to turn pages, if there are several. */
  pager: Box | null;
  /** Tiles of one page, the large one not counted. */
  perPage: number;
  /** Of the grid; given back at the next call so that ties do not flicker. */
  columns: number;
  /** The places of the `count` tiles of a page. */
  boxes(count: number): Box[];
}

/** Moving pictures on one page: the server feeds as many slots. */
const MOST_TILES = 12;
const GAP = 8;
const PAGER_HEIGHT = 56;
const STRIP_SHARE = 0.2;
const STRIP_TILE_LEAST = 140;
const STRIP_TILE_MOST = 240;
const WIDE = 16 / 9;

/** Arranges `count` tiles, and a large one before them if `large`, in an area of CSS pixels. */
export function arrange(area: Size, large: boolean, count: number, columns: number): Arrangement {
  if (!large) return grid(area, count, columns);
  return count === 0 ? alone(area) : strip(area, count);
}

function alone(area: Size): Arrangement {
  return { large: { x: 0, y: 0, ...area }, pager: null, perPage: 1, columns: 1, boxes: () => [] };
}

function grid(whole: Size, count: number, current: number): Arrangement {
  const fits = pageSize(count, MOST_TILES, whole, GAP);
  const area = count > fits ? { width: whole.width, height: whole.height - PAGER_HEIGHT } : whole;
  const perPage = count > fits ? pageSize(count, MOST_TILES, area, GAP) : Math.max(1, fits);
  const { columns } = tile(Math.min(count, perPage), area, GAP, current);
  const pager = count > perPage ? pagerBelow(whole) : null;
  return { large: null, pager, perPage, columns, boxes: (onPage) => gridBoxes(area, onPage, current) };
}

function gridBoxes(area: Size, count: number, current: number): Box[] {
  const { columns, rows, tile: size } = tile(count, area, GAP, current);
  const top = Math.max(0, (area.height - rows * size.height - GAP * (rows - 1)) / 2);
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - columns * (rows - 1) : columns;
    const left = Math.max(0, (area.width - inRow * size.width - GAP * (inRow - 1)) / 2);
    const x = Math.round(left + (index - row * columns) * (size.width + GAP));
    return { x, y: Math.round(top + row * (size.height + GAP)), ...size };
  });
}

/** The filmstrip stands right in a wide area, below in a tall one; so does the pager. */
function strip(area: Size, count: number): Arrangement {
  return area.width >= area.height ? stripRight(area, count) : stripBelow(area, count);
}

function stripRight(area: Size, count: number): Arrangement {
  const width = Math.round(clamp(area.width * STRIP_SHARE, STRIP_TILE_LEAST, STRIP_TILE_MOST));
  const size = { width, height: Math.round(width / WIDE) };
  const x = area.width - width;
  const pitch = size.height + GAP;
  const all = fitting(area.height, pitch);
  const paged = count > all;
  const perPage = paged ? fitting(area.height - PAGER_HEIGHT, pitch) : all;
  const height = paged ? area.height - PAGER_HEIGHT : area.height;
  return {
    large: { x: 0, y: 0, width: area.width - width - GAP, height: area.height },
    pager: paged ? { x, y: height + GAP, width, height: PAGER_HEIGHT - GAP } : null,
    perPage,
    columns: 1,
    boxes: (onPage) => centred(onPage, height, pitch).map((y) => ({ x, y, ...size })),
  };
}

function stripBelow(area: Size, count: number): Arrangement {
  const third = (area.width - 2 * GAP) / 3;
  const width = Math.floor(clamp(third, Math.min(third, STRIP_TILE_LEAST), STRIP_TILE_MOST));
  const size = { width, height: Math.round(width / WIDE) };
  const pitch = width + GAP;
  const perPage = fitting(area.width, pitch);
  const paged = count > perPage;
  const y = area.height - size.height - (paged ? PAGER_HEIGHT : 0);
  return {
    large: { x: 0, y: 0, width: area.width, height: y - GAP },
    pager: paged ? pagerBelow(area) : null,
    perPage,
    columns: 1,
    boxes: (onPage) => centred(onPage, area.width, pitch).map((x) => ({ x, y, ...size })),
  };
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
const fitting = (length: number, pitch: number): number => clamp(Math.floor((length + GAP) / pitch), 1, MOST_TILES - 1);
const pagerBelow = (area: Size): Box => ({
  x: 0,
  y: area.height - PAGER_HEIGHT + GAP,
  width: area.width,
  height: PAGER_HEIGHT - GAP,
});

/** Where `count` things of one pitch begin, in the middle of `length`. */
function centred(count: number, length: number, pitch: number): number[] {
  const start = Math.max(0, Math.round((length - (count * pitch - GAP)) / 2));
  return Array.from({ length: count }, (_, index) => start + index * pitch);
}
