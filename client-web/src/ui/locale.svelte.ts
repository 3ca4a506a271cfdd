/** The language of the page: chosen before, else what the browser prefers, else English. */
import { read, write } from "../media/storage";
import { baseLocale, isLocale, locales, overwriteGetLocale } from "../paraglide/runtime.js";

type Locale = (typeof locales)[number];

let current = $state<Locale>(baseLocale);

export const locale = {
  get value(): Locale {
    return current;
  },
  /** The language with its region, as the browser has it: for dates and numbers. */
  get regional(): string {
    return navigator.languages.find((one) => one.split("-")[0] === current) ?? current;
  },
  choose(next: string): void {
    if (!isLocale(next)) return;
    current = next;
    write("local", "locale", next);
    document.documentElement.lang = next;
  },
};

export function startLocale(): void {
  overwriteGetLocale(() => current);
  const wishes = [read("local", "locale") ?? "", ...navigator.languages.map((one) => one.split("-")[0] ?? "")];
  const found = wishes.find((one) => isLocale(one));
  if (found !== undefined && isLocale(found)) current = found;
  document.documentElement.lang = current;
}
