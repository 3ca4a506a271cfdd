/** Names of people inside our sentences: their direction of writing is theirs alone (Unicode UAX #9, isolates). */
const FIRST_STRONG = "\u2068";
const POP = "\u2069";

/** Sets a name off, so that its direction does not turn the sentence around. */
export const isolate = (name: string): string => `${FIRST_STRONG}${name}${POP}`;

/** Returns the text without the marks, for names of controls, which are compared and not shown. */
export const bare = (text: string): string => text.replaceAll(FIRST_STRONG, "").replaceAll(POP, "");

/** Returns the pieces of a text, those that were set off apart from the others. */
export function pieces(text: string): { text: string; isolated: boolean }[] {
  return text
    .split(/(\u2068[^\u2069]*\u2069)/u)
    .filter((one) => one !== "")
    .map((one) => ({ text: bare(one), isolated: one.startsWith(FIRST_STRONG) }));
}
