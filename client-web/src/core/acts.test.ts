import { expect, test } from "vitest";
import type { LobbyEntry, LobbyResult, Request } from "../wire/messages";
import { inside, kinds, ok, push, refusal, requestsOf, type Script } from "./script";
import { participant, room } from "./testing";
import { toasted, expired } from "./toasts";

const toasts = (client: Script) => client.state.toasts.map((one) => one.text);
const waiting = (knock: string): LobbyEntry => ({
  knock,
  name: knock.toUpperCase(),
  identity: "guest",
  since: "2026-11-22T10:00:03Z",
  state: "waiting",
  invite_note: null,
  previous_kick: false,
  network_banned: false,
  note: null,
});

test("a deed is asked for, and its refusal explained", () => {
  const client = inside(participant("ada"));
  const request: Request = { type: "participant.to_lobby", data: { participant: "ada" } };
  expect(requestsOf(client.tell({ kind: "act", request }))).toEqual([request]);
  client.tell(refusal(request, { code: "rate_limited", message: "", retry_after_s: 3 }));
  expect(toasts(client)).toEqual([
    { kind: "refused", verb: "participant.to_lobby", code: "rate_limited", retryAfterS: 3 },
  ]);
});

test("a removal says who, how often, and whether it is a ban, also after the person is gone", () => {
  const client = inside(participant("ada"));
  client.tell(push({ type: "participant.left", data: { participant: "ada", reason: "removed" } }, 1));
  const request: Request = { type: "participant.remove", data: { participant: "ada", ban: { scope: "room" } } };
  client.tell(ok("participant.remove", { ban: "ban_1", removals: 2 }, request));
  expect(toasts(client)).toEqual([{ kind: "removed", who: "Ada", removals: 2, banned: true }]);
});

test("of an admission only what is many or odd is told", () => {
  const client = inside(participant("bob"));
  client.tell(
    push({ type: "lobby.update", data: { lobby_rev: 3, entries: ["a", "b"].map(waiting), more: 0, flood: false } }),
  );
  const admit: Request = { type: "lobby.admit", data: { all_up_to_rev: 3 } };
  const results = (list: LobbyResult[]) => ok("lobby.admit", { results: list }, admit);
  client.tell(results([{ knock: "a", result: "admitted" }]));
  expect(toasts(client)).toEqual([]);
  client.tell(
    results([
      { knock: "a", result: "already_handled", by: "bob" },
      { knock: "b", result: "gone" },
    ]),
  );
  expect(toasts(client)).toEqual([
    { kind: "lobbyResult", who: "A", result: "already_handled", by: "Bob" },
    { kind: "lobbyResult", who: "B", result: "gone", by: null },
  ]);
});

test("a knock is heard, announced and alerted once", () => {
  const client = inside();
  const update = push({ type: "lobby.update", data: { lobby_rev: 1, entries: [waiting("a")], more: 0, flood: false } });
  expect(kinds(client.tell(update, 10_000))).toEqual(["sound", "announce"]);
  expect(kinds(client.tell(update, 20_000))).toEqual([]);
  expect(client.state.watch.alert).toEqual(["a"]);
  client.tell({ kind: "dismissAlert" });
  expect(client.state.watch.alert).toEqual([]);
});

test("policies are changed on the revision that is shown, and a lost link forgets what was under way", () => {
  const client = inside();
  expect(requestsOf(client.tell({ kind: "updateRoom", change: { locked: true } }))).toEqual([
    { type: "room.update", data: { locked: true, rev: room.rev } },
  ]);
  client.tell({ kind: "linkClosed", code: 1006, random: 0 });
  expect(client.state.desk.update).toEqual({ kind: "idle" });
});

test("messages go by themselves, by hand, and when there are too many", () => {
  const client = inside();
  for (let count = 1; count <= 5; count += 1) {
    const request: Request = {
      type: "media.mute",
      data: { target: { kind: "all_except", participants: [] }, sources: [] },
    };
    client.tell(ok("media.mute", { participants: Array<string>(count).fill("x") }, request), count * 100);
  }
  expect(toasts(client)).toEqual([2, 3, 4, 5].map((count) => ({ kind: "muted", count })));
  const [first] = client.state.toasts;
  client.tell({ kind: "dismissToast", id: first?.id ?? 0 });
  expect(toasts(client)).toHaveLength(3);
  client.tell({ kind: "tick" }, 8_400);
  expect(toasts(client)).toEqual([{ kind: "muted", count: 5 }]);
  client.tell({ kind: "tick" }, 8_500);
  expect(toasts(client)).toEqual([]);
});

test("a message that is not over stays the same object", () => {
  const list = toasted([], { kind: "muted", count: 1 }, 0);
  expect(expired(list, 7_999)).toBe(list);
  expect(expired(list, 8_000)).toEqual([]);
});

test("without a link a deed and a setting say at once that nothing was done", () => {
  const client = inside(participant("ada"));
  client.tell({ kind: "linkClosed", code: 1006, random: 0 });
  expect(client.tell({ kind: "updateRoom", change: { locked: true } })).toEqual([]);
  expect(client.state.desk).toMatchObject({
    update: { kind: "idle" },
    problem: { about: "room.update", code: "offline" },
  });
  expect(client.tell({ kind: "act", request: { type: "ban.list", data: {} } })).toEqual([]);
  expect(client.state.desk.problem).toMatchObject({ about: "ban.list", code: "offline" });
  expect(client.tell({ kind: "act", request: { type: "lobby.admit", data: { knocks: ["a"] } } })).toEqual([]);
  expect(toasts(client)).toEqual([{ kind: "offline" }]);
});

test("settings can be changed again after the link came back", () => {
  const client = inside();
  client.tell({ kind: "updateRoom", change: { locked: true } });
  client.tell({ kind: "linkClosed", code: 1006, random: 0 });
  client.tell({ kind: "updateRoom", change: { lobby: "on" } });
  client.tell({ kind: "retryNow" });
  client.tell({ kind: "linkOpen" });
  client.tell({ kind: "updateRoom", change: { lobby: "on" } });
  client.tell(ok("hello", { outcome: "resumed", resume_token: "rt_1", missed: [], snapshot: null, media: "kept" }));
  expect(requestsOf(client.tell({ kind: "updateRoom", change: { locked: true } }))).toEqual([
    { type: "room.update", data: { locked: true, rev: room.rev } },
  ]);
});

test("a part of the page that is missing is told", () => {
  const client = inside();
  client.tell({ kind: "say", text: { kind: "partMissing" } });
  expect(toasts(client)).toEqual([{ kind: "partMissing" }]);
});
