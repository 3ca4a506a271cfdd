/** Where tiles go on the stage: a grid, or large ones with a strip of the others. */
import type { Shape } from "./stage";
import type { Size } from "./tiling";
import { pageSize, tile } from "./tiling";

export interface Box extends Size {
  x: number;
  y: number;
}

export interface Arrangement {
  /** The places of the large tiles. */
  large: Box[];
  /** Where to turn pages, if there are several. */
  pager: Box | null;
  /** Tiles of one page, the large ones not counted. */
  perPage: number;
  /** Of the grid; given back at the next call so that ties do not flicker. */
  columns: number;
  /** The places of the `count` tiles of a page. */
  boxes(count: number): Box[];
}

export interface Ask {
  /** In CSS pixels. */
  area: Size;
  shape: Shape;
  /** How many tiles are large; none in a grid. */
  large: number;
  /** How many others there are. */
  count: number;
  /** The most tiles on a page of the grid. */
  most: number;
  /** Of the grid, at the last call. */
  columns: number;
}

/** A strip is looked at beside something else: more would ask for more pictures than the server feeds slots. */
const STRIP_MOST = 11;
const GAP = 8;
const PAGER_HEIGHT = 56;
const STRIP_SHARE = 0.2;
const STRIP_TILE_LEAST = 140;
const STRIP_TILE_MOST = 240;
/** The one or two small tiles beside what everybody looks at. */
const FOCUS_TILE_MOST = 150;
/** A strip below takes at most this share of the height. */
const BELOW_SHARE = 0.22;
const WIDE = 16 / 9;
/** Of the own tile where it floats. */
const FLOAT_SHARE = 0.18;
const FLOAT_LEAST = 112;
const FLOAT_MOST = 220;

/** Arranges the tiles of a stage. */
export function arrange(ask: Ask): Arrangement {
  if (ask.large === 0) return grid(ask);
  const { area, shape, count } = ask;
  if (count === 0) {
    return {
      large: largeBoxes({ x: 0, y: 0, ...area }, ask.large),
      pager: null,
      perPage: 1,
      columns: 1,
      boxes: () => [],
    };
  }
  // A narrow window has no room at the side, a low one none below.
  const tall = area.width < area.height;
  const below = shape === "below" ? area.height >= LOW : tall;
  return below ? stripBelow(ask) : stripSide(ask);
}

/** Below this height of the stage, a strip below leaves nothing. */
const LOW = 380;

/** Returns where the own tile floats above the others: in the corner at the end of the lines, over the last names. */
export function floatingBox(area: Size): Box {
  const width = Math.round(clamp(Math.min(area.width, area.height * WIDE) * FLOAT_SHARE, FLOAT_LEAST, FLOAT_MOST));
  const height = Math.round(width / WIDE);
  return {
    x: Math.max(0, area.width - width - GAP),
    y: Math.max(0, area.height - height - GAP),
    width,
    height,
  };
}

function grid({ area: whole, count, most, columns: current }: Ask): Arrangement {
  const fits = pageSize(count, most, whole, GAP);
  const area = count > fits ? { width: whole.width, height: whole.height - PAGER_HEIGHT } : whole;
  const perPage = count > fits ? pageSize(count, most, area, GAP) : Math.max(1, fits);
  const { columns } = tile(Math.min(count, perPage), area, GAP, current);
  const pager = count > perPage ? pagerBelow(whole) : null;
  return { large: [], pager, perPage, columns, boxes: (onPage) => gridBoxes(area, onPage, current) };
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

/** One large tile has the whole place, several share it. */
function largeBoxes(place: Box, count: number): Box[] {
  if (count === 1) return [place];
  return gridBoxes(place, count, 0).map((box) => ({ ...box, x: box.x + place.x, y: box.y + place.y }));
}

function stripSide({ area, shape, large, count }: Ask): Arrangement {
  const most = shape === "focus" ? FOCUS_TILE_MOST : STRIP_TILE_MOST;
  const width = Math.round(clamp(area.width * STRIP_SHARE, STRIP_TILE_LEAST, most));
  const size = { width, height: Math.round(width / WIDE) };
  const x = area.width - width;
  const pitch = size.height + GAP;
  const all = fitting(area.height, pitch);
  const paged = count > all;
  const perPage = paged ? fitting(area.height - PAGER_HEIGHT, pitch) : all;
  const height = paged ? area.height - PAGER_HEIGHT : area.height;
  return {
    large: largeBoxes({ x: 0, y: 0, width: area.width - width - GAP, height: area.height }, large),
    pager: paged ? { x, y: height + GAP, width, height: PAGER_HEIGHT - GAP } : null,
    perPage,
    columns: 1,
    boxes: (onPage) => centred(onPage, height, pitch).map((y) => ({ x, y, ...size })),
  };
}

function stripBelow({ area, shape, large, count }: Ask): Arrangement {
  const third = (area.width - 2 * GAP) / 3;
  const byHeight = Math.max(STRIP_TILE_LEAST, area.height * BELOW_SHARE * WIDE);
  const most = Math.min(shape === "focus" ? FOCUS_TILE_MOST : STRIP_TILE_MOST, byHeight);
  const width = Math.floor(clamp(third, Math.min(third, STRIP_TILE_LEAST), most));
  const size = { width, height: Math.round(width / WIDE) };
  const pitch = width + GAP;
  const perPage = fitting(area.width, pitch);
  const paged = count > perPage;
  const y = area.height - size.height - (paged ? PAGER_HEIGHT : 0);
  return {
    large: largeBoxes({ x: 0, y: 0, width: area.width, height: y - GAP }, large),
    pager: paged ? pagerBelow(area) : null,
    perPage,
    columns: 1,
    boxes: (onPage) => centred(onPage, area.width, pitch).map((x) => ({ x, y, ...size })),
  };
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value));
const fitting = (length: number, pitch: number): number => clamp(Math.floor((length + GAP) / pitch), 1, STRIP_MOST);
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
