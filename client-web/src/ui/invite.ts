/**
 * The secret of an invite link. It is taken out of the address bar, where others would see it and where it would be
 * copied with the address, and kept with this entry of the browser's history: it survives a reload and nothing else.
 */
import { inviteSecret } from "../core/text";

const KEY = "conclave.invite";

interface Kept {
  [KEY]?: unknown;
}

/** Returns the secret that this page was opened with, or null. */
export function takeInvite(): string | null {
  const state = history.state as Kept | null;
  const given = inviteSecret(location.hash);
  if (given === null) return typeof state?.[KEY] === "string" ? state[KEY] : null;
  history.replaceState({ ...state, [KEY]: given }, "", location.pathname + location.search);
  return given;
}

/** Forgets the secret: it does not open the meeting, and the link without it may. */
export function dropInvite(): void {
  const { [KEY]: _, ...rest } = (history.state ?? {}) as Kept;
  history.replaceState(rest, "", location.pathname + location.search);
}

/** Returns the whole link for somebody who is invited to `room`. */
export const linkOf = (room: string, secret: string | null): string =>
  `${location.origin}/r/${room}${secret === null ? "" : `#i=${secret}`}`;
