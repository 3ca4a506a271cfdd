/** Everything the client knows of a meeting, and what may happen to it. Changed by `step` alone. */
import type { Publishing } from "./publishing";
import { nothingPublished } from "./publishing";
import type {
  ChatFormat,
  Credential,
  ErrorCode,
  DuplicateChoice,
  EndingReason,
  IceServer,
  MediaParameters,
  Override,
  Participant,
  Permission,
  PushFrame,
  Replies,
  Request,
  RequestAnswer,
  Rid,
  Room,
  Source,
  ErrorBody,
} from "../wire/messages";
import type { Chat } from "./chat";
import { emptyChat } from "./chat";
import type { ChatDeed, SavedChat } from "./chatting";
import type { Desk, DeskRequest, RoomChange } from "./desk";
import { emptyDesk } from "./desk";
import type { Deed, Life, LifeVerb } from "./life";
import { noLife } from "./life";
import type { Waiting } from "./lobby";
import type { Prompt } from "./prompts";
import type { Pathless, Relay } from "./relay";
import { noRelay } from "./relay";
import type { Said } from "./reactions";
import type { Hint } from "./screens";
import type { SlotTable } from "./slots";
import { noSlots } from "./slots";
import type { Speakers } from "./speaker";
import { silence } from "./speaker";
import type { Toast, ToastText } from "./toasts";
import type { Watch } from "./watch";
import { nobodyWaits } from "./watch";
import type { ShownTile, Wish } from "./wish";
import { noWish } from "./wish";

/** Who wants to enter which room, and how. */
export interface Entry {
  room: string;
  name: string;
  credential: Credential;
  deviceKey: string;
  /** Of the text that was agreed to. */
  consentHash: string | null;
}

/** Why the client is not, or no longer, in the room. */
export type LeftReason = "left" | "removed" | "takenOver" | "ended" | "protocolError" | "connectionLost";

/** Something to tell the user once; the texts are in the locale files. */
export type Notice =
  | Refusal
  | { kind: "unreachable" }
  | { kind: "device"; source: Source; reason: CaptureFailure }
  | { kind: "bothDenied" }
  | { kind: "forbidden"; source: Source }
  | { kind: "notPublished"; source: Source; code: ErrorCode }
  | { kind: "screenBusy" }
  | { kind: "mediaLost" }
  /** No way to the server's media; one of `ports`, as in "UDP 443", would be one. */
  | { kind: "noPath"; ports: readonly string[] };

/** Why a join was refused, and when another one makes sense. */
export interface Refusal {
  kind: "refused";
  code: ErrorCode;
  /** Whether an invite or a token was shown, not a password. */
  invited: boolean;
  retryAtMs: number | null;
  until: string | null;
  opensAt: string | null;
}

export type CaptureFailure = "denied" | "missing" | "busy" | "unsupported" | "cancelled" | "ended";

/** The signalling link. Every state but `up` and `off` is on its way to `up`. */
export type Link =
  | { kind: "off" }
  | { kind: "trying"; lostAtMs: number | null; attempt: number }
  | { kind: "waiting"; lostAtMs: number; attempt: number; retryAtMs: number }
  | { kind: "up" };

export type Phase =
  | { kind: "outside" }
  | { kind: "entering"; entry: Entry }
  | { kind: "duplicate"; entry: Entry }
  | { kind: "consent"; entry: Entry; text: string; hash: string }
  | { kind: "waiting"; entry: Entry; lobby: Waiting }
  | { kind: "denied"; entry: Entry; reason: string | null; againAtMs: number }
  | { kind: "inside"; entry: Entry }
  | ({ kind: "left"; reason: LeftReason; entry: Entry } & Farewell);

/** What is said to somebody who has to go. */
export interface Farewell {
  message: string | null;
  /** Why, in the words of a host. */
  cause: string | null;
  /** Until when coming back is refused. */
  until: string | null;
  /** The name of who ended the meeting. */
  by: string | null;
}

/** The peer connection; its objects live in `media`. */
export type Transport =
  | { kind: "closed" }
  | { kind: "offering"; sinceMs: number; relayOnly: boolean }
  /** The server takes no offer before. */
  | { kind: "barred"; untilMs: number }
  | {
      kind: "answered";
      ice: "connecting" | "connected" | "interrupted";
      sinceMs: number;
      restartedAtMs: number;
      relayOnly: boolean;
      /** Where the server takes media directly: its UDP ports. */
      ports: readonly number[];
    };

/** What a resumed link needs, kept over a reload of the page. */
export interface Resume {
  token: string;
  lastSeq: number;
  generation: number;
}

/** What has happened lately and is not announced yet. */
export interface Arrivals {
  joined: readonly string[];
  left: readonly string[];
  sinceMs: number;
}

export interface MeetingState {
  phase: Phase;
  link: Link;
  resume: Resume | null;
  /** Set by `server.draining`: how long to stay away after close 4503. */
  retryAfterMs: number | null;
  media: MediaParameters;
  iceServers: readonly IceServer[];
  relay: Relay;
  /** Null while media has a way to the server, or is not wanted. */
  pathless: Pathless | null;
  room: Room | null;
  self: Participant | null;
  /** The name of who changed the settings last, if that was told. */
  changedBy: string | null;
  /** The others, in join order. */
  roster: ReadonlyMap<string, Participant>;
  /** The names of the last few who went, for messages about them that come later. */
  departed: ReadonlyMap<string, string>;
  /** How many there are, told to those who do not see all of them. */
  count: number | null;
  permissions: ReadonlySet<Permission>;
  overrides: readonly Override[];
  /** The server's clock: `unixMs` there was `atMs` here. */
  clock: { unixMs: number; atMs: number } | null;
  /** Who waits in the lobby, for those who may admit. */
  watch: Watch;
  life: Life;
  prompts: readonly Prompt[];
  toasts: readonly Toast[];
  desk: Desk;
  chat: Chat;
  /** When somebody let this one in, for as long as the page says so. */
  admittedAtMs: number | null;
  /** Whether a join without an invite needs a password, as far as is known. */
  asksPassword: boolean;
  generation: number;
  transport: Transport;
  audioMids: readonly string[];
  slots: SlotTable;
  publishing: Publishing;
  /** Whether the browser's picker of screens is open for this stay. */
  picking: boolean;
  layers: Partial<Record<Source, readonly Rid[]>>;
  speakers: Speakers;
  quality: ReadonlyMap<string, number>;
  wish: Wish;
  arrivals: Arrivals;
  notice: Notice | null;
}

export type MeetingEvent = { nowMs: number } & (
  | { kind: "join"; entry: Entry }
  | { kind: "reload"; entry: Entry; saved: SavedMeeting; chat: SavedChat | null }
  | { kind: "duplicateChoice"; choice: DuplicateChoice | "cancel" }
  | { kind: "consent"; agreed: boolean }
  | { kind: "needs"; password: boolean }
  | { kind: "act"; request: Act }
  | { kind: "life"; deed: Deed }
  | { kind: "chat"; deed: ChatDeed }
  | { kind: "say"; text: ToastText }
  | { kind: "updateRoom"; change: RoomChange }
  | { kind: "answerPrompt"; request: string; answer: RequestAnswer }
  | { kind: "explain"; source: "microphone" | "camera" | "screen" }
  | { kind: "dismissAlert" }
  | { kind: "dismissMade" }
  | { kind: "dismissToast"; id: number }
  | { kind: "retryNow" }
  | { kind: "leave" }
  | { kind: "dismissNotice" }
  | { kind: "want"; source: "microphone" | "camera"; on: boolean }
  | { kind: "preview"; on: boolean }
  | { kind: "recapture"; source: "microphone" | "camera" }
  | { kind: "shareScreen"; audio: boolean; hint: Hint; takeOver: boolean }
  | { kind: "stopScreen" }
  | { kind: "relayOnly"; on: boolean }
  /** The machine slept: the clock of the page may have stood still. */
  | { kind: "woke" }
  | { kind: "captured"; sources: readonly Source[] }
  | { kind: "captureFailed"; source: Source; reason: CaptureFailure }
  | { kind: "shown"; tiles: readonly ShownTile[] }
  | { kind: "frame"; mid: string; rev: number; rtp: number | null }
  | { kind: "linkOpen" }
  | { kind: "linkClosed"; code: number; random: number }
  | Reply
  | { kind: "push"; push: PushFrame }
  | { kind: "offer"; generation: number; sdp: string }
  | { kind: "ice"; generation: number; state: "connecting" | "connected" | "disconnected" | "failed" }
  | { kind: "transportFailed"; generation: number }
  | { kind: "tick" }
);

/** What a moderator asks of the server; the answers change the state by themselves. */
export type Act = Exclude<DeskRequest, { type: "room.update" }> | Extract<Request, { type: ModerationVerb | LifeVerb }>;
export type ModerationVerb =
  | "lobby.admit"
  | "lobby.deny"
  | "lobby.note"
  | "participant.to_lobby"
  | "participant.remove"
  | "participant.rename"
  | "role.set"
  | "perm.override"
  | "media.mute"
  | "media.request"
  | "media.grant"
  | "media.lock"
  | "chat.edit"
  | "chat.delete"
  | "chat.react"
  | "chat.pin"
  | "chat.clear";

/** An answer to `request`; the type of `ok` goes with the type of the request. */
export type Reply =
  | {
      [K in Request["type"]]: { kind: "ok"; request: Extract<Request, { type: K }>; type: K; ok: Replies[K] };
    }[Request["type"]]
  | { kind: "failed"; request: Request; error: ErrorBody };

export type Effect =
  | { kind: "openLink" }
  | { kind: "closeLink" }
  | { kind: "request"; request: Request }
  | { kind: "save" }
  | { kind: "forget" }
  | { kind: "openTransport"; generation: number }
  | { kind: "restartIce" }
  | { kind: "configure" }
  | { kind: "closeTransport" }
  | { kind: "answer"; generation: number; sdp: string }
  | { kind: "capture"; sources: readonly ("microphone" | "camera")[] }
  | { kind: "captureScreen"; audio: boolean; hint: Hint }
  | { kind: "screenHint"; hint: Hint }
  | { kind: "release"; source: Source }
  | { kind: "attach"; source: Source }
  | { kind: "detach"; source: Source }
  | { kind: "enable"; source: Source; on: boolean }
  | { kind: "layers"; source: Source; active: readonly Rid[] }
  | { kind: "sound"; sound: "knock" | "admitted" | "message" | "hand" }
  | { kind: "download"; file: { format: ChatFormat; text: string } }
  | { kind: "announce"; announcement: Announcement };

export type Announcement =
  | { kind: "joined"; names: readonly string[] }
  | { kind: "left"; names: readonly string[] }
  | { kind: "link"; state: "lost" | "back" }
  | { kind: "lobby"; state: "waiting" | "admitted" | "denied" | "sentBack" }
  | { kind: "knocks"; names: readonly string[]; count: number }
  | ({ kind: "reactions" } & Said)
  | { kind: "said"; by: string | null; message: string }
  | { kind: "called" }
  | { kind: "hands"; names: readonly string[] }
  | { kind: "suspended"; on: boolean }
  | { kind: "handStillUp" }
  | { kind: "goesOn" }
  | { kind: "ending"; by: string | null; message: string | null; reason: EndingReason; inS: number };

export interface Step {
  state: MeetingState;
  effects: readonly Effect[];
}

/**
 * What is kept over a reload of the page, for one tab.
 *
 * A resumed link is told only what changed, so the roster is kept with it.
 */
export interface SavedMeeting {
  room: string;
  name: string;
  resume: Resume;
  microphone: boolean;
  camera: boolean;
  media: MediaParameters;
  iceServers: readonly IceServer[];
  roomInfo: Room;
  self: Participant;
  roster: readonly Participant[];
  permissions: readonly Permission[];
  overrides: readonly Override[];
}

/** What is kept over a reload of the page of somebody who waits: the same device gets the same place. */
export interface SavedWait {
  room: string;
  name: string;
  /** As it was typed, where the room asked for one. */
  password: string | null;
  waiting: true;
  microphone: boolean;
  camera: boolean;
}

/** Until the server's `welcome` says otherwise. */
const DEFAULT_MEDIA: MediaParameters = {
  codecs: ["vp8", "h264"],
  video_slots: 12,
  audio_slots: 4,
  rids: [
    { rid: "q", scale: 4, max_bps: 150_000 },
    { rid: "h", scale: 2, max_bps: 500_000 },
    { rid: "f", scale: 1, max_bps: 1_700_000 },
  ],
};

export const quiet: Arrivals = { joined: [], left: [], sinceMs: 0 };

export function initialState(wants: { microphone: boolean; camera: boolean }): MeetingState {
  return {
    phase: { kind: "outside" },
    link: { kind: "off" },
    resume: null,
    retryAfterMs: null,
    media: DEFAULT_MEDIA,
    iceServers: [],
    relay: noRelay,
    pathless: null,
    room: null,
    self: null,
    changedBy: null,
    roster: new Map(),
    departed: new Map(),
    count: null,
    permissions: new Set(),
    overrides: [],
    clock: null,
    watch: nobodyWaits,
    life: noLife(),
    prompts: [],
    toasts: [],
    desk: emptyDesk,
    chat: emptyChat,
    admittedAtMs: null,
    asksPassword: false,
    generation: 0,
    transport: { kind: "closed" },
    audioMids: [],
    slots: noSlots,
    publishing: nothingPublished(wants),
    picking: false,
    layers: {},
    speakers: silence,
    quality: new Map(),
    wish: noWish,
    arrivals: quiet,
    notice: null,
  };
}

/** A step without effects. */
export const only = (state: MeetingState): Step => ({ state, effects: [] });

/** The effect of asking the server. */
export const ask = (request: Request): Effect => ({ kind: "request", request });

/** Whether the user is in the room or on the way in: devices may run. */
export const entered = (state: MeetingState): boolean =>
  state.phase.kind === "inside" ||
  state.phase.kind === "entering" ||
  state.phase.kind === "duplicate" ||
  state.phase.kind === "consent" ||
  state.phase.kind === "waiting";

/** The name of somebody who is there or was lately, or null. */
export function nameOf(state: MeetingState, id: string | null): string | null {
  if (id === null) return null;
  if (state.self?.id === id) return state.self.name;
  return state.roster.get(id)?.name ?? state.departed.get(id) ?? null;
}
