/**
 * What the link entitles to: the secret of an invite, or a token of another site. It is taken out of the address bar,
 * where others would see it and where it would be copied with the address, and kept with this entry of the browser's
 * history: it survives a reload and nothing else.
 */
import { type Ticket, ticketIn } from "../core/text";

const KEY = "conclave.ticket";

interface Kept {
  [KEY]?: unknown;
}

/** Returns what this page was opened with, or null. */
export function takeTicket(): Ticket | null {
  const state = history.state as Kept | null;
  const kept = typeof state?.[KEY] === "string" ? state[KEY] : "";
  const given = ticketIn(location.hash);
  if (given === null) return ticketIn(kept);
  history.replaceState({ ...state, [KEY]: location.hash }, "", location.pathname + location.search);
  return given;
}

/** Forgets it: it does not open the meeting, and the link without it may. Or it was good once, and has been. */
export function dropTicket(): void {
  const { [KEY]: _, ...rest } = (history.state ?? {}) as Kept;
  history.replaceState(rest, "", location.pathname + location.search);
}

/** Returns the whole link for somebody who is invited to `room`. */
export const linkOf = (room: string, secret: string | null): string =>
  `${location.origin}/r/${room}${secret === null ? "" : `#i=${secret}`}`;
