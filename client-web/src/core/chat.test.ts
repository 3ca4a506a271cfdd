import { describe, expect, it } from "vitest";
import type { ChatMessage, ChatTarget } from "../wire/messages";
import * as chat from "./chat";
import { chatModeOf, policyOf } from "./chat-policy";
import { rowsOf } from "./chat-rows";
import { completed, mentionsIn, segments, suggestions, typing } from "./chat-mentions";
import { joined, participant } from "./testing";

const ALL: ChatTarget = { kind: "all" };
const to = (id: string): ChatTarget => ({ kind: "participant", participant: id });

function message(number: number, from = "ada", change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id: `msg_${number}`,
    number,
    client_id: `c-${number}`,
    from: { participant: from, name: from, role: "attendee" },
    to: ALL,
    text: `Text ${number}`,
    reply_to: null,
    mentions: [],
    ts: new Date(Date.UTC(2026, 10, 22, 10, 0, number)).toISOString(),
    edited_at: null,
    pinned: false,
    deleted_by: null,
    reactions: [],
    ...change,
  };
}

const inside = chat.entered(chat.emptyChat, joined());
const take = (before: chat.Chat, ...all: ChatMessage[]): chat.Chat =>
  all.reduce((now, one) => chat.written(now, one).chat, before);
const numbers = (one: chat.Chat): number[] => one.messages.map(({ number }) => number);

describe("messages", () => {
  it("stand by their numbers, each once, however they come", () => {
    const all = take(inside, message(1), message(4), message(2), message(4), message(3));
    expect(numbers(all)).toEqual([1, 2, 3, 4]);
  });

  it("are bounded, and the oldest go first", () => {
    const many = Array.from({ length: chat.KEPT_MOST + 5 }, (_, index) => message(index + 1));
    const all = take(inside, ...many);
    expect(all.messages).toHaveLength(chat.KEPT_MOST);
    expect(numbers(all)[0]).toBe(6);
  });

  it("are changed and deleted in their place; a tombstone has no text", () => {
    let all = take(inside, message(1), message(2, "ada", { pinned: true, mentions: ["me"] }));
    all = chat.edited(all, "msg_1", "New", "2026-11-22T10:01:00Z");
    all = chat.reacted(all, "msg_2", [{ emoji: "👍", participants: ["me"], count: 1 }]);
    expect(chat.find(all, "msg_1")).toMatchObject({ text: "New", edited_at: "2026-11-22T10:01:00Z" });
    expect(chat.find(all, "msg_2")?.reactions).toHaveLength(1);
    all = chat.deleted(all, "msg_2", "host");
    expect(chat.find(all, "msg_2")).toMatchObject({
      text: "",
      deleted_by: "host",
      reactions: [],
      pinned: false,
      mentions: [],
    });
    expect(chat.edited(all, "msg_9", "x", "")).toBe(all);
  });

  it("to two people stay when the chat is cleared", () => {
    const all = take(
      inside,
      message(1),
      message(2, "ada", { to: to("me") }),
      message(3, "ada", { to: { kind: "hosts" } }),
      message(4),
    );
    const cleared = chat.cleared(all, { up_to: 3, by_role: "co_host" });
    expect(numbers(cleared)).toEqual([2, 4]);
    expect(cleared.clearedBy).toBe("co_host");
  });
});

describe("what was read", () => {
  it("is what was on the screen", () => {
    let all = chat.looked(take(inside, message(1), message(2)), true, true);
    expect(chat.unreadCount(all)).toBe(0);
    all = chat.looked(take(all, message(3)), true, false);
    expect(chat.unreadCount(all)).toBe(0);
    all = take(all, message(4), message(5));
    expect(chat.unreadCount(all)).toBe(2);
    expect(all.lineAfter).toBe(3);
    all = chat.looked(all, true, true);
    expect(chat.unreadCount(all)).toBe(0);
    expect(all.lineAfter).toBe(3);
    expect(chat.looked(all, false, false).lineAfter).toBeNull();
  });

  it("counts neither own messages nor deleted ones", () => {
    const all = take(inside, message(1), message(2, "me"), message(3));
    expect(chat.unreadCount(all)).toBe(2);
    expect(chat.unreadCount(chat.deleted(all, "msg_3", "host"))).toBe(1);
  });

  it("begins with what was there on entering", () => {
    const late = chat.entered(chat.emptyChat, { ...joined(), chat: [message(7), message(6)] });
    expect(numbers(late)).toEqual([6, 7]);
    expect(chat.unreadCount(late)).toBe(0);
    // Coming back: what came meanwhile is new.
    const again = chat.entered(late, { ...joined(), chat: [message(6), message(7), message(8)] });
    expect(chat.unreadCount(again)).toBe(1);
  });

  it("is shown as at most 99+", () => {
    expect([0, 99, 100].map(chat.unreadText)).toEqual(["0", "99", "99+"]);
  });

  it("puts a line before the new ones when the chat is opened", () => {
    const read = chat.looked(chat.looked(take(inside, message(1)), true, true), false, false);
    const opened = chat.looked(take(read, message(2), message(3)), true, true);
    expect(rowsOf(opened, 100).map((row) => row.kind)).toEqual(["day", "message", "line", "message", "message"]);
    expect(rowsOf(opened, 1).map((row) => row.kind)).toEqual(["day", "message"]);
  });
});

describe("rows", () => {
  it("name an author once per run", () => {
    const all = take(
      inside,
      message(1),
      message(2),
      message(3, "ada", { to: { kind: "hosts" } }),
      message(4, "bob"),
      message(5, "bob", { reply_to: "msg_1" }),
      message(400, "bob"),
    );
    const rows = rowsOf(all, 100).flatMap((row) => (row.kind === "message" ? [row.follows] : []));
    expect(rows).toEqual([false, true, false, false, false, false]);
  });
});

describe("sending", () => {
  const typed = chat.drafted(inside, { text: "  Hello \n" });

  it("takes the draft to the recipient, trimmed, and empties it", () => {
    const sent = chat.sending(typed, "c1", ["ada"]);
    expect(sent?.one).toEqual({
      clientId: "c1",
      to: ALL,
      text: "Hello",
      replyTo: null,
      mentions: ["ada"],
      fate: { kind: "sending" },
    });
    expect(chat.draftOf(sent?.chat ?? typed)).toEqual(chat.noDraft);
    expect(chat.sending(chat.drafted(inside, { text: " \n" }), "c2", [])).toBeNull();
    expect(chat.sending(chat.drafted(inside, { text: "a".repeat(4_001) }), "c3", [])).toBeNull();
  });

  it("is over with the message itself, whichever comes first", () => {
    const { chat: on } = chat.sending(typed, "c1", []) ?? { chat: typed };
    const own = message(1, "me", { client_id: "c1" });
    expect(chat.written(on, own)).toMatchObject({ chat: { outbox: [] }, unseen: false });
    const taken = chat.settled(on, "c1", { kind: "taken", id: "msg_1" });
    expect(taken.outbox).toHaveLength(1);
    expect(chat.written(taken, own).chat.outbox).toEqual([]);
    expect(chat.settled(take(on, message(1)), "c1", { kind: "taken", id: "msg_1" }).outbox).toEqual([]);
  });

  it("keeps what failed until it is sent again or given up", () => {
    const { chat: on } = chat.sending(typed, "c1", []) ?? { chat: typed };
    const failed = chat.settled(on, "c1", { kind: "failed", code: "rate_limited", retryAtMs: null });
    expect(chat.discarded(on, "c1").outbox).toHaveLength(1);
    expect(chat.discarded(failed, "c1").outbox).toEqual([]);
    expect(chat.remainder(failed).outbox).toHaveLength(1);
  });

  it("keeps a draft for each recipient, whatever it is called", () => {
    let all = chat.drafted(inside, { text: "to all" });
    for (const id of ["__proto__", "constructor", "par_1"]) {
      all = chat.drafted({ ...all, target: to(id) }, { text: id });
    }
    expect(chat.draftOf({ ...all, target: to("__proto__") }).text).toBe("__proto__");
    expect(chat.draftOf({ ...all, target: to("toString") })).toEqual(chat.noDraft);
    expect(chat.draftOf({ ...all, target: ALL }).text).toBe("to all");
  });

  it("answers a message to those who received it", () => {
    const all = take(inside, message(1, "ada", { to: to("me") }), message(2, "me", { to: to("bob") }), message(3));
    const targets = ["msg_1", "msg_2", "msg_3"].map((id) => chat.answering(all, id).target);
    expect(targets).toEqual([to("ada"), to("bob"), ALL]);
    expect(chat.draftOf(chat.answering(all, "msg_1")).replyTo).toBe("msg_1");
    expect(chat.answering(all, "msg_9")).toBe(all);
  });

  it("counts code points, and bytes where they would not fit on the wire", () => {
    expect(chat.measure("👍".repeat(3_700))).toEqual({ chars: 3_700, fits: true });
    expect(chat.measure("👍".repeat(3_999)).fits).toBe(false);
    expect(chat.measure("a".repeat(4_000)).fits).toBe(true);
    expect(chat.measure("a".repeat(4_001)).fits).toBe(false);
  });
});

describe("names in messages", () => {
  const ada = { ...participant("ada"), name: "Ada" };
  const adam = { ...participant("adam"), name: "Ada M. (#1)" };
  const odd = { ...participant("odd"), name: "__proto__" };

  it("are found by the longest name", () => {
    expect(mentionsIn("@Ada M. (#1): hi", [ada, adam])).toEqual(["adam"]);
    expect(mentionsIn("hi @Ada, and @__proto__", [ada, adam, odd])).toEqual(["ada", "odd"]);
    expect(mentionsIn("@Adamant, ada", [ada])).toEqual([]);
    expect(mentionsIn("@Bob", [ada])).toEqual([]);
  });

  it("are set off, and the parts are the text", () => {
    const text = "@Ada https://example.org/@Ada @Ada!";
    const parts = segments(text, true, [{ name: "Ada", own: true }]);
    expect(parts.map((one) => one.text).join("")).toBe(text);
    expect(parts.map((one) => one.kind)).toEqual(["mention", "text", "link", "text", "mention", "text"]);
    expect(segments(text, false, [])).toEqual([{ kind: "text", text }]);
    expect(segments("", true, [])).toEqual([]);
  });

  it("are completed while they are typed", () => {
    expect(typing("hi @ad", 6)).toEqual({ from: 3, query: "ad" });
    expect(typing("a@b", 3)).toBeNull();
    expect(typing("@a\nb", 4)).toBeNull();
    expect(suggestions([odd, adam, ada], "ad").map((one) => one.id)).toEqual(["ada", "adam"]);
    expect(suggestions([adam], "m").map((one) => one.id)).toEqual(["adam"]);
    expect(completed("hi @ad there", { from: 3, query: "ad" }, 6, "Ada")).toEqual({ text: "hi @Ada there", caret: 8 });
  });
});

describe("the modes", () => {
  it("mean what they say, both ways", () => {
    for (const mode of ["off", "hosts_only", "to_hosts", "all"] as const) {
      expect(chatModeOf(policyOf(mode, { public: "all", private: "all" }))).toBe(mode);
    }
    expect(policyOf("all", { public: "off", private: "off" })).toEqual({ public: "all", private: "hosts" });
    expect(policyOf("all", { public: "all", private: "off" })).toEqual({ public: "all", private: "off" });
    expect(chatModeOf({ public: "off", private: "all" })).toBe("private_only");
    expect(chatModeOf({ public: "hosts", private: "all" })).toBe("hosts_private");
  });
});
