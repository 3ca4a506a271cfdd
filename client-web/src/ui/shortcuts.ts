/** Keys in the meeting. All but `?` need a modifier, and all can be switched off (WCAG 2.1.4). */
export type Action =
  "microphone" | "camera" | "people" | "share" | "layout" | "help" | "devices" | "security" | "leave";

interface Keys {
  key: string;
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  target: EventTarget | null;
}

/** Returns what the keys stand for, or null. */
export function actionOf(event: Keys): Action | null {
  const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  const option = event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (command && event.code === "KeyD") return "microphone";
  if (command && event.code === "KeyE") return "camera";
  if (option && event.code === "KeyP") return "people";
  if (option && event.code === "KeyS") return "share";
  const typing =
    event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
  if (event.key === "?" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) return "help";
  return null;
}
