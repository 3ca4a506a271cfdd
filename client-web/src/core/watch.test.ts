import { describe, expect, test } from "vitest";
import type { LobbyEntry } from "../wire/messages";
import { badgeOf } from "./title";
import { dismissed, nobodyWaits, updated, waitingCount, type Watch } from "./watch";

const entry = (knock: string): LobbyEntry => ({
  knock,
  name: knock,
  identity: "guest",
  since: "2026-11-22T10:00:03Z",
  state: "waiting",
  invite_note: null,
  previous_kick: false,
  network_banned: false,
  note: null,
});

/** Feeds one update after the other, and returns at which of them a sound was made. */
function sounds(updates: { atMs: number; knocks: string[]; flood?: boolean }[]): number[] {
  let watch: Watch = nobodyWaits;
  const at: number[] = [];
  updates.forEach(({ atMs, knocks, flood = false }, index) => {
    const step = updated(watch, { lobby_rev: index + 1, entries: knocks.map(entry), more: 0, flood }, atMs);
    watch = step.watch;
    if (step.sound) at.push(atMs);
  });
  return at;
}

describe("the sound", () => {
  test("comes for each newcomer, and not when somebody goes or is told something", () => {
    expect(
      sounds([
        { atMs: 0, knocks: ["a"] },
        { atMs: 10_000, knocks: ["a"] },
        { atMs: 20_000, knocks: ["a", "b"] },
        { atMs: 30_000, knocks: ["b"] },
      ]),
    ).toEqual([0, 20_000]);
  });

  test("comes once for those who come together", () => {
    expect(
      sounds([
        { atMs: 0, knocks: ["a"] },
        { atMs: 500, knocks: ["a", "b"] },
        { atMs: 3_900, knocks: ["a", "b", "c"] },
        { atMs: 4_000, knocks: ["a", "b", "c", "d"] },
      ]),
    ).toEqual([0, 4_000]);
  });

  test("comes once in a flood, and again after it", () => {
    expect(
      sounds([
        { atMs: 0, knocks: ["a"], flood: true },
        { atMs: 5_000, knocks: ["a", "b"], flood: true },
        { atMs: 60_000, knocks: ["a", "b", "c"], flood: true },
        { atMs: 90_000, knocks: ["a", "b", "c", "d"] },
      ]),
    ).toEqual([0, 90_000]);
  });
});

describe("the alert", () => {
  test("is about those who came since it was dismissed, and forgets who is gone", () => {
    const first = updated(
      nobodyWaits,
      { lobby_rev: 1, entries: [entry("a"), entry("b")], more: 5, flood: false },
      0,
    ).watch;
    expect(first.alert).toEqual(["a", "b"]);
    expect(waitingCount(first)).toBe(7);
    const second = updated(
      dismissed(first),
      { lobby_rev: 2, entries: [entry("b"), entry("c")], more: 0, flood: false },
      1,
    );
    expect(second.watch.alert).toEqual(["c"]);
    expect(second.watch.rev).toBe(2);
    const third = updated(second.watch, { lobby_rev: 3, entries: [entry("b")], more: 0, flood: false }, 2);
    expect(third.watch.alert).toEqual([]);
  });
});

test("the title counts who waits, and says first that one was let in", () => {
  expect(badgeOf(0, false)).toEqual({ kind: "none" });
  expect(badgeOf(3, false)).toEqual({ kind: "waiting", count: "3" });
  expect(badgeOf(120, false)).toEqual({ kind: "waiting", count: "99+" });
  expect(badgeOf(3, true)).toEqual({ kind: "admitted" });
});
