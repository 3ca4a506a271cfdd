/** The lobby as those see it who wait in it. */
import type { InLobby, LobbyStatus, WaitingState } from "../wire/messages";
import { inside } from "./arrival";
import { emptyDesk } from "./desk";
import * as own from "./publishing";
import { noSlots } from "./slots";
import { silence } from "./speaker";
import type { Effect, Entry, MeetingState, Step } from "./state";
import { ask, only } from "./state";
import { nobodyWaits } from "./watch";

export interface Waiting {
  knock: string;
  what: WaitingState;
  /** What the hosts say to all who wait, and to this one. */
  message: string | null;
  note: string | null;
  sinceMs: number;
  heartbeatMs: number;
  pingAtMs: number;
  /** Whether this one was in the room before and a host sent it here. */
  sentBack: boolean;
}

/** Who is sent back is not told the pace; the server's is this one (protocol, section 4). */
const HEARTBEAT_MS = 10_000;

/** Takes the outcome `lobby` of a join. Somebody who comes back to the same knock has waited all along. */
export function arrive(state: MeetingState, entry: Entry, ok: InLobby, nowMs: number): Step {
  const { phase } = state;
  const before = phase.kind === "waiting" ? phase.lobby : null;
  const heartbeatMs = ok.heartbeat_s * 1_000;
  const lobby: Waiting = {
    knock: ok.knock,
    what: ok.state,
    message: ok.message,
    note: before?.knock === ok.knock ? before.note : null,
    sinceMs: before?.sinceMs ?? nowMs,
    heartbeatMs,
    pingAtMs: nowMs + heartbeatMs,
    sentBack: before?.sentBack ?? false,
  };
  const announce: Effect[] =
    before === null ? [{ kind: "announce", announcement: { kind: "lobby", state: "waiting" } }] : [];
  const { state: next, effects } = wait(state, entry, lobby);
  return { state: next, effects: [...effects, ...announce] };
}

/** Takes `lobby.status` while waiting, or in the room, where it means: sent back. */
export function status(state: MeetingState, push: LobbyStatus, nowMs: number): Step {
  const { phase } = state;
  if (phase.kind !== "waiting" && phase.kind !== "inside") return only(state);
  switch (push.state) {
    case "waiting":
    case "waiting_for_host":
      return phase.kind === "waiting" ? told(state, phase, push, nowMs) : sentBack(state, phase.entry, push, nowMs);
    case "admitted": {
      if (phase.kind !== "waiting") return only(state);
      const { state: next, effects } = inside(state, phase.entry, push.joined, nowMs);
      return {
        state: { ...next, admittedAtMs: nowMs },
        effects: [
          ...effects,
          { kind: "sound", sound: "admitted" },
          { kind: "announce", announcement: { kind: "lobby", state: "admitted" } },
        ],
      };
    }
    case "denied": {
      const torn = tearDown(state);
      return {
        state: {
          ...torn.state,
          // Nobody looks at the preview any more: the devices go off with it.
          publishing: { ...torn.state.publishing, preview: false },
          phase: { kind: "denied", entry: phase.entry, reason: push.reason, againAtMs: nowMs + push.block_s * 1_000 },
          link: { kind: "off" },
        },
        effects: [
          ...torn.effects,
          { kind: "forget" },
          { kind: "closeLink" },
          { kind: "announce", announcement: { kind: "lobby", state: "denied" } },
        ],
      };
    }
  }
}

type Told = Extract<LobbyStatus, { state: WaitingState }>;

function told(
  state: MeetingState,
  phase: Extract<MeetingState["phase"], { kind: "waiting" }>,
  push: Told,
  nowMs: number,
): Step {
  const lobby: Waiting = {
    ...phase.lobby,
    knock: push.knock,
    what: push.state,
    message: push.message,
    note: push.note,
    sinceMs: sinceOf(state, push.since, nowMs) ?? phase.lobby.sinceMs,
  };
  return only({ ...state, phase: { ...phase, lobby } });
}

function sentBack(state: MeetingState, entry: Entry, push: Told, nowMs: number): Step {
  const lobby: Waiting = {
    knock: push.knock,
    what: push.state,
    message: push.message,
    note: push.note,
    sinceMs: sinceOf(state, push.since, nowMs) ?? nowMs,
    heartbeatMs: HEARTBEAT_MS,
    pingAtMs: nowMs + HEARTBEAT_MS,
    sentBack: true,
  };
  const { state: next, effects } = wait(state, entry, lobby);
  return {
    state: next,
    effects: [...effects, { kind: "announce", announcement: { kind: "lobby", state: "sentBack" } }],
  };
}

/** When the server's time `since` was, on the clock of this page; null when the server's clock is not known. */
function sinceOf(state: MeetingState, since: string, nowMs: number): number | null {
  if (state.clock === null) return null;
  const at = state.clock.atMs - (state.clock.unixMs - Date.parse(since));
  return Number.isFinite(at) ? Math.min(at, nowMs) : null;
}

function wait(state: MeetingState, entry: Entry, lobby: Waiting): Step {
  const torn = tearDown(state);
  return {
    state: { ...torn.state, phase: { kind: "waiting", entry, lobby }, link: { kind: "up" }, retryAfterMs: null },
    effects: torn.effects,
  };
}

/** Ends all media and forgets the room; microphone and camera stay on this device, for the preview. */
function tearDown(state: MeetingState): Step {
  const connected = state.phase.kind === "inside";
  const { publishing, effects } = own.stopScreen(own.unpublished(state.publishing));
  if (connected) effects.push({ kind: "closeTransport" });
  return {
    state: {
      ...state,
      publishing,
      picking: false,
      resume: null,
      transport: { kind: "closed" },
      relay: { ...state.relay, renewal: { kind: "none" } },
      pathless: null,
      audioMids: [],
      slots: noSlots,
      speakers: silence,
      roster: new Map(),
      room: null,
      self: null,
      count: null,
      permissions: new Set(),
      overrides: [],
      watch: nobodyWaits,
      prompts: [],
      desk: emptyDesk,
      notice: null,
    },
    effects,
  };
}

/** Whether the server takes somebody for gone whose page, being hidden, is late with its ticks. */
export const needsSteadyTicks = (state: MeetingState): boolean => state.phase.kind === "waiting";

/** Says that this one is still there, when it is time. */
export function heartbeat(state: MeetingState, nowMs: number): Step {
  const { phase } = state;
  if (phase.kind !== "waiting" || state.link.kind !== "up" || nowMs < phase.lobby.pingAtMs) return only(state);
  const lobby = { ...phase.lobby, pingAtMs: nowMs + phase.lobby.heartbeatMs };
  return { state: { ...state, phase: { ...phase, lobby } }, effects: [ask({ type: "lobby.ping", data: {} })] };
}
