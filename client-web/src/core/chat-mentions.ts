/** Names in messages: finding them, completing them while somebody types, and setting them off from the text. */
import type { ChatMessage, ChatTarget, Participant } from "../wire/messages";
import { MENTIONS_MOST } from "./chat";
import { linkify } from "./chat-links";
import { isHost } from "./controls";

export type Segment =
  | { kind: "text"; text: string }
  | { kind: "link"; text: string; href: string }
  | { kind: "mention"; text: string; own: boolean };

const SUGGESTIONS_MOST = 6;
/** Names have at most so many code points. */
const NAME_CHARS = 64;

/** Divides a message into text, links (where they may be followed) and names. Joined again, the parts are the text. */
export function segments(
  text: string,
  links: boolean,
  mentioned: readonly { name: string; own: boolean }[],
): Segment[] {
  const pieces = links ? linkify(text) : [{ kind: "text" as const, text }];
  return pieces.flatMap((one): Segment[] => (one.kind === "text" ? withNames(one.text, mentioned) : [one]));
}

function withNames(text: string, mentioned: readonly { name: string; own: boolean }[]): Segment[] {
  if (mentioned.length === 0) return [{ kind: "text", text }];
  const byLength = [...mentioned].sort((one, other) => other.name.length - one.name.length);
  const parts: Segment[] = [];
  let done = 0;
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", Math.max(at + 1, done))) {
    const found = byLength.find(({ name }) => isNameAt(text, at + 1, name));
    if (found === undefined) continue;
    if (at > done) parts.push({ kind: "text", text: text.slice(done, at) });
    done = at + 1 + found.name.length;
    parts.push({ kind: "mention", text: text.slice(at, done), own: found.own });
  }
  if (done < text.length) parts.push({ kind: "text", text: text.slice(done) });
  return parts;
}

const isNameAt = (text: string, at: number, name: string): boolean =>
  text.startsWith(name, at) && !/^[\p{L}\p{N}]/u.test(text.slice(at + name.length, at + name.length + 2));

/** Returns whom a text mentions of those who will read it, at most `MENTIONS_MOST`. */
export function mentionsIn(text: string, readers: readonly Participant[]): string[] {
  if (!text.includes("@")) return [];
  const ids = new Set<string>();
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    const here = readers.filter(({ name }) => isNameAt(text, at + 1, name));
    const longest = Math.max(0, ...here.map((one) => one.name.length));
    for (const one of here) if (one.name.length === longest) ids.add(one.id);
  }
  return [...ids].slice(0, MENTIONS_MOST);
}

/** Returns those of `others` who can read what is written to `to`. */
export function readersOf(to: ChatTarget, others: readonly Participant[]): Participant[] {
  switch (to.kind) {
    case "all":
      return [...others];
    case "hosts":
      return others.filter((one) => isHost(one.role));
    case "participant":
      return others.filter((one) => one.id === to.participant);
  }
}

/** Whether a message mentions one of `ids`. */
export const mentionsOne = (message: ChatMessage, ids: readonly string[]): boolean =>
  message.mentions.some((one) => ids.includes(one));

/** A name that is being typed: where its "@" stands, and what follows it. */
export interface Typing {
  from: number;
  query: string;
}

/** Returns the name that is being typed before the caret, or null. */
export function typing(text: string, caret: number): Typing | null {
  const start = Math.max(0, caret - NAME_CHARS);
  const before = text.slice(start, caret);
  const at = before.lastIndexOf("@");
  if (at < 0) return null;
  const query = before.slice(at + 1);
  const begins = at + start === 0 || /\s|[(]/u.test(text.charAt(at + start - 1));
  return begins && !query.includes("\n") ? { from: at + start, query } : null;
}

/** Returns who may be meant: one of whose words begins so. */
export function suggestions(readers: readonly Participant[], query: string): Participant[] {
  const wanted = query.toLocaleLowerCase();
  const fits = ({ name }: Participant): boolean => {
    const lower = name.toLocaleLowerCase();
    return lower.startsWith(wanted) || lower.split(/\s+/u).some((word) => word.startsWith(wanted));
  };
  return readers
    .filter(fits)
    .sort((one, other) => one.name.localeCompare(other.name))
    .slice(0, SUGGESTIONS_MOST);
}

/** Puts a name in place of what was typed of it. */
export function completed(text: string, typed: Typing, caret: number, name: string): { text: string; caret: number } {
  const before = `${text.slice(0, typed.from)}@${name} `;
  return { text: before + text.slice(caret).replace(/^ /, ""), caret: before.length };
}
