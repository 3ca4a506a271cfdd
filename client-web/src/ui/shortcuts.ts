/** Keys in the meeting, and what can be asked of it by a key or a button. */
import { actionOf as decide, type Focus, type KeyAction } from "../core/keys";
import { comfort } from "./comfort/comfort.svelte";

export type Action = KeyAction | "more" | "security" | "leave" | "connection";

const TYPING =
  "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable]";
const CONTROL = "button, a[href], input, summary, [role=button], [role=menuitem], [role=slider], [role=tab]";

/** Where a key event goes, as far as keys care. */
export function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof Element)) return "stage";
  if (target.matches(TYPING)) return "typing";
  if (target.closest(CONTROL) !== null) return "control";
  const free = target === document.body || target === document.documentElement || target.closest("main") !== null;
  return free ? "stage" : "control";
}

/** Returns what a key stands for, or null. */
export function actionOf(event: KeyboardEvent): KeyAction | null {
  const { keysOn: on, letters, keys: map } = comfort.value;
  return decide({ on, letters, map }, event, focusOf(event.target));
}
