/** What is written in a meeting, as this participant knows it. Pure: time and chance are arguments. */
import type {
  ChatFormat,
  ChatMessage,
  ChatReaction,
  ChatTarget,
  ErrorCode,
  Joined,
  Role,
  ChatCleared,
} from "../wire/messages";

/** Messages that are kept here; the server keeps no more of a room either. */
export const KEPT_MOST = 2_000;
/** Code points of a message. */
export const TEXT_CHARS = 4_000;
/** From here on the page says how many are left. */
export const TEXT_CHARS_NEAR = 3_600;
/** For how long an own message may be changed. */
const EDIT_WITHIN_MS = 300_000;
/** Bytes of a message on the wire: 16 KiB less what stands around the text. */
const TEXT_BYTES = 15_000;
/** Whom one message may mention. */
export const MENTIONS_MOST = 20;

/** An own message on its way. */
export interface Outgoing {
  /** Says the same message again without writing it twice. */
  clientId: string;
  to: ChatTarget;
  text: string;
  replyTo: string | null;
  mentions: readonly string[];
  fate: Fate;
}

export type Fate =
  | { kind: "sending" }
  /** Taken by the server; the message itself is about to come. */
  | { kind: "taken"; id: string }
  | { kind: "failed"; code: ErrorCode; retryAtMs: number | null };

/** What is typed and not sent, to one recipient. */
export interface Draft {
  text: string;
  replyTo: string | null;
}

export interface Chat {
  /** By number, the oldest first; at most `KEPT_MOST`. */
  messages: readonly ChatMessage[];
  outbox: readonly Outgoing[];
  target: ChatTarget;
  /** By `keyOf` of the recipient. */
  drafts: ReadonlyMap<string, Draft>;
  /** Whether the messages are on the screen, and whether the newest one is. */
  view: { open: boolean; atEnd: boolean };
  /** The number of the last message that was read. */
  readTo: number;
  /** The "new messages" line stands after this number. */
  lineAfter: number | null;
  /** From when on a message is not too soon. */
  slowUntilMs: number | null;
  exporting: { format: ChatFormat; pieces: readonly string[] } | null;
  /** Who cleared the chat last. */
  clearedBy: Role | null;
  /** Who this one was in this tab, over rejoins: these messages are its own. */
  selves: readonly string[];
}

export const emptyChat: Chat = {
  messages: [],
  outbox: [],
  target: { kind: "all" },
  drafts: new Map(),
  view: { open: false, atEnd: true },
  readTo: 0,
  lineAfter: null,
  slowUntilMs: null,
  exporting: null,
  clearedBy: null,
  selves: [],
};

export const noDraft: Draft = { text: "", replyTo: null };

/** Names a recipient, for tables and lists of choices. */
export const keyOf = (to: ChatTarget): string => (to.kind === "participant" ? to.participant : to.kind);

export const draftOf = (chat: Chat): Draft => chat.drafts.get(keyOf(chat.target)) ?? noDraft;

export const isOwn = (chat: Chat, message: ChatMessage): boolean => chat.selves.includes(message.from.participant);

export const isPrivate = (to: ChatTarget): boolean => to.kind !== "all";

/** How many code points a text has, and whether it may be sent. */
export function measure(text: string): { chars: number; fits: boolean } {
  // Far beyond the limit the exact number is of no use, and counting costs.
  if (text.length > 4 * TEXT_CHARS) return { chars: text.length, fits: false };
  const chars = [...text].length;
  const light = text.length * 3 <= TEXT_BYTES || new TextEncoder().encode(JSON.stringify(text)).length <= TEXT_BYTES;
  return { chars, fits: chars <= TEXT_CHARS && light };
}

/** Whether an own message is young enough to be changed, at `unixMs` of the server's clock. */
export const isYoung = (message: ChatMessage, unixMs: number): boolean =>
  unixMs - Date.parse(message.ts) < EDIT_WITHIN_MS;

/** To whom an answer to a message goes: to the same receivers. */
export function answerTarget(chat: Chat, message: ChatMessage): ChatTarget {
  if (message.to.kind !== "participant" || isOwn(chat, message)) return message.to;
  return { kind: "participant", participant: message.from.participant };
}

export const find = (chat: Chat, id: string): ChatMessage | undefined => chat.messages.find((one) => one.id === id);

const lastNumber = (messages: readonly ChatMessage[]): number => messages.at(-1)?.number ?? 0;

/** How many messages were not read. */
export function unreadCount(chat: Chat): number {
  let count = 0;
  for (let at = chat.messages.length - 1; at >= 0; at -= 1) {
    const one = chat.messages[at];
    if (one === undefined || one.number <= chat.readTo) break;
    if (one.deleted_by === null && !isOwn(chat, one)) count += 1;
  }
  return count;
}

export const unreadText = (count: number): string => (count > 99 ? "99+" : String(count));

// What the server says.

/** Takes the messages that come with entering the room: what was there before somebody came is not new to it. */
export function entered(chat: Chat, joined: Joined): Chat {
  const again = chat.selves.length > 0;
  const selves = chat.selves.includes(joined.self.id) ? chat.selves : [...chat.selves, joined.self.id];
  const messages = bounded([...joined.chat].sort((one, other) => one.number - other.number));
  const written = new Set(messages.map((one) => one.client_id));
  return {
    ...chat,
    messages,
    selves,
    // What was taken and is not shown now is not shown to this one at all.
    outbox: chat.outbox.filter((one) => one.fate.kind !== "taken" && !written.has(one.clientId)),
    readTo: again ? Math.min(chat.readTo, lastNumber(messages)) : lastNumber(messages),
    lineAfter: null,
    exporting: null,
  };
}

/** Takes a message. Returns whether it is news to somebody who does not look at the chat. */
export function written(chat: Chat, message: ChatMessage): { chat: Chat; unseen: boolean } {
  const own = isOwn(chat, message);
  const outbox = own ? chat.outbox.filter((one) => one.clientId !== message.client_id) : chat.outbox;
  if (chat.messages.some((one) => one.id === message.id)) return { chat: { ...chat, outbox }, unseen: false };
  const at = chat.messages.findLastIndex((one) => one.number < message.number) + 1;
  const messages = bounded(chat.messages.toSpliced(at, 0, message));
  const seen = chat.view.open && chat.view.atEnd;
  const caughtUp = unreadCount(chat) === 0;
  return {
    chat: {
      ...chat,
      messages,
      outbox,
      readTo: seen || (own && caughtUp) ? lastNumber(messages) : chat.readTo,
      lineAfter: chat.view.open && !seen && !own && caughtUp ? chat.readTo : chat.lineAfter,
    },
    unseen: !seen && !own,
  };
}

const bounded = (messages: readonly ChatMessage[]): readonly ChatMessage[] =>
  messages.length > KEPT_MOST ? messages.slice(messages.length - KEPT_MOST) : messages;

function changed(chat: Chat, id: string, change: (message: ChatMessage) => ChatMessage): Chat {
  if (find(chat, id) === undefined) return chat;
  return { ...chat, messages: chat.messages.map((one) => (one.id === id ? change(one) : one)) };
}

export const edited = (chat: Chat, id: string, text: string, at: string): Chat =>
  changed(chat, id, (one) => ({ ...one, text, edited_at: at }));

/** Leaves a place without text, without reactions and unpinned. */
export const deleted = (chat: Chat, id: string, by: Role): Chat =>
  changed(chat, id, (one) => ({ ...one, text: "", mentions: [], reactions: [], pinned: false, deleted_by: by }));

export const reacted = (chat: Chat, id: string, reactions: ChatReaction[]): Chat =>
  changed(chat, id, (one) => ({ ...one, reactions }));

export const pinned = (chat: Chat, id: string, on: boolean): Chat =>
  changed(chat, id, (one) => ({ ...one, pinned: on }));

/** Takes away what was said to everybody and to the hosts; what two said to each other stays. */
export function cleared(chat: Chat, push: ChatCleared): Chat {
  const messages = chat.messages.filter((one) => one.number > push.up_to || one.to.kind === "participant");
  return { ...chat, messages, clearedBy: push.by_role, lineAfter: null };
}

// What the user does.

/** Changes the draft to the present recipient. */
export function drafted(chat: Chat, change: Partial<Draft>): Chat {
  const next = { ...draftOf(chat), ...change };
  const drafts = new Map(chat.drafts);
  if (next.text === "" && next.replyTo === null) drafts.delete(keyOf(chat.target));
  else drafts.set(keyOf(chat.target), next);
  return { ...chat, drafts };
}

/** Begins an answer to a message, to whoever received it. */
export function answering(chat: Chat, id: string): Chat {
  const message = find(chat, id);
  if (message === undefined || message.deleted_by !== null) return chat;
  return drafted({ ...chat, target: answerTarget(chat, message) }, { replyTo: id });
}

/** Makes the draft a message on its way; null when there is nothing to send. */
export function sending(
  chat: Chat,
  clientId: string,
  mentions: readonly string[],
): { chat: Chat; one: Outgoing } | null {
  const draft = draftOf(chat);
  const text = draft.text.trim();
  if (text === "" || !measure(text).fits) return null;
  const one: Outgoing = {
    clientId,
    to: chat.target,
    text,
    replyTo: draft.replyTo,
    mentions,
    fate: { kind: "sending" },
  };
  const emptied = drafted(chat, noDraft);
  return { chat: { ...emptied, outbox: [...chat.outbox, one], lineAfter: null }, one };
}

/** Decides what became of a message on its way. */
export function settled(chat: Chat, clientId: string, fate: Fate): Chat {
  const known = fate.kind === "taken" && find(chat, fate.id) !== undefined;
  return {
    ...chat,
    outbox: known
      ? chat.outbox.filter((one) => one.clientId !== clientId)
      : chat.outbox.map((one) => (one.clientId === clientId ? { ...one, fate } : one)),
  };
}

/** Gives a message up that did not go out. */
export const discarded = (chat: Chat, clientId: string): Chat => ({
  ...chat,
  outbox: chat.outbox.filter((one) => one.clientId !== clientId || one.fate.kind !== "failed"),
});

/** Takes what is on the screen: whoever sees the newest message has read them all. */
export function looked(chat: Chat, open: boolean, atEnd: boolean): Chat {
  const { view } = chat;
  if (view.open === open && view.atEnd === atEnd) return chat;
  const opened = open && !view.open;
  const line = opened && unreadCount(chat) > 0 ? chat.readTo : chat.lineAfter;
  return {
    ...chat,
    view: { open, atEnd },
    readTo: open && atEnd ? Math.max(chat.readTo, lastNumber(chat.messages)) : chat.readTo,
    lineAfter: open ? line : null,
  };
}

/** What outlives a stay that broke off: whatever was typed and did not arrive. */
export const remainder = (chat: Chat): Chat => ({
  ...emptyChat,
  drafts: chat.drafts,
  outbox: chat.outbox.filter((one) => one.fate.kind !== "taken"),
  target: chat.target,
  readTo: chat.readTo,
  selves: chat.selves,
});
