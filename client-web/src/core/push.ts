/** What the server tells unasked. */
import type { Ended, LeftReason, Participant, PushFrame, ResetReason } from "../wire/messages";
import { chatPush } from "./chatting";
import { status } from "./lobby";
import { asked } from "./prompts";
import { lobbyUpdated, mediaRevoked, permissionsChanged, roomUpdated } from "./rights";
import { assign } from "./slots";
import { forget, hear } from "./speaker";
import type { MeetingState, Step } from "./state";
import { nameOf } from "./state";
import type { ToastText } from "./toasts";
import { toasted } from "./toasts";
import { openTransport, mediaLost } from "./transport";
import { gone } from "./leaving";
import { told } from "./life";

const only = (state: MeetingState): Step => ({ state, effects: [] });

/** Answers about somebody come within moments after that one went. */
const DEPARTED_MOST = 20;

/** Takes one push; a numbered one that was seen before is ignored. */
export function handlePush(state: MeetingState, message: PushFrame, nowMs: number): Step {
  if (state.phase.kind === "waiting") return whileWaiting(state, message, nowMs);
  if (state.phase.kind !== "inside" || state.resume === null) return only(state);
  if (message.seq === undefined) return apply(state, message, nowMs);
  if (message.seq <= state.resume.lastSeq) return only(state);
  return apply({ ...state, resume: { ...state.resume, lastSeq: message.seq } }, message, nowMs);
}

function apply(state: MeetingState, message: PushFrame, nowMs: number): Step {
  switch (message.type) {
    case "participant.joined":
      return joined(state, message.data.participant, nowMs);
    case "participant.updated":
      return updated(state, message.data.participant, nowMs);
    case "participant.left":
      return left(state, message.data.participant, message.data.reason, nowMs);
    case "roster.count":
      return only({ ...state, count: message.data.participants });
    case "permissions":
      return permissionsChanged(state, message.data, nowMs);
    case "room.updated":
      return roomUpdated(state, message.data, nowMs);
    case "lobby.status":
      return status(state, message.data, nowMs);
    case "lobby.update":
      return lobbyUpdated(state, message.data, nowMs);
    case "media.revoked":
      return mediaRevoked(state, message.data, nowMs);
    case "media.requested":
      return only({
        ...state,
        prompts: asked(state.prompts, message.data, nameOf(state, message.data.by), nowMs),
      });
    case "media.request.answered": {
      const { participant, source, answer } = message.data;
      const who = nameOf(state, participant);
      if (who === null) return only(state);
      return only({ ...state, toasts: toasted(state.toasts, { kind: "answered", who, source, answer }, nowMs) });
    }
    case "removed": {
      const { reason, message: said, banned_until } = message.data;
      return gone(state, "removed", { cause: reason, message: said, until: banned_until });
    }
    case "media.slots": {
      const { rev, slots } = message.data;
      return {
        state: { ...state, slots: assign(state.slots, rev, slots) },
        effects: [{ kind: "request", request: { type: "media.slots.ack", data: { rev } } }],
      };
    }
    case "media.layers": {
      const { source, active } = message.data;
      return {
        state: { ...state, layers: { ...state.layers, [source]: active } },
        effects: [{ kind: "layers", source, active }],
      };
    }
    case "media.reset":
      return reset(state, message.data.reason, nowMs);
    case "media.restart":
      return { state, effects: [{ kind: "restartIce" }] };
    case "media.quality":
      return only({
        ...state,
        quality: new Map(message.data.participants.map((one) => [one.participant, one.level])),
      });
    case "speakers":
      return only({ ...state, speakers: hear(state.speakers, nowMs, message.data.speakers) });
    case "chat.message":
    case "chat.edited":
    case "chat.deleted":
    case "chat.reacted":
    case "chat.pinned":
    case "chat.cleared":
      return chatPush(state, message, nowMs);
    case "server.draining":
      return only({ ...state, retryAfterMs: message.data.retry_after_s * 1_000 });
    case "ended":
      return ended(state, message.data);
    case "hand.queue":
    case "reaction":
    case "announcement":
    case "screen.takeover.requested":
    case "screen.takeover.answered":
    case "screen.viewers":
    case "host.transfer.requested":
    case "host.transfer.answered":
    case "session.ending":
      return told(state, message, nowMs);
    default:
      // A type of a later version.
      return only(state);
  }
}

function reset(state: MeetingState, reason: ResetReason, nowMs: number): Step {
  if (reason === "given_up") return mediaLost(state);
  const { transport } = state;
  if (reason !== "relay_only") return openTransport(state, nowMs);
  // Where the change of the room was heard first, it was acted upon.
  if ((transport.kind === "offering" || transport.kind === "answered") && transport.relayOnly) return only(state);
  const room = state.room === null ? null : { ...state.room, relay_only: true };
  return openTransport({ ...state, room }, nowMs);
}

function whileWaiting(state: MeetingState, message: PushFrame, nowMs: number): Step {
  if (message.type === "lobby.status") return status(state, message.data, nowMs);
  return message.type === "ended" ? ended(state, message.data) : only(state);
}

const ended = (state: MeetingState, push: Ended): Step =>
  gone(state, "ended", { message: push.message, by: nameOf(state, push.by) });

function joined(state: MeetingState, one: Participant, nowMs: number): Step {
  if (one.id === state.self?.id) return only({ ...state, self: one });
  const known = state.roster.has(one.id);
  const roster = new Map(state.roster).set(one.id, one);
  const { arrivals } = state;
  const first = arrivals.joined.length + arrivals.left.length === 0;
  const next = { ...arrivals, joined: [...arrivals.joined, one.name], sinceMs: first ? nowMs : arrivals.sinceMs };
  return only({ ...state, roster, arrivals: known ? arrivals : next });
}

function updated(state: MeetingState, one: Participant, nowMs: number): Step {
  if (one.id === state.self?.id) return selfUpdated(state, state.self, one, nowMs);
  const known = state.roster.get(one.id);
  if (known === undefined || known.rev > one.rev) return only(state);
  return only({ ...state, roster: new Map(state.roster).set(one.id, one) });
}

function selfUpdated(state: MeetingState, before: Participant, one: Participant, nowMs: number): Step {
  if (before.rev > one.rev) return only(state);
  const named: ToastText = { kind: "named", name: one.name };
  const toasts = before.name === one.name ? state.toasts : toasted(state.toasts, named, nowMs);
  return only({ ...state, self: one, toasts });
}

function left(state: MeetingState, id: string, reason: LeftReason, nowMs: number): Step {
  const who = state.roster.get(id);
  if (who === undefined) return only(state);
  const roster = new Map(state.roster);
  roster.delete(id);
  const { arrivals } = state;
  const first = arrivals.joined.length + arrivals.left.length === 0;
  const departed = new Map([...state.departed, [id, who.name] as const].slice(-DEPARTED_MOST));
  return only({
    ...state,
    roster,
    departed,
    speakers: forget(state.speakers, id),
    // Who is hidden is still there: nothing happened that were to be announced.
    arrivals:
      reason === "hidden"
        ? arrivals
        : { ...arrivals, left: [...arrivals.left, who.name], sinceMs: first ? nowMs : arrivals.sinceMs },
  });
}
