/** The language of the page: chosen before, else what the browser prefers, else English. */
import { pickLanguage, regionalTag } from "../core/language";
import { read, write } from "../media/storage";
import type { Locale } from "../paraglide/runtime.js";
import { isLocale, LANGUAGES, loadTexts, LOCALES, showTextsOf } from "./languages";

const FALLBACK: Locale = "en";

let current = $state<Locale>(FALLBACK);
/** The last choice: of two that are loading the later one is shown. */
let wanted: Locale = FALLBACK;

export const locale = {
  get value(): Locale {
    return current;
  },
  /** Where its lines begin: at the left, or at the right. */
  get direction(): "ltr" | "rtl" {
    return LANGUAGES[current].direction;
  },
  /** The language with its region, as the browser has it: for dates and numbers. */
  get regional(): string {
    return regionalTag(current, navigator.languages);
  },
  /** Shows the page in `next` as soon as its texts are there. False when they cannot be loaded: nothing changes. */
  async choose(next: string): Promise<boolean> {
    if (!isLocale(next)) return false;
    wanted = next;
    try {
      await loadTexts(next);
    } catch {
      return false;
    }
    if (wanted === next) {
      write("local", "locale", next);
      show(next);
    }
    return true;
  },
};

function show(next: Locale): void {
  current = next;
  document.documentElement.lang = next;
  document.documentElement.dir = LANGUAGES[next].direction;
}

/** Loads the texts of the language that the page begins with; nothing can be shown before. */
export async function startLocale(): Promise<void> {
  showTextsOf(() => current);
  const chosen = read("local", "locale");
  const first = pickLanguage([...(chosen === null ? [] : [chosen]), ...navigator.languages], LOCALES) ?? FALLBACK;
  const shown = await loadTexts(first).then(
    () => first,
    () => loadTexts(FALLBACK).then(() => FALLBACK),
  );
  wanted = shown;
  show(shown);
}
