// Generated from signalling/wire by its test `generated`. Do not edit.

/** What a client asks. */
export type Request =
  | { type: "hello"; data: Hello }
  | { type: "room.info"; data: RoomInfo }
  | { type: "join"; data: Join }
  | { type: "leave"; data: Leave }
  | { type: "participant.rename"; data: ParticipantRename }
  | { type: "track.state"; data: TrackState }
  | { type: "media.offer"; data: MediaOffer }
  | { type: "media.publish"; data: MediaPublish }
  | { type: "media.unpublish"; data: MediaUnpublish }
  | { type: "media.wish"; data: MediaWish }
  | { type: "media.slots.ack"; data: MediaSlotsAck }
  | { type: "screen.start"; data: ScreenStart };

/** What a client is told unasked. Ignore unknown types. */
export type Push =
  | { type: "participant.joined"; data: ParticipantJoined }
  | { type: "participant.updated"; data: ParticipantUpdated }
  | { type: "participant.left"; data: ParticipantLeft }
  | { type: "media.slots"; data: MediaSlots }
  | { type: "media.layers"; data: MediaLayers }
  | { type: "speakers"; data: Speakers }
  | { type: "media.quality"; data: MediaQuality }
  | { type: "media.reset"; data: MediaReset }
  | { type: "media.restart"; data: MediaRestart }
  | { type: "server.draining"; data: ServerDraining }
  | { type: "ended"; data: Ended };

/** The `ok` of the reply to each request. */
export interface Replies {
  "hello": HelloOutcome;
  "room.info": RoomSummary;
  "join": JoinOutcome;
  "leave": Done;
  "participant.rename": Renamed;
  "track.state": Done;
  "media.offer": MediaAnswer;
  "media.publish": Published;
  "media.unpublish": Done;
  "media.wish": Wished;
  "media.slots.ack": AckedSlots;
  "screen.start": ScreenStarted;
}

/** Pushes without a number: only the newest counts. */
export type StatePushType = "media.slots" | "media.layers" | "speakers" | "media.quality" | "media.reset" | "media.restart";

/** A request as it is sent; `id` is unique while the reply is pending. */
export type RequestFrame = { id: number } & Request;

/** A reply as it arrives; the type of `ok` follows from the request. */
export type ReplyFrame = { id: number; ok: unknown } | { id: number; error: ErrorBody };

/** A push as it arrives; state pushes have no number. */
export type PushFrame = { seq?: number } & Push;

/** Why the server closed a link. */
export const closeCodes = {
  normal: 1000,
  protocol: 4400,
  tooLate: 4401,
  removed: 4403,
  idle: 4408,
  takenOver: 4409,
  ended: 4410,
  rate: 4429,
  slowConsumer: 4430,
  draining: 4503,
} as const;

/** Close codes after which a client must not come back by itself. */
export const finalCloseCodes: readonly number[] = [1000, 4400, 4403, 4409, 4410];

/** Version of the protocol. */
export const protocolVersion = 1;

/** WebSocket subprotocol. */
export const subprotocol = "conclave.v1";

/** How long the place of a broken link is kept. */
export const resumeWindowMs = 30000;

/** `ok` of `media.slots.ack`. */
export type AckedSlots = {
  /**
   * Per slot that starts with this, by mid: no packet of its new source
   * carries an RTP timestamp before this one (serial arithmetic), every
   * packet of its former source does.
   */
  first_rtp_timestamp: { [key in Mid]: number };
};

/** The locks of a room on sources. */
export type AvLock = {
  /** Voices. */
  microphone: SourceLock;
  /** Pictures. */
  camera: SourceLock;
  /** Screens and their sound. */
  screen: SourceLock;
};

/** Who wrote a chat message, as it was then. */
export type ChatAuthor = {
  /** Who. */
  participant: ParticipantId;
  /** Its name. */
  name: DisplayName;
  /** Its role. */
  role: Role;
};

/** Which earlier messages somebody who joins is shown. */
export type ChatHistory = "none" | "session";

/** A chat message. */
export type ChatMessage = {
  /** Its identifier. */
  id: MessageId;
  /** What its author called it. */
  client_id: string;
  /** Who wrote it. */
  from: ChatAuthor;
  /** To whom. */
  to: ChatTarget;
  /** The text: at most 4,000 code points. */
  text: string;
  /** Which message it answers. */
  reply_to: MessageId | null;
  /** When. */
  ts: Timestamp;
};

/** The chat policies of a room. */
export type ChatPolicy = {
  /** Who may write to all. */
  public: PublicChat;
  /** To whom one may write privately. */
  private: PrivateChat;
  /** Seconds between two messages of one participant; 0 is no limit. */
  slow_s: number;
  /** Whether links may be followed. */
  links: boolean;
  /** What somebody who joins is shown. */
  history: ChatHistory;
};

/** To whom a chat message is written. */
export type ChatTarget = { kind: "all" } | { kind: "hosts" } | { kind: "participant", participant: ParticipantId };

/** What a client calls itself: 1 to 64 printable ASCII characters, such as `conclave-web/0.1.0`. */
export type ClientLabel = string;

/** A video codec. */
export type Codec = "vp8" | "h264";

/** What entitles to enter. */
export type Credential = { kind: "none" } | { kind: "password", password: SecretText } | { kind: "invite", secret: InviteSecret } | { kind: "token", jwt: SecretText } | { kind: "account" };

/**
 * 128 random bits that a client keeps per server: 22 characters of base64url.
 * The same key in the same room is the same device.
 */
export type DeviceKey = string;

/**
 * The name under which others see a participant: 1 to 64 code points.
 *
 * Control and bidirectional formatting characters are removed, what remains is
 * in NFC and without white space around it.
 */
export type DisplayName = string;

/** `ok` without members. */
export type Done = Record<symbol, never>;

/** The outcome `duplicate`. */
export type Duplicate = {
  /** The participant that the same device already is. */
  participant: ParticipantId;
  /** What can be done: the same `join` with `duplicate`, or nothing. */
  options: Array<DuplicateOption>;
};

/** What to do about the other link of the same device. */
export type DuplicateChoice = "take_over" | "join_as_second";

/** What can be done about a duplicate. */
export type DuplicateOption = "take_over" | "join_as_second" | "cancel";

/** One encoding of a camera. */
export type Encoding = {
  /** Its name. */
  rid: Rid;
  /** `scaleResolutionDownBy`. */
  scale: number;
  /** `maxBitrate`, bit/s. */
  max_bps: number;
};

/** Data of `ended`. */
export type Ended = {
  /** Who ended it; null for the server. */
  by: ParticipantId | null;
  /** What was said. */
  message: string | null;
  /** Seconds until the links are closed. */
  countdown_s: number;
};

/** The `error` of a reply. */
export type ErrorBody = {
  /** What to act upon. */
  code: ErrorCode;
  /** What to read. */
  message: string;
  /** The member of `data` that is wrong, as a path: `credential.password`, `views[3].source`. */
  field?: string;
  /** Seconds after which another try makes sense. */
  retry_after_s?: number;
  /** Who was first. */
  by?: ParticipantId;
  /** Whether a new `join` on the same link makes sense. */
  rejoin?: boolean;
};

/** Why a request was refused. The set is closed. */
export type ErrorCode = "bad_request" | "unknown_type" | "too_large" | "rate_limited" | "forbidden" | "not_found" | "conflict" | "already_handled" | "password_required" | "bad_credentials" | "banned" | "locked" | "full" | "not_open_yet" | "consent_required" | "version_unsupported" | "resume_failed" | "not_available" | "busy" | "chat_disabled" | "private_disabled" | "slow_mode" | "too_long" | "codec_unsupported" | "sdp_invalid" | "invite_expired" | "invite_revoked" | "invite_used_up" | "invite_not_yet";

/** What this server can do. */
export type Feature = "screen";

/** A raised hand. */
export type Hand = {
  /** Since when. */
  raised_at: Timestamp;
  /** Place in the queue, from 1. */
  position: number;
};

/** Data of `hello`. */
export type Hello = {
  /** Version of the protocol: 1. */
  protocol: number;
  /** What the client calls itself: at most 64 printable ASCII characters. */
  client: ClientLabel;
  /** To get the place of a broken link back. */
  resume?: Resume | null;
};

/** `ok` of `hello`. */
export type HelloOutcome = { outcome: "welcome" } & Welcome | { outcome: "resumed" } & Resumed;

/** A TURN server and the credential for it (the members of RTCIceServer). */
export type IceServer = {
  /** Its addresses. */
  urls: Array<string>;
  /** The user of the credential. */
  username: string;
  /** The secret of the credential. */
  credential: string;
  /** Seconds for which the credential holds. */
  ttl_s: number;
};

/** How well the server knows who somebody is. */
export type Identity = "guest" | "invited" | "verified";

/** 128 random bits from the fragment of an invite link: 22 characters of base64url. */
export type InviteSecret = string;

/** Data of `join`. */
export type Join = {
  /** The room's name in links. */
  room: Slug;
  /** What entitles to enter. */
  credential: Credential;
  /** The name to be seen by, 1 to 64 code points. */
  name: DisplayName;
  /** 128 random bits that the client keeps: 22 characters of base64url. */
  device_key: DeviceKey;
  /** Hash of the text that was agreed to. */
  consent_hash?: string | null;
  /** The choice after the outcome `duplicate`. */
  duplicate?: DuplicateChoice | null;
};

/** `ok` of `join`. */
export type JoinOutcome = { outcome: "joined" } & Joined | { outcome: "duplicate" } & Duplicate;

/** The outcome `joined`: everything about the room. */
export type Joined = {
  /** This stay. */
  session: SessionId;
  /** The room. */
  room: Room;
  /** The participant itself. */
  self: Participant;
  /** What it may do: the whole list. */
  permissions: Array<Permission>;
  /** The others, in the order in which they came. */
  roster: Array<Participant>;
  /** Earlier messages. */
  chat: Array<ChatMessage>;
  /** TURN servers; empty where there is none. */
  ice_servers: Array<IceServer>;
  /** Number of the last push that is contained here. */
  seq: number;
  /** For a resume. */
  resume_token: ResumeToken;
};

/** Data of `leave`. */
export type Leave = Record<symbol, never>;

/** Why somebody is gone. */
export type LeftReason = "left" | "connection_lost" | "removed" | "to_lobby" | "ended";

/** What may be sent. */
export type Limits = {
  /** Code points of a name. */
  name_chars: number;
  /** Code points of a chat message. */
  chat_chars: number;
  /** Bytes of a message. */
  message_bytes: number;
  /** Bytes of a `media.offer`. */
  offer_bytes: number;
  /** Wishes in a second. */
  wish_per_s: number;
};

/** Whether a lobby stands before a room. */
export type LobbyMode = "on" | "off";

/** `ok` of `media.offer`. */
export type MediaAnswer = {
  /** As in the offer. */
  generation: number;
  /** The answer. */
  sdp: string;
  /** Which m-lines are slots. */
  slots: SlotMids;
};

/** Data of `media.layers`. */
export type MediaLayers = {
  /** Which own publication. */
  source: PictureSource;
  /** The wanted encodings, lowest first; without simulcast all or none. */
  active: Array<Rid>;
  /** The codec to send. */
  codec: Codec;
};

/** Data of `media.offer`. */
export type MediaOffer = {
  /** Counts the peer connections of this participant, from 1. The same again is an ICE restart. */
  generation: number;
  /** The offer: at most 96 KiB. */
  sdp: string;
};

/** What to offer. */
export type MediaParameters = {
  /** Video codecs, the preferred one first. */
  codecs: Array<Codec>;
  /** Receiving m-lines for pictures. */
  video_slots: number;
  /** Receiving m-lines for sound. */
  audio_slots: number;
  /** Encodings of the camera, lowest first. */
  rids: Array<Encoding>;
};

/** Data of `media.publish`. */
export type MediaPublish = {
  /** A sending m-line of the negotiated offer. */
  mid: Mid;
  /** What it carries. */
  source: Source;
  /** Whether it begins muted. */
  muted: boolean;
};

/** Data of `media.quality`. */
export type MediaQuality = {
  /** All whose level is known. */
  participants: Array<Quality>;
};

/** Data of `media.reset`. */
export type MediaReset = {
  /** Why. */
  reason: ResetReason;
};

/** Data of `media.restart`. */
export type MediaRestart = {
  /** Why. */
  reason: RestartReason;
};

/** Data of `media.slots`. */
export type MediaSlots = {
  /** To be acknowledged; rises. */
  rev: number;
  /** The slots. */
  slots: Array<Slot>;
};

/** Data of `media.slots.ack`. */
export type MediaSlotsAck = {
  /** That of the newest `media.slots`. */
  rev: number;
};

/** Whether a peer connection still has its other end. */
export type MediaState = "kept" | "lost";

/** Data of `media.unpublish`. */
export type MediaUnpublish = {
  /** Which publication. */
  source: Source;
};

/** Data of `media.wish`. */
export type MediaWish = {
  /** Chosen by the client, rising. */
  rev: number;
  /** The pictures: at most one per video slot. */
  views: Array<View>;
};

/** A chat message: `msg_…`. */
export type MessageId = string;

/** The identity of an m-line (RFC 9143): 1 to 16 letters, digits, `-` or `_`. */
export type Mid = string;

/** What a join needs. */
export type Needs = "password" | "none";

/** A participant as the others see it, always whole. */
export type Participant = {
  /** Its identifier, for as long as it stays. */
  id: ParticipantId;
  /** Rises by one with each change. */
  rev: number;
  /** Its name. */
  name: DisplayName;
  /** Its role. */
  role: Role;
  /** How well it is known. */
  identity: Identity;
  /** Whether its link is up. */
  presence: Presence;
  /** Since when it takes part. */
  joined_at: Timestamp;
  /** Its raised hand. */
  hand: Hand | null;
  /** What it publishes. */
  sources: Sources;
};

/** A participant: `par_…`. A new one for each join. */
export type ParticipantId = string;

/** Data of `participant.joined`. */
export type ParticipantJoined = {
  /** Who. */
  participant: Participant;
};

/** Data of `participant.left`. */
export type ParticipantLeft = {
  /** Who. */
  participant: ParticipantId;
  /** Why. */
  reason: LeftReason;
};

/** Data of `participant.rename`. */
export type ParticipantRename = {
  /** Whose name. */
  participant: ParticipantId;
  /** The new one, 1 to 64 code points. */
  name: DisplayName;
};

/** Data of `participant.updated`. */
export type ParticipantUpdated = {
  /** Who, as it is after the change. */
  participant: Participant;
};

/** Why nothing is sent in a slot. */
export type PauseReason = "bandwidth" | "muted" | "source_ended" | "codec_unsupported" | "policy";

/** What a participant may do. Everything that is not listed is refused. */
export type Permission = "room.join" | "publish.audio" | "publish.video" | "publish.screen" | "publish.screen_audio" | "receive.media" | "receive.screen" | "roster.see" | "roster.see_roles" | "self.rename" | "participant.rename";

/** A source that is a picture. */
export type PictureSource = "camera" | "screen";

/** Whether the signalling link of a participant is up. */
export type Presence = "connected" | "reconnecting";

/** Which set of defaults a room began with. */
export type Preset = "meeting" | "webinar" | "class" | "interview" | "high_security";

/** How much one picture matters to who looks at it. */
export type Priority = "pinned" | "speaker" | "gallery";

/** To whom one may write privately. */
export type PrivateChat = "all" | "hosts" | "off";

/** Who may write to all. */
export type PublicChat = "all" | "hosts" | "off";

/** `ok` of `media.publish`. */
export type Published = {
  /** The publication. */
  track: TrackId;
  /** The encodings negotiated for its m-line, lowest first; empty without simulcast. */
  rids: Array<Rid>;
};

/** How well somebody is connected. */
export type Quality = {
  /** Who. */
  participant: ParticipantId;
  /** 0 lost, 1 poor, 2 fair, 3 good. */
  level: number;
};

/** `ok` of `participant.rename`. */
export type Renamed = {
  /** The participant's new `rev`. */
  rev: number;
};

/** Why a peer connection has to be made anew. */
export type ResetReason = "dtls_failed" | "ice_failed" | "internal" | "given_up";

/** Why ICE has to be restarted. */
export type RestartReason = "network";

/** Which place to get back. */
export type Resume = {
  /** The newest `resume_token`. */
  token: ResumeToken;
  /** The `seq` of the last push that arrived; that of `joined` if there was none. */
  last_seq: number;
};

/** 256 random bits that give a broken link its place back, once: `rt_` and 43 characters of base64url. */
export type ResumeToken = string;

/** The outcome `resumed`. */
export type Resumed = {
  /** Pushes after `last_seq`, in order; empty with a snapshot. */
  missed: Array<SequencedPush>;
  /** Everything anew, when too much was missed. */
  snapshot: Joined | null;
  /** For the next loss; the one that was used is void. */
  resume_token: ResumeToken;
  /** Whether the peer connection still has its other end. */
  media: MediaState;
};

/** The name of a simulcast encoding (RFC 8851). */
export type Rid = "q" | "h" | "f";

/** What somebody is in a meeting. */
export type Role = "host" | "co_host" | "presenter" | "attendee" | "viewer";

/** A room and its policies. */
export type Room = {
  /** Its identifier. */
  id: RoomId;
  /** Its name in links. */
  slug: Slug;
  /** Its name for people. */
  title: string;
  /** Rises by one with each change. */
  rev: number;
  /** Which defaults it began with. */
  preset: Preset;
  /** Whether it lets nobody in. */
  locked: boolean;
  /** Whether a lobby stands before it. */
  lobby: LobbyMode;
  /** Whether it asks for a password. */
  password_set: boolean;
  /** Its locks on sources. */
  av_lock: AvLock;
  /** Its chat policies. */
  chat: ChatPolicy;
  /** Who may share a screen. */
  screen: ScreenPolicy;
  /** Whether everything was stopped at once. */
  suspended: boolean;
  /** When it ends by itself. */
  ends_at: Timestamp | null;
  /** Who is shown large to everybody. */
  spotlight: Array<ParticipantId>;
};

/** A room: `room_…`. */
export type RoomId = string;

/** Data of `room.info`. */
export type RoomInfo = {
  /** The room's name in links. */
  room: Slug;
};

/** `ok` of `room.info`. */
export type RoomSummary = {
  /** The room's name, if anybody may know it. */
  title?: string;
  /** A text to agree to before joining. */
  consent_text?: string;
  /** What a join needs. */
  needs: Needs;
  /** Whether the meeting is being recorded. */
  recording: boolean;
  /** Code points of a name. */
  name_chars: number;
};

/** Who may share a screen at one time. */
export type ScreenPolicy = "one" | "one_takeover" | "many" | "off";

/** Data of `screen.start`. */
export type ScreenStart = {
  /** What the participant means to show, if it is known before. */
  surface?: Surface | null;
  /** Whether its sound is to be shared as well. */
  audio: boolean;
};

/** `ok` of `screen.start`. */
export type ScreenStarted = {
  /** What the publication will be called. */
  share_id: TrackId;
};

/** Text that nobody but its checker may see: a password or a signed token. */
export type SecretText = string;

/** A push and its number, from 1 without gaps per participant. */
export type SequencedPush = { seq: number } & Push;

/** Data of `server.draining`. */
export type ServerDraining = {
  /** Seconds until the links are closed. */
  deadline_s: number;
  /** Seconds after that until coming back makes sense. */
  retry_after_s: number;
};

/** One stay of a participant, from `join` to its end, over any number of links: `ses_…`. */
export type SessionId = string;

/** What feeds a video slot. */
export type Slot = {
  /** The m-line of the slot. */
  mid: Mid;
  /** Whose picture, or nobody's. */
  participant: ParticipantId | null;
  /** Which picture. */
  source: PictureSource | null;
  /** Whether nothing is being sent. */
  paused: boolean;
  /** Why nothing is being sent. */
  reason: PauseReason | null;
};

/** Which m-lines are slots, in order. */
export type SlotMids = {
  /** For pictures. */
  video: Array<Mid>;
  /** For sound. */
  audio: Array<Mid>;
};

/** The name of a room in links: `[a-z0-9][a-z0-9-]{2,62}`. */
export type Slug = string;

/** What a track shows or carries. */
export type Source = "microphone" | "camera" | "screen" | "screen_audio";

/** Whether one kind of source is locked for all. */
export type SourceLock = {
  /** Whether it is. */
  on: boolean;
  /** For whom it is not. */
  allow: Array<ParticipantId>;
};

/** What others know of one source of a participant. */
export type SourceState = {
  /** Whether the source is in the meeting at all. */
  published: boolean;
  /** Whether it is muted; true while it is not published. */
  muted: boolean;
  /** Who muted it, if it was not its owner. */
  muted_by: ParticipantId | null;
  /** Whether the owner may not unmute it. */
  locked: boolean;
};

/** The sources of a participant; those of a screen only while it is shared. */
export type Sources = {
  /** The voice. */
  microphone: SourceState;
  /** The picture. */
  camera: SourceState;
  /** The shared screen. */
  screen?: SourceState;
  /** The sound of the shared screen. */
  screen_audio?: SourceState;
};

/** Somebody who speaks. */
export type Speaker = {
  /** Who. */
  participant: ParticipantId;
  /** From 0 to 127, larger is louder. */
  level: number;
};

/** Data of `speakers`. */
export type Speakers = {
  /** Loudest first. */
  speakers: Array<Speaker>;
};

/** What is captured (Screen Capture, DisplayCaptureSurfaceType). */
export type Surface = "monitor" | "window" | "browser";

/**
 * Milliseconds since 1970, from there to the year 9999.
 *
 * Written with seconds, `2026-11-22T10:00:00Z`, or with milliseconds if there
 * are any, `2026-11-22T10:00:00.120Z`.
 */
export type Timestamp = string;

/** A publication, or a screen share before it is one: `trk_…`. */
export type TrackId = string;

/** Data of `track.state`. */
export type TrackState = {
  /** Which publication. */
  source: Source;
  /** Muted or not. */
  muted: boolean;
};

/** One picture that is shown. */
export type View = {
  /** Whose. */
  participant: ParticipantId;
  /** Which of its pictures. */
  source: PictureSource;
  /** Height of the tile in device pixels, at least 1. */
  max_height_px: number;
  /** Pictures a second below which it is of no use. */
  min_fps?: number | null;
  /** How much it matters. */
  priority: Priority;
};

/** The outcome `welcome`. */
export type Welcome = {
  /** The server's time. */
  server_time: Timestamp;
  /** What may be sent. */
  limits: Limits;
  /** What this server can do. */
  features: Array<Feature>;
  /** What to offer. */
  media: MediaParameters;
};

/** `ok` of `media.wish`. */
export type Wished = {
  /** As in the request. */
  rev: number;
};
