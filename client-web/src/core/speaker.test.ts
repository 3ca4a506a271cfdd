import { expect, test } from "vitest";
import { forget, hear, settle, silence } from "./speaker";

const level = (participant: string, value: number) => ({ participant, level: value });

test("the first to speak is active at once", () => {
  expect(hear(silence, 0, [level("ada", 90)])).toMatchObject({ heard: ["ada"], active: "ada" });
});

test("another one becomes active after half a second as the loudest", () => {
  let state = hear(silence, 0, [level("ada", 90)]);
  state = hear(state, 1_000, [level("ada", 60), level("bob", 90)]);
  expect(state).toMatchObject({ heard: ["bob", "ada"], active: "ada" });
  expect(settle(state, 1_499).active).toBe("ada");
  expect(settle(state, 1_500)).toMatchObject({ active: "bob", candidate: null });
});

test("a cough changes nothing", () => {
  let state = hear(silence, 0, [level("ada", 90)]);
  state = hear(state, 1_000, [level("bob", 90)]);
  state = hear(state, 1_200, [level("ada", 90)]);
  expect(settle(state, 2_000).active).toBe("ada");
});

test("silence keeps the speaker, leaving does not", () => {
  const state = hear(hear(silence, 0, [level("ada", 90)]), 100, []);
  expect(state).toMatchObject({ heard: [], active: "ada" });
  expect(forget(state, "ada").active).toBeNull();
});

test("what is too soft is not heard", () => {
  expect(hear(silence, 0, [level("ada", 20)])).toMatchObject({ heard: [], active: null });
});

test("nothing to settle is the same state", () => {
  const state = hear(silence, 0, [level("ada", 90)]);
  expect(settle(state, 9_999)).toBe(state);
});
