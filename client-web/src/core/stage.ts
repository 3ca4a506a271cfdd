/** Which tiles there are, in which order, and which ones are large. */
import type { Participant, PictureSource } from "../wire/messages";
import type { Comfort, Layout } from "./comfort";

export type { Layout } from "./comfort";

export interface TileId {
  participant: string;
  source: PictureSource;
  own: boolean;
}

/** How the tiles stand: a grid of equals, a strip beside or below the large ones, or hardly anything but those. */
export type Shape = "grid" | "side" | "below" | "focus";

export interface StagePlan {
  shape: Shape;
  /** One, or several in the spotlight; none in a grid. */
  large: readonly TileId[];
  rest: readonly TileId[];
  /** The own tile where it floats small above the others. */
  floating: TileId | null;
}

export interface StageInput {
  self: Participant | null;
  /** In join order. */
  others: readonly Participant[];
  layout: Layout;
  selfView: Comfort["selfView"];
  pinned: { participant: string; source: PictureSource } | null;
  /** Whom the hosts show large to everybody. */
  spotlight: readonly string[];
  activeSpeaker: string | null;
}

export const keyOf = (tile: { participant: string; source: PictureSource }): string =>
  `${tile.participant}/${tile.source}`;

/**
 * Orders the tiles: shared screens, others in join order, the own tile last.
 *
 * What is pinned, else in the spotlight, takes the large place in every layout; else a shared screen, but in a grid,
 * where all are equal; else, in the layouts that have a large place, the active speaker. The own picture is never large
 * unless nobody else is there.
 */
export function plan(input: StageInput): StagePlan {
  const { self, others } = input;
  const screens = others.filter((one) => one.sources.screen?.published === true);
  const tiles: TileId[] = [
    ...screens.map((one): TileId => ({ participant: one.id, source: "screen", own: false })),
    ...others.map((one): TileId => ({ participant: one.id, source: "camera", own: false })),
  ];
  const own: TileId | null = self === null ? null : { participant: self.id, source: "camera", own: true };
  const large = choose(tiles, input);
  const isLarge = new Set(large.map(keyOf));
  const shape = shapeOf(input.layout, large.length > 0);
  let rest = tiles.filter((tile) => !isLarge.has(keyOf(tile)));
  // Beside what everybody looks at, only who speaks.
  if (shape === "focus") rest = rest.filter((tile) => isSpeaker(tile, input.activeSpeaker));
  const alone = others.length === 0;
  const floats = own !== null && !alone && input.selfView === "small";
  if (own !== null && (alone || input.selfView === "tile")) rest.push(own);
  return { shape, large, rest, floating: floats ? own : null };
}

function shapeOf(layout: Layout, large: boolean): Shape {
  if (!large) return "grid";
  if (layout === "focus") return "focus";
  return layout === "speaker" ? "below" : "side";
}

const isSpeaker = (tile: TileId, speaker: string | null): boolean =>
  tile.source === "camera" && tile.participant === speaker;

function choose(tiles: readonly TileId[], input: StageInput): TileId[] {
  const { pinned, spotlight, layout } = input;
  const pin = pinned === null ? undefined : tiles.find((tile) => keyOf(tile) === keyOf(pinned));
  if (pin !== undefined) return [pin];
  const lit = spotlight.flatMap(
    (id) => tiles.find((tile) => tile.participant === id && tile.source === "camera") ?? [],
  );
  if (lit.length > 0) return lit;
  if (layout === "grid") return [];
  const screen = tiles.find((tile) => tile.source === "screen");
  if (screen !== undefined) return [screen];
  if (layout === "auto") return [];
  const one = tiles.find((tile) => isSpeaker(tile, input.activeSpeaker)) ?? tiles[0];
  return one === undefined ? [] : [one];
}

/**
 * Returns the pages of `size` tiles each; the own tile, if it is the last of `tiles`, stands on all of them, so that
 * nobody loses sight of what he sends.
 *
 * Somebody who speaks on a later page changes places with the last one of the first page; everything else stays.
 */
export function pagesOf(tiles: readonly TileId[], size: number, activeSpeaker: string | null): TileId[][] {
  const last = tiles[tiles.length - 1];
  const own = last?.own === true && size > 1 && tiles.length > size ? last : null;
  const order = own === null ? [...tiles] : tiles.slice(0, -1);
  const each = own === null ? Math.max(1, size) : size - 1;
  const from = order.findIndex((tile) => isSpeaker(tile, activeSpeaker) && !tile.own);
  const speaker = order[from];
  const giving = order[each - 1];
  if (from >= each && speaker !== undefined && giving !== undefined) {
    order[each - 1] = speaker;
    order[from] = giving;
  }
  const pages: TileId[][] = [];
  for (let at = 0; at < order.length; at += each) {
    pages.push([...order.slice(at, at + each), ...(own === null ? [] : [own])]);
  }
  return pages;
}
