/**
 * Keys in the meeting: which chord stands for which action, and how the user changes that.
 *
 * A chord is text, as in `Mod+KeyD`, `Alt+KeyH`, `?`: letters and digits by their place on the keyboard, so that Alt does
 * not change them, and signs by what they are. `Mod` is Ctrl, or Cmd on a Mac.
 */
export const ACTIONS = [
  "microphone",
  "camera",
  "talk",
  "hand",
  "chat",
  "people",
  "share",
  "layout",
  "pip",
  "settings",
  "help",
] as const;
export type KeyAction = (typeof ACTIONS)[number];

export type KeyMap = Readonly<Record<KeyAction, string | null>>;

export const DEFAULT_KEYS: KeyMap = {
  microphone: "Mod+KeyD",
  camera: "Mod+KeyE",
  talk: "Space",
  hand: "Alt+KeyH",
  chat: "Alt+KeyC",
  people: "Alt+KeyP",
  share: "Alt+KeyS",
  layout: "Alt+KeyL",
  pip: null,
  settings: null,
  help: "?",
};

/** Work beside the map when the user switched single letters on. */
const LETTERS: Readonly<Record<string, KeyAction>> = {
  KeyM: "microphone",
  KeyV: "camera",
  KeyH: "hand",
  KeyC: "chat",
  KeyP: "people",
  KeyS: "share",
};

export interface KeyEventLike {
  key: string;
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

export interface KeySettings {
  /** Off switches every key, push-to-talk with them. */
  on: boolean;
  /** Whether keys without Ctrl, Cmd or Alt may stand for an action (WCAG 2.2, 2.1.4). */
  letters: boolean;
  map: KeyMap;
}

/** Where the focus is, as far as keys care. */
export type Focus = "stage" | "control" | "typing";

const BARE = /^(Control|Meta|Alt|Shift|AltGraph|CapsLock|Tab|Escape|Enter|Arrow\w+|Home|End|PageUp|PageDown|Dead)$/;
const PLACED = /^(Key[A-Z]|Digit\d|Space|F\d{1,2})$/;

/** Returns the chord of a key event, or null for a key that cannot stand for anything. */
export function chordOf(event: KeyEventLike): string | null {
  if (BARE.test(event.key)) return null;
  const placed = PLACED.test(event.code);
  const base = placed ? event.code : event.key;
  if (base === "" || base === "Unidentified" || (!placed && base.length > 1)) return null;
  // A sign is typed with Shift on one keyboard and without on another.
  const shift = placed && event.shiftKey ? "Shift+" : "";
  return `${event.ctrlKey || event.metaKey ? "Mod+" : ""}${event.altKey ? "Alt+" : ""}${shift}${base}`;
}

/** Whether a chord is one letter, digit or sign, which speech input and a slip of the hand type by themselves. */
export const isSingle = (chord: string): boolean =>
  !/^(Mod|Alt)\+/.test(chord) && !/^(Shift\+)?(Space|F\d+)$/.test(chord);

/** Returns what a key event stands for, or null. */
export function actionOf(settings: KeySettings, event: KeyEventLike, focus: Focus): KeyAction | null {
  const chord = settings.on ? chordOf(event) : null;
  if (chord === null) return null;
  const found = ACTIONS.find((action) => settings.map[action] === chord) ?? null;
  const modified = /^(Mod|Alt)\+/.test(chord);
  // What types text is text while somebody types, and what presses a button presses it.
  if (focus === "typing" && !modified) return null;
  if (focus === "control" && /^(Shift\+)?Space$/.test(chord)) return null;
  if (found !== null) return !isSingle(chord) || found === "help" || settings.letters ? found : null;
  return settings.letters ? (LETTERS[chord] ?? null) : null;
}

/** What the browser does with a chord, and must go on doing. */
const RESERVED = /^Mod\+(Shift\+)?(Key[ACFLNQRTVWXZ]|Digit\d|\+|-)$/;

export type Remapped =
  | { kind: "done"; map: KeyMap; taken: KeyAction | null }
  /** The browser needs the chord; a single letter was not switched on. */
  | { kind: "refused"; reason: "reserved" | "letter" };

/** Gives `action` another chord, or none. Whoever had the chord before has none then, and is named. */
export function remap(settings: KeySettings, action: KeyAction, chord: string | null): Remapped {
  if (chord !== null && RESERVED.test(chord)) return { kind: "refused", reason: "reserved" };
  if (chord !== null && isSingle(chord) && action !== "help" && !settings.letters) {
    return { kind: "refused", reason: "letter" };
  }
  const taken = chord === null ? null : (ACTIONS.find((one) => one !== action && settings.map[one] === chord) ?? null);
  const map = { ...settings.map, ...(taken === null ? {} : { [taken]: null }), [action]: chord };
  return { kind: "done", map, taken };
}

/** Returns a chord as it stands on keys. */
export function chordText(chord: string, mac: boolean): string {
  return chord
    .replace("Mod+", mac ? "⌘" : "Ctrl+")
    .replace("Alt+", mac ? "⌥" : "Alt+")
    .replace("Shift+", mac ? "⇧" : "Shift+")
    .replace(/Key|Digit/, "");
}

/** Takes what was stored; whatever is not a known action with a text or nothing is the default. */
export function keysFrom(value: unknown): KeyMap {
  if (typeof value !== "object" || value === null) return DEFAULT_KEYS;
  const stored = value as Readonly<Record<string, unknown>>;
  const one = (action: KeyAction): string | null => {
    const chord = Object.hasOwn(stored, action) ? stored[action] : undefined;
    return chord === null || (typeof chord === "string" && chord.length <= 40) ? chord : DEFAULT_KEYS[action];
  };
  return Object.fromEntries(ACTIONS.map((action) => [action, one(action)])) as Record<KeyAction, string | null>;
}
