/** The moment of coming in: what the server says about the room, and the first peer connection. */
import type { Joined } from "../wire/messages";
import * as life from "./life";
import * as chat from "./chat";
import { resend } from "./chatting";
import * as own from "./publishing";
import { credited } from "./relay";
import { noSlots } from "./slots";
import { silence } from "./speaker";
import type { Entry, MeetingState, Step } from "./state";
import { openTransport } from "./transport";
import { nobodyWaits } from "./watch";

type Facts = Pick<MeetingState, "room" | "self" | "roster" | "permissions" | "overrides" | "iceServers" | "watch">;

/** What a body of `joined` says about the room. */
export function factsOf(joined: Joined): Facts {
  const { room, self, roster, permissions, overrides, ice_servers } = joined;
  return {
    room,
    self,
    roster: new Map(roster.filter((one) => one.id !== self.id).map((one) => [one.id, one])),
    permissions: new Set(permissions),
    overrides,
    iceServers: ice_servers,
    watch: nobodyWaits,
  };
}

/** Takes the body of `joined`, from a join or from the lobby. */
export function inside(state: MeetingState, entry: Entry, joined: Joined, nowMs: number): Step {
  const facts = factsOf(joined);
  const obeyed = own.obey(own.unpublished(state.publishing), facts.permissions);
  const next: MeetingState = {
    ...state,
    ...facts,
    chat: chat.entered(state.chat, joined),
    phase: { kind: "inside", entry },
    link: { kind: "up" },
    retryAfterMs: null,
    resume: { token: joined.resume_token, lastSeq: joined.seq, generation: state.generation },
    count: null,
    relay: { ...state.relay, renewal: credited(facts.iceServers, nowMs) },
    publishing: obeyed.publishing,
    slots: noSlots,
    speakers: silence,
    quality: new Map(),
    life: life.entered(state.life, joined, nowMs),
    notice: null,
  };
  const opened = openTransport(next, nowMs);
  return { state: opened.state, effects: [...obeyed.effects, ...opened.effects, ...resend(next)] };
}
