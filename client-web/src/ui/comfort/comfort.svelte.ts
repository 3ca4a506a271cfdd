/** The settings of this device, as the components see them, and what follows from them for the whole page. */
import { SvelteSet } from "svelte/reactivity";
import { type Comfort, comfortFrom, DEFAULT_COMFORT, type SoundEvent } from "../../core/comfort";
import { chime, type Sound } from "../../media/sounds";
import { read, write } from "../../media/storage";

let current = $state.raw<Comfort>(comfortFrom(read("local", "comfort")));

export const comfort = {
  get value(): Comfort {
    return current;
  },
  set(change: Partial<Comfort>): void {
    current = { ...current, ...change };
    write("local", "comfort", JSON.stringify(current));
    applyTheme();
  },
  /** Back to the defaults, and nothing of it stored. */
  forget(): void {
    current = DEFAULT_COMFORT;
    write("local", "comfort", null);
    applyTheme();
  },
};

/** Whose pictures one does not want to see, for as long as the page lives. */
export const unseen = new SvelteSet<string>();

const moreContrast = matchMedia("(prefers-contrast: more)");

/** Writes the theme where the style sheet reads it; without one it follows the system. */
function applyTheme(): void {
  const system = moreContrast.matches ? "contrast" : null;
  const theme = current.theme === "system" ? system : current.theme;
  if (theme === null) delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

export function startComfort(): void {
  applyTheme();
  moreContrast.addEventListener("change", applyTheme);
}

const EVENT: Readonly<Record<Sound, SoundEvent>> = {
  knock: "lobby",
  admitted: "lobby",
  message: "message",
  joined: "join",
  left: "leave",
  hand: "hand",
};

/** Plays a sound, if the user wants it. */
export function play(sound: Sound): void {
  if (current.sounds[EVENT[sound]]) chime(sound, current.soundVolume);
}

/** Plays a sound to hear how it is. */
export const tryOut = (event: SoundEvent): void => chime(SAMPLE[event], current.soundVolume);

const SAMPLE: Readonly<Record<SoundEvent, Sound>> = {
  join: "joined",
  leave: "left",
  message: "message",
  hand: "hand",
  lobby: "knock",
};
