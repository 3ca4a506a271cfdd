/** What the sheet works on: a room in which one is, or one that is only managed. */
import type { Desk, DeskRequest, RoomChange } from "../../core/desk";
import type { Participant, Permission, Role, Room, Source } from "../../wire/messages";

export interface Sheet {
  room: Room;
  role: Role;
  permissions: ReadonlySet<Permission>;
  desk: Desk;
  /** Those who are there; nobody is known outside the meeting. */
  people: readonly Participant[];
  /** Null outside the meeting, where there is nothing to lock. */
  lock: ((source: Source, on: boolean, allow: readonly string[]) => void) | null;
  act: (request: Exclude<DeskRequest, { type: "room.update" }>) => void;
  change: (change: RoomChange) => void;
  dismissMade: () => void;
}
