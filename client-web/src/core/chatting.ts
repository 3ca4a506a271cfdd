/** The chat in the meeting: what the user does, what the server answers, and what it tells unasked. */
import type { ChatFormat, ChatMessage, ChatTarget, ErrorBody, PushFrame, Replies, Request } from "../wire/messages";
import * as chat from "./chat";
import { mentionsIn, mentionsOne, readersOf } from "./chat-mentions";
import { silence } from "./chat-rules";
import type { Effect, MeetingState, Step } from "./state";
import { ask, only } from "./state";
import type { ToastText } from "./toasts";
import { toasted } from "./toasts";

export type ChatDeed =
  | { kind: "draft"; text: string }
  | { kind: "target"; to: ChatTarget }
  | { kind: "answer"; id: string }
  | { kind: "noAnswer" }
  | { kind: "send"; clientId: string }
  | { kind: "retry"; clientId: string }
  | { kind: "discard"; clientId: string }
  | { kind: "look"; open: boolean; atEnd: boolean }
  | { kind: "export"; format: ChatFormat };

type SendRequest = Extract<Request, { type: "chat.send" }>;
type ExportRequest = Extract<Request, { type: "chat.export" }>;

const withChat = (state: MeetingState, next: chat.Chat): MeetingState =>
  next === state.chat ? state : { ...state, chat: next };
const chatOnly = (state: MeetingState, next: chat.Chat): Step => only(withChat(state, next));

/** Does what the user wants with the chat. */
export function chatDeed(state: MeetingState, deed: ChatDeed, nowMs: number): Step {
  switch (deed.kind) {
    case "draft":
      return chatOnly(state, chat.drafted(state.chat, { text: deed.text }));
    case "target":
      return chatOnly(state, { ...state.chat, target: deed.to });
    case "answer":
      return chatOnly(state, chat.answering(state.chat, deed.id));
    case "noAnswer":
      return chatOnly(state, chat.drafted(state.chat, { replyTo: null }));
    case "send":
      return send(state, deed.clientId);
    case "retry":
      return retry(state, deed.clientId);
    case "discard":
      return chatOnly(state, chat.discarded(state.chat, deed.clientId));
    case "look":
      return chatOnly(state, chat.looked(state.chat, deed.open, deed.atEnd));
    case "export": {
      if (state.chat.exporting !== null) return only(state);
      if (state.link.kind !== "up") return saying(state, { kind: "offline" }, nowMs);
      const { format } = deed;
      const next = withChat(state, { ...state.chat, exporting: { format, pieces: [] } });
      return { state: next, effects: [ask({ type: "chat.export", data: { format } })] };
    }
  }
}

const saying = (state: MeetingState, text: ToastText, nowMs: number): Step =>
  only({ ...state, toasts: toasted(state.toasts, text, nowMs) });

const requestOf = (one: chat.Outgoing): Request => ({
  type: "chat.send",
  data: {
    client_id: one.clientId,
    to: one.to,
    text: one.text,
    ...(one.replyTo === null ? {} : { reply_to: one.replyTo }),
    ...(one.mentions.length === 0 ? {} : { mentions: [...one.mentions] }),
  },
});

function send(state: MeetingState, clientId: string): Step {
  const { target } = state.chat;
  if (silence(state, target) !== null) return only(state);
  const readers = readersOf(target, [...state.roster.values()]);
  const sent = chat.sending(state.chat, clientId, mentionsIn(chat.draftOf(state.chat).text, readers));
  if (sent === null) return only(state);
  return { state: withChat(state, sent.chat), effects: state.link.kind === "up" ? [ask(requestOf(sent.one))] : [] };
}

function retry(state: MeetingState, clientId: string): Step {
  const one = state.chat.outbox.find((other) => other.clientId === clientId);
  if (one === undefined || one.fate.kind !== "failed") return only(state);
  const next = withChat(state, chat.settled(state.chat, clientId, { kind: "sending" }));
  return { state: next, effects: state.link.kind === "up" ? [ask(requestOf(one))] : [] };
}

/** Says again, on a new link, what may not have arrived: the server knows each message by its name. */
export const resend = (state: MeetingState): Effect[] =>
  state.chat.outbox.filter((one) => one.fate.kind === "sending").map((one) => ask(requestOf(one)));

/** Takes the server's yes to a message. */
export function sent(state: MeetingState, request: SendRequest, ok: Replies["chat.send"], nowMs: number): Step {
  const settled = chat.settled(state.chat, request.data.client_id, { kind: "taken", id: ok.id });
  const slowS = state.room?.chat.slow_s ?? 0;
  return chatOnly(state, slowS === 0 ? settled : { ...settled, slowUntilMs: nowMs + slowS * 1_000 });
}

/** Takes the server's no to a message: it stays in the list, with the reason. */
export function notSent(state: MeetingState, request: SendRequest, error: ErrorBody, nowMs: number): Step {
  const retryAtMs = error.retry_after_s === undefined ? null : nowMs + error.retry_after_s * 1_000;
  const fate: chat.Fate = { kind: "failed", code: error.code, retryAtMs };
  const settled = chat.settled(state.chat, request.data.client_id, fate);
  return chatOnly(state, error.code === "slow_mode" ? { ...settled, slowUntilMs: retryAtMs } : settled);
}

/** Takes a piece of the exported chat; the last one makes the file. */
export function exported(state: MeetingState, request: ExportRequest, ok: Replies["chat.export"]): Step {
  const { exporting } = state.chat;
  if (exporting === null) return only(state);
  const { format } = request.data;
  const pieces = [...exporting.pieces, ok.text];
  if (ok.next !== null) {
    const next = withChat(state, { ...state.chat, exporting: { format, pieces } });
    return { state: next, effects: [ask({ type: "chat.export", data: { format, after: ok.next } })] };
  }
  return {
    state: withChat(state, { ...state.chat, exporting: null }),
    effects: [{ kind: "download", file: { format, text: pieces.join("") } }],
  };
}

export function notExported(state: MeetingState, error: ErrorBody, nowMs: number): Step {
  const text: ToastText = {
    kind: "refused",
    verb: "chat.export",
    code: error.code,
    retryAfterS: error.retry_after_s ?? null,
  };
  return saying(withChat(state, { ...state.chat, exporting: null }), text, nowMs);
}

type ChatPush = Extract<PushFrame, { type: `chat.${string}` }>;

/** Takes what the server tells of the chat. */
export function chatPush(state: MeetingState, push: ChatPush, nowMs: number): Step {
  switch (push.type) {
    case "chat.message":
      return written(state, push.data, nowMs);
    case "chat.edited": {
      const { id, text, edited_at } = push.data;
      return chatOnly(state, chat.edited(state.chat, id, text, edited_at));
    }
    case "chat.deleted":
      return chatOnly(state, chat.deleted(state.chat, push.data.id, push.data.by_role));
    case "chat.reacted":
      return chatOnly(state, chat.reacted(state.chat, push.data.id, push.data.reactions));
    case "chat.pinned":
      return chatOnly(state, chat.pinned(state.chat, push.data.id, push.data.on));
    case "chat.cleared":
      return chatOnly(state, chat.cleared(state.chat, push.data));
  }
}

/** Only what is meant for this one in particular calls for attention. */
function written(state: MeetingState, message: ChatMessage, nowMs: number): Step {
  const after = chat.written(state.chat, message);
  const next = withChat(state, after.chat);
  if (!after.unseen) return only(next);
  const who = message.from.name;
  const mentioned = mentionsOne(message, state.chat.selves);
  const personal = message.to.kind === "participant";
  if (!mentioned && !personal) return only(next);
  const sound: Effect = { kind: "sound", sound: "message" };
  if (state.chat.view.open) return { state: next, effects: [sound] };
  const text: ToastText = { kind: personal ? "chatPrivate" : "chatMention", who };
  return { state: { ...next, toasts: toasted(next.toasts, text, nowMs) }, effects: [sound] };
}

/** What is kept of the chat over a reload of the page, for one tab. A resumed link tells only what is new. */
export interface SavedChat {
  room: string;
  messages: readonly ChatMessage[];
  outbox: readonly chat.Outgoing[];
  target: ChatTarget;
  drafts: readonly (readonly [string, chat.Draft])[];
  readTo: number;
  selves: readonly string[];
}

/** Tabs have some five million characters for everything. */
const SAVED_CHARS = 500_000;
const SAVED_MESSAGES = 500;

export function savedChatOf(state: MeetingState): SavedChat | null {
  if (state.phase.kind !== "inside") return null;
  const { messages, outbox, target, drafts, readTo, selves } = state.chat;
  let chars = 0;
  const recent = messages.slice(-SAVED_MESSAGES);
  const first = recent.findLastIndex((one) => (chars += one.text.length) > SAVED_CHARS) + 1;
  return {
    room: state.phase.entry.room,
    messages: recent.slice(first),
    outbox,
    target,
    drafts: [...drafts],
    readTo,
    selves,
  };
}

export function restored(saved: SavedChat | null): chat.Chat {
  if (saved === null) return chat.emptyChat;
  const { messages, outbox, target, drafts, readTo, selves } = saved;
  return { ...chat.emptyChat, messages, outbox, target, drafts: new Map(drafts), readTo, selves };
}
