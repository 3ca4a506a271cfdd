/** The one place where the state of a meeting changes. No I/O, no clock: time is in the event, deeds are effects. */
import type { DuplicateChoice, ErrorBody, Joined, Request, Source } from "../wire/messages";
import { closeCodes, protocolVersion } from "../wire/messages";
import { backoffMs } from "./backoff";
import { gone, outside } from "./leaving";
import * as own from "./publishing";
import { handlePush } from "./push";
import { arm, frame, noSlots } from "./slots";
import { settle, silence } from "./speaker";
import type { Effect, Entry, LeftReason, MeetingEvent, MeetingState, Notice, Reply, SavedMeeting, Step } from "./state";
import { ask, entered, initialState, only, quiet } from "./state";
import { captured, captureFailed, recapture, stopScreen, want } from "./tracks";
import { ice, iceRestartDue, offerAnswered, offerFailed, openTransport } from "./transport";
import { due, show } from "./wish";

const CLIENT = "conclave-web/0.1.0";
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

/** Returns the next state and what is to be done. Returns `state` itself when nothing changes. */
export function step(state: MeetingState, event: MeetingEvent): Step {
  const handled = handle(state, event);
  const next = follow(handled.state, handled.effects, event.nowMs);
  const keep = next.state.phase.kind === "inside" && next.state.resume !== null;
  const changed = next.state.resume !== state.resume || wantsOf(next.state) !== wantsOf(state);
  return keep && changed ? { state: next.state, effects: [...next.effects, { kind: "save" }] } : next;
}

function handle(state: MeetingState, event: MeetingEvent): Step {
  switch (event.kind) {
    case "join":
      return enter(state, event.entry);
    case "reload":
      return reload(state, event.entry, event.saved, event.nowMs);
    case "duplicateChoice":
      return chooseDuplicate(state, event.choice);
    case "retryNow":
      return retry(state);
    case "leave":
      return leave(state);
    case "dismissNotice":
      return only({ ...state, notice: null });
    case "want":
      return want(state, event.source, event.on);
    case "preview":
      return only({ ...state, publishing: { ...state.publishing, preview: event.on } });
    case "recapture":
      return recapture(state, event.source);
    case "shareScreen":
      return { state, effects: [ask({ type: "screen.start", data: { audio: event.audio } })] };
    case "stopScreen":
      return stopScreen(state);
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
      return hello(state);
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
      return {
        state,
        effects: [ask({ type: "media.offer", data: { generation: event.generation, sdp: event.sdp } })],
      };
    case "ice":
      return ice(state, event.generation, event.state, event.nowMs);
    case "transportFailed":
      return event.generation === state.generation ? openTransport(state, event.nowMs) : only(state);
    case "tick":
      return tick(state, event.nowMs);
  }
}

/** What follows from any change: own tracks in line with the wishes, and the wish for pictures when it is due. */
function follow(state: MeetingState, effects: readonly Effect[], nowMs: number): Step {
  const reachable = state.phase.kind === "inside" && state.link.kind === "up" && state.transport.kind === "answered";
  const ground = { entered: entered(state), reachable, permissions: state.permissions };
  const tracks = own.reconcile(state.publishing, ground);
  let next = tracks.publishing === state.publishing ? state : { ...state, publishing: tracks.publishing };
  const all = [...effects, ...tracks.effects];
  const wish = reachable ? due(next.wish, nowMs, next.media.video_slots) : null;
  if (wish !== null) {
    next = { ...next, wish: wish.wish };
    all.push(ask({ type: "media.wish", data: { rev: wish.wish.rev, views: wish.views } }));
  }
  return { state: next, effects: all };
}

const wantsOf = (state: MeetingState): string =>
  `${state.publishing.sources.microphone.wanted} ${state.publishing.sources.camera.wanted}`;

// Entering and leaving.

function enter(state: MeetingState, entry: Entry): Step {
  const { microphone, camera } = state.publishing.sources;
  const fresh = initialState({ microphone: microphone.wanted, camera: camera.wanted });
  const next: MeetingState = {
    ...fresh,
    // Numbers of peer connections never repeat in one tab, whatever the server still remembers.
    generation: state.generation,
    publishing: own.unpublished(state.publishing),
    phase: { kind: "entering", entry },
    link: { kind: "trying", lostAtMs: null, attempt: 1 },
  };
  return { state: next, effects: [{ kind: "forget" }, { kind: "closeTransport" }, { kind: "openLink" }] };
}

function reload(state: MeetingState, entry: Entry, saved: SavedMeeting, nowMs: number): Step {
  const next: MeetingState = {
    ...state,
    phase: { kind: "inside", entry },
    link: { kind: "trying", lostAtMs: nowMs, attempt: 1 },
    resume: saved.resume,
    generation: saved.resume.generation,
    media: saved.media,
    iceServers: saved.iceServers,
    room: saved.roomInfo,
    self: saved.self,
    roster: new Map(saved.roster.map((one) => [one.id, one])),
    permissions: new Set(saved.permissions),
  };
  return { state: next, effects: [{ kind: "openLink" }] };
}

function hello(state: MeetingState): Step {
  const resume = state.resume;
  const data = { protocol: protocolVersion, client: CLIENT };
  if (state.phase.kind !== "inside" || resume === null) return { state, effects: [ask({ type: "hello", data })] };
  const { token, lastSeq } = resume;
  return { state, effects: [ask({ type: "hello", data: { ...data, resume: { token, last_seq: lastSeq } } })] };
}

function join(entry: Entry, duplicate?: DuplicateChoice): Effect {
  const { room, name, credential, deviceKey } = entry;
  const data = { room, credential, name, device_key: deviceKey, consent_hash: null };
  return ask({ type: "join", data: duplicate === undefined ? data : { ...data, duplicate } });
}

function inside(state: MeetingState, entry: Entry, joined: Joined, nowMs: number): Step {
  const roster = joined.roster.filter((one) => one.id !== joined.self.id);
  const next: MeetingState = {
    ...state,
    phase: { kind: "inside", entry },
    link: { kind: "up" },
    retryAfterMs: null,
    resume: { token: joined.resume_token, lastSeq: joined.seq, generation: state.generation },
    iceServers: joined.ice_servers,
    room: joined.room,
    self: joined.self,
    roster: new Map(roster.map((one) => [one.id, one])),
    permissions: new Set(joined.permissions),
    publishing: own.unpublished(state.publishing),
    slots: noSlots,
    speakers: silence,
    quality: new Map(),
    notice: null,
  };
  return openTransport(next, nowMs);
}

function chooseDuplicate(state: MeetingState, choice: DuplicateChoice | "cancel"): Step {
  if (state.phase.kind !== "duplicate") return only(state);
  const { entry } = state.phase;
  if (choice === "cancel") return outside(state, null);
  return { state: { ...state, phase: { kind: "entering", entry } }, effects: [join(entry, choice)] };
}

function leave(state: MeetingState): Step {
  const goodbye: Effect[] = state.link.kind === "up" ? [ask({ type: "leave", data: {} })] : [];
  const left = gone(state, "left", null);
  return { state: left.state, effects: [...goodbye, ...left.effects] };
}

// The link.

function retry(state: MeetingState): Step {
  if (state.link.kind !== "waiting") return only(state);
  const { lostAtMs, attempt } = state.link;
  return { state: { ...state, link: { kind: "trying", lostAtMs, attempt } }, effects: [{ kind: "openLink" }] };
}

function linkClosed(state: MeetingState, code: number, random: number, nowMs: number): Step {
  if (state.link.kind === "off") return only(state);
  const final = FINAL[code];
  if (final !== undefined)
    return state.phase.kind === "inside" ? gone(state, final, null) : outside(state, { kind: "unreachable" });
  const attempt = state.link.kind === "up" ? 1 : state.link.attempt + 1;
  if (state.phase.kind !== "inside" && attempt > ENTER_ATTEMPTS) return outside(state, { kind: "unreachable" });
  const lostAtMs = state.link.kind === "up" ? nowMs : (state.link.lostAtMs ?? nowMs);
  const draining = code === closeCodes.draining ? (state.retryAfterMs ?? DRAINING_WAIT_MS) : 0;
  const retryAtMs = nowMs + Math.max(draining, backoffMs(attempt, random));
  const next: MeetingState = {
    ...state,
    link: { kind: "waiting", lostAtMs, attempt, retryAtMs },
    publishing: own.linkLost(state.publishing),
  };
  const inRoom = state.phase.kind === "inside" && state.link.kind === "up";
  return { state: next, effects: inRoom ? [{ kind: "announce", announcement: { kind: "link", state: "lost" } }] : [] };
}

function tick(state: MeetingState, nowMs: number): Step {
  const effects: Effect[] = [];
  let next = state;
  if (next.link.kind === "waiting") {
    if (nowMs >= next.link.lostAtMs + GIVE_UP_MS) return gone(next, "connectionLost", null);
    if (nowMs >= next.link.retryAtMs) return retry(next);
  }
  if (iceRestartDue(next, nowMs) && next.transport.kind === "answered") {
    next = { ...next, transport: { ...next.transport, restartedAtMs: nowMs } };
    effects.push({ kind: "restartIce" });
  }
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

// Answers.

function answered(state: MeetingState, event: Reply & { kind: "ok" }, nowMs: number): Step {
  switch (event.type) {
    case "hello":
      return greeted(state, event.ok, nowMs);
    case "join":
      return joinAnswered(state, event.ok, nowMs);
    case "media.offer":
      return offerAnswered(state, event.ok, nowMs);
    case "media.slots.ack":
      return only({ ...state, slots: arm(state.slots, event.request.data.rev, event.ok.first_rtp_timestamp) });
    case "screen.start":
      return { state, effects: [{ kind: "captureScreen", audio: event.request.data.audio }] };
    case "media.publish":
    case "media.unpublish":
    case "track.state": {
      const { publishing, effects } = own.confirmed(state.publishing, event.request);
      return { state: { ...state, publishing }, effects };
    }
    default:
      return only(state);
  }
}

function greeted(state: MeetingState, ok: Extract<Reply, { type: "hello" }>["ok"], nowMs: number): Step {
  const { phase } = state;
  if (ok.outcome === "welcome") {
    if (phase.kind !== "entering" && phase.kind !== "inside") return only(state);
    return { state: { ...state, media: ok.media }, effects: [join(phase.entry)] };
  }
  if (phase.kind !== "inside" || state.resume === null) return only(state);
  let next: MeetingState = {
    ...state,
    link: { kind: "up" },
    retryAfterMs: null,
    resume: { ...state.resume, token: ok.resume_token },
    // Pictures are asked for anew: the last wish may not have arrived.
    wish: { ...state.wish, sent: null },
  };
  const effects: Effect[] = [{ kind: "announce", announcement: { kind: "link", state: "back" } }];
  if (ok.snapshot !== null) {
    const { room, self, permissions, roster, seq, ice_servers } = ok.snapshot;
    next = {
      ...next,
      room,
      self,
      permissions: new Set(permissions),
      roster: new Map(roster.filter((one) => one.id !== self.id).map((one) => [one.id, one])),
      iceServers: ice_servers,
      resume: { token: ok.resume_token, lastSeq: seq, generation: next.generation },
    };
  }
  for (const missed of ok.missed) {
    const after = handlePush(next, missed, nowMs);
    next = after.state;
    effects.push(...after.effects);
  }
  if (next.phase.kind !== "inside") return { state: next, effects };
  const alive = next.transport.kind !== "closed";
  // An offer that was under way went down with the link.
  if (ok.media === "lost" || !alive || next.transport.kind === "offering") {
    if (!alive && next.self !== null) {
      next = { ...next, publishing: own.adopted(next.publishing, next.self.sources) };
    }
    const opened = openTransport(next, nowMs);
    return { state: opened.state, effects: [...effects, ...opened.effects] };
  }
  return { state: next, effects };
}

function joinAnswered(state: MeetingState, ok: Extract<Reply, { type: "join" }>["ok"], nowMs: number): Step {
  const { phase } = state;
  if (phase.kind !== "entering" && phase.kind !== "inside") return only(state);
  switch (ok.outcome) {
    case "joined":
      return inside(state, phase.entry, ok, nowMs);
    case "duplicate":
      return only({ ...state, phase: { kind: "duplicate", entry: phase.entry }, link: { kind: "up" } });
  }
}

function failed(state: MeetingState, request: Request, error: ErrorBody, nowMs: number): Step {
  switch (request.type) {
    case "hello":
      // The place was given up: come in anew on the same link, as the same device.
      if (error.rejoin !== true || state.phase.kind !== "inside") return refusedEntry(state, error);
      return {
        state: { ...state, resume: null, publishing: own.unpublished(state.publishing) },
        effects: [{ kind: "forget" }, join(state.phase.entry)],
      };
    case "join":
      return refusedEntry(state, error);
    case "media.offer":
      return offerFailed(state, error, nowMs);
    case "media.publish":
    case "track.state":
      return refusedSource(state, request.data.source, error);
    case "media.unpublish":
      return only({ ...state, publishing: own.confirmed(state.publishing, request).publishing });
    case "screen.start":
      return only({
        ...state,
        notice: error.code === "busy" ? { kind: "screenBusy" } : { kind: "forbidden", source: "screen" },
      });
    default:
      return only(state);
  }
}

function refusedEntry(state: MeetingState, error: ErrorBody): Step {
  return outside(state, { kind: "refused", code: error.code, retryAfterS: error.retry_after_s ?? null });
}

function refusedSource(state: MeetingState, source: Source, error: ErrorBody): Step {
  const { publishing, effects } = own.refused(state.publishing, source);
  const notice: Notice =
    error.code === "forbidden" ? { kind: "forbidden", source } : { kind: "notPublished", source, code: error.code };
  return { state: { ...state, publishing, notice }, effects };
}
