import { describe, expect, test } from "vitest";
import { cleanName, initials, ticketIn, readRoom, slugOfPath, toneOf } from "./text";

describe("a room as somebody types it", () => {
  test.each([
    ["welcome", "welcome", ""],
    ["  Team Standup ", "team-standup", ""],
    ["Müller_1", "muller-1", ""],
    ["https://meet.example.org/r/welcome", "welcome", ""],
    ["https://meet.example.org/r/welcome#i=7Qm2", "welcome", "#i=7Qm2"],
  ])("%s", (typed, slug, fragment) => expect(readRoom(typed)).toEqual({ slug, fragment }));

  test.each(["", "ab", "-abc", "a/b", "x".repeat(64), "日本語"])("refuses %j", (typed) => {
    expect(readRoom(typed)).toBeNull();
  });
});

test("only the path of a room is a room", () => {
  expect(slugOfPath("/r/welcome")).toBe("welcome");
  expect(slugOfPath("/r/welcome/")).toBe("welcome");
  for (const path of ["/", "/r/", "/r/Welcome", "/r/a/b", "/x/welcome"]) expect(slugOfPath(path)).toBeNull();
});

test("the secret of an invite stands in the fragment", () => {
  expect(ticketIn("#i=abc")).toEqual({ kind: "invite", secret: "abc" });
  expect(ticketIn("#t=a.b-_.c")).toEqual({ kind: "token", jwt: "a.b-_.c" });
  expect(ticketIn("#t=")).toBeNull();
  expect(ticketIn("#k=1&i=abc")).toEqual({ kind: "invite", secret: "abc" });
  expect(ticketIn("")).toBeNull();
  expect(ticketIn("#i=")).toBeNull();
});

test("initials are the first and the last", () => {
  expect(initials("Ada Lovelace")).toBe("AL");
  expect(initials("ada")).toBe("A");
  expect(initials("Ludwig van Beethoven")).toBe("LB");
  expect(initials("🦊 fox")).toBe("🦊F");
  expect(initials("  ")).toBe("?");
  expect(initials("ليلى منصور")).toBe("ل\u200cم");
  expect(initials("ليلى")).toBe("ل");
});

test("the tone of an avatar depends on the id alone", () => {
  expect(toneOf("par_1", 6)).toBe(toneOf("par_1", 6));
  for (let n = 0; n < 50; n += 1) expect([0, 1, 2, 3, 4, 5]).toContain(toneOf(`par_${n}`, 6));
});

test("a name is trimmed, freed of control characters, and counted in code points", () => {
  expect(cleanName("  Ada ", 64)).toBe("Ada");
  expect(cleanName("A\u202Eda\u0007", 64)).toBe("Ada");
  expect(cleanName(" \u200f ", 64)).toBeNull();
  expect(cleanName("🦊".repeat(64), 64)).not.toBeNull();
  expect(cleanName("🦊".repeat(65), 64)).toBeNull();
});
