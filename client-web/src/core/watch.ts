/** The lobby as those see it who may admit: who waits, and when to call for attention. */
import type { LobbyEntry, LobbyUpdate } from "../wire/messages";

export interface Watch {
  /** What "admit all" names, so that nobody is swept in who was not seen. */
  rev: number;
  entries: readonly LobbyEntry[];
  /** How many wait beyond those. */
  more: number;
  flood: boolean;
  /** The knocks that the alert is about, until it is dismissed. */
  alert: readonly string[];
  soundedAtMs: number;
}

/** People who come together ring once. */
const SOUND_EVERY_MS = 4_000;

export const nobodyWaits: Watch = {
  rev: 0,
  entries: [],
  more: 0,
  flood: false,
  alert: [],
  soundedAtMs: Number.NEGATIVE_INFINITY,
};

export const waitingCount = (watch: Watch): number => watch.entries.length + watch.more;

export interface WatchStep {
  watch: Watch;
  /** Those who are new, to be announced. */
  arrived: readonly LobbyEntry[];
  sound: boolean;
}

/** Takes the whole lobby anew. In a flood there is one sound and one announcement, when it begins. */
export function updated(watch: Watch, update: LobbyUpdate, nowMs: number): WatchStep {
  const known = new Set(watch.entries.map((one) => one.knock));
  const present = new Set(update.entries.map((one) => one.knock));
  const fresh = update.entries.filter((one) => !known.has(one.knock));
  const calls = fresh.length > 0 && !(update.flood && watch.flood);
  const sound = calls && nowMs >= watch.soundedAtMs + SOUND_EVERY_MS;
  return {
    watch: {
      rev: update.lobby_rev,
      entries: update.entries,
      more: update.more,
      flood: update.flood,
      alert: [...watch.alert.filter((one) => present.has(one)), ...fresh.map((one) => one.knock)],
      soundedAtMs: sound ? nowMs : watch.soundedAtMs,
    },
    arrived: calls ? fresh : [],
    sound,
  };
}

/** Takes the alert away; whoever knocks later calls again. */
export const dismissed = (watch: Watch): Watch => (watch.alert.length === 0 ? watch : { ...watch, alert: [] });
