/** The texts of the page. Only the languages that are shown are loaded; the others wait at our origin. */
import type * as Texts from "../paraglide/messages/_index.js";
import type { Locale } from "../paraglide/runtime.js";

interface Language {
  /** Its name in itself. */
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  readonly load: () => Promise<object>;
}

/** In the order in which they are offered. */
export const LANGUAGES: Readonly<Record<Locale, Language>> = {
  de: { name: "Deutsch", direction: "ltr", load: () => import("../paraglide/messages/de.js") },
  en: { name: "English", direction: "ltr", load: () => import("../paraglide/messages/en.js") },
  es: { name: "Español", direction: "ltr", load: () => import("../paraglide/messages/es.js") },
  fr: { name: "Français", direction: "ltr", load: () => import("../paraglide/messages/fr.js") },
  "pt-BR": { name: "Português (Brasil)", direction: "ltr", load: () => import("../paraglide/messages/pt-BR.js") },
  ar: { name: "العربية", direction: "rtl", load: () => import("../paraglide/messages/ar.js") },
};

export const isLocale = (tag: string): tag is Locale => Object.hasOwn(LANGUAGES, tag);
export const LOCALES: readonly Locale[] = Object.keys(LANGUAGES).filter(isLocale);

type Message = (inputs: Readonly<Record<string, unknown>>) => string;
const loaded = new Map<Locale, Readonly<Record<string, Message | undefined>>>();

/** Loads the texts of `locale`, once. Rejects when they cannot be had: then what was shown can go on. */
export async function loadTexts(locale: Locale): Promise<void> {
  if (loaded.has(locale)) return;
  loaded.set(locale, { ...(await LANGUAGES[locale].load()) } as Record<string, Message>);
}

let shown = (): Locale => "en";

/** Has every text be that of the language which `read` names: a loaded one. What reads a text reads that, too. */
export function showTextsOf(read: () => Locale): void {
  shown = read;
}

/** The compiler's name of a text: lower case, and then how many capitals its key has, if it has any. */
function compiledName(key: string): string {
  const capitals = key.replace(/[^A-Z]/g, "").length;
  return capitals === 0 ? key : `${key.toLowerCase()}${capitals}`;
}

/** Every text by its key, in the language that is shown when it is called. */
export const m = new Proxy({} as typeof Texts, {
  get(_, key): Message | undefined {
    if (typeof key !== "string") return undefined;
    const name = compiledName(key);
    // A text that nobody wrote is shown as its key: seen, and harmless.
    return (inputs) => loaded.get(shown())?.[name]?.(inputs) ?? key;
  },
});
