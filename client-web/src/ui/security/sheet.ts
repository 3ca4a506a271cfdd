/** What the sheet works on: a room in which one is, or one that is only managed. */
import type { Desk, DeskRequest, Problem, RoomChange } from "../../core/desk";
import type { Act } from "../../core/state";
import { m } from "../../paraglide/messages.js";
import type { Participant, Permission, Role, Room, Source } from "../../wire/messages";
import { refusedText } from "../toast-texts";

export interface Sheet {
  room: Room;
  role: Role;
  permissions: ReadonlySet<Permission>;
  desk: Desk;
  /** Who changed the settings last, if that is known. */
  changedBy: string | null;
  /** Those who are there; nobody is known outside the meeting. */
  people: readonly Participant[];
  /** Null outside the meeting, where there is nothing to lock. */
  lock: ((source: Source, on: boolean, allow: readonly string[]) => void) | null;
  /** Asks for something in the meeting and says whether there was a link; null outside it. */
  meet: ((request: Act) => boolean) | null;
  act: (request: Exclude<DeskRequest, { type: "room.update" }>) => void;
  change: (change: RoomChange) => void;
  dismissMade: () => void;
}

/** The words for what did not work. */
export function problemText(problem: Problem): string {
  if (problem.code === "conflict") return m.security_conflict();
  const field = fieldName(problem.field);
  const text = refusedText(problem.code, problem.retryAfterS);
  return field === null ? text : m.problem_in({ field, text });
}

/** The words for a member of a request, as the sheet calls it; null for one that the sheet does not show. */
export function fieldName(field: string | null): string | null {
  switch (field) {
    case "title":
      return m.meeting_title();
    case "max_duration_s":
      return m.set_max_duration();
    case "lobby_message":
      return m.set_lobby_message();
    case "password":
      return m.new_password();
    case "no_host_grace_s":
      return m.set_no_host_grace();
    case "caps":
      return m.set_capacity();
    case "opens_at":
      return m.set_opens_at();
    case "closes_at":
      return m.set_closes_at();
    case "consent_text":
      return m.set_consent();
    case "default_role":
      return m.set_default_role();
    case "screen":
      return m.source_screen();
    case "chat":
      return m.security_chat();
    case "role":
    case "custom_role":
      return m.invite_role();
    case "name":
    case "name_locked":
      return m.invite_name();
    case "max_uses":
      return m.invite_max_uses();
    case "expires_at":
      return m.invite_lasts();
    case "note":
      return m.invite_note();
    default:
      return null;
  }
}
