/** Keeps the chat of this tab over a reload of the page. */
import type { Chat } from "../core/chat";
import type { SavedChat } from "../core/chatting";
import { savedChatOf } from "../core/chatting";
import type { MeetingState } from "../core/state";
import { readJson, write } from "./storage";

/** Typing changes the chat with each key. */
const AFTER_MS = 1_000;
const KEY = "chat";

export class ChatKeeper {
  #kept: Chat | null = null;
  #due: { state: MeetingState; timer: ReturnType<typeof setTimeout> } | null = null;
  readonly #closing = new AbortController();

  constructor() {
    const { signal } = this.#closing;
    // The last moments in which a page that goes can do anything.
    addEventListener("pagehide", () => this.#flush(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.#flush(), { signal });
  }

  /** Takes the state; the chat is written a moment later, or taken away with the end of the stay. */
  changed(state: MeetingState): void {
    if (state.chat === this.#kept && state.phase.kind === "inside") return;
    if (state.phase.kind !== "inside") {
      if (this.#kept === null) return;
      this.#drop();
      this.#kept = null;
      return write("session", KEY, null);
    }
    this.#kept = state.chat;
    if (this.#due === null) this.#due = { state, timer: setTimeout(() => this.#flush(), AFTER_MS) };
    else this.#due.state = state;
  }

  close(): void {
    this.#drop();
    this.#closing.abort();
  }

  #drop(): void {
    if (this.#due !== null) clearTimeout(this.#due.timer);
    this.#due = null;
  }

  #flush(): void {
    if (this.#due === null) return;
    const saved = savedChatOf(this.#due.state);
    this.#drop();
    if (saved !== null) write("session", KEY, JSON.stringify(saved));
  }
}

/** Returns the chat that this tab had in `room` before the page was loaded anew. */
export function savedChat(room: string): SavedChat | null {
  const isSaved = (value: unknown): value is SavedChat =>
    typeof value === "object" && value !== null && "selves" in value && "room" in value && value.room === room;
  return readJson("session", KEY, isSaved);
}
