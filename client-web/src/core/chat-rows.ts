/** The messages as they stand in the list: with days, with the line before the new ones, authors once per run. */
import type { ChatMessage } from "../wire/messages";
import type { Chat, Outgoing } from "./chat";
import { keyOf } from "./chat";

export type Row =
  | { kind: "day"; key: string; ts: string }
  | { kind: "line"; key: string }
  | {
      kind: "message";
      key: string;
      message: ChatMessage;
      /** Whether the author was named just before. */
      follows: boolean;
    }
  | { kind: "outgoing"; key: string; one: Outgoing };

/** Later messages name their author again. */
const RUN_MS = 300_000;

/** Returns the newest `most` messages as rows, and after them what is on its way. Days are those of this browser. */
export function rowsOf(chat: Chat, most: number): Row[] {
  const rows: Row[] = [];
  const first = Math.max(0, chat.messages.length - most);
  // The line stands where it belongs or not at all.
  const above = chat.messages[first - 1]?.number ?? 0;
  let before: ChatMessage | null = null;
  for (const message of chat.messages.slice(first)) {
    const day = new Date(message.ts).toDateString();
    let broken = before === null;
    if (before === null || new Date(before.ts).toDateString() !== day) {
      rows.push({ kind: "day", key: `day ${message.id}`, ts: message.ts });
      broken = true;
    }
    const { lineAfter } = chat;
    if (lineAfter !== null && message.number > lineAfter && (before?.number ?? above) <= lineAfter) {
      rows.push({ kind: "line", key: "line" });
      broken = true;
    }
    const follows = !broken && before !== null && continues(before, message);
    rows.push({ kind: "message", key: message.id, message, follows });
    before = message;
  }
  for (const one of chat.outbox) rows.push({ kind: "outgoing", key: one.clientId, one });
  return rows;
}

const continues = (before: ChatMessage, message: ChatMessage): boolean =>
  before.from.participant === message.from.participant &&
  before.from.name === message.from.name &&
  keyOf(before.to) === keyOf(message.to) &&
  message.reply_to === null &&
  before.deleted_by === null &&
  Date.parse(message.ts) - Date.parse(before.ts) < RUN_MS;
