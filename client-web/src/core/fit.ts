/** How a picture fits its tile. */
import type { Size } from "./tiling";

/** What is assumed of a picture that has not arrived yet. */
export const USUAL_RATIO = 16 / 9;
/** A face survives this much; more is shown whole, on the tile's colour. */
const CROP_MOST = 0.25;

/** Returns whether a picture of `ratio` fills the tile, losing at most a quarter, or is shown whole in it. */
export function fitOf(tile: Size, ratio: number): "cover" | "contain" {
  if (tile.height <= 0 || ratio <= 0) return "cover";
  const shape = tile.width / tile.height;
  const crop = 1 - Math.min(shape / ratio, ratio / shape);
  // A tile is whole pixels, so its shape is a little off.
  return crop <= CROP_MOST + 0.01 ? "cover" : "contain";
}

/** Returns the height in which a picture of `ratio` is drawn in the tile, in the unit of the tile. */
export function drawnHeight(tile: Size, ratio: number, fit: "cover" | "contain"): number {
  const byWidth = tile.width / ratio;
  return fit === "cover" ? Math.max(tile.height, byWidth) : Math.min(tile.height, byWidth);
}
