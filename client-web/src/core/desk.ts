/**
 * The desk of somebody who sets up a room: its policies, invites and bans. The same in the meeting and before it.
 *
 * Changes of policies go out one after the other, each naming the revision it was made on, so that two people at two
 * desks never overwrite each other unseen.
 */
import type {
  BanInfo,
  ErrorBody,
  ErrorCode,
  InviteInfo,
  Permission,
  Request,
  Room,
  RoomUpdate,
} from "../wire/messages";
import type { Reply } from "./state";

export type DeskVerb = "room.update" | "invite.create" | "invite.list" | "invite.revoke" | "ban.list" | "ban.lift";
export type DeskRequest = Extract<Request, { type: DeskVerb }>;

/** Changes of policies, without the revision. */
export type RoomChange = Omit<RoomUpdate, "rev">;

/** What did not work, and with what. */
export interface Problem {
  about: DeskVerb;
  /** `offline`: nobody was asked, as there is no link. */
  code: ErrorCode | "offline";
  /** The member of the request that is wrong, as the server names it. */
  field: string | null;
  retryAfterS: number | null;
}

export interface Desk {
  /** Null until they were asked for. */
  invites: readonly InviteInfo[] | null;
  bans: readonly BanInfo[] | null;
  /** An invite that was just made: its link is shown this once. */
  made: { invite: InviteInfo; secret: string } | null;
  /** A change under way, and what is to follow it. */
  update: { kind: "idle" } | { kind: "sent"; sent: RoomChange; queued: RoomChange | null };
  problem: Problem | null;
}

export const emptyDesk: Desk = { invites: null, bans: null, made: null, update: { kind: "idle" }, problem: null };

export interface DeskStep {
  desk: Desk;
  requests: readonly DeskRequest[];
}

const still = (desk: Desk): DeskStep => ({ desk, requests: [] });
const VERBS: readonly string[] = [
  "room.update",
  "invite.create",
  "invite.list",
  "invite.revoke",
  "ban.list",
  "ban.lift",
] satisfies DeskVerb[];

export const isDeskRequest = (request: Request): request is DeskRequest => VERBS.includes(request.type);

/** Whether somebody has anything to do at the desk. */
export const hasDesk = (permissions: ReadonlySet<Permission>): boolean =>
  (
    [
      "room.settings",
      "room.lock",
      "room.password",
      "media.lock_all",
      "invite.create",
      "ban.manage",
      "chat.configure",
    ] as const
  ).some((one) => permissions.has(one));

/** Changes policies; while a change is under way, later ones wait and go out together. */
export function change(desk: Desk, rev: number, update: RoomChange): DeskStep {
  if (desk.update.kind === "sent") {
    return still({ ...desk, update: { ...desk.update, queued: { ...desk.update.queued, ...update } } });
  }
  return {
    desk: { ...desk, update: { kind: "sent", sent: update, queued: null }, problem: null },
    requests: [{ type: "room.update", data: { ...update, rev } }],
  };
}

/**
 * Returns the values of several parts as they will be once everything that is under way is done: whoever changes one
 * part of them now must not undo the others.
 */
export function awaited(room: Room, desk: Desk): Pick<Room, "attendees" | "viewers" | "caps" | "chat"> {
  if (desk.update.kind === "idle") return room;
  const { sent, queued } = desk.update;
  return {
    attendees: queued?.attendees ?? sent.attendees ?? room.attendees,
    viewers: queued?.viewers ?? sent.viewers ?? room.viewers,
    caps: queued?.caps ?? sent.caps ?? room.caps,
    chat: { ...room.chat, ...sent.chat, ...queued?.chat },
  };
}

/** Sends what needs no order. */
export function send(desk: Desk, request: DeskRequest): DeskStep {
  return { desk: desk.problem === null ? desk : { ...desk, problem: null }, requests: [request] };
}

/** Takes an answer; `rev` is the room's newest revision that was heard of. */
export function answered(desk: Desk, reply: Reply & { kind: "ok" }, rev: number): DeskStep {
  switch (reply.type) {
    case "room.update": {
      const queued = desk.update.kind === "sent" ? desk.update.queued : null;
      const idle: Desk = { ...desk, update: { kind: "idle" } };
      return queued === null ? still(idle) : change(idle, Math.max(rev, reply.ok.rev), queued);
    }
    case "invite.create":
      return still({
        ...desk,
        made: reply.ok,
        invites: [reply.ok.invite, ...(desk.invites ?? []).filter((one) => one.id !== reply.ok.invite.id)],
      });
    case "invite.list":
      return still({ ...desk, invites: reply.ok.invites });
    case "invite.revoke": {
      const { invite } = reply.request.data;
      return {
        desk: { ...desk, made: desk.made?.invite.id === invite ? null : desk.made },
        requests: [{ type: "invite.list", data: {} }],
      };
    }
    case "ban.list":
      return still({ ...desk, bans: reply.ok.bans });
    case "ban.lift": {
      const { ban } = reply.request.data;
      return still({ ...desk, bans: desk.bans?.filter((one) => one.id !== ban) ?? null });
    }
    default:
      return still(desk);
  }
}

/** Takes a refusal. What waited behind a refused change is dropped: it was made on values that are shown anew. */
export function refused(desk: Desk, request: DeskRequest, error: ErrorBody): DeskStep {
  const problem: Problem = {
    about: request.type,
    code: error.code,
    field: error.field ?? null,
    retryAfterS: error.retry_after_s ?? null,
  };
  return still({
    ...desk,
    problem,
    update: request.type === "room.update" ? { kind: "idle" } : desk.update,
  });
}

/** Takes a wish that nobody can be asked for now. */
export const unsent = (desk: Desk, about: DeskVerb): Desk => ({
  ...desk,
  problem: { about, code: "offline", field: null, retryAfterS: null },
});

/** Forgets what was under way when the link broke. */
export const interrupted = (desk: Desk): Desk =>
  desk.update.kind === "idle" ? desk : { ...desk, update: { kind: "idle" } };
