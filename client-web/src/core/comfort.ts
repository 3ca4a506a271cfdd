/** What a user sets for this device. Every value has a default; what is stored is taken where it makes sense. */
import { DEFAULT_KEYS, type KeyMap, keysFrom } from "./keys";

export const LAYOUTS = ["auto", "grid", "speaker", "sidebar", "focus"] as const;
/** How the tiles stand: see {@link plan} in `stage.ts`. */
export type Layout = (typeof LAYOUTS)[number];
/** Tiles on a page of the grid: 12 move, more have avatars. */
export const PAGE_SIZES = [12, 25, 49] as const;
export const THEMES = ["system", "dark", "light", "contrast"] as const;
export const SELF_VIEWS = ["tile", "small", "hidden"] as const;
/** `saver` receives and sends small pictures, `audio` receives none of cameras and sends none. */
export const DATA = ["full", "saver", "audio"] as const;
/** The largest height of a camera picture, sent and received; null for none. */
export const HEIGHTS = [null, 720, 360, 180] as const;
/** `own` is the browser's, `strong` ours beside it. */
export const DENOISE = ["none", "own", "strong"] as const;
export const SOUNDS = ["join", "leave", "message", "hand", "lobby"] as const;

export type SoundEvent = (typeof SOUNDS)[number];

export interface Comfort {
  layout: Layout;
  pageSize: (typeof PAGE_SIZES)[number];
  selfView: (typeof SELF_VIEWS)[number];
  /** The own picture as in a mirror, for oneself only. */
  mirror: boolean;
  /** Whether the small window opens by itself when the tab is hidden. */
  autoPip: boolean;
  theme: (typeof THEMES)[number];
  data: (typeof DATA)[number];
  height: (typeof HEIGHTS)[number];
  denoise: (typeof DENOISE)[number];
  /** Whether sound and pictures go through the relay and never directly. */
  relayOnly: boolean;
  /** Hints about the own microphone. */
  hints: boolean;
  keysOn: boolean;
  letters: boolean;
  keys: KeyMap;
  sounds: Readonly<Record<SoundEvent, boolean>>;
  /** From 0 to 1. */
  soundVolume: number;
}

export const DEFAULT_COMFORT: Comfort = {
  layout: "auto",
  pageSize: 12,
  selfView: "tile",
  mirror: true,
  autoPip: false,
  theme: "system",
  data: "full",
  height: null,
  denoise: "own",
  relayOnly: false,
  hints: true,
  keysOn: true,
  letters: false,
  keys: DEFAULT_KEYS,
  sounds: { join: true, leave: false, message: true, hand: true, lobby: true },
  soundVolume: 0.6,
};

/** Takes settings from storage. */
export function comfortFrom(text: string | null): Comfort {
  const stored = parse(text);
  const flag = (key: string, otherwise: boolean): boolean => {
    const value = stored[key];
    return typeof value === "boolean" ? value : otherwise;
  };
  const oneOf = <T>(key: string, all: readonly T[], otherwise: T): T =>
    all.find((one) => one === stored[key]) ??
    (stored[key] === null && all.includes(null as T) ? (null as T) : otherwise);
  const d = DEFAULT_COMFORT;
  const volume = stored["soundVolume"];
  const sounds = parsedObject(stored["sounds"]);
  return {
    layout: oneOf("layout", LAYOUTS, d.layout),
    pageSize: oneOf("pageSize", PAGE_SIZES, d.pageSize),
    selfView: oneOf("selfView", SELF_VIEWS, d.selfView),
    mirror: flag("mirror", d.mirror),
    autoPip: flag("autoPip", d.autoPip),
    theme: oneOf("theme", THEMES, d.theme),
    data: oneOf("data", DATA, d.data),
    height: oneOf("height", HEIGHTS, d.height),
    denoise: oneOf("denoise", DENOISE, d.denoise),
    relayOnly: flag("relayOnly", d.relayOnly),
    hints: flag("hints", d.hints),
    keysOn: flag("keysOn", d.keysOn),
    letters: flag("letters", d.letters),
    keys: keysFrom(stored["keys"]),
    sounds: Object.fromEntries(
      SOUNDS.map((one) => [one, typeof sounds[one] === "boolean" ? sounds[one] : d.sounds[one]]),
    ) as Record<SoundEvent, boolean>,
    soundVolume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : d.soundVolume,
  };
}

function parse(text: string | null): Readonly<Record<string, unknown>> {
  if (text === null) return {};
  try {
    return parsedObject(JSON.parse(text));
  } catch {
    return {};
  }
}

const parsedObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

/** Heights of what the data saver receives: a tile, and a large picture or a screen, which is still to be read. */
const SAVER_PX = 180;
const SAVER_LARGE_PX = 360;

/** Returns in how many device pixels a picture is asked for at most; 0 for not at all. */
export function heightMost(comfort: Comfort, source: "camera" | "screen", large: boolean): number {
  if (comfort.data === "audio") return source === "camera" ? 0 : Infinity;
  if (source === "screen") return Infinity;
  const saver = comfort.data === "saver" ? (large ? SAVER_LARGE_PX : SAVER_PX) : Infinity;
  return Math.min(saver, comfort.height ?? Infinity);
}

/** Returns the height in which the own camera is opened. */
export function cameraHeight(comfort: Comfort): number {
  const most = comfort.data === "full" ? 720 : SAVER_LARGE_PX;
  return Math.min(most, comfort.height ?? most);
}
