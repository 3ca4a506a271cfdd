import { expect, test } from "vitest";
import { dismiss, type Hints, listen, noHints } from "./hints";

const STEP_MS = 100;
/** Hears `level` for some time, from `fromMs` on, and returns what is shown at the end of it. */
function hear(state: Hints, fromMs: number, forMs: number, level: number, muted: boolean): Hints {
  let next = state;
  for (let at = fromMs; at <= fromMs + forMs; at += STEP_MS) next = listen(next, at, level, muted);
  return next;
}

test("who speaks while muted is told", () => {
  expect(hear(noHints, 0, 1_000, 0.6, true).shown?.kind).toBe("muted");
  expect(hear(noHints, 0, 1_000, 0.2, true).shown).toBeNull();
});

test("a cough is no speech, and pauses between words are", () => {
  const cough = hear(hear(noHints, 0, 300, 0.8, true), 400, 2_000, 0.1, true);
  expect(cough.shown).toBeNull();
  let talk = noHints;
  for (let word = 0; word < 5; word += 1) {
    talk = hear(hear(talk, word * 600, 300, 0.7, true), word * 600 + 400, 100, 0.1, true);
  }
  expect(talk.shown?.kind).toBe("muted");
});

test("the hint goes, and does not come back at once", () => {
  const told = hear(noHints, 0, 1_000, 0.6, true);
  const later = hear(told, 1_100, 8_000, 0.6, true);
  expect(later.shown).toBeNull();
  expect(hear(later, 9_200, 25_000, 0.6, true).shown?.kind).toBe("muted");
});

test("unmuting ends it", () => {
  const told = hear(noHints, 0, 1_000, 0.6, true);
  expect(listen(told, 1_200, 0.6, false).shown).toBeNull();
});

test("an open microphone without any sound is told after a while, until there is some", () => {
  const early = hear(noHints, 0, 9_000, 0, false);
  expect(early.shown).toBeNull();
  const told = hear(early, 9_100, 2_000, 0, false);
  expect(told.shown?.kind).toBe("silent");
  expect(hear(told, 11_200, 60_000, 0, false).shown?.kind).toBe("silent");
  expect(listen(told, 12_000, 0.1, false).shown).toBeNull();
  expect(listen(told, 12_000, 0, true).shown).toBeNull();
});

test("a dismissed hint stays away while nothing changes", () => {
  const gone = dismiss(hear(noHints, 0, 12_000, 0, false));
  expect(hear(gone, 12_100, 60_000, 0, false).shown).toBeNull();
  const heard = hear(gone, 73_000, 500, 0.3, false);
  expect(hear(heard, 74_000, 12_000, 0, false).shown?.kind).toBe("silent");
});
