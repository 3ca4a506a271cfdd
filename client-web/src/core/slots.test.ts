import { describe, expect, test } from "vitest";
import type { Slot as Assignment } from "../wire/messages";
import { isAtOrAfter } from "./rtp";
import { arm, assign, frame, lackOf, noSlots, slotOf, type SlotTable } from "./slots";

const to = (mid: string, participant: string | null, paused = false): Assignment => ({
  mid,
  participant,
  source: participant === null ? null : "camera",
  paused,
  reason: null,
});
const kind = (table: SlotTable, mid: string): string | undefined => table.slots.get(mid)?.view.kind;

test("a slot shows its source only at the first frame of that source", () => {
  let table = assign(noSlots, 1, [to("4", "ada")]);
  expect(kind(table, "4")).toBe("detached");
  expect(frame(table, "4", 1, 900)).toBe(table);

  table = arm(table, 1, { "4": 1_000 });
  expect(kind(table, "4")).toBe("armed");
  // What the former source left in the jitter buffer.
  table = frame(table, "4", 1, 999);
  expect(kind(table, "4")).toBe("armed");
  table = frame(table, "4", 1, 1_000);
  expect(kind(table, "4")).toBe("shown");
  expect(slotOf(table, "ada", "camera")?.mid).toBe("4");
});

test("a new source hides the slot at once", () => {
  let table = frame(arm(assign(noSlots, 1, [to("4", "ada")]), 1, { "4": 5 }), "4", 1, 5);
  table = assign(table, 2, [to("4", "bob")]);
  expect(kind(table, "4")).toBe("detached");
  // Late news of the former assignment changes nothing.
  expect(kind(arm(table, 1, { "4": 5 }), "4")).toBe("detached");
  expect(frame(table, "4", 1, 6)).toBe(table);
});

test("the same source again keeps its picture, a pause does not", () => {
  const shown = frame(arm(assign(noSlots, 1, [to("4", "ada")]), 1, { "4": 5 }), "4", 1, 5);
  expect(kind(assign(shown, 2, [to("4", "ada")]), "4")).toBe("shown");
  const paused = assign(shown, 2, [to("4", "ada", true)]);
  expect(kind(paused, "4")).toBe("empty");
  expect(kind(assign(paused, 3, [to("4", "ada")]), "4")).toBe("detached");
});

test("an assignment that is overtaken is not armed by the older acknowledgement", () => {
  let table = assign(noSlots, 1, [to("4", "ada"), to("5", "bob")]);
  table = assign(table, 2, [to("5", "eve")]);
  table = arm(table, 1, { "4": 10, "5": 20 });
  expect([kind(table, "4"), kind(table, "5")]).toEqual(["armed", "detached"]);
  table = arm(table, 2, { "5": 30 });
  expect(kind(table, "5")).toBe("armed");
});

test("without RTP timestamps the second frame after the acknowledgement is believed", () => {
  let table = arm(assign(noSlots, 1, [to("4", "ada")]), 1, { "4": 1_000 });
  table = frame(table, "4", 1, null);
  expect(kind(table, "4")).toBe("armed");
  table = frame(table, "4", 1, null);
  expect(kind(table, "4")).toBe("shown");
});

test("who is paused by a busy server reads so, and no more when the picture comes back", () => {
  const told = (reason: Assignment["reason"]): Assignment => ({ ...to("4", "ada", reason !== null), reason });
  const shown = frame(arm(assign(noSlots, 1, [to("4", "ada")]), 1, { "4": 5 }), "4", 1, 5);
  const lack = (table: SlotTable) => lackOf(slotOf(table, "ada", "camera"));
  const paused = assign(shown, 2, [told("overload")]);
  expect(lack(paused)).toBe("overload");
  expect(lack(assign(shown, 2, [told("bandwidth")]))).toBe("bandwidth");
  expect(lack(assign(shown, 2, [told("codec_unsupported")]))).toBe("codec");
  expect(lack(assign(shown, 2, [told("muted")]))).toBeNull();
  expect(lack(assign(paused, 3, [told(null)]))).toBe("waiting");
  expect(lackOf(null)).toBeNull();
});

test("an emptied slot belongs to nobody", () => {
  const table = assign(assign(noSlots, 1, [to("4", "ada")]), 2, [to("4", null, true)]);
  expect(kind(table, "4")).toBe("empty");
  expect(slotOf(table, "ada", "camera")).toBeNull();
});

describe("RTP timestamps wrap", () => {
  test.each([
    [5, 5, true],
    [6, 5, true],
    [5, 6, false],
    [3, 0xffff_fff0, true],
    [0xffff_fff0, 3, false],
    [0x8000_0000, 0, false],
    [0x7fff_ffff, 0, true],
  ])("%d at or after %d: %s", (a, b, expected) => expect(isAtOrAfter(a, b)).toBe(expected));
});
