import { describe, expect, test } from "vitest";
import type { SessionEnding } from "../wire/messages";
import { waysOut } from "./ending";
import { entering, inside, ok, push } from "./script";
import { participant } from "./testing";

const at = (in_s: number, over: Partial<SessionEnding> = {}): SessionEnding => ({
  ends_at: "2026-11-22T11:00:00Z",
  in_s,
  reason: "host",
  by: "ada",
  message: null,
  ...over,
});
const ending = (data: SessionEnding) => push({ type: "session.ending", data });
const none: SessionEnding = { ends_at: null, in_s: 0, reason: null, by: null, message: null };

describe("an end that is announced", () => {
  test("is shown until it is called off, and both are read out", () => {
    const client = inside(participant("ada"));
    const effects = client.tell(ending(at(30, { message: "Bye" })), 1_000);
    expect(effects).toEqual([
      { kind: "announce", announcement: { kind: "ending", by: "Ada", message: "Bye", reason: "host", inS: 30 } },
    ]);
    expect(client.state.life.ending).toMatchObject({ atMs: 31_000, by: "Ada", message: "Bye" });
    expect(client.tell(ending(none))).toEqual([{ kind: "announce", announcement: { kind: "goesOn" } }]);
    expect(client.state.life.ending).toBeNull();
    expect(client.tell(ending(none))).toEqual([]);
  });

  test("by the clock is a warning that can be put away until the next one", () => {
    const client = inside(participant("ada"));
    client.tell(ending(at(600, { reason: "duration", by: null })));
    client.tell({ kind: "life", deed: { kind: "dismissEnding" } });
    expect(client.state.life.ending?.dismissed).toBe(true);
    client.tell(ending(at(300, { reason: "duration", by: null })));
    expect(client.state.life.ending?.dismissed).toBe(false);
  });
});

describe("the end", () => {
  const ended = push({ type: "ended", data: { by: "ada", message: "Thanks", countdown_s: 0 } });
  const over = { kind: "left", reason: "ended", message: "Thanks" };

  test("says who ended the meeting and what was said", () => {
    const client = inside(participant("ada"));
    client.tell(ended);
    expect(client.state.phase).toMatchObject({ ...over, by: "Ada" });
  });

  test("is told in the lobby too", () => {
    const client = entering();
    client.tell(ok("join", { outcome: "lobby", knock: "knk_1", state: "waiting", message: null, heartbeat_s: 10 }));
    client.tell(ended);
    expect(client.state.phase).toMatchObject({ ...over, by: null });
  });
});

test("announcements stand until they are put away, the last three of them", () => {
  const client = inside(participant("ada"));
  for (const message of ["one", "two", "three", "four"]) {
    client.tell(push({ type: "announcement", data: { by: "ada", message, ts: "2026-11-22T10:00:00Z" } }));
  }
  const { announced } = client.state.life;
  expect(announced.map((one) => one.message)).toEqual(["two", "three", "four"]);
  client.tell({ kind: "life", deed: { kind: "dismissAnnouncement", id: announced[1]?.id ?? 0 } });
  expect(client.state.life.announced.map((one) => one.message)).toEqual(["two", "four"]);
});

describe("who leaves", () => {
  const host = { ...participant("me"), role: "host" as const };
  const crowd = new Map([["ada", participant("ada")]]);

  test("is asked nothing without anything to decide", () => {
    expect(waysOut(participant("me"), new Set(), crowd, 0)).toBeNull();
    expect(waysOut(host, new Set(), new Map(), 0)).toBeNull();
  });

  test("chooses among what it may", () => {
    expect(waysOut(host, new Set(["session.end"]), crowd, 0)).toEqual({
      handOver: true,
      alone: false,
      others: false,
      end: true,
    });
    const coHost = { ...participant("me"), role: "co_host" as const };
    const boss = new Map([["boss", { ...participant("boss"), role: "host" as const }]]);
    expect(waysOut(coHost, new Set(["session.end"]), boss, 0)).toEqual({
      handOver: false,
      alone: false,
      others: true,
      end: true,
    });
    expect(waysOut(coHost, new Set(), boss, 0)).toBeNull();
    expect(waysOut(host, new Set(["session.end"]), new Map(), 1)).toMatchObject({ handOver: true, alone: false });
  });

  test("can end the meeting with nobody left in it, though not hand it over", () => {
    expect(waysOut(host, new Set(["session.end"]), new Map(), 0)).toEqual({
      handOver: false,
      alone: true,
      others: false,
      end: true,
    });
  });
});
