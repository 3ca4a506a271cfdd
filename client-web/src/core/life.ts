/** The life of a meeting beside its media: hands, reactions, announcements, shares, its lead and its end. */
import type { ErrorBody, Joined, Push, Request, RequestAnswer } from "../wire/messages";
import type { Attending } from "./attendance";
import { noAttendance } from "./attendance";
import type { Ending } from "./ending";
import { announced } from "./ending";
import type { Made } from "./exceptions";
import { noted } from "./exceptions";
import type { Hands } from "./hands";
import * as hands from "./hands";
import type { Handover } from "./handover";
import * as handover from "./handover";
import type { Reactions } from "./reactions";
import { noReactions, passed, reacted } from "./reactions";
import type { Hint, Sharing } from "./screens";
import * as screens from "./screens";
import type { Effect, MeetingState, Reply, Step } from "./state";
import { ask, nameOf, only } from "./state";
import { toasted } from "./toasts";

/** What a host says to everybody. */
export interface Announced {
  id: number;
  by: string | null;
  message: string;
}

/** From so many raised hands on, another one makes no sound. */
const HANDS_QUIET_FROM = 5;
/** More would hide the meeting. */
const ANNOUNCED_MOST = 3;

export interface Life {
  hands: Hands;
  reactions: Reactions;
  /** The newest last. */
  announced: readonly Announced[];
  share: Sharing;
  handover: Handover;
  ending: Ending | null;
  attending: Attending;
  /** Exceptions that were made here. */
  made: readonly Made[];
}

/** A meeting in which nothing has happened yet. */
export const noLife = (): Life => ({
  hands: hands.noHands,
  reactions: noReactions,
  announced: [],
  share: screens.notSharing,
  handover: handover.noHandover,
  ending: null,
  attending: noAttendance,
  made: [],
});

/** What is asked of the server in passing; the answers change the state by themselves. */
export type LifeVerb =
  | "hand.raise"
  | "hand.lower"
  | "hand.lower_all"
  | "hand.next"
  | "reaction.send"
  | "spotlight.set"
  | "panic.suspend"
  | "session.announce"
  | "session.end"
  | "session.end.cancel"
  | "host.transfer"
  | "host.transfer.reply"
  | "screen.takeover.reply"
  | "screen.pause"
  | "attendance.get";

export const LIFE_VERBS: readonly string[] = [
  "hand.raise",
  "hand.lower",
  "hand.lower_all",
  "hand.next",
  "reaction.send",
  "spotlight.set",
  "panic.suspend",
  "session.announce",
  "session.end",
  "session.end.cancel",
  "host.transfer",
  "host.transfer.reply",
  "screen.takeover.reply",
  "screen.pause",
  "attendance.get",
] satisfies LifeVerb[];

/** What the user does. */
export type Deed =
  | { kind: "dismissAnnouncement"; id: number }
  | { kind: "dismissEnding" }
  | { kind: "keepHand" }
  | { kind: "answerTakeover"; request: string; answer: RequestAnswer }
  | { kind: "pickScreen" }
  | { kind: "switchScreen" }
  | { kind: "cancelShare" }
  | { kind: "pauseScreen"; on: boolean }
  | { kind: "hintScreen"; hint: Hint }
  | { kind: "handOver"; to: string; permanent: boolean; thenLeave: boolean }
  | { kind: "answerHandover"; request: string; answer: RequestAnswer }
  | { kind: "hostLinkSeen" }
  | { kind: "attendance"; open: boolean };

const withLife = (state: MeetingState, change: Partial<Life>): MeetingState => ({
  ...state,
  life: { ...state.life, ...change },
});

export function deed(state: MeetingState, done: Deed, nowMs: number): Step {
  const { life } = state;
  switch (done.kind) {
    case "dismissAnnouncement":
      return only(withLife(state, { announced: life.announced.filter((one) => one.id !== done.id) }));
    case "dismissEnding":
      return only(life.ending === null ? state : withLife(state, { ending: { ...life.ending, dismissed: true } }));
    case "keepHand":
      return only(withLife(state, { hands: hands.kept(life.hands) }));
    case "answerTakeover":
      return screens.answerTakeover(state, done.request, done.answer);
    case "pickScreen":
      return screens.picked(state);
    case "switchScreen":
      return screens.switched(state);
    case "cancelShare":
      return screens.cancelled(state);
    case "pauseScreen":
      return screens.pause(state, done.on);
    case "hintScreen":
      return screens.hinted(state, done.hint);
    case "handOver":
      return handover.offer(state, done.to, { permanent: done.permanent, thenLeave: done.thenLeave }, nowMs);
    case "answerHandover":
      return handover.answer(state, done.request, done.answer);
    case "hostLinkSeen":
      return only(handover.linkSeen(state));
    case "attendance":
      return attendance(state, done.open);
  }
}

function attendance(state: MeetingState, open: boolean): Step {
  if (!open) return only(withLife(state, { attending: { kind: "closed" } }));
  if (state.link.kind !== "up") return only(withLife(state, { attending: { kind: "failed", code: "offline" } }));
  return {
    state: withLife(state, { attending: { kind: "loading" } }),
    effects: [ask({ type: "attendance.get", data: { csv: true } })],
  };
}

/** Takes what comes with a body of `joined`. */
export function entered(life: Life, joined: Joined, nowMs: number): Life {
  const names = new Map([joined.self, ...joined.roster].map((one) => [one.id, one.name]));
  const by = joined.ending?.by ?? null;
  return {
    ...life,
    hands: hands.queued(life.hands, joined.hands.hands, joined.self.id),
    ending: announced(joined.ending, by === null ? null : (names.get(by) ?? null), nowMs),
  };
}

export type LifePush = Extract<
  Push,
  {
    type:
      | "hand.queue"
      | "reaction"
      | "announcement"
      | "screen.takeover.requested"
      | "screen.takeover.answered"
      | "screen.viewers"
      | "host.transfer.requested"
      | "host.transfer.answered"
      | "session.ending";
  }
>;

/** Takes a push about the meeting itself. */
export function told(state: MeetingState, push: LifePush, nowMs: number): Step {
  const { life } = state;
  switch (push.type) {
    case "hand.queue":
      return queueTold(state, push.data.hands);
    case "reaction": {
      const name = nameOf(state, push.data.participant);
      return only(withLife(state, { reactions: reacted(life.reactions, push.data, name, nowMs) }));
    }
    case "announcement": {
      const by = nameOf(state, push.data.by);
      const id = 1 + life.announced.reduce((most, one) => Math.max(most, one.id), 0);
      const { message } = push.data;
      const next = withLife(state, { announced: [...life.announced, { id, by, message }].slice(-ANNOUNCED_MOST) });
      return { state: next, effects: [{ kind: "announce", announcement: { kind: "said", by, message } }] };
    }
    case "screen.takeover.requested":
      return screens.takeoverRequested(state, push.data, nowMs);
    case "screen.takeover.answered":
      return screens.takeoverAnswered(state, push.data.request, push.data.share_id !== null, nowMs);
    case "screen.viewers":
      return only(withLife(state, { share: { ...life.share, viewers: push.data.count } }));
    case "host.transfer.requested":
      return handover.requested(state, push.data, nowMs);
    case "host.transfer.answered":
      return handover.offerAnswered(state, push.data.request, push.data.answer, nowMs);
    case "session.ending":
      return endingTold(state, announced(push.data, nameOf(state, push.data.by), nowMs), push.data.in_s);
  }
}

function queueTold(state: MeetingState, queue: Hands["queue"]): Step {
  const self = state.self?.id ?? null;
  const before = hands.isCalled(hands.handOf(state.life.hands, self));
  const next = withLife(state, { hands: hands.queued(state.life.hands, queue, self) });
  const called = !before && hands.isCalled(hands.handOf(next.life.hands, self));
  if (called) return { state: next, effects: [{ kind: "announce", announcement: { kind: "called" } }] };
  return { state: next, effects: handsSeen(state, queue) };
}

/** Whoever calls the hands is told about new ones. */
function handsSeen(state: MeetingState, queue: Hands["queue"]): Effect[] {
  if (!state.permissions.has("hand.manage")) return [];
  const before = state.life.hands.queue;
  const raised = hands.newHands(before, queue).filter((one) => one.participant !== state.self?.id);
  const names = raised.flatMap((one) => nameOf(state, one.participant) ?? []);
  if (names.length === 0) return [];
  const effects: Effect[] = [{ kind: "announce", announcement: { kind: "hands", names } }];
  if (before.length < HANDS_QUIET_FROM) effects.push({ kind: "sound", sound: "hand" });
  return effects;
}

function endingTold(state: MeetingState, ending: Ending | null, inS: number): Step {
  const before = state.life.ending;
  const next = withLife(state, { ending });
  if (ending === null) {
    const stopped: Effect[] = before === null ? [] : [{ kind: "announce", announcement: { kind: "goesOn" } }];
    return { state: next, effects: stopped };
  }
  const { by, message, reason } = ending;
  return { state: next, effects: [{ kind: "announce", announcement: { kind: "ending", by, message, reason, inS } }] };
}

/** Takes the server's yes to something of this file; null for what is none of it. */
export function done(state: MeetingState, reply: Reply & { kind: "ok" }, nowMs: number): Step | null {
  switch (reply.type) {
    case "screen.pause":
      return screens.pauseAnswered(state, reply.request.data.on);
    case "host.transfer":
      return handover.offerTaken(state, reply.ok.request, nowMs);
    case "host.transfer.reply":
      return only(handover.received(state, reply.ok.secret));
    case "attendance.get":
      return only(
        state.life.attending.kind === "closed"
          ? state
          : withLife(state, { attending: { kind: "open", attendance: reply.ok } }),
      );
    case "hand.next":
      if (reply.ok.participant !== null) return only(state);
      return only({ ...state, toasts: toasted(state.toasts, { kind: "noHands" }, nowMs) });
    case "media.grant":
    case "perm.override":
      return only(withLife(state, { made: noted(state.life.made, reply, nowMs) }));
    default:
      return null;
  }
}

/** Takes the server's no to something of this file. */
export function refused(state: MeetingState, request: Request, error: ErrorBody): MeetingState {
  switch (request.type) {
    case "screen.pause":
      return screens.pauseRefused(state, request.data.on);
    case "host.transfer":
      return handover.offerRefused(state);
    case "attendance.get":
      return withLife(state, { attending: { kind: "failed", code: error.code } });
    default:
      return state;
  }
}

/** Forgets what went down with the link. */
export function interrupted(life: Life): Life {
  const share = screens.linkLost(life.share);
  const loading = life.attending.kind === "loading";
  const asking = life.handover.offered !== null && life.handover.offered.request === null;
  if (share === life.share && !loading && !asking) return life;
  return {
    ...life,
    share,
    attending: loading ? { kind: "failed", code: "offline" } : life.attending,
    handover: asking ? { ...life.handover, offered: null } : life.handover,
  };
}

/** Lets time pass. Returns the state itself when nothing changes. */
export function tick(state: MeetingState, nowMs: number): Step {
  const { life } = state;
  const heard = hands.listened(life.hands, state.self?.id ?? null, state.speakers.heard, nowMs);
  const { reactions, said } = passed(life.reactions, nowMs);
  const share = screens.expired(life.share, nowMs);
  const lead = handover.expired(life.handover, nowMs);
  const same = heard === life.hands && reactions === life.reactions && share === life.share && lead === life.handover;
  if (same) return only(state);
  const effects: Effect[] = [];
  if (said !== null) effects.push({ kind: "announce", announcement: { kind: "reactions", ...said } });
  if (heard.reminder === "due" && life.hands.reminder !== "due") {
    effects.push({ kind: "announce", announcement: { kind: "handStillUp" } });
  }
  return { state: withLife(state, { hands: heard, reactions, share, handover: lead }), effects };
}
