/** What a moderator does, and what came of it. */
import type { ErrorBody, LobbyResults, Request } from "../wire/messages";
import * as desk from "./desk";
import * as life from "./life";
import { take } from "./prompts";
import type { Act, Effect, MeetingState, Reply, Step } from "./state";
import { ask, nameOf, only } from "./state";
import type { ToastText } from "./toasts";
import { toasted } from "./toasts";

const requests = (list: readonly Request[]): Effect[] => list.map(ask);

/** Sends what a moderator asks for; without a link it says that nothing was done. */
export function act(state: MeetingState, request: Act, nowMs: number): Step {
  if (state.link.kind !== "up") {
    if (desk.isDeskRequest(request)) return only({ ...state, desk: desk.unsent(state.desk, request.type) });
    return only({ ...state, toasts: toasted(state.toasts, { kind: "offline" }, nowMs) });
  }
  if (!desk.isDeskRequest(request)) return { state, effects: [ask(request)] };
  const sent = desk.send(state.desk, request);
  return { state: { ...state, desk: sent.desk }, effects: requests(sent.requests) };
}

export function updateRoom(state: MeetingState, change: desk.RoomChange): Step {
  if (state.room === null) return only(state);
  if (state.link.kind !== "up") return only({ ...state, desk: desk.unsent(state.desk, "room.update") });
  const sent = desk.change(state.desk, state.room.rev, change);
  return { state: { ...state, desk: sent.desk }, effects: requests(sent.requests) };
}

/** Answers a request of a host. */
export function answerPrompt(
  state: MeetingState,
  request: string,
  answer: "accept" | "decline" | "later",
  start: (state: MeetingState, source: "microphone" | "camera" | "screen") => Step,
): Step {
  const taken = take(state.prompts, request);
  if (taken === null) return only(state);
  const next = { ...state, prompts: taken.rest };
  const reply = ask({ type: "media.request.reply", data: { request, answer } });
  if (answer !== "accept") return { state: next, effects: [reply] };
  const { source } = taken.prompt;
  const started = start(next, source === "screen_audio" ? "screen" : source);
  return { state: started.state, effects: [reply, ...started.effects] };
}

/** Takes the server's yes to a moderator. */
export function done(state: MeetingState, reply: Reply & { kind: "ok" }, nowMs: number): Step {
  if (desk.isDeskRequest(reply.request)) {
    const after = desk.answered(state.desk, reply, state.room?.rev ?? 0);
    return { state: { ...state, desk: after.desk }, effects: requests(after.requests) };
  }
  const lived = life.done(state, reply, nowMs);
  if (lived !== null) return lived;
  const texts = textsOf(state, reply);
  const toasts = texts.reduce((all, text) => toasted(all, text, nowMs), state.toasts);
  return only(texts.length === 0 ? state : { ...state, toasts });
}

function textsOf(state: MeetingState, reply: Reply & { kind: "ok" }): ToastText[] {
  switch (reply.type) {
    case "media.mute":
      return [{ kind: "muted", count: reply.ok.participants.length }];
    case "media.request": {
      const { participant, source } = reply.request.data;
      const who = nameOf(state, participant);
      return who === null ? [] : [{ kind: "asked", who, source }];
    }
    case "participant.remove": {
      const { participant, ban } = reply.request.data;
      const who = nameOf(state, participant) ?? "";
      return [{ kind: "removed", who, removals: reply.ok.removals, banned: ban !== undefined && ban !== null }];
    }
    case "participant.to_lobby": {
      const who = nameOf(state, reply.request.data.participant);
      return who === null ? [] : [{ kind: "toLobby", who }];
    }
    case "lobby.admit":
    case "lobby.deny":
      return lobbyTexts(state, reply.ok);
    default:
      return [];
  }
}

/** What is worth saying: many admitted at once, and whatever did not go as meant. */
function lobbyTexts(state: MeetingState, ok: LobbyResults): ToastText[] {
  const entries = new Map(state.watch.entries.map((one) => [one.knock, one.name]));
  const odd = ok.results
    .filter((one) => one.result !== "admitted" && one.result !== "denied")
    .map((one): ToastText => ({
      kind: "lobbyResult",
      who: entries.get(one.knock) ?? "",
      result: one.result,
      by: nameOf(state, one.by ?? null),
    }));
  const admitted = ok.results.filter((one) => one.result === "admitted").length;
  const denied = ok.results.filter((one) => one.result === "denied").length;
  return [
    ...(admitted > 1 ? [{ kind: "admitted" as const, count: admitted }] : []),
    ...(denied > 0 ? [{ kind: "denied" as const, count: denied }] : []),
    ...odd,
  ];
}

const MODERATION: readonly string[] = [
  "lobby.admit",
  "lobby.deny",
  "lobby.note",
  "participant.to_lobby",
  "participant.remove",
  "participant.rename",
  "role.set",
  "perm.override",
  "media.mute",
  "media.request",
  "media.grant",
  "media.lock",
  "chat.edit",
  "chat.delete",
  "chat.react",
  "chat.pin",
  "chat.clear",
];

const isAct = (request: Request): request is Act =>
  MODERATION.includes(request.type) || life.LIFE_VERBS.includes(request.type);

/** Takes the server's no to a moderator. */
export function refused(state: MeetingState, request: Request, error: ErrorBody, nowMs: number): Step {
  if (desk.isDeskRequest(request)) {
    return only({ ...state, desk: desk.refused(state.desk, request, error).desk });
  }
  if (!isAct(request)) return only(state);
  const text: ToastText = {
    kind: "refused",
    verb: request.type,
    code: error.code,
    retryAfterS: error.retry_after_s ?? null,
  };
  const next = life.refused(state, request, error);
  return only({ ...next, toasts: toasted(next.toasts, text, nowMs) });
}
