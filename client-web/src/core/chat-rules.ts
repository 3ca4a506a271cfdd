/**
 * Who may write to whom, and what may be done with a message. The server alone decides; this explains, by the same
 * rules in the same order (specification of permissions, section 2).
 */
import type { ChatMessage, ChatTarget, Permission, Role } from "../wire/messages";
import type { Chat } from "./chat";
import { answerTarget, isOwn, isYoung, keyOf } from "./chat";
import { isHost } from "./controls";
import type { MeetingState } from "./state";

/** Why one cannot write to somebody at present. */
export type Silence =
  | { reason: "suspended" | "off" | "hostsOnly" | "privateOff" | "privateHosts" | "gone" | "role" }
  | { reason: "override"; until: string | null };

type Ground = Pick<MeetingState, "room" | "self" | "permissions" | "overrides" | "roster">;

/** Returns why one cannot write to `to`, or null. */
export function silence(ground: Ground, to: ChatTarget): Silence | null {
  const { room, self, permissions } = ground;
  if (room === null || self === null) return { reason: "role" };
  const other = to.kind === "participant" ? ground.roster.get(to.participant) : undefined;
  if (to.kind === "participant" && other === undefined) return { reason: "gone" };
  const keys = keysFor(to, other?.role);
  if (keys.some((key) => permissions.has(key))) return null;
  const { chat } = room;
  // The hosts among themselves.
  if (to.kind === "hosts" && isHost(self.role) && chat.private !== "off") return null;
  if (room.suspended) return { reason: "suspended" };
  if (to.kind === "all") {
    if (chat.public === "off") return { reason: "off" };
    if (chat.public === "hosts" && !isHost(self.role)) return { reason: "hostsOnly" };
  } else {
    if (chat.private === "off") return { reason: "privateOff" };
    const toHost = to.kind === "hosts" || (other !== undefined && isHost(other.role));
    if (chat.private === "hosts" && !toHost && !isHost(self.role)) return { reason: "privateHosts" };
  }
  const taken = ground.overrides.find((one) => keys.includes(one.key) && one.effect === "deny");
  return taken === undefined ? { reason: "role" } : { reason: "override", until: taken.expires_at };
}

/** The rights of which one is enough. */
function keysFor(to: ChatTarget, other: Role | undefined): Permission[] {
  switch (to.kind) {
    case "all":
      return ["chat.send"];
    case "hosts":
      return ["chat.private_hosts"];
    case "participant":
      return other !== undefined && isHost(other) ? ["chat.private_any", "chat.private_hosts"] : ["chat.private_any"];
  }
}

/** Whom one may write to, the present recipient among them in any case: first everybody, then the hosts, then people. */
export function recipients(ground: Ground, chat: Chat): ChatTarget[] {
  const people = [...ground.roster.values()].sort((one, other) => one.name.localeCompare(other.name));
  const all: ChatTarget[] = [
    { kind: "all" },
    { kind: "hosts" },
    ...people.map((one): ChatTarget => ({ kind: "participant", participant: one.id })),
  ];
  const offered = all.filter((to) => to.kind === "all" || silence(ground, to) === null);
  const has = offered.some((to) => keyOf(to) === keyOf(chat.target));
  return has ? offered : [...offered, chat.target];
}

/** Whether one may write to somebody in particular, and read the answer. */
export const mayMessage = (ground: Ground, participant: string): boolean =>
  participant !== ground.self?.id &&
  ground.permissions.has("chat.read") &&
  silence(ground, { kind: "participant", participant }) === null;

/** How long one still has to wait in slow mode, as a time of `nowMs`; null without it. */
export const slowUntil = (state: Pick<MeetingState, "room" | "self" | "chat">): number | null =>
  state.room === null || state.room.chat.slow_s === 0 || (state.self !== null && isHost(state.self.role))
    ? null
    : state.chat.slowUntilMs;

export type Deed = "react" | "reply" | "private" | "pin" | "unpin" | "copy" | "edit" | "delete";

const RANK: readonly Role[] = ["viewer", "attendee", "presenter", "co_host", "host"];

/** Returns what one may do with a message, in the order in which it is offered. `unixMs` is of the server's clock. */
export function deedsOn(state: Ground & Pick<MeetingState, "chat">, message: ChatMessage, unixMs: number): Deed[] {
  const { permissions, self, chat } = state;
  if (message.deleted_by !== null || self === null) return [];
  const own = isOwn(chat, message);
  const toAuthor: ChatTarget = { kind: "participant", participant: message.from.participant };
  const below = RANK.indexOf(message.from.role) < RANK.indexOf(self.role);
  const may: Record<Deed, boolean> = {
    react: permissions.has("chat.react"),
    reply: silence(state, answerTarget(chat, message)) === null,
    private: !own && message.to.kind !== "participant" && silence(state, toAuthor) === null,
    pin: message.to.kind === "all" && !message.pinned && permissions.has("chat.pin"),
    unpin: message.pinned && permissions.has("chat.pin"),
    copy: true,
    edit: own && permissions.has("chat.edit_own") && isYoung(message, unixMs) && silence(state, message.to) === null,
    delete: (own && permissions.has("chat.delete_own")) || (!own && below && permissions.has("chat.delete_any")),
  };
  return (Object.keys(may) as Deed[]).filter((deed) => may[deed]);
}
