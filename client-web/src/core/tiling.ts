export interface Size {
  width: number;
  height: number;
}

export interface Tiling {
  columns: number;
  rows: number;
  tile: Size;
}

const WIDE = 16 / 9;
/** Shapes that a narrow portrait area may use too. */
const PORTRAIT_RATIOS = [WIDE, 4 / 3, 1];
const PORTRAIT_BELOW = 0.8;

/**
 * Returns the arrangement of `count` equal tiles with the largest tile area, in CSS pixels.
 *
 * Ties go to fewer empty cells, then to `current` columns, so that resizing does not flicker.
 */
export function tile(count: number, area: Size, gap: number, current = 0): Tiling {
  const ratios = area.width < area.height * PORTRAIT_BELOW ? PORTRAIT_RATIOS : [WIDE];
  let best: Tiling = { columns: 1, rows: Math.max(1, count), tile: { width: 0, height: 0 } };
  let bestEmpty = Infinity;
  for (const ratio of ratios) {
    for (let columns = 1; columns <= count; columns += 1) {
      const rows = Math.ceil(count / columns);
      const byWidth = (area.width - gap * (columns - 1)) / columns;
      const byHeight = ((area.height - gap * (rows - 1)) / rows) * ratio;
      const width = Math.max(0, Math.floor(Math.min(byWidth, byHeight)));
      const tile = { width, height: Math.floor(width / ratio) };
      const empty = columns * rows - count;
      const gain = tile.width * tile.height - best.tile.width * best.tile.height;
      const better = gain > 0 || (gain === 0 && (empty < bestEmpty || (empty === bestEmpty && columns === current)));
      if (!better) continue;
      best = { columns, rows, tile };
      bestEmpty = empty;
    }
  }
  return best;
}

/** From this many on, tiles are faces and names only. */
const CROWD = 13;

/** The narrowest tile that is worth showing on a page of `size`; below that the grid pages. */
export function narrowestTile(area: Size, size = 1): number {
  if (Math.min(area.width, area.height) < 480) return size < CROWD ? 140 : 108;
  return size < CROWD ? 180 : 120;
}

/** Returns how many tiles fit on a page: at most `most`, at least one, none narrower than {@link narrowestTile}. */
export function pageSize(count: number, most: number, area: Size, gap: number): number {
  for (let size = Math.min(count, most); size > 1; size -= 1) {
    if (tile(size, area, gap).tile.width >= narrowestTile(area, size)) return size;
  }
  return 1;
}
