import { expect, test } from "vitest";
import { bare, isolate, pieces } from "./bidi";

test("a name that is set off is one piece of its own, and the marks are not shown", () => {
  const text = `${isolate("\u05d3\u05df")} was first with ${isolate("Bob")}.`;
  expect(pieces(text)).toEqual([
    { text: "\u05d3\u05df", isolated: true },
    { text: " was first with ", isolated: false },
    { text: "Bob", isolated: true },
    { text: ".", isolated: false },
  ]);
  expect(bare(text)).toBe("\u05d3\u05df was first with Bob.");
  expect(pieces("")).toEqual([]);
});
