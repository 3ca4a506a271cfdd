import { expect, test } from "vitest";
import { groupsOf } from "./roster";
import { participant } from "./testing";
import { fromLocalField, localField, wireTime } from "./time";

const people = [
  { ...participant("ada"), role: "host" as const },
  { ...participant("bob"), role: "co_host" as const },
  { ...participant("eve"), role: "viewer" as const, name: "Éve" },
  participant("max"),
];

test("groups go by rank, and empty ones are left out", () => {
  expect(groupsOf(people, "").map((group) => [group.name, group.people.map((one) => one.id)])).toEqual([
    ["hosts", ["ada", "bob"]],
    ["attendees", ["max"]],
    ["viewers", ["eve"]],
  ]);
});

test("search minds neither case nor marks", () => {
  expect(groupsOf(people, " EVE ").map((group) => group.name)).toEqual(["viewers"]);
  expect(groupsOf(people, "nobody")).toEqual([]);
});

test("times are written without a fraction, as the server reads them", () => {
  expect(wireTime(1_795_341_600_999)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(fromLocalField(localField("2026-11-22T10:00:00Z"))).toBe("2026-11-22T10:00:00Z");
  expect(fromLocalField("")).toBeNull();
  expect(fromLocalField("soon")).toBeNull();
  expect(localField(null)).toBe("");
});
