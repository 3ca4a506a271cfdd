/** What a screen reader is told of a chat: single messages as they come, and of many only how many. */
import { untrack } from "svelte";
import type { ChatMessage } from "../../wire/messages";
import { m } from "../../paraglide/messages.js";

/** More within this time are not read one by one. */
const WITHIN_MS = 6_000;
const MOST = 3;
/** Screen readers take up additions a moment later. */
const TAKEN_UP_MS = 1_000;

/** Watches the messages. While `quiet`, the list itself is not read out. */
export function speaker(
  say: (text: string) => void,
  messages: () => readonly ChatMessage[],
): { quiet: boolean; pause: () => void } {
  // What is there at first is read by whoever goes there.
  let quiet = $state(true);
  let last = untrack(() => messages().at(-1)?.number ?? 0);
  let recent: number[] = [];
  let untold = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function pause(): void {
    quiet = true;
    clearTimeout(timer);
    timer = setTimeout(resume, untold > 0 ? WITHIN_MS : TAKEN_UP_MS);
  }
  function resume(): void {
    if (untold > 0) say(m.chat_said_many({ count: untold }));
    untold = 0;
    recent = [];
    quiet = false;
  }

  $effect(() => {
    const fresh = messages().filter((one) => one.number > last);
    if (fresh.length === 0) return;
    last = fresh.at(-1)?.number ?? last;
    untrack(() => {
      const now = performance.now();
      recent = [...recent.filter((at) => now - at < WITHIN_MS), ...fresh.map(() => now)];
      if (recent.length <= MOST) return;
      untold += fresh.length;
      // One timer for a whole burst: the count comes every few seconds, not after the last message.
      if (!quiet) pause();
    });
  });
  $effect(() => {
    timer = setTimeout(resume, TAKEN_UP_MS);
    return () => clearTimeout(timer);
  });

  return {
    get quiet() {
      return quiet;
    },
    pause,
  };
}
