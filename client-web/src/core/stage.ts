/** Which tiles there are, in which order, and which one is large. */
import type { Participant, PictureSource } from "../wire/messages";

export interface TileId {
  participant: string;
  source: PictureSource;
  own: boolean;
}

export type Layout = "grid" | "speaker";

export interface StagePlan {
  large: TileId | null;
  rest: readonly TileId[];
}

export interface StageInput {
  self: Participant | null;
  /** In join order. */
  others: readonly Participant[];
  layout: Layout;
  pinned: { participant: string; source: PictureSource } | null;
  activeSpeaker: string | null;
}

export const keyOf = (tile: { participant: string; source: PictureSource }): string =>
  `${tile.participant}/${tile.source}`;

/**
 * Orders the tiles: shared screens, others in join order, the own tile last.
 *
 * A pinned tile or a shared screen takes the large place in every layout; in the speaker layout otherwise the active
 * speaker does. The own picture is large only when nobody else is there and the layout asks for one.
 */
export function plan(input: StageInput): StagePlan {
  const screens = input.others.filter((one) => one.sources.screen?.published === true);
  const tiles: TileId[] = [
    ...screens.map((one): TileId => ({ participant: one.id, source: "screen", own: false })),
    ...input.others.map((one): TileId => ({ participant: one.id, source: "camera", own: false })),
  ];
  if (input.self !== null) tiles.push({ participant: input.self.id, source: "camera", own: true });
  const large = choose(tiles, input);
  return { large, rest: large === null ? tiles : tiles.filter((tile) => keyOf(tile) !== keyOf(large)) };
}

function choose(tiles: readonly TileId[], input: StageInput): TileId | null {
  if (tiles.length < 2) return null;
  const pinned = input.pinned === null ? undefined : tiles.find((tile) => keyOf(tile) === keyOf(input.pinned ?? tile));
  if (pinned !== undefined) return pinned;
  const screen = tiles.find((tile) => tile.source === "screen");
  if (screen !== undefined) return screen;
  if (input.layout === "grid") return null;
  const others = tiles.filter((tile) => !tile.own);
  return others.find((tile) => tile.participant === input.activeSpeaker) ?? others[0] ?? null;
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
  const from = order.findIndex((tile) => tile.participant === activeSpeaker && tile.source === "camera" && !tile.own);
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
