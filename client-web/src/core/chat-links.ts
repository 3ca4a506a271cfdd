/**
 * Where the links of a message are. A message is text and stays text: this only says which stretches of it may be
 * followed, and where they lead.
 */
export type Piece = { kind: "text"; text: string } | { kind: "link"; text: string; href: string };

/** Longer ones are nothing that anybody wrote to be read. */
const LINK_CHARS = 2_048;
/** No character that ends a link in text, that is not seen, or that turns the direction of writing around. */
const LINK = /https?:\/\/[^\s<>"`\\^{|}\p{Cc}\p{Cf}]+/giu;
/** What closes a sentence is not part of an address. */
const TAIL = /[.,;:!?'*…。、！？」』”’»]/u;
const BRACKETS: Readonly<Record<string, string>> = { ")": "(", "]": "[" };

/** Divides a text into what is plain and what are links. Joined again, the pieces are the text. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const match of text.matchAll(LINK)) {
    const address = trimmed(match[0]);
    const href = target(address);
    const inWord = /[\p{L}\p{N}]$/u.test(text.slice(Math.max(0, match.index - 2), match.index));
    if (href === null || inWord) continue;
    if (match.index > done) pieces.push({ kind: "text", text: text.slice(done, match.index) });
    pieces.push({ kind: "link", text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) pieces.push({ kind: "text", text: text.slice(done) });
  return pieces;
}

/** Takes away what belongs to the sentence around an address: full stops, and brackets that were opened before it. */
function trimmed(address: string): string {
  let end = Math.min(address.length, LINK_CHARS + 1);
  const counts = new Map<string, number>();
  for (const one of address.slice(0, end)) counts.set(one, (counts.get(one) ?? 0) + 1);
  for (; end > 0; end -= 1) {
    const last = address.charAt(end - 1);
    const opening = BRACKETS[last];
    const surplus = opening !== undefined && (counts.get(last) ?? 0) > (counts.get(opening) ?? 0);
    if (!surplus && !TAIL.test(last)) break;
    counts.set(last, (counts.get(last) ?? 0) - 1);
  }
  return address.slice(0, end);
}

/** Returns where an address leads, or null when it may not be followed. */
function target(address: string): string | null {
  if (address.length > LINK_CHARS) return null;
  const url = parsed(address);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return null;
  // "https://bank.example@elsewhere.example" is written to be misread.
  if (url.username !== "" || url.password !== "" || url.hostname === "") return null;
  return url.href;
}

function parsed(address: string): URL | null {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}
