/** The one place where the state of a meeting changes. No I/O, no clock: time is in the event, deeds are effects. */
import type { ErrorBody, Request } from "../wire/messages";
import { closeCodes } from "../wire/messages";
import * as acts from "./acts";
import { backoffMs } from "./backoff";
import * as chatting from "./chatting";
import { interrupted } from "./desk";
import * as entering from "./entering";
import { gone, leave, outside } from "./leaving";
import * as life from "./life";
import * as lobby from "./lobby";
import { expired as expiredPrompts } from "./prompts";
import * as own from "./publishing";
import { handlePush } from "./push";
import * as relay from "./relay";
import * as screens from "./screens";
import { arm, frame } from "./slots";
import { settle } from "./speaker";
import type { Effect, LeftReason, MeetingEvent, MeetingState, Notice, Reply, Step } from "./state";
import { ask, entered, only, quiet } from "./state";
import { expired as expiredToasts, toasted } from "./toasts";
import { captured, captureFailed, explain, recapture, stopScreen, want } from "./tracks";
import { ice, iceRestartDue, offerAnswered, offerFailed, openDue, openTransport } from "./transport";
import { dismissed } from "./watch";
import { due, show } from "./wish";

/** After this long without the server the client stops trying and offers to rejoin. */
const GIVE_UP_MS = 120_000;
/** Attempts to reach the server when entering. */
const ENTER_ATTEMPTS = 4;
/** Joins and leaves within this time are announced as one. */
const ANNOUNCE_AFTER_MS = 1_500;
/** What a close code says about coming back (protocol, "close codes"). */
const FINAL: Readonly<Record<number, LeftReason>> = {
  [closeCodes.normal]: "left",
  [closeCodes.protocol]: "protocolError",
  [closeCodes.removed]: "removed",
  [closeCodes.takenOver]: "takenOver",
  [closeCodes.ended]: "ended",
};
const DRAINING_WAIT_MS = 10_000;
/** How long the title says that one was let in: time to look at the tab. */
const ADMITTED_SHOWN_MS = 20_000;

/** Returns the next state and what is to be done. Returns `state` itself when nothing changes. */
export function step(state: MeetingState, event: MeetingEvent): Step {
  const handled = handle(state, event);
  const next = follow(handled.state, handled.effects, event.nowMs);
  const { phase, resume } = next.state;
  const keep = phase.kind === "waiting" || (phase.kind === "inside" && resume !== null);
  const arrived = phase.kind === "waiting" && state.phase.kind !== "waiting";
  const credited = next.state.iceServers !== state.iceServers;
  const changed = resume !== state.resume || credited || arrived || wantsOf(next.state) !== wantsOf(state);
  return keep && changed ? { state: next.state, effects: [...next.effects, { kind: "save" }] } : next;
}

function handle(state: MeetingState, event: MeetingEvent): Step {
  switch (event.kind) {
    case "join":
      return entering.enter(state, event.entry);
    case "reload":
      return entering.reload(state, event.entry, event.saved, event.chat, event.nowMs);
    case "duplicateChoice":
      return entering.chooseDuplicate(state, event.choice);
    case "consent":
      return entering.consent(state, event.agreed);
    case "needs":
      return only(state.asksPassword === event.password ? state : { ...state, asksPassword: event.password });
    case "act":
      return acts.act(state, event.request, event.nowMs);
    case "life":
      return life.deed(state, event.deed, event.nowMs);
    case "chat":
      return chatting.chatDeed(state, event.deed, event.nowMs);
    case "say":
      return only({ ...state, toasts: toasted(state.toasts, event.text, event.nowMs) });
    case "updateRoom":
      return acts.updateRoom(state, event.change);
    case "answerPrompt":
      return acts.answerPrompt(state, event.request, event.answer, (next, source) => start(next, source, event.nowMs));
    case "explain":
      return explain(state, event.source, event.nowMs);
    case "dismissAlert":
      return only({ ...state, watch: dismissed(state.watch) });
    case "dismissMade":
      return only({ ...state, desk: { ...state.desk, made: null } });
    case "dismissToast":
      return only({ ...state, toasts: state.toasts.filter((one) => one.id !== event.id) });
    case "retryNow":
      return retry(state);
    case "leave":
      return leave(state);
    case "dismissNotice":
      return only({ ...state, notice: null });
    case "want":
      return want(state, event.source, event.on, event.nowMs);
    case "preview":
      return only({ ...state, publishing: { ...state.publishing, preview: event.on } });
    case "recapture":
      return recapture(state, event.source);
    case "shareScreen":
      return screens.askToShare(state, { audio: event.audio, hint: event.hint }, event.takeOver, event.nowMs);
    case "stopScreen":
      return stopScreen(state);
    case "relayOnly":
      return only({ ...state, relay: { ...state.relay, own: event.on } });
    case "woke":
      return only({ ...state, relay: relay.doubted(state.relay, event.nowMs) });
    case "captured":
      return captured(state, event.sources);
    case "captureFailed":
      return captureFailed(state, event.source, event.reason);
    case "shown": {
      const wish = show(state.wish, event.tiles);
      return only(wish === state.wish ? state : { ...state, wish });
    }
    case "frame":
      return only({ ...state, slots: frame(state.slots, event.mid, event.rev, event.rtp) });
    case "linkOpen":
      return entering.hello(state);
    case "linkClosed":
      return linkClosed(state, event.code, event.random, event.nowMs);
    case "ok":
      return answered(state, event, event.nowMs);
    case "failed":
      return failed(state, event.request, event.error, event.nowMs);
    case "push":
      return handlePush(state, event.push, event.nowMs);
    case "offer":
      if (event.generation !== state.generation || state.link.kind !== "up") return only(state);
      return { state, effects: [offer(state, event.generation, event.sdp)] };
    case "ice":
      return ice(state, event.generation, event.state, event.nowMs);
    case "transportFailed":
      return event.generation === state.generation ? openTransport(state, event.nowMs) : only(state);
    case "tick":
      return tick(state, event.nowMs);
  }
}

/** What follows from any change: own tracks in line with the wishes, and the wish for pictures when it is due. */
function follow(before: MeetingState, done: readonly Effect[], nowMs: number): Step {
  const opened = openDue(before, nowMs) ? openTransport(before, nowMs) : only(before);
  const { state } = opened;
  const effects = [...done, ...opened.effects];
  const reachable = state.phase.kind === "inside" && state.link.kind === "up" && state.transport.kind === "answered";
  const ground = { entered: entered(state), reachable, permissions: state.permissions };
  const tracks = own.reconcile(state.publishing, ground);
  const shared = screens.reconcile(
    tracks.publishing === state.publishing ? state : { ...state, publishing: tracks.publishing },
    reachable,
  );
  let next = shared.state;
  const all = [...effects, ...tracks.effects, ...shared.effects];
  const wish = reachable ? due(next.wish, nowMs, next.media.video_slots) : null;
  if (wish !== null) {
    next = { ...next, wish: wish.wish };
    all.push(ask({ type: "media.wish", data: { rev: wish.wish.rev, views: wish.views } }));
  }
  return { state: next, effects: all };
}

function offer(state: MeetingState, generation: number, sdp: string): Effect {
  const { transport } = state;
  const relayed = (transport.kind === "offering" || transport.kind === "answered") && transport.relayOnly;
  return ask({ type: "media.offer", data: { generation, sdp, ...(relayed ? { relay_only: true } : {}) } });
}

const wantsOf = (state: MeetingState): string =>
  `${state.publishing.sources.microphone.wanted} ${state.publishing.sources.camera.wanted}`;

/** Switches on what a host asked for and the user agreed to. */
const start = (state: MeetingState, source: "microphone" | "camera" | "screen", nowMs: number): Step =>
  source === "screen"
    ? screens.askToShare(state, { audio: false, hint: "detail" }, false, nowMs)
    : want(state, source, true, nowMs);

// The link.

function retry(state: MeetingState): Step {
  if (state.link.kind !== "waiting") return only(state);
  const { lostAtMs, attempt } = state.link;
  return { state: { ...state, link: { kind: "trying", lostAtMs, attempt } }, effects: [{ kind: "openLink" }] };
}

function linkClosed(state: MeetingState, code: number, random: number, nowMs: number): Step {
  if (state.link.kind === "off") return only(state);
  const final = FINAL[code];
  if (final !== undefined) return stays(state) ? gone(state, final) : outside(state, { kind: "unreachable" });
  const attempt = state.link.kind === "up" ? 1 : state.link.attempt + 1;
  if (!stays(state) && attempt > ENTER_ATTEMPTS) return outside(state, { kind: "unreachable" });
  const lostAtMs = state.link.kind === "up" ? nowMs : (state.link.lostAtMs ?? nowMs);
  const draining = code === closeCodes.draining ? (state.retryAfterMs ?? DRAINING_WAIT_MS) : 0;
  const retryAtMs = nowMs + Math.max(draining, backoffMs(attempt, random));
  const next: MeetingState = {
    ...state,
    link: { kind: "waiting", lostAtMs, attempt, retryAtMs },
    publishing: own.linkLost(state.publishing),
    desk: interrupted(state.desk),
    life: life.interrupted(state.life),
  };
  const inRoom = state.phase.kind === "inside" && state.link.kind === "up";
  return { state: next, effects: inRoom ? [{ kind: "announce", announcement: { kind: "link", state: "lost" } }] : [] };
}

function tick(state: MeetingState, nowMs: number): Step {
  const effects: Effect[] = [];
  let next = state;
  if (next.link.kind === "waiting") {
    if (nowMs >= next.link.lostAtMs + GIVE_UP_MS) return gone(next, "connectionLost");
    if (nowMs >= next.link.retryAtMs) return retry(next);
  }
  if (iceRestartDue(next, nowMs) && next.transport.kind === "answered") {
    next = { ...next, transport: { ...next.transport, restartedAtMs: nowMs } };
    effects.push({ kind: "restartIce" });
  }
  const ways = relay.tick(next, nowMs);
  next = ways.state;
  effects.push(...ways.effects);
  const pinged = lobby.heartbeat(next, nowMs);
  next = pinged.state;
  effects.push(...pinged.effects);
  next = forgetOld(next, nowMs);
  const lived = life.tick(next, nowMs);
  next = lived.state;
  effects.push(...lived.effects);
  const speakers = settle(next.speakers, nowMs);
  if (speakers !== next.speakers) next = { ...next, speakers };
  const { joined, left, sinceMs } = next.arrivals;
  if (joined.length + left.length > 0 && nowMs >= sinceMs + ANNOUNCE_AFTER_MS) {
    next = { ...next, arrivals: quiet };
    if (joined.length > 0) effects.push({ kind: "announce", announcement: { kind: "joined", names: joined } });
    if (left.length > 0) effects.push({ kind: "announce", announcement: { kind: "left", names: left } });
  }
  return { state: next, effects };
}

/** Takes away what was shown long enough. */
function forgetOld(state: MeetingState, nowMs: number): MeetingState {
  const prompts = expiredPrompts(state.prompts, nowMs);
  const toasts = expiredToasts(state.toasts, nowMs);
  const told = state.admittedAtMs !== null && nowMs >= state.admittedAtMs + ADMITTED_SHOWN_MS;
  if (prompts === state.prompts && toasts === state.toasts && !told) return state;
  return { ...state, prompts, toasts, admittedAtMs: told ? null : state.admittedAtMs };
}

/** Whether the client keeps coming back by itself: it has a place, in the room or before it. */
const stays = (state: MeetingState): boolean => state.phase.kind === "inside" || state.phase.kind === "waiting";

// Answers.

function answered(state: MeetingState, event: Reply & { kind: "ok" }, nowMs: number): Step {
  switch (event.type) {
    case "hello":
      return entering.greeted(state, event.ok, nowMs);
    case "join":
      return entering.joinAnswered(state, event.ok, nowMs);
    case "media.offer":
      return offerAnswered(state, event.ok, nowMs);
    case "turn.refresh":
      return relay.renewed(state, event.ok.ice_servers, nowMs);
    case "media.slots.ack":
      return only({ ...state, slots: arm(state.slots, event.request.data.rev, event.ok.first_rtp_timestamp) });
    case "screen.start":
      return screens.answered(state, event.request.data.audio, event.ok, nowMs);
    case "media.publish":
    case "media.unpublish":
    case "track.state": {
      const { publishing, effects } = own.confirmed(state.publishing, event.request);
      return { state: { ...state, publishing }, effects };
    }
    case "chat.send":
      return chatting.sent(state, event.request, event.ok, nowMs);
    case "chat.export":
      return chatting.exported(state, event.request, event.ok);
    default:
      return acts.done(state, event, nowMs);
  }
}

function failed(state: MeetingState, request: Request, error: ErrorBody, nowMs: number): Step {
  switch (request.type) {
    case "hello":
      return entering.helloRefused(state, error, nowMs);
    case "join":
      return entering.joinRefused(state, error, nowMs);
    case "lobby.ping":
      // The place is gone: knock again on the same link.
      if (error.code === "rate_limited" || state.phase.kind !== "waiting") return only(state);
      return entering.knockAgain(state, state.phase.entry);
    case "media.offer":
      return offerFailed(state, error, nowMs);
    case "turn.refresh":
      return only(relay.notRenewed(state, error, nowMs));
    case "media.publish":
    case "track.state":
      return refusedSource(state, request, error);
    case "media.unpublish":
      return only({ ...state, publishing: own.confirmed(state.publishing, request).publishing });
    case "screen.start":
      return screens.refused(state, error);
    case "chat.send":
      return chatting.notSent(state, request, error, nowMs);
    case "chat.export":
      return chatting.notExported(state, error, nowMs);
    default:
      return acts.refused(state, request, error, nowMs);
  }
}

function refusedSource(
  state: MeetingState,
  request: Extract<Request, { type: "media.publish" | "track.state" }>,
  error: ErrorBody,
): Step {
  const { source } = request.data;
  if (request.type === "track.state" && (request.data.muted || error.code === "not_found")) {
    // There is nothing to mute any more, or nothing to unmute: what is wanted is published anew.
    return only({ ...state, publishing: own.update(state.publishing, source, { publication: { kind: "off" } }) });
  }
  const { publishing, effects } = own.refused(state.publishing, source);
  const notice: Notice =
    error.code === "forbidden" ? { kind: "forbidden", source } : { kind: "notPublished", source, code: error.code };
  return { state: { ...state, publishing, notice }, effects };
}
