import { describe, expect, it } from "vitest";
import type { ChatMessage, ChatPolicy, ChatSend, Permission, Role } from "../wire/messages";
import { savedChatOf } from "./chatting";
import { deedsOn, recipients, silence, slowUntil } from "./chat-rules";
import { unreadCount } from "./chat";
import { entry, inside, kinds, ok, push, refusal, requestsOf, savedMeeting, type Script, type Told } from "./script";
import { joined, participant, room } from "./testing";

const WRITES: Permission[] = [
  "chat.read",
  "chat.send",
  "chat.private_hosts",
  "chat.private_any",
  "chat.edit_own",
  "chat.delete_own",
  "chat.react",
];

function message(number: number, from: string, change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id: `msg_${number}`,
    number,
    client_id: `x-${number}`,
    from: { participant: from, name: from, role: "attendee" },
    to: { kind: "all" },
    text: "Text",
    reply_to: null,
    mentions: [],
    ts: "2026-11-22T10:00:00Z",
    edited_at: null,
    pinned: false,
    deleted_by: null,
    reactions: [],
    ...change,
  };
}

function meeting(permissions = WRITES, chat: Partial<ChatPolicy> = {}, role: Role = "attendee"): Script {
  const host = { ...participant("hal"), role: "host" as const };
  const client = inside(participant("ada"), host);
  client.state = {
    ...client.state,
    permissions: new Set(permissions),
    room: { ...room, chat: { ...room.chat, ...chat } },
    self: { ...participant("me"), role },
  };
  return client;
}

const said = (data: ChatMessage): Told => push({ type: "chat.message", data }, data.number);

function type(client: Script, text: string): void {
  client.tell({ kind: "chat", deed: { kind: "draft", text } });
}
const send = (client: Script, clientId: string): ChatSend[] =>
  requestsOf(client.tell({ kind: "chat", deed: { kind: "send", clientId } })).flatMap((one) =>
    one.type === "chat.send" ? [one.data] : [],
  );

describe("a message", () => {
  it("goes out with whom it mentions, and is on its way until it comes back", () => {
    const client = meeting();
    type(client, "Hi @Ada and @Me");
    expect(send(client, "c1")).toEqual([
      { client_id: "c1", to: { kind: "all" }, text: "Hi @Ada and @Me", mentions: ["ada"] },
    ]);
    expect(send(client, "c2")).toEqual([]);
    client.tell(said(message(1, "me", { client_id: "c1" })));
    expect(client.state.chat.outbox).toEqual([]);
    expect(unreadCount(client.state.chat)).toBe(0);
  });

  it("is said again under the same name after the link broke, and stays one", () => {
    const client = meeting();
    type(client, "Hello");
    send(client, "c1");
    client.lose();
    type(client, "While it is gone");
    expect(send(client, "c2")).toEqual([]);
    const missed = [{ ...message(1, "me", { client_id: "c1" }) }].map((data) => ({
      seq: 1,
      type: "chat.message" as const,
      data,
    }));
    const effects = client.tell(
      ok("hello", { outcome: "resumed", missed, snapshot: null, resume_token: "rt_1", media: "kept" }),
    );
    const again = requestsOf(effects).flatMap((one) => (one.type === "chat.send" ? [one.data.client_id] : []));
    expect(again).toEqual(["c2"]);
    expect(client.state.chat.messages).toHaveLength(1);
  });

  it("that was refused waits with the reason, and is said again by hand", () => {
    const client = meeting(WRITES, { slow_s: 10 });
    type(client, "Hello");
    send(client, "c1");
    const data = { client_id: "c1", to: { kind: "all" as const }, text: "Hello" };
    client.tell(refusal({ type: "chat.send", data }, { code: "slow_mode", message: "", retry_after_s: 4 }), 1_000);
    expect(client.state.chat.outbox[0]?.fate).toEqual({ kind: "failed", code: "slow_mode", retryAtMs: 5_000 });
    expect(slowUntil(client.state)).toBe(5_000);
    const again = requestsOf(client.tell({ kind: "chat", deed: { kind: "retry", clientId: "c1" } }));
    expect(again).toEqual([{ type: "chat.send", data }]);
  });

  it("is not sent to whom one may not write, and the draft stays", () => {
    const client = meeting(["chat.read"], { public: "hosts" });
    type(client, "Hello");
    expect(send(client, "c1")).toEqual([]);
    expect(client.state.chat.drafts.size).toBe(1);
  });
});

describe("attention", () => {
  it("is for private messages and mentions, while the chat is closed", () => {
    const client = meeting();
    const to = { kind: "participant", participant: "me" } as const;
    expect(kinds(client.tell(said(message(1, "ada"))))).toEqual(["save"]);
    expect(client.tell(said(message(2, "ada", { to })))).toContainEqual({ kind: "sound", sound: "message" });
    client.tell(said(message(3, "ada", { mentions: ["me"] })));
    expect(client.state.toasts.map((one) => one.text.kind)).toEqual(["chatPrivate", "chatMention"]);
    expect(unreadCount(client.state.chat)).toBe(3);
    client.tell({ kind: "chat", deed: { kind: "look", open: true, atEnd: true } });
    expect(kinds(client.tell(said(message(4, "ada", { to }))))).toEqual(["save"]);
    expect(client.state.toasts).toHaveLength(2);
  });
});

describe("who may write to whom", () => {
  const why = (client: Script, ...to: ("all" | "hosts" | "ada" | "hal" | "gone")[]): (string | null)[] =>
    to.map(
      (one) =>
        silence(
          client.state,
          one === "all" || one === "hosts" ? { kind: one } : { kind: "participant", participant: one },
        )?.reason ?? null,
    );

  it("is said with the rule that forbids it", () => {
    expect(why(meeting(), "all", "hosts", "ada", "hal", "gone")).toEqual([null, null, null, null, "gone"]);
    expect(why(meeting(["chat.read"], { public: "off", private: "off" }), "all", "hosts", "ada")).toEqual([
      "off",
      "privateOff",
      "privateOff",
    ]);
    const toHosts = meeting(["chat.read", "chat.private_hosts"], { public: "hosts", private: "hosts" });
    expect(why(toHosts, "all", "hosts", "ada", "hal")).toEqual(["hostsOnly", null, "privateHosts", null]);
    expect(why(meeting(["chat.read"]), "all", "ada")).toEqual(["role", "role"]);
    const taken = meeting(["chat.read"]);
    taken.state = { ...taken.state, overrides: [{ key: "chat.send", effect: "deny", expires_at: null }] };
    expect(why(taken, "all")).toEqual(["override"]);
    const suspended = meeting(["chat.read"], { public: "off" });
    suspended.state = { ...suspended.state, room: { ...room, suspended: true } };
    expect(why(suspended, "all")).toEqual(["suspended"]);
  });

  it("makes the list of recipients, the present one in any case", () => {
    const names = (client: Script): string[] =>
      recipients(client.state, client.state.chat).map((one) =>
        one.kind === "participant" ? one.participant : one.kind,
      );
    expect(names(meeting())).toEqual(["all", "hosts", "ada", "hal"]);
    const toHosts = meeting(["chat.read", "chat.private_hosts"], { public: "hosts", private: "hosts" });
    expect(names(toHosts)).toEqual(["all", "hosts", "hal"]);
    toHosts.tell({ kind: "chat", deed: { kind: "target", to: { kind: "participant", participant: "gone" } } });
    expect(names(toHosts)).toEqual(["all", "hosts", "hal", "gone"]);
  });

  it("decides with the age and the authors what may be done with a message", () => {
    const client = meeting([...WRITES, "chat.delete_any", "chat.pin"], {}, "co_host");
    const at = Date.parse("2026-11-22T10:00:00Z");
    const own = message(1, "me", { from: { participant: "me", name: "Me", role: "co_host" } });
    expect(deedsOn(client.state, own, at + 299_000)).toEqual(["react", "reply", "pin", "copy", "edit", "delete"]);
    expect(deedsOn(client.state, own, at + 300_000)).not.toContain("edit");
    const below = deedsOn(client.state, message(2, "ada"), at);
    expect(below).toEqual(["react", "reply", "private", "pin", "copy", "delete"]);
    const above = message(3, "hal", { from: { participant: "hal", name: "Hal", role: "host" }, pinned: true });
    expect(deedsOn(client.state, above, at)).toEqual(["react", "reply", "private", "unpin", "copy"]);
    expect(deedsOn(client.state, message(4, "ada", { deleted_by: "host" }), at)).toEqual([]);
  });
});

describe("an export", () => {
  it("is put together from its pieces", () => {
    const client = meeting([...WRITES, "chat.export"]);
    const ask = client.tell({ kind: "chat", deed: { kind: "export", format: "txt" } });
    expect(requestsOf(ask)).toEqual([{ type: "chat.export", data: { format: "txt" } }]);
    const first = client.tell(
      ok("chat.export", { text: "a", next: 7 }, { type: "chat.export", data: { format: "txt" } }),
    );
    expect(requestsOf(first)).toEqual([{ type: "chat.export", data: { format: "txt", after: 7 } }]);
    const last = client.tell(
      ok("chat.export", { text: "b", next: null }, { type: "chat.export", data: { format: "txt", after: 7 } }),
    );
    expect(last).toEqual([{ kind: "download", file: { format: "txt", text: "ab" } }]);
    expect(client.state.chat.exporting).toBeNull();
  });
});

describe("a reload", () => {
  it("keeps messages, drafts and what is on its way", () => {
    const client = meeting();
    client.tell(said(message(1, "ada")));
    type(client, "Sent");
    send(client, "c1");
    type(client, "Typed");
    const kept = savedChatOf(client.state);
    expect(JSON.parse(JSON.stringify(kept))).toMatchObject({ room: entry.room, selves: ["me"], readTo: 0 });
    const again = meeting();
    again.tell({ kind: "leave" });
    expect(savedChatOf(again.state)).toBeNull();
    expect(kept?.messages).toHaveLength(1);
    expect(kept?.outbox.map((one) => one.clientId)).toEqual(["c1"]);
    expect(kept?.drafts).toEqual([["all", { text: "Typed", replyTo: null }]]);
    again.tell({ kind: "reload", entry, saved: savedMeeting(), chat: kept });
    expect(again.state.chat).toEqual({ ...client.state.chat, view: { open: false, atEnd: true } });
  });

  it("of somebody who lost the meeting finds what was typed when coming back", () => {
    const client = meeting();
    client.tell(said(message(1, "ada")));
    type(client, "Typed");
    client.tell({ kind: "linkClosed", code: 1006, random: 0 }, 0);
    client.tell({ kind: "tick" }, 200_000);
    expect(client.state.phase.kind).toBe("left");
    expect(client.state.chat.messages).toEqual([]);
    client.tell({ kind: "join", entry });
    client.tell(ok("join", joined()));
    expect(client.state.chat.drafts.get("all")?.text).toBe("Typed");
  });
});
