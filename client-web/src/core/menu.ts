/**
 * What one participant may do to another, as a menu shows it. The server decides again.
 *
 * Nobody acts on an equal or a higher rank, gives what he does not have, or gives a role of his own rank
 * (specification of permissions, section 5.6).
 */
import type { Override, Participant, Permission, Role, Room } from "../wire/messages";
import { isHost, lockOf, renameControl, type Why } from "./controls";
import { PERMISSION } from "./publishing";

/** What can be switched for somebody; the sound of a screen goes with it. */
export type Switch = "microphone" | "camera" | "screen";
export const SWITCHES: readonly Switch[] = ["microphone", "camera", "screen"];

export interface RoleChoice {
  role: Role;
  customRole: string | null;
}

export type MenuItem =
  | { kind: "mute"; source: Switch }
  | { kind: "ask"; source: Switch }
  | { kind: "allow"; source: Switch }
  | { kind: "forbid"; source: Switch }
  | { kind: "exempt"; source: Switch; on: boolean }
  | { kind: "spotlight"; on: boolean }
  | { kind: "makeHost" }
  | { kind: "rights" }
  | { kind: "role" }
  /** `why` is set when the own name cannot be changed at present. */
  | { kind: "rename"; why: Why | null }
  | { kind: "toLobby" }
  | { kind: "remove" }
  | { kind: "ban" };

/** What belongs together in a menu. */
export type MenuGroup = "stage" | "media" | "rights" | "person" | "away";

const GROUP: Readonly<Record<MenuItem["kind"], MenuGroup>> = {
  spotlight: "stage",
  mute: "media",
  ask: "media",
  allow: "rights",
  forbid: "rights",
  exempt: "rights",
  rights: "rights",
  role: "person",
  makeHost: "person",
  rename: "person",
  toLobby: "away",
  remove: "away",
  ban: "away",
};

/** Returns the items of a menu in its groups, in their order; no group is empty. */
export function grouped(items: readonly MenuItem[]): { group: MenuGroup; items: readonly MenuItem[] }[] {
  const order: readonly MenuGroup[] = ["stage", "media", "rights", "person", "away"];
  return order
    .map((group) => ({ group, items: items.filter((one) => GROUP[one.kind] === group) }))
    .filter((one) => one.items.length > 0);
}

/** Who opens the menu. */
export interface Actor {
  self: Participant | null;
  permissions: ReadonlySet<Permission>;
  room: Room | null;
  overrides: readonly Override[];
}

const RANK: readonly Role[] = ["host", "co_host", "presenter", "attendee", "viewer"];

/** Whether a role stands strictly above another. */
export const outranks = (role: Role, other: Role): boolean => RANK.indexOf(role) < RANK.indexOf(other);

/** Returns the items of the menu for `target`, in the order in which they are shown; empty for no menu. */
export function menuOf(actor: Actor, target: Participant): MenuItem[] {
  const { self, permissions: may, room } = actor;
  if (self === null || room === null) return [];
  const items: MenuItem[] = [];
  // Whom everybody sees large is no matter of rank.
  if (may.has("spotlight.set")) items.push({ kind: "spotlight", on: !room.spotlight.includes(target.id) });
  if (self.id === target.id) {
    const control = renameControl(actor);
    if (control.kind !== "hidden") {
      items.push({ kind: "rename", why: control.kind === "greyed" ? control.why : null });
    }
    return items;
  }
  if (!outranks(self.role, target.role)) return items;
  for (const source of SWITCHES) {
    const sends = target.sources[source]?.published === true && !target.sources[source].muted;
    if (sends && may.has("media.mute")) items.push({ kind: "mute", source });
    // Asking for what is not allowed would only lead to a refusal.
    if (!sends && !barred(room, target, source) && may.has("media.request")) items.push({ kind: "ask", source });
  }
  for (const source of SWITCHES) items.push(...rightsItems(actor, room, target, source));
  if (SWITCHES.some((source) => grants(actor, source))) items.push({ kind: "rights" });
  if (rolesFor(actor, target).length > 0) items.push({ kind: "role" });
  if (self.role === "host") items.push({ kind: "makeHost" });
  if (may.has("participant.rename")) items.push({ kind: "rename", why: null });
  if (may.has("participant.to_lobby")) items.push({ kind: "toLobby" });
  if (may.has("participant.remove")) items.push({ kind: "remove" });
  if (may.has("participant.remove") && may.has("participant.ban")) items.push({ kind: "ban" });
  return items;
}

const grants = (actor: Actor, source: Switch): boolean =>
  actor.permissions.has("media.grant") && actor.permissions.has(PERMISSION[source]);

function rightsItems(actor: Actor, room: Room, target: Participant, source: Switch): MenuItem[] {
  const lock = lockOf(room, source);
  if (lock.on && !isHost(target.role)) {
    // No exception of a participant overcomes a lock; its own list does.
    if (!actor.permissions.has("media.lock_all")) return [];
    return [{ kind: "exempt", source, on: !lock.allow.includes(target.id) }];
  }
  if (!grants(actor, source)) return [];
  const state = target.sources[source];
  if (state !== undefined) return [{ kind: state.locked ? "allow" : "forbid", source }];
  // Of a screen that is not shared nobody says whether it may be. What the whole room may not, no exception gives.
  if (room.screen === "off") return [];
  return [
    { kind: "allow", source },
    { kind: "forbid", source },
  ];
}

/** Whether `target` may not send the source, as far as is known: where nobody says, the role is the best guess. */
function barred(room: Room, target: Participant, source: Switch): boolean {
  const state = target.sources[source];
  if (state !== undefined) return state.locked;
  const lock = lockOf(room, source);
  if (lock.on && !isHost(target.role)) return !lock.allow.includes(target.id);
  return !roleShares(room, target);
}

function roleShares(room: Room, target: Participant): boolean {
  if (room.screen === "off" || target.role === "viewer") return false;
  return target.role !== "attendee" || room.attendees.screen;
}

/** Returns the roles that `target` can be given: not the present one, and none at or above the actor's. */
export function rolesFor(actor: Actor, target: Participant): RoleChoice[] {
  const { self, room, permissions } = actor;
  if (self === null || room === null || !permissions.has("role.assign")) return [];
  if (self.id === target.id || !outranks(self.role, target.role)) return [];
  const holds = (role: Role): boolean =>
    outranks(self.role, role) && !(role === "co_host" && target.identity === "guest" && !room.guests_may_cohost);
  const plain = RANK.filter(holds).map((role): RoleChoice => ({ role, customRole: null }));
  const custom = room.custom_roles
    .filter((one) => holds(one.base))
    .map((one): RoleChoice => ({ role: one.base, customRole: one.name }));
  const present = (one: RoleChoice): boolean =>
    one.role === target.role && one.customRole === (target.custom_role ?? null);
  return [...plain, ...custom].filter((one) => !present(one));
}

/** Whether only a setting of the room keeps `target`, a guest, from being made a co-host. */
export function cohostBarred(actor: Actor, target: Participant): boolean {
  const { self, room, permissions } = actor;
  if (self === null || room === null || !permissions.has("role.assign") || !outranks(self.role, target.role))
    return false;
  return outranks(self.role, "co_host") && target.identity === "guest" && !room.guests_may_cohost;
}

/** Returns the roles for which somebody may make an invite: those below the own one, for a host also the host's. */
export function rolesToInvite(role: Role): Role[] {
  return RANK.filter((one) => outranks(role, one) || role === "host");
}

/** Returns whether somebody has anything to do on others at all, so that bulk actions are worth a place. */
export const moderates = (permissions: ReadonlySet<Permission>): boolean =>
  permissions.has("media.mute") || permissions.has("participant.remove") || permissions.has("lobby.manage");
