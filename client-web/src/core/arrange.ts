/** Where tiles go on the stage: a grid, or one large tile with a filmstrip. */
import type { Size } from "./tiling";
import { narrowestTile, pageSize, tile } from "./tiling";

export interface Box extends Size {
  x: number;
  y: number;
}

export interface Arrangement {
  large: Box | null;
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
const STRIP_TILE_MOST = 240;
const WIDE = 16 / 9;

/** Arranges `count` tiles, and a large one before them if `large`, in an area of CSS pixels. */
export function arrange(area: Size, large: boolean, count: number, columns: number): Arrangement {
  if (!large) return grid(area, count, columns);
  return count === 0 ? alone(area) : strip(area, count);
}

function alone(area: Size): Arrangement {
  return { large: { x: 0, y: 0, ...area }, perPage: 1, columns: 1, boxes: () => [] };
}

function grid(whole: Size, count: number, current: number): Arrangement {
  const fits = pageSize(count, MOST_TILES, whole, GAP);
  const area = count > fits ? { width: whole.width, height: whole.height - PAGER_HEIGHT } : whole;
  const perPage = count > fits ? pageSize(count, MOST_TILES, area, GAP) : Math.max(1, fits);
  const { columns } = tile(Math.min(count, perPage), area, GAP, current);
  return { large: null, perPage, columns, boxes: (onPage) => gridBoxes(area, onPage, current) };
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

/** The filmstrip stands right in a wide area, below in a tall one. */
function strip(area: Size, count: number): Arrangement {
  const wide = area.width >= area.height;
  const least = Math.min(narrowestTile(area), 140);
  const across = wide ? area.width : area.height * WIDE;
  const width = Math.round(Math.min(STRIP_TILE_MOST, Math.max(least, across * STRIP_SHARE)));
  const size = { width, height: Math.round(width / WIDE) };
  const along = wide ? area.height : area.width;
  const pitch = (wide ? size.height : size.width) + GAP;
  const fitting = (length: number): number => Math.max(1, Math.min(MOST_TILES - 1, Math.floor((length + GAP) / pitch)));
  const paged = count > fitting(along);
  const pager = paged ? PAGER_HEIGHT : 0;
  const perPage = paged && wide ? fitting(along - pager) : fitting(along);
  const height = area.height - pager;
  const large: Box = wide
    ? { x: 0, y: 0, width: area.width - size.width - GAP, height }
    : { x: 0, y: 0, width: area.width, height: height - size.height - GAP };
  const boxes = (onPage: number): Box[] => {
    const used = onPage * pitch - GAP;
    const start = Math.max(0, Math.round(((wide ? height : along) - used) / 2));
    return Array.from({ length: onPage }, (_, index) => {
      const offset = start + index * pitch;
      return wide
        ? { x: area.width - size.width, y: offset, ...size }
        : { x: offset, y: height - size.height, ...size };
    });
  };
  return { large, perPage, columns: 1, boxes };
}
