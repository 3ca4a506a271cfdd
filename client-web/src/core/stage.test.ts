import { expect, test } from "vitest";
import { participant } from "./testing";
import { keyOf, pagesOf, plan, type StageInput } from "./stage";

const self = participant("me");
const [ada, bob, eve] = [participant("ada"), participant("bob"), participant("eve")];
const base: StageInput = {
  self,
  others: [ada, bob, eve],
  layout: "auto",
  selfView: "tile",
  pinned: null,
  spotlight: [],
  activeSpeaker: null,
};
/** The large tiles, or "-" for none, then the others. */
const order = (input: StageInput): string[] => {
  const { large, rest } = plan(input);
  return [large.map(keyOf).join("+") || "-", ...rest.map(keyOf)];
};

test("in a grid all are equal, in join order, the own tile last", () => {
  expect(order(base)).toEqual(["-", "ada/camera", "bob/camera", "eve/camera", "me/camera"]);
});

test("the speaker is large, and stays among the others otherwise", () => {
  const speaker = { ...base, layout: "speaker" as const };
  expect(order({ ...speaker, activeSpeaker: "bob" })).toEqual(["bob/camera", "ada/camera", "eve/camera", "me/camera"]);
  expect(order({ ...speaker, activeSpeaker: "me" })[0]).toBe("ada/camera");
  expect(order({ ...speaker, activeSpeaker: null })[0]).toBe("ada/camera");
});

test("a shared screen takes the large place in every layout but the grid", () => {
  const sharing = participant("bob", { screen: true });
  const input = { ...base, others: [ada, sharing] };
  expect(order(input)).toEqual(["bob/screen", "ada/camera", "bob/camera", "me/camera"]);
  for (const layout of ["speaker", "sidebar", "focus"] as const)
    expect(order({ ...input, layout })[0]).toBe("bob/screen");
  expect(order({ ...input, layout: "grid" })).toEqual(["-", "bob/screen", "ada/camera", "bob/camera", "me/camera"]);
});

test("whom the hosts show large is large for everybody, unless one has pinned", () => {
  const input = { ...base, spotlight: ["bob", "eve", "gone"] };
  for (const layout of ["auto", "grid", "speaker", "sidebar", "focus"] as const) {
    expect(order({ ...input, layout, activeSpeaker: "ada" })[0]).toBe("bob/camera+eve/camera");
  }
  expect(order({ ...input, others: [ada, participant("bob", { screen: true })] })[0]).toBe("bob/camera");
  expect(order({ ...input, pinned: { participant: "ada", source: "camera" } })[0]).toBe("ada/camera");
});

test("in the spotlight oneself is not large to oneself", () => {
  expect(order({ ...base, spotlight: ["me"] })[0]).toBe("-");
  expect(order({ ...base, layout: "speaker", spotlight: ["me"], activeSpeaker: "bob" })[0]).toBe("bob/camera");
});

test("the focus keeps only who speaks beside what is large", () => {
  const input = { ...base, layout: "focus" as const, others: [ada, participant("bob", { screen: true }), eve] };
  expect(order({ ...input, activeSpeaker: "eve" })).toEqual(["bob/screen", "eve/camera", "me/camera"]);
  expect(order({ ...input, activeSpeaker: null })).toEqual(["bob/screen", "me/camera"]);
});

test("each layout has its shape", () => {
  const shape = (layout: StageInput["layout"]): string => plan({ ...base, layout }).shape;
  expect(["auto", "grid", "speaker", "sidebar", "focus"].map((one) => shape(one as StageInput["layout"]))).toEqual([
    "grid",
    "grid",
    "below",
    "side",
    "focus",
  ]);
});

test("the own tile floats, or is not there, but alone one always sees it", () => {
  const small = plan({ ...base, selfView: "small" });
  expect([small.rest.some((tile) => tile.own), small.floating?.participant]).toEqual([false, "me"]);
  const hidden = plan({ ...base, selfView: "hidden" });
  expect([hidden.rest.some((tile) => tile.own), hidden.floating]).toEqual([false, null]);
  expect(order({ ...base, selfView: "hidden", others: [] })).toEqual(["-", "me/camera"]);
});

test("a pin wins over the speaker and a screen", () => {
  const pinned = { participant: "eve", source: "camera" as const };
  const sharing = participant("bob", { screen: true });
  expect(order({ ...base, layout: "speaker", activeSpeaker: "bob", pinned })[0]).toBe("eve/camera");
  expect(order({ ...base, others: [ada, sharing, eve], pinned })[0]).toBe("eve/camera");
});

test("a pin of somebody who left is no pin", () => {
  expect(order({ ...base, others: [ada], pinned: { participant: "eve", source: "camera" } })[0]).toBe("-");
});

test("alone, nobody is large", () => {
  expect(order({ ...base, others: [], layout: "speaker" })).toEqual(["-", "me/camera"]);
});

const pages = (size: number, speaker: string | null): string[][] =>
  pagesOf(plan(base).rest, size, speaker).map((page) => page.map((tile) => tile.participant));

test("the own tile stands on every page", () => {
  expect(pages(4, null)).toEqual([["ada", "bob", "eve", "me"]]);
  expect(pages(3, null)).toEqual([
    ["ada", "bob", "me"],
    ["eve", "me"],
  ]);
  expect(pages(1, null)).toEqual([["ada"], ["bob"], ["eve"], ["me"]]);
});

test("a speaker of a later page changes places with the last of the first", () => {
  expect(pages(3, "eve")).toEqual([
    ["ada", "eve", "me"],
    ["bob", "me"],
  ]);
  expect(pages(3, "ada")).toEqual(pages(3, null));
  expect(pages(3, "me")).toEqual(pages(3, null));
});
