import { expect, test } from "vitest";
import { due, noWish, show, viewsOf, type ShownTile } from "./wish";

const tile = (participant: string, heightPx: number, priority: ShownTile["priority"] = "gallery"): ShownTile => ({
  sends: true,
  participant,
  source: "camera",
  heightPx,
  priority,
});

test("the most important come first, and no more than there are slots", () => {
  const views = viewsOf([tile("ada", 100), tile("bob", 100, "speaker"), tile("eve", 100, "pinned")], 2);
  expect(views.map((view) => view.participant)).toEqual(["eve", "bob"]);
});

test("a slot goes to who has a picture before it goes to anybody else", () => {
  const off = { ...tile("ada", 100, "speaker"), sends: false };
  expect(viewsOf([off, tile("bob", 100), tile("eve", 100)], 2).map((view) => view.participant)).toEqual(["bob", "eve"]);
  expect(viewsOf([tile("bob", 100), off], 2).map((view) => view.participant)).toEqual(["ada", "bob"]);
});

test("heights are whole pixels, and what has none is not asked for", () => {
  expect(viewsOf([tile("ada", 179.4), tile("bob", 0)], 12).map((view) => view.max_height_px)).toEqual([180]);
});

test("a wish is sent once, and again when the set changes, at most five times a second", () => {
  const first = due({ ...noWish, shown: [tile("ada", 180)] }, 0, 12);
  expect(first?.wish.rev).toBe(1);
  const sent = first?.wish ?? noWish;
  expect(due(sent, 1_000, 12)).toBeNull();
  const more = { ...sent, shown: [tile("ada", 180), tile("bob", 180)] };
  expect(due(more, 199, 12)).toBeNull();
  expect(due(more, 200, 12)?.views.length).toBe(2);
});

test("a new size counts from a fifth on, at most twice a second", () => {
  const sent = due({ ...noWish, shown: [tile("ada", 200)] }, 0, 12)?.wish ?? noWish;
  expect(due({ ...sent, shown: [tile("ada", 235)] }, 5_000, 12)).toBeNull();
  expect(due({ ...sent, shown: [tile("ada", 250)] }, 499, 12)).toBeNull();
  expect(due({ ...sent, shown: [tile("ada", 250)] }, 500, 12)?.views[0]?.max_height_px).toBe(250);
});

test("the same tiles again change nothing", () => {
  const wish = show(noWish, [tile("ada", 100)]);
  expect(show(wish, [tile("ada", 100)])).toBe(wish);
  expect(show(wish, [tile("ada", 101)])).not.toBe(wish);
  expect(show(wish, [])).not.toBe(wish);
});

test("nobody on the stage is a wish too", () => {
  const sent = due({ ...noWish, shown: [tile("ada", 200)] }, 0, 12)?.wish ?? noWish;
  expect(due({ ...sent, shown: [] }, 1_000, 12)?.views).toEqual([]);
});
