/**
 * What a control looks like to somebody: usable, greyed with the reason, or not there at all.
 *
 * The server alone decides; this explains. It walks through the same rules in the same order (specification of
 * permissions, section 2) to find out which one says no.
 */
import type { Override, Participant, Permission, Role, Room, Source } from "../wire/messages";
import { PERMISSION } from "./publishing";

/** Why something is not possible at present. */
export type Why =
  { reason: "locked" } | { reason: "policy" } | { reason: "override"; until: string | null } | { reason: "suspended" };

export type Control = { kind: "usable" } | { kind: "greyed"; why: Why } | { kind: "hidden" };

/** The one who looks at the control. */
export interface Ground {
  room: Room | null;
  self: Participant | null;
  permissions: ReadonlySet<Permission>;
  overrides: readonly Override[];
}

const usable: Control = { kind: "usable" };
const hidden: Control = { kind: "hidden" };
const greyed = (why: Why): Control => ({ kind: "greyed", why });

export const isHost = (role: Role): boolean => role === "host" || role === "co_host";

/** Returns the lock that binds a source. */
export function lockOf(room: Room, source: Source): { on: boolean; allow: readonly string[] } {
  return source === "screen_audio" ? room.av_lock.screen : room.av_lock[source];
}

/** Returns how the control that publishes a source looks. */
export function publishControl(source: Source, ground: Ground): Control {
  const { room, self, permissions } = ground;
  const key = PERMISSION[source];
  if (permissions.has(key)) return usable;
  if (room === null || self === null) return hidden;
  const taken = ground.overrides.find((one) => one.key === key);
  const allowed = taken?.effect === "allow" || byRole(key, room, self);
  const forAttendees = source === "screen_audio" ? room.attendees.screen : room.attendees[source];
  // Attendees come to it when the hosts change a policy; a viewer never does.
  const some = allowed || taken !== undefined || (self.role === "attendee" && !forAttendees);
  if (!some) return hidden;
  if (room.suspended) return greyed({ reason: "suspended" });
  if ((source === "screen" || source === "screen_audio") && room.screen === "off") return greyed({ reason: "policy" });
  const lock = lockOf(room, source);
  if (lock.on && !isHost(self.role) && !lock.allow.includes(self.id)) return greyed({ reason: "locked" });
  if (taken?.effect === "deny") return greyed({ reason: "override", until: taken.expires_at });
  return greyed({ reason: "policy" });
}

/** Returns how the control for the own name looks. */
export function renameControl(ground: Ground): Control {
  const { room, self, permissions } = ground;
  if (permissions.has("self.rename")) return usable;
  if (room === null || self === null) return hidden;
  const taken = ground.overrides.find((one) => one.key === "self.rename");
  if (taken?.effect === "deny") return greyed({ reason: "override", until: taken.expires_at });
  return self.role === "attendee" && !room.attendees.rename ? greyed({ reason: "policy" }) : hidden;
}

/** Whether the role itself, with its exceptions, gives the right. */
function byRole(key: Permission, room: Room, self: Participant): boolean {
  const custom = room.custom_roles.find((one) => one.name === self.custom_role);
  if (custom?.deny?.includes(key) === true) return false;
  if (custom?.allow?.includes(key) === true) return true;
  switch (self.role) {
    case "viewer":
      return false;
    case "attendee":
      if (key === "publish.audio") return room.attendees.microphone;
      if (key === "publish.video") return room.attendees.camera;
      return room.attendees.screen;
    default:
      return true;
  }
}
