/** Which of the languages that we speak fits the wishes of a browser. */

const languageOf = (tag: string): string => tag.toLowerCase().split("-")[0] ?? "";

/**
 * Picks the first wish that is met: by the very tag (BCP 47), or else by any that has the same language.
 * `null` when no wish is met.
 */
export function pickLanguage<Tag extends string>(wishes: readonly string[], spoken: readonly Tag[]): Tag | null {
  for (const wish of wishes) {
    const found =
      spoken.find((tag) => tag.toLowerCase() === wish.toLowerCase()) ??
      spoken.find((tag) => languageOf(tag) === languageOf(wish));
    if (found !== undefined) return found;
  }
  return null;
}

/**
 * Returns `language` with the region that the browser has for it, for dates and numbers. The digits are those that
 * the texts have, also where the region would write others: one line shall not mix both.
 */
export function regionalTag(language: string, wishes: readonly string[]): string {
  const tag = wishes.find((wish) => languageOf(wish) === languageOf(language)) ?? language;
  try {
    return new Intl.Locale(tag, { numberingSystem: "latn" }).toString();
  } catch {
    // The browser's setting can be any text.
    return language;
  }
}
