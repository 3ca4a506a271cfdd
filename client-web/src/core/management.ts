/** The policies of a room without being in it: what the host link opens on the page before the meeting. */
import type { Credential, ErrorCode, Permission, PushFrame, Request, Role, Room } from "../wire/messages";
import { protocolVersion } from "../wire/messages";
import * as desk from "./desk";
import { CLIENT } from "./entering";
import type { Reply } from "./state";

export type ManagementPhase =
  | { kind: "opening" }
  | { kind: "open"; room: Room; role: Role; permissions: ReadonlySet<Permission> }
  /** `code` is null when the link broke. */
  | { kind: "closed"; code: ErrorCode | null };

export interface ManagementState {
  phase: ManagementPhase;
  desk: desk.Desk;
}

export type ManagementEvent =
  | { kind: "linkOpen" }
  | { kind: "linkClosed" }
  | Reply
  | { kind: "push"; push: PushFrame }
  | { kind: "act"; request: desk.DeskRequest }
  | { kind: "updateRoom"; change: desk.RoomChange }
  | { kind: "dismissMade" };

export interface ManagementStep {
  state: ManagementState;
  requests: readonly Request[];
}

/** Who opens the desk, and of which room. */
export interface Key {
  room: string;
  credential: Credential;
  deviceKey: string;
}

export const unopened: ManagementState = { phase: { kind: "opening" }, desk: desk.emptyDesk };

const still = (state: ManagementState): ManagementStep => ({ state, requests: [] });
const onDesk = (state: ManagementState, after: desk.DeskStep): ManagementStep => ({
  state: { ...state, desk: after.desk },
  requests: after.requests,
});

/** Returns the next state and what to ask the server. */
export function step(state: ManagementState, event: ManagementEvent, key: Key): ManagementStep {
  const { phase } = state;
  switch (event.kind) {
    case "linkOpen":
      return { state, requests: [{ type: "hello", data: { protocol: protocolVersion, client: CLIENT } }] };
    case "linkClosed":
      if (phase.kind === "closed") return still(state);
      return still({ phase: { kind: "closed", code: null }, desk: desk.interrupted(state.desk) });
    case "ok":
      return answered(state, event, key);
    case "failed":
      if (desk.isDeskRequest(event.request)) {
        return onDesk(state, desk.refused(state.desk, event.request, event.error));
      }
      return still({ ...state, phase: { kind: "closed", code: event.error.code } });
    case "push":
      if (event.push.type !== "room.updated" || phase.kind !== "open") return still(state);
      return still({ ...state, phase: { ...phase, room: event.push.data.room } });
    case "act":
      return onDesk(state, desk.send(state.desk, event.request));
    case "updateRoom":
      if (phase.kind !== "open") return still(state);
      return onDesk(state, desk.change(state.desk, phase.room.rev, event.change));
    case "dismissMade":
      return still({ ...state, desk: { ...state.desk, made: null } });
  }
}

function answered(state: ManagementState, reply: Reply & { kind: "ok" }, key: Key): ManagementStep {
  const { phase } = state;
  switch (reply.type) {
    case "hello": {
      const { room, credential, deviceKey } = key;
      return { state, requests: [{ type: "room.manage", data: { room, credential, device_key: deviceKey } }] };
    }
    case "room.manage": {
      const { room, role, permissions } = reply.ok;
      return still({ ...state, phase: { kind: "open", room, role, permissions: new Set(permissions) } });
    }
    default:
      return onDesk(state, desk.answered(state.desk, reply, phase.kind === "open" ? phase.room.rev : 0));
  }
}
