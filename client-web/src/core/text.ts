import type { Credential } from "../wire/messages";

const SLUG = /^[a-z0-9][a-z0-9-]{2,62}$/;

/**
 * Reads what somebody typed as a room: a name, a code, or a whole link. Returns null when it cannot be a room.
 * The secret of an invite link stays with it.
 */
export function readRoom(typed: string): { slug: string; fragment: string } | null {
  const text = typed.trim();
  const link = /\/r\/([^/?#\s]+)(#[^\s]*)?/.exec(text);
  const candidate = (link?.[1] ?? text)
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[\s_]+/g, "-");
  return SLUG.test(candidate) ? { slug: candidate, fragment: link?.[2] ?? "" } : null;
}

/** Returns the slug of a room page's path, or null for any other path. */
export function slugOfPath(path: string): string | null {
  const match = /^\/r\/([^/]+)\/?$/.exec(path);
  return match?.[1] !== undefined && SLUG.test(match[1]) ? match[1] : null;
}

/** What a link itself entitles to: an invite, or a token that another site signed. */
export type Ticket = Extract<Credential, { kind: "invite" | "token" }>;

/** Returns what stands in the fragment of a link: `#i=` an invite, `#t=` a token. */
export function ticketIn(fragment: string): Ticket | null {
  const members = new URLSearchParams(fragment.replace(/^#/, ""));
  const [secret, jwt] = [members.get("i") ?? "", members.get("t") ?? ""];
  if (secret !== "") return { kind: "invite", secret };
  return jwt === "" ? null : { kind: "token", jwt };
}

/** Returns one or two capital letters for an avatar. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = words[0];
  const last = words.length > 1 ? words[words.length - 1] : undefined;
  const letters = [first, last].map((word) => (word === undefined ? "" : ([...word][0] ?? "")));
  // Arabic letters side by side would join into one word; the mark, which is not seen, keeps them apart.
  const between = letters.some((letter) => /\p{Script=Arabic}/u.test(letter)) ? "\u200c" : "";
  return letters.filter(Boolean).join(between).toLocaleUpperCase() || "?";
}

/** Returns one of `count` avatar tones, the same for the same id everywhere. */
export function toneOf(id: string, count: number): number {
  let hash = 0x811c9dc5;
  for (const character of id) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) % count;
}

/** Trims a name as the server does; null when nothing is left or it is longer than `limit` code points. */
export function cleanName(typed: string, limit: number): string | null {
  const name = typed
    .normalize("NFC")
    .replace(/[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu, "")
    .trim();
  const length = [...name].length;
  return length >= 1 && length <= limit ? name : null;
}
