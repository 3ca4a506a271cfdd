/** What to ask the server to send: the whole list of what is shown, from real tile sizes. */
import type { Priority, PictureSource, View } from "../wire/messages";

/** A tile on screen that could show moving pictures. */
export interface ShownTile {
  participant: string;
  source: PictureSource;
  /** Whether there is a picture at present; slots are for those first. */
  sends: boolean;
  /** In device pixels. */
  heightPx: number;
  priority: Priority;
}

export interface Wish {
  shown: readonly ShownTile[];
  sent: readonly View[] | null;
  rev: number;
  sentAtMs: number;
}

/** The server takes five wishes a second; a burst of changes becomes one. */
const CHANGE_EVERY_MS = 200;
const RESIZE_EVERY_MS = 500;
const RESIZE_HYSTERESIS = 0.2;

export const noWish: Wish = { shown: [], sent: null, rev: 0, sentAtMs: -Infinity };

/** Takes what is on screen. Returns `wish` itself when that is what was there before. */
export function show(wish: Wish, shown: readonly ShownTile[]): Wish {
  const same =
    shown.length === wish.shown.length &&
    shown.every((one, index) => {
      const old = wish.shown[index];
      return (
        one.participant === old?.participant &&
        one.source === old.source &&
        one.sends === old.sends &&
        one.heightPx === old.heightPx &&
        one.priority === old.priority
      );
    });
  return same ? wish : { ...wish, shown };
}

interface Ranked {
  one: ShownTile;
  index: number;
}

const RANK: Record<Priority, number> = { pinned: 0, speaker: 1, gallery: 2 };

const byRank = (a: Ranked, b: Ranked): number => RANK[a.one.priority] - RANK[b.one.priority] || a.index - b.index;

/** Returns the views to ask for, at most `slots`: those that have a picture, and the most important of them, first. */
export function viewsOf(shown: readonly ShownTile[], slots: number): View[] {
  return shown
    .filter((one) => one.heightPx > 0)
    .map((one, index) => ({ one, index }))
    .sort((a, b) => Number(b.one.sends) - Number(a.one.sends) || byRank(a, b))
    .slice(0, slots)
    .sort(byRank)
    .map(({ one }) => ({
      participant: one.participant,
      source: one.source,
      max_height_px: Math.min(4320, Math.ceil(one.heightPx)),
      priority: one.priority,
    }));
}

type Difference = "none" | "size" | "set";

function difference(before: readonly View[] | null, after: readonly View[]): Difference {
  if (before === null) return "set";
  if (before.length !== after.length) return "set";
  const key = (view: View) => `${view.participant} ${view.source}`;
  const old = new Map(before.map((view) => [key(view), view]));
  let result: Difference = "none";
  for (const view of after) {
    const match = old.get(key(view));
    if (match === undefined || match.priority !== view.priority) return "set";
    const change = Math.abs(view.max_height_px - match.max_height_px) / match.max_height_px;
    if (change > RESIZE_HYSTERESIS) result = "size";
  }
  return result;
}

/** Returns the wish that is due at `nowMs`, or null when the last one still says the same or it is too early. */
export function due(wish: Wish, nowMs: number, slots: number): { wish: Wish; views: View[] } | null {
  const views = viewsOf(wish.shown, slots);
  const kind = difference(wish.sent, views);
  if (kind === "none") return null;
  if (nowMs < wish.sentAtMs + (kind === "set" ? CHANGE_EVERY_MS : RESIZE_EVERY_MS)) return null;
  return { wish: { ...wish, sent: views, rev: wish.rev + 1, sentAtMs: nowMs }, views };
}
