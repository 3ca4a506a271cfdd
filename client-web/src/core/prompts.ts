/** Requests of a host to switch something on. Nobody but the one who is asked can do so. */
import type { MediaRequested, RequestAnswer } from "../wire/messages";

export interface Prompt {
  request: string;
  source: MediaRequested["source"];
  /** The name of who asks. */
  by: string | null;
  untilMs: number;
}

/** Adds a request; one for the same source replaces the one before it. */
export function asked(
  prompts: readonly Prompt[],
  request: MediaRequested,
  by: string | null,
  nowMs: number,
): readonly Prompt[] {
  const prompt = { request: request.request, source: request.source, by, untilMs: nowMs + request.expires_s * 1_000 };
  return [...prompts.filter((one) => one.source !== request.source), prompt];
}

/** Drops what can no longer be answered. Returns `prompts` itself when nothing is dropped. */
export function expired(prompts: readonly Prompt[], nowMs: number): readonly Prompt[] {
  return prompts.some((one) => nowMs >= one.untilMs) ? prompts.filter((one) => nowMs < one.untilMs) : prompts;
}

/** Takes a prompt off the list; null when it is not there any more. */
export function take(prompts: readonly Prompt[], request: string): { prompt: Prompt; rest: readonly Prompt[] } | null {
  const prompt = prompts.find((one) => one.request === request);
  return prompt === undefined ? null : { prompt, rest: prompts.filter((one) => one !== prompt) };
}

export const ANSWERS: readonly RequestAnswer[] = ["accept", "later", "decline"];
