/** Words of the chat. */
import { isolate } from "../../core/bidi";
import type { Silence } from "../../core/chat-rules";
import type { ChatTarget, Emoji } from "../../wire/messages";
import { m } from "../../paraglide/messages.js";
import { locale } from "../locale.svelte";
import { whyText } from "../toast-texts";

/** What one may react with, in the order in which it is offered (protocol, `Emoji`). */
export const EMOJI: readonly Emoji[] = [
  "👍",
  "👎",
  "👏",
  "❤️",
  "😂",
  "😮",
  "😢",
  "🎉",
  "🤔",
  "👋",
  "🙏",
  "✅",
  "❌",
  "🔥",
];

/** A recipient in a list of choices. */
export function recipientText(to: ChatTarget, name: string | null): string {
  switch (to.kind) {
    case "all":
      return m.chat_to_all();
    case "hosts":
      return m.chat_to_hosts();
    case "participant":
      return name === null ? m.chat_to_gone() : m.chat_to_person({ name: isolate(name) });
  }
}

/** Why one cannot write. */
export function silenceText(silence: Silence): string {
  switch (silence.reason) {
    case "suspended":
      return m.chat_silent_suspended();
    case "off":
      return m.chat_silent_off();
    case "hostsOnly":
      return m.chat_silent_hosts();
    case "privateOff":
      return m.chat_silent_private_off();
    case "privateHosts":
      return m.chat_silent_private_hosts();
    case "gone":
      return m.chat_silent_gone();
    case "role":
      return m.chat_silent_role();
    case "override":
      return whyText(silence);
  }
}

// To make a format takes some hundred times as long as to use it.
const formats = new Map<string, { clock: Intl.DateTimeFormat; full: Intl.DateTimeFormat }>();

function formatsOf(language: string): { clock: Intl.DateTimeFormat; full: Intl.DateTimeFormat } {
  const known = formats.get(language);
  if (known !== undefined) return known;
  const made = {
    clock: new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" }),
    full: new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "medium" }),
  };
  formats.set(language, made);
  return made;
}

export const clockText = (ts: string): string => formatsOf(locale.regional).clock.format(new Date(ts));

export const fullText = (ts: string): string => formatsOf(locale.regional).full.format(new Date(ts));

/** A day: today by that word. */
export function dayText(ts: string, now = new Date()): string {
  const date = new Date(ts);
  if (date.toDateString() === now.toDateString()) return m.chat_today();
  return date.toLocaleDateString(locale.regional, { weekday: "long", day: "numeric", month: "long" });
}

/** A span of slow mode. */
export function spanText(seconds: number): string {
  return seconds % 60 === 0 ? m.minutes({ count: seconds / 60 }) : m.seconds({ count: seconds });
}
