/** The way into the room: greeting, joining, coming back, and being refused. */
import type { Credential, DuplicateChoice, ErrorBody } from "../wire/messages";
import { protocolVersion } from "../wire/messages";
import { factsOf, inside } from "./arrival";
import * as chat from "./chat";
import { resend, restored, type SavedChat } from "./chatting";
import { interrupted } from "./desk";
import { outside } from "./leaving";
import * as life from "./life";
import * as lobby from "./lobby";
import * as own from "./publishing";
import { handlePush } from "./push";
import { credited, doubted } from "./relay";
import type { Effect, Entry, MeetingState, Refusal, Reply, SavedMeeting, Step } from "./state";
import { ask, initialState, only } from "./state";
import type { Ticket } from "./text";
import { openTransport } from "./transport";

/** What this client calls itself. */
export const CLIENT = "conclave-web/0.1.0";

/** Returns what entitles to enter: the link, else what was typed, else nothing. */
export function credentialOf(ticket: Ticket | null, password: string): Credential {
  if (ticket !== null) return ticket;
  return password === "" ? { kind: "none" } : { kind: "password", password };
}

export function enter(state: MeetingState, entry: Entry): Step {
  const { microphone, camera } = state.publishing.sources;
  const fresh = initialState({ microphone: microphone.wanted, camera: camera.wanted });
  const screen = own.stopScreen(own.unpublished(state.publishing));
  const next: MeetingState = {
    ...fresh,
    // Numbers of peer connections never repeat in one tab, whatever the server still remembers.
    generation: state.generation,
    relay: { ...fresh.relay, own: state.relay.own },
    publishing: screen.publishing,
    asksPassword: state.asksPassword,
    chat: chat.remainder(state.chat),
    phase: { kind: "entering", entry },
    link: { kind: "trying", lostAtMs: null, attempt: 1 },
  };
  return {
    state: next,
    effects: [{ kind: "forget" }, ...screen.effects, { kind: "closeTransport" }, { kind: "openLink" }],
  };
}

export function reload(
  state: MeetingState,
  entry: Entry,
  saved: SavedMeeting,
  savedChat: SavedChat | null,
  nowMs: number,
): Step {
  const next: MeetingState = {
    ...state,
    phase: { kind: "inside", entry },
    link: { kind: "trying", lostAtMs: nowMs, attempt: 1 },
    resume: saved.resume,
    generation: saved.resume.generation,
    media: saved.media,
    iceServers: saved.iceServers,
    relay: { ...state.relay, renewal: credited(saved.iceServers, nowMs) },
    room: saved.roomInfo,
    self: saved.self,
    roster: new Map(saved.roster.map((one) => [one.id, one])),
    permissions: new Set(saved.permissions),
    overrides: saved.overrides,
    chat: restored(savedChat),
  };
  return { state: next, effects: [{ kind: "openLink" }] };
}

export function hello(state: MeetingState): Step {
  const resume = state.resume;
  const data = { protocol: protocolVersion, client: CLIENT };
  if (state.phase.kind !== "inside" || resume === null) return { state, effects: [ask({ type: "hello", data })] };
  const { token, lastSeq } = resume;
  return { state, effects: [ask({ type: "hello", data: { ...data, resume: { token, last_seq: lastSeq } } })] };
}

function join(entry: Entry, duplicate?: DuplicateChoice): Effect {
  const { room, name, credential, deviceKey, consentHash } = entry;
  const data = { room, credential, name, device_key: deviceKey, consent_hash: consentHash };
  return ask({ type: "join", data: duplicate === undefined ? data : { ...data, duplicate } });
}

export function chooseDuplicate(state: MeetingState, choice: DuplicateChoice | "cancel"): Step {
  if (state.phase.kind !== "duplicate") return only(state);
  const { entry } = state.phase;
  if (choice === "cancel") return outside(state, null);
  return { state: { ...state, phase: { kind: "entering", entry } }, effects: [join(entry, choice)] };
}

/** Joins once more on the same link: the lobby gave the place up. */
export const knockAgain = (state: MeetingState, entry: Entry): Step => ({ state, effects: [join(entry)] });

/** Takes the answer to a text that has to be agreed to. */
export function consent(state: MeetingState, agreed: boolean): Step {
  if (state.phase.kind !== "consent") return only(state);
  if (!agreed) return outside(state, null);
  const entry: Entry = { ...state.phase.entry, consentHash: state.phase.hash };
  return { state: { ...state, phase: { kind: "entering", entry } }, effects: [join(entry)] };
}

export function greeted(state: MeetingState, ok: Extract<Reply, { type: "hello" }>["ok"], nowMs: number): Step {
  const { phase } = state;
  if (ok.outcome === "welcome") {
    if (phase.kind !== "entering" && phase.kind !== "inside" && phase.kind !== "waiting") return only(state);
    const unixMs = Date.parse(ok.server_time);
    const clock = Number.isFinite(unixMs) ? { unixMs, atMs: nowMs } : null;
    return { state: { ...state, media: ok.media, clock }, effects: [join(phase.entry)] };
  }
  if (phase.kind !== "inside" || state.resume === null) return only(state);
  let next: MeetingState = {
    ...state,
    link: { kind: "up" },
    retryAfterMs: null,
    resume: { ...state.resume, token: ok.resume_token },
    desk: interrupted(state.desk),
    // Pictures are asked for anew: the last wish may not have arrived.
    wish: { ...state.wish, sent: null },
    // Nobody knows how long the page was away.
    relay: doubted(state.relay, nowMs),
    pathless: state.pathless === null ? null : { ...state.pathless, sinceMs: nowMs },
  };
  const effects: Effect[] = [{ kind: "announce", announcement: { kind: "link", state: "back" } }];
  if (ok.snapshot !== null) {
    const obeyed = own.obey(next.publishing, new Set(ok.snapshot.permissions));
    effects.push(...obeyed.effects);
    next = {
      ...next,
      ...factsOf(ok.snapshot),
      chat: chat.entered(next.chat, ok.snapshot),
      life: life.entered(next.life, ok.snapshot, nowMs),
      relay: { ...next.relay, renewal: credited(ok.snapshot.ice_servers, nowMs) },
      publishing: obeyed.publishing,
      resume: { token: ok.resume_token, lastSeq: ok.snapshot.seq, generation: next.generation },
    };
  }
  for (const missed of ok.missed) {
    const after = handlePush(next, missed, nowMs);
    next = after.state;
    effects.push(...after.effects);
  }
  if (next.phase.kind !== "inside") return { state: next, effects };
  effects.push(...resend(next));
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

export function joinAnswered(state: MeetingState, ok: Extract<Reply, { type: "join" }>["ok"], nowMs: number): Step {
  const { phase } = state;
  if (phase.kind !== "entering" && phase.kind !== "inside" && phase.kind !== "waiting") return only(state);
  switch (ok.outcome) {
    case "joined":
      return inside(state, phase.entry, ok, nowMs);
    case "lobby":
      return lobby.arrive(state, phase.entry, ok, nowMs);
    case "duplicate":
      return only({ ...state, phase: { kind: "duplicate", entry: phase.entry }, link: { kind: "up" } });
  }
}

/** Takes that the server gave the place of a broken link up: come in anew on the same link, as the same device. */
export function helloRefused(state: MeetingState, error: ErrorBody, nowMs: number): Step {
  if (error.rejoin !== true || state.phase.kind !== "inside") return joinRefused(state, error, nowMs);
  return {
    state: { ...state, resume: null, publishing: own.unpublished(state.publishing) },
    effects: [{ kind: "forget" }, join(state.phase.entry)],
  };
}

export function joinRefused(state: MeetingState, error: ErrorBody, nowMs: number): Step {
  const { phase } = state;
  if (phase.kind === "outside" || phase.kind === "left" || phase.kind === "denied") return only(state);
  const { entry } = phase;
  if (error.code === "consent_required" && error.text !== undefined && error.hash !== undefined) {
    const asked: MeetingState = {
      ...state,
      phase: { kind: "consent", entry, text: error.text, hash: error.hash },
      link: { kind: "up" },
    };
    return { state: asked, effects: phase.kind === "inside" ? [{ kind: "closeTransport" }] : [] };
  }
  const invited = entry.credential.kind === "invite" || entry.credential.kind === "token";
  const refusal: Refusal = {
    kind: "refused",
    code: error.code,
    invited,
    retryAtMs: error.retry_after_s === undefined ? null : nowMs + error.retry_after_s * 1_000,
    until: error.until ?? null,
    opensAt: error.opens_at ?? null,
  };
  const wrong = error.code === "password_required" || error.code === "bad_credentials";
  return outside({ ...state, asksPassword: state.asksPassword || (wrong && !invited) }, refusal);
}
