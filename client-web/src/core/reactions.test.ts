import { expect, test } from "vitest";
import type { Emoji } from "../wire/messages";
import { EMOJIS, reactionControl } from "./reactions";
import { inside, push } from "./script";
import { participant, room } from "./testing";

const from = (who: string | null, emoji: Emoji) => push({ type: "reaction", data: { participant: who, emoji } });

test("a reaction is gone after 5 s", () => {
  const client = inside(participant("ada"));
  client.tell(from("ada", "👍"), 1_000);
  expect(client.state.life.reactions.shown).toMatchObject([{ participant: "ada", emoji: "👍" }]);
  client.tell({ kind: "tick" }, 5_999);
  expect(client.state.life.reactions.shown).toHaveLength(1);
  client.tell({ kind: "tick" }, 6_000);
  expect(client.state.life.reactions.shown).toEqual([]);
});

test("reactions are read out together", () => {
  const client = inside(participant("ada"));
  client.tell(from("ada", "👍"), 0);
  client.tell(from(null, "🎉"), 500);
  client.tell(from("ada", "👍"), 900);
  expect(client.tell({ kind: "tick" }, 1_400)).toEqual([]);
  expect(client.tell({ kind: "tick" }, 1_500)).toEqual([
    {
      kind: "announce",
      announcement: {
        kind: "reactions",
        name: null,
        tally: [
          { emoji: "👍", count: 2 },
          { emoji: "🎉", count: 1 },
        ],
      },
    },
  ]);
  client.tell(from("ada", "👏"), 3_000);
  expect(client.tell({ kind: "tick" }, 4_600)).toMatchObject([
    { announcement: { name: "Ada", tally: [{ count: 1 }] } },
  ]);
});

test("a storm of reactions does not grow without end", () => {
  const client = inside(participant("ada"));
  for (let at = 0; at < 500; at += 1) client.tell(from("ada", "🔥"), at);
  expect(client.state.life.reactions.shown.length).toBeLessThanOrEqual(40);
});

test("the picker offers each once, and is greyed with the policy", () => {
  expect(new Set(EMOJIS).size).toBe(14);
  const self = participant("me");
  const ground = { room: { ...room, reactions: false }, self, permissions: new Set<never>(), overrides: [] };
  expect(reactionControl(ground)).toEqual({ kind: "greyed", why: { reason: "policy" } });
  expect(reactionControl({ ...ground, permissions: new Set(["reaction.send"]) })).toEqual({ kind: "usable" });
});
