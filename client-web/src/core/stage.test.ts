import { expect, test } from "vitest";
import { participant } from "./testing";
import { keyOf, pagesOf, plan, type StageInput } from "./stage";

const self = participant("me");
const [ada, bob, eve] = [participant("ada"), participant("bob"), participant("eve")];
const base: StageInput = { self, others: [ada, bob, eve], layout: "grid", pinned: null, activeSpeaker: null };
const order = (input: StageInput): string[] => {
  const { large, rest } = plan(input);
  return [large === null ? "-" : keyOf(large), ...rest.map(keyOf)];
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

test("a shared screen takes the large place in every layout", () => {
  const sharing = participant("bob", { screen: true });
  expect(order({ ...base, others: [ada, sharing] })).toEqual(["bob/screen", "ada/camera", "bob/camera", "me/camera"]);
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
