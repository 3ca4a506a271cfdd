/** The client under test, its clock, and what it is told. */
import type { ErrorBody, PushFrame, Request, Source } from "../wire/messages";
import type { Effect, Entry, MeetingEvent, MeetingState, SavedMeeting } from "./state";
import { initialState } from "./state";
import { step } from "./step";
import { joined, participant, room } from "./testing";

export const entry: Entry = {
  room: "welcome",
  name: "Me",
  credential: { kind: "none" },
  deviceKey: "k".repeat(22),
  consentHash: null,
};
export const media = initialState({ microphone: true, camera: true }).media;
export const answer = { generation: 1, sdp: "answer", slots: { video: ["4", "5"], audio: ["6"] } };

export type Told = MeetingEvent extends infer E ? (E extends unknown ? Omit<E, "nowMs"> : never) : never;

export class Script {
  state: MeetingState;
  #nowMs = 0;

  constructor(wants = { microphone: true, camera: true }) {
    this.state = initialState(wants);
  }

  tell(event: Told, nowMs?: number): readonly Effect[] {
    this.#nowMs = nowMs ?? this.#nowMs;
    const { state, effects } = step(this.state, { ...event, nowMs: this.#nowMs } as MeetingEvent);
    this.state = state;
    return effects;
  }

  requests(event: Told): string[] {
    return requestsOf(this.tell(event)).map((request) => request.type);
  }

  /** Loses the link and opens the next one. */
  lose(nowMs = 0): void {
    this.tell({ kind: "linkClosed", code: 1006, random: 0 }, nowMs);
    this.tell({ kind: "retryNow" });
    this.tell({ kind: "linkOpen" });
  }
}

export function entering(): Script {
  const client = new Script();
  client.tell({ kind: "join", entry });
  client.tell({ kind: "linkOpen" });
  client.tell(ok("hello", { outcome: "welcome", media }));
  return client;
}

export function inside(...others: ReturnType<typeof participant>[]): Script {
  const client = entering();
  client.tell(ok("join", joined(...others)));
  return client;
}

export function negotiated(...others: ReturnType<typeof participant>[]): Script {
  const client = inside(...others);
  client.tell({ kind: "offer", generation: 1, sdp: "offer" });
  client.tell(ok("media.offer", answer));
  return client;
}

export function publishing(source: "microphone" | "camera"): Script {
  const client = negotiated();
  client.tell({ kind: "captured", sources: [source] });
  client.tell(published(source));
  return client;
}

export const kinds = (effects: readonly Effect[]): string[] => effects.map((effect) => effect.kind);
export const requestsOf = (effects: readonly Effect[]): Request[] =>
  effects.flatMap((effect) => (effect.kind === "request" ? [effect.request] : []));

export function savedMeeting(self = participant("me")): SavedMeeting {
  return {
    room: "welcome",
    name: "Me",
    resume: { token: "rt_5", lastSeq: 9, generation: 3 },
    microphone: true,
    camera: false,
    media,
    iceServers: [],
    roomInfo: room,
    self,
    roster: [participant("ada")],
    permissions: joined().permissions,
    overrides: [],
  };
}

export function joinData(): Extract<Request, { type: "join" }>["data"] {
  return { room: "welcome", credential: { kind: "none" }, name: "Me", device_key: "k", consent_hash: null };
}

/** An answer; its body is only as complete as the test needs. */
export function ok(type: Request["type"], body: object, request?: Request): Told {
  return { kind: "ok", type, request: request ?? { type, data: {} }, ok: body } as Told;
}

export const published = (source: "microphone" | "camera" | "screen" | "screen_audio"): Told =>
  ok(
    "media.publish",
    { track: "trk_1", rids: [] },
    { type: "media.publish", data: { mid: "0", source, muted: false } },
  );

/** Shares the screen: the server says yes, and somebody picks it. */
export function share(client: Script, sources: readonly Source[] = ["screen"]): readonly Effect[] {
  client.tell(
    ok(
      "screen.start",
      { outcome: "granted", share_id: "trk_9" },
      { type: "screen.start", data: { audio: sources.length > 1 } },
    ),
  );
  return client.tell({ kind: "captured", sources });
}

export const refusal = (request: Request, error: ErrorBody): Told => ({ kind: "failed", request, error });

export const push = (message: PushFrame, seq?: number): Told => ({
  kind: "push",
  push: seq === undefined ? message : { ...message, seq },
});
