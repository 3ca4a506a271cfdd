// Generated from signalling/wire by its test `generated`. Do not edit.

/** What a client asks. */
export type Request =
  | { type: "hello"; data: Hello }
  | { type: "room.info"; data: RoomInfo }
  | { type: "join"; data: Join }
  | { type: "room.create"; data: RoomCreate }
  | { type: "room.manage"; data: RoomManage }
  | { type: "lobby.ping"; data: LobbyPing }
  | { type: "leave"; data: Leave }
  | { type: "room.update"; data: RoomUpdate }
  | { type: "lobby.admit"; data: LobbyAdmit }
  | { type: "lobby.deny"; data: LobbyDeny }
  | { type: "lobby.note"; data: LobbyNote }
  | { type: "participant.to_lobby"; data: ParticipantToLobby }
  | { type: "participant.remove"; data: ParticipantRemove }
  | { type: "ban.list"; data: BanList }
  | { type: "ban.lift"; data: BanLift }
  | { type: "invite.create"; data: InviteCreate }
  | { type: "invite.list"; data: InviteList }
  | { type: "invite.revoke"; data: InviteRevoke }
  | { type: "role.set"; data: RoleSet }
  | { type: "perm.override"; data: PermOverride }
  | { type: "media.mute"; data: MediaMute }
  | { type: "media.request"; data: MediaRequest }
  | { type: "media.request.reply"; data: MediaRequestReply }
  | { type: "media.grant"; data: MediaGrant }
  | { type: "media.lock"; data: MediaLock }
  | { type: "participant.rename"; data: ParticipantRename }
  | { type: "track.state"; data: TrackState }
  | { type: "media.offer"; data: MediaOffer }
  | { type: "turn.refresh"; data: TurnRefresh }
  | { type: "media.publish"; data: MediaPublish }
  | { type: "media.unpublish"; data: MediaUnpublish }
  | { type: "media.wish"; data: MediaWish }
  | { type: "media.slots.ack"; data: MediaSlotsAck }
  | { type: "screen.start"; data: ScreenStart }
  | { type: "screen.pause"; data: ScreenPause }
  | { type: "screen.takeover.reply"; data: ScreenTakeoverReply }
  | { type: "chat.send"; data: ChatSend }
  | { type: "chat.edit"; data: ChatEdit }
  | { type: "chat.delete"; data: ChatDelete }
  | { type: "chat.react"; data: ChatReact }
  | { type: "chat.pin"; data: ChatPin }
  | { type: "chat.clear"; data: ChatClear }
  | { type: "chat.export"; data: ChatExport }
  | { type: "hand.raise"; data: HandRaise }
  | { type: "hand.lower"; data: HandLower }
  | { type: "hand.lower_all"; data: HandLowerAll }
  | { type: "hand.next"; data: HandNext }
  | { type: "reaction.send"; data: ReactionSend }
  | { type: "spotlight.set"; data: SpotlightSet }
  | { type: "panic.suspend"; data: PanicSuspend }
  | { type: "session.announce"; data: SessionAnnounce }
  | { type: "host.transfer"; data: HostTransfer }
  | { type: "host.transfer.reply"; data: HostTransferReply }
  | { type: "session.end"; data: SessionEnd }
  | { type: "session.end.cancel"; data: SessionEndCancel }
  | { type: "attendance.get"; data: AttendanceGet };

/** What a client is told unasked. Ignore unknown types. */
export type Push =
  | { type: "participant.joined"; data: ParticipantJoined }
  | { type: "participant.updated"; data: ParticipantUpdated }
  | { type: "participant.left"; data: ParticipantLeft }
  | { type: "roster.count"; data: RosterCount }
  | { type: "permissions"; data: PermissionsChanged }
  | { type: "room.updated"; data: RoomUpdated }
  | { type: "lobby.status"; data: LobbyStatus }
  | { type: "lobby.update"; data: LobbyUpdate }
  | { type: "media.revoked"; data: MediaRevoked }
  | { type: "media.requested"; data: MediaRequested }
  | { type: "media.request.answered"; data: MediaRequestAnswered }
  | { type: "removed"; data: Removed }
  | { type: "media.slots"; data: MediaSlots }
  | { type: "media.layers"; data: MediaLayers }
  | { type: "screen.takeover.requested"; data: ScreenTakeoverRequested }
  | { type: "screen.takeover.answered"; data: ScreenTakeoverAnswered }
  | { type: "screen.viewers"; data: ScreenViewers }
  | { type: "chat.message"; data: ChatWritten }
  | { type: "chat.edited"; data: ChatEdited }
  | { type: "chat.deleted"; data: ChatDeleted }
  | { type: "chat.reacted"; data: ChatReacted }
  | { type: "chat.pinned"; data: ChatPinned }
  | { type: "chat.cleared"; data: ChatCleared }
  | { type: "hand.queue"; data: HandQueue }
  | { type: "reaction"; data: Reaction }
  | { type: "announcement"; data: Announcement }
  | { type: "host.transfer.requested"; data: HostTransferRequested }
  | { type: "host.transfer.answered"; data: HostTransferAnswered }
  | { type: "session.ending"; data: SessionEnding }
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
  "room.create": RoomCreated;
  "room.manage": Managed;
  "lobby.ping": Done;
  "leave": Done;
  "room.update": RoomRevised;
  "lobby.admit": LobbyResults;
  "lobby.deny": LobbyResults;
  "lobby.note": Done;
  "participant.to_lobby": Done;
  "participant.remove": RemovedOk;
  "ban.list": Bans;
  "ban.lift": Done;
  "invite.create": InviteCreated;
  "invite.list": Invites;
  "invite.revoke": Done;
  "role.set": Revised;
  "perm.override": Revised;
  "media.mute": Muted;
  "media.request": MediaRequestSent;
  "media.request.reply": Done;
  "media.grant": Revised;
  "media.lock": RoomRevised;
  "participant.rename": Renamed;
  "track.state": Done;
  "media.offer": MediaAnswer;
  "turn.refresh": TurnRefreshed;
  "media.publish": Published;
  "media.unpublish": Done;
  "media.wish": Wished;
  "media.slots.ack": AckedSlots;
  "screen.start": ScreenOutcome;
  "screen.pause": Done;
  "screen.takeover.reply": Done;
  "chat.send": ChatSent;
  "chat.edit": Done;
  "chat.delete": Done;
  "chat.react": Done;
  "chat.pin": Done;
  "chat.clear": Done;
  "chat.export": ChatExported;
  "hand.raise": Done;
  "hand.lower": Done;
  "hand.lower_all": Done;
  "hand.next": HandCalled;
  "reaction.send": Done;
  "spotlight.set": RoomRevised;
  "panic.suspend": RoomRevised;
  "session.announce": Done;
  "host.transfer": HostTransferAsked;
  "host.transfer.reply": HostTransferred;
  "session.end": Done;
  "session.end.cancel": Done;
  "attendance.get": Attendance;
}

/** Pushes without a number: only the newest counts. */
export type StatePushType = "roster.count" | "lobby.status" | "lobby.update" | "media.slots" | "media.layers" | "screen.viewers" | "hand.queue" | "reaction" | "session.ending" | "speakers" | "media.quality" | "media.reset" | "media.restart";

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

/** What attendees may do; the roles above them may anyway. */
export type Allowances = {
  /** Publish the microphone. */
  microphone: boolean;
  /** Publish the camera. */
  camera: boolean;
  /** Share a screen. */
  screen: boolean;
  /** Change their own names. */
  rename: boolean;
  /** Make invites for attendees and viewers. */
  invite: boolean;
};

/** Data of the push `announcement`. */
export type Announcement = {
  /** Who; null for the operator of the server. */
  by: ParticipantId | null;
  /** What. */
  message: Prose;
  /** When. */
  ts: Timestamp;
};

/** `ok` of `attendance.get`: who took part in this session. */
export type Attendance = {
  /** Since when the session goes on. */
  since: Timestamp;
  /** Who took part, in the order in which they first came; the stays of one device are merged. */
  people: Array<Attendee>;
  /** How many more there were than are listed. */
  more: number;
  /** The same as CSV, if it was asked for. */
  csv: string | null;
};

/** Data of `attendance.get`. */
export type AttendanceGet = {
  /** Whether a CSV file is wanted as well. */
  csv?: boolean;
};

/** Somebody who took part. */
export type Attendee = {
  /** Its name, as it was last. */
  name: DisplayName;
  /** Its role, as it was last. */
  role: Role;
  /** How well it is known. */
  identity: Identity;
  /** When it first came. */
  joined_at: Timestamp;
  /** When it last left; null while it is there. */
  left_at: Timestamp | null;
  /** Seconds that it was there. */
  present_s: number;
  /** Seconds that it was among those who speak. */
  talk_s: number;
  /** How often it came. */
  visits: number;
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

/** A ban: `ban_…`. */
export type BanId = string;

/** A ban. */
export type BanInfo = {
  /** Its identifier. */
  id: BanId;
  /** By what it knows somebody. */
  keys: Array<BanKey>;
  /** The name of who was banned, as it was then. */
  name: string | null;
  /** Why. */
  reason: string | null;
  /** Whether who shares only the network is refused too. */
  strict: boolean;
  /** When it was made. */
  created_at: Timestamp;
  /** When it ends. */
  expires_at: Timestamp;
  /** Who made it. */
  by: ParticipantId | null;
};

/** By what a ban knows somebody; never the value. */
export type BanKey = "invite" | "device" | "network";

/** Data of `ban.lift`. */
export type BanLift = {
  /** Which. */
  ban: BanId;
};

/** Data of `ban.list`. */
export type BanList = Record<symbol, never>;

/** How to ban. */
export type BanOrder = {
  /** From where. */
  scope: BanScope;
  /** Seconds until it ends, 60 to 31,536,000; absent for 24 h. That on the network ends after 24 h at the latest. */
  ttl_s?: number | null;
  /** Whether who shares only the network is refused too; else it waits in the lobby. */
  strict?: boolean;
};

/** What is banned. */
export type BanScope = "room";

/** `ok` of `ban.list`. */
export type Bans = {
  /** The newest first. */
  bans: Array<BanInfo>;
};

/** How many at once. */
export type Caps = {
  /** Participants; null for as many as the server allows. One more place is kept for a host. */
  participants: number | null;
  /** Microphones that are published. */
  microphone: number | null;
  /** Cameras that are published. */
  camera: number | null;
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

/** Data of `chat.clear`: messages to everybody and to the hosts. */
export type ChatClear = {
  /** The `number` of the last message that goes; absent for all. */
  up_to?: number | null;
};

/** Data of `chat.cleared`. */
export type ChatCleared = {
  /** The `number` of the last message to everybody or to the hosts that is gone. */
  up_to: number;
  /** The role of who cleared. */
  by_role: Role;
};

/** Data of `chat.delete`. */
export type ChatDelete = {
  /** Which message. */
  id: MessageId;
};

/** Data of `chat.deleted`. */
export type ChatDeleted = {
  /** Which message. */
  id: MessageId;
  /** The role of who deleted it. */
  by_role: Role;
};

/** Data of `chat.edit`. */
export type ChatEdit = {
  /** Which message: an own one, not older than 5 minutes. */
  id: MessageId;
  /** Its new text. */
  text: TypedText;
};

/** Data of `chat.edited`. */
export type ChatEdited = {
  /** Which message. */
  id: MessageId;
  /** Its new text. */
  text: string;
  /** When. */
  edited_at: Timestamp;
};

/** Data of `chat.export`: messages to everybody and to the hosts, never private ones. */
export type ChatExport = {
  /** How. */
  format: ChatFormat;
  /** Go on after this number, from `next`. */
  after?: number | null;
};

/** `ok` of `chat.export`: at most some 256 KiB. */
export type ChatExported = {
  /** A piece of the file; the first has its head. */
  text: string;
  /** For `after` of the next piece; null if this was the last. */
  next: number | null;
};

/** How a chat is exported. */
export type ChatFormat = "jsonl" | "txt" | "csv";

/** Which earlier messages somebody who joins is shown. */
export type ChatHistory = "none" | "session" | "kept";

/** How long messages are kept on disk, sealed. Private ones never are. */
export type ChatKeep = "none" | "session" | "days";

/** A chat message. */
export type ChatMessage = {
  /** Its identifier. */
  id: MessageId;
  /** Its number in the room: they rise, and those of messages to others are left out. */
  number: number;
  /** What its author called it. */
  client_id: ClientId;
  /** Who wrote it. */
  from: ChatAuthor;
  /** To whom. */
  to: ChatTarget;
  /** The text: at most 4,000 code points; empty when it was deleted. */
  text: string;
  /** Which message it answers. */
  reply_to: MessageId | null;
  /** Whom it mentions. */
  mentions: Array<ParticipantId>;
  /** When. */
  ts: Timestamp;
  /** When its author changed it last. */
  edited_at: Timestamp | null;
  /** Whether it is pinned. */
  pinned: boolean;
  /** The role of who deleted it; its place stays. */
  deleted_by: Role | null;
  /** How others reacted. */
  reactions: Array<ChatReaction>;
};

/** Data of `chat.pin`. */
export type ChatPin = {
  /** Which message: one to everybody. */
  id: MessageId;
  /** Pinned or not; at most 10 are. */
  on: boolean;
};

/** Data of `chat.pinned`. */
export type ChatPinned = {
  /** Which message. */
  id: MessageId;
  /** Pinned or not. */
  on: boolean;
};

/** The chat policies of a room. */
export type ChatPolicy = {
  /** Who may write to all. */
  public: PublicChat;
  /** To whom one may write privately. */
  private: PrivateChat;
  /** Seconds between two messages of one participant below the hosts, 0 to 3,600; 0 is no limit. */
  slow_s: number;
  /** Whether links may be followed. */
  links: boolean;
  /** What somebody who joins is shown. */
  history: ChatHistory;
  /** How long messages are kept on disk. */
  keep: ChatKeep;
  /** For how many days, with `keep` of `days`: 1 to 365. */
  keep_days: number;
};

/** Data of `chat.react`. */
export type ChatReact = {
  /** To which message. */
  id: MessageId;
  /** How. */
  emoji: Emoji;
  /** Given or taken back. */
  on: boolean;
};

/** Data of `chat.reacted`. */
export type ChatReacted = {
  /** To which message. */
  id: MessageId;
  /** All reactions to it. */
  reactions: Array<ChatReaction>;
};

/** Who reacted to a message in one way. */
export type ChatReaction = {
  /** How. */
  emoji: Emoji;
  /** Who, in the order of their reactions; those whom the receiver does not see are left out. */
  participants: Array<ParticipantId>;
  /** How many in all. */
  count: number;
};

/** Data of `chat.send`. */
export type ChatSend = {
  /** The sender's own name for it, 1 to 64 letters, digits, `-` or `_`. Said again, as after a lost link, it is not written twice. */
  client_id: ClientId;
  /** To whom. */
  to: ChatTarget;
  /** The text, 1 to 4,000 code points. */
  text: TypedText;
  /** Which message it answers: one to the same receivers. */
  reply_to?: MessageId | null;
  /** Whom it mentions, at most 20. */
  mentions?: Array<ParticipantId>;
};

/** `ok` of `chat.send`. */
export type ChatSent = {
  /** The message. */
  id: MessageId;
  /** When it was written. */
  ts: Timestamp;
};

/** To whom a chat message is written. */
export type ChatTarget = { kind: "all" } | { kind: "hosts" } | { kind: "participant", participant: ParticipantId };

/** Changes to the chat policies: absent members stay as they are. */
export type ChatUpdate = {
  /** Who may write to all. */
  public?: PublicChat;
  /** To whom one may write privately. */
  private?: PrivateChat;
  /** Seconds between two messages of one participant below the hosts, 0 to 3,600. */
  slow_s?: number;
  /** Whether links may be followed. */
  links?: boolean;
  /** What somebody who joins is shown. */
  history?: ChatHistory;
  /** How long messages are kept on disk. */
  keep?: ChatKeep;
  /** For how many days: 1 to 365. */
  keep_days?: number;
};

/** Data of the push `chat.message`. */
export type ChatWritten = ChatMessage;

/** What a client calls its own message: 1 to 64 letters, digits, `-` or `_`. */
export type ClientId = string;

/** What a client calls itself: 1 to 64 printable ASCII characters, such as `conclave-web/0.1.0`. */
export type ClientLabel = string;

/** A video codec. */
export type Codec = "vp8" | "h264";

/** What entitles to enter. */
export type Credential = { kind: "none" } | { kind: "password", password: SecretText } | { kind: "invite", secret: InviteSecret } | { kind: "token", jwt: SecretText } | { kind: "account" };

/** A role of this room's own: one of the five with exceptions. */
export type CustomRole = {
  /** What it is called, 1 to 32 code points. */
  name: RoleName;
  /** What it is based on, which is also its rank; not the host. */
  base: Role;
  /** What it may do beyond that. */
  allow?: Array<Permission>;
  /** What it may not do of that. */
  deny?: Array<Permission>;
};

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

/** What happens when a device, or the holder of a personal invite, comes a second time. */
export type DuplicatePolicy = "ask" | "reject_new" | "replace" | "allow";

/** What an override does to a permission. */
export type Effect = "allow" | "deny";

/** What one may react with: a closed set, so that nothing reaches others unread. */
export type Emoji = "👍" | "👎" | "👏" | "❤️" | "😂" | "😮" | "😢" | "🎉" | "🤔" | "👋" | "🙏" | "✅" | "❌" | "🔥";

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

/** Why a meeting will end. */
export type EndingReason = "host" | "duration";

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
  /** Until when a ban holds. */
  until?: Timestamp;
  /** When the room opens. */
  opens_at?: Timestamp;
  /** What to agree to. */
  text?: string;
  /** The `consent_hash` of who agrees. */
  hash?: string;
};

/** Why a request was refused. The set is closed. */
export type ErrorCode = "bad_request" | "unknown_type" | "too_large" | "rate_limited" | "forbidden" | "not_found" | "conflict" | "already_handled" | "password_required" | "bad_credentials" | "banned" | "locked" | "full" | "not_open_yet" | "consent_required" | "version_unsupported" | "resume_failed" | "not_available" | "busy" | "chat_disabled" | "private_disabled" | "slow_mode" | "too_long" | "codec_unsupported" | "sdp_invalid" | "invite_expired" | "invite_revoked" | "invite_used_up" | "invite_not_yet";

/** What this server can do. */
export type Feature = "screen" | "chat" | "lobby" | "room_create";

/** A raised hand. Its place in the queue is told by `hand.queue`: it changes with every other hand. */
export type Hand = {
  /** Since when. */
  raised_at: Timestamp;
};

/** `ok` of `hand.next`. */
export type HandCalled = {
  /** Who was called; null if no hand was up. */
  participant: ParticipantId | null;
};

/** Data of `hand.lower`. */
export type HandLower = {
  /** Whose; absent for the own one. Another's needs `hand.manage`. */
  participant?: ParticipantId | null;
};

/** Data of `hand.lower_all`. */
export type HandLowerAll = Record<symbol, never>;

/** Data of `hand.next`: the first of the queue may speak, and is asked to. */
export type HandNext = {
  /** Seconds for which it may, 10 to 3,600; absent for 300. */
  ttl_s?: number | null;
};

/** In which order hands are called. */
export type HandOrder = "fifo" | "first_timers_first";

/** Data of `hand.queue`: all raised hands that the receiver may see, in order. */
export type HandQueue = {
  /** The hands. */
  hands: Array<QueuedHand>;
};

/** Data of `hand.raise`. */
export type HandRaise = Record<symbol, never>;

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

/** Data of `host.transfer`. Needs the role host; the other is asked. */
export type HostTransfer = {
  /** To whom. */
  participant: ParticipantId;
  /**
   * Whether the room itself changes hands: the other gets a host link, and the invite by which
   * the sender is host is taken back. Only who came by an invite of role host can do so.
   */
  permanent?: boolean;
};

/** Data of `host.transfer.answered`. */
export type HostTransferAnswered = {
  /** The request. */
  request: RequestId;
  /** The answer; null if there was none in time. */
  answer: RequestAnswer | null;
};

/** `ok` of `host.transfer`. */
export type HostTransferAsked = {
  /** The request: `host.transfer.answered` comes within 60 s. */
  request: RequestId;
};

/** Data of `host.transfer.reply`. */
export type HostTransferReply = {
  /** Which request. */
  request: RequestId;
  /** The answer; `later` is a no. */
  answer: RequestAnswer;
};

/** Data of `host.transfer.requested`. */
export type HostTransferRequested = {
  /** The request, to be answered with `host.transfer.reply`. */
  request: RequestId;
  /** Who asks. */
  by: ParticipantId;
  /** As in `host.transfer`. */
  permanent: boolean;
  /** Seconds in which it can be answered. */
  expires_s: number;
};

/** `ok` of `host.transfer.reply`. */
export type HostTransferred = {
  /** With a permanent transfer that was accepted: the secret of the new host link, shown once. */
  secret: InviteSecret | null;
};

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

/** The outcome `lobby` of `join`. */
export type InLobby = {
  /** This knock. */
  knock: KnockId;
  /** What it waits for. */
  state: WaitingState;
  /** What the hosts say to all who wait. */
  message: string | null;
  /** Seconds between two `lobby.ping`s. */
  heartbeat_s: number;
};

/** Data of `invite.create`. */
export type InviteCreate = {
  /** As what its holder comes in: below the maker's own role; a host may invite hosts. */
  role: Role;
  /** A custom role of the room, based on `role`. */
  custom_role?: RoleName | null;
  /** The name of its holder. */
  name?: DisplayName | null;
  /** Whether its holder keeps this name. */
  name_locked?: boolean;
  /** How many may use it; null for any number. */
  max_uses?: number | null;
  /** From when. */
  not_before?: Timestamp | null;
  /** Until when. */
  expires_at?: Timestamp | null;
  /** Whether its holder need not wait in the lobby. */
  bypass_lobby?: boolean;
  /** Whether it holds only for the device that uses it first. */
  bind_device?: boolean;
  /** For those who see the list. */
  note?: Prose | null;
};

/** `ok` of `invite.create`. */
export type InviteCreated = {
  /** The invite. */
  invite: InviteInfo;
  /** The secret of its link, `<public url>/r/<slug>#i=<secret>`. It is not kept and never shown again. */
  secret: InviteSecret;
};

/** An invite: `inv_…`. */
export type InviteId = string;

/** An invite without its secret. */
export type InviteInfo = {
  /** Its identifier. */
  id: InviteId;
  /** As what its holder comes in. */
  role: Role;
  /** The custom role of its holder. */
  custom_role: RoleName | null;
  /** The name of its holder. */
  name: DisplayName | null;
  /** Whether its holder keeps this name. */
  name_locked: boolean;
  /** How many may use it. */
  max_uses: number | null;
  /** How many have. */
  uses: number;
  /** From when. */
  not_before: Timestamp | null;
  /** Until when. */
  expires_at: Timestamp | null;
  /** Whether its holder need not wait in the lobby. */
  bypass_lobby: boolean;
  /** Whether it holds only for the device that uses it first. */
  bind_device: boolean;
  /** For those who see the list. */
  note: string | null;
  /** How it stands. */
  state: InviteState;
  /** When it was made. */
  created_at: Timestamp;
  /** Who made it; null for the operator of the server. */
  created_by: ParticipantId | null;
  /** When it let somebody in last. */
  last_used_at: Timestamp | null;
};

/** Data of `invite.list`. */
export type InviteList = Record<symbol, never>;

/** Data of `invite.revoke`. */
export type InviteRevoke = {
  /** Which. */
  invite: InviteId;
  /** Whether who came in by it is removed. */
  remove_holders?: boolean;
};

/** 128 random bits from the fragment of an invite link: 22 characters of base64url. */
export type InviteSecret = string;

/** How an invite stands. */
export type InviteState = "active" | "not_yet" | "expired" | "used_up" | "revoked";

/** `ok` of `invite.list`. */
export type Invites = {
  /** The newest first; the sender's own unless it may see all. */
  invites: Array<InviteInfo>;
};

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
export type JoinOutcome = { outcome: "joined" } & Joined | { outcome: "lobby" } & InLobby | { outcome: "duplicate" } & Duplicate;

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
  /** Its exceptions. */
  overrides: Array<Override>;
  /** The others, in the order in which they came. */
  roster: Array<Participant>;
  /** Who raised a hand. */
  hands: HandQueue;
  /** The end that is announced, if there is one. */
  ending: SessionEnding | null;
  /** Earlier messages, in the order of their numbers. */
  chat: Array<ChatMessage>;
  /**
   * The relay of this server with a credential of this stay: it ends with the stay, and is to be
   * renewed by `turn.refresh` within `ttl_s`. Empty where there is no relay.
   */
  ice_servers: Array<IceServer>;
  /** Number of the last push that is contained here. */
  seq: number;
  /** For a resume. */
  resume_token: ResumeToken;
};

/** A knock at a lobby: `knk_…`. */
export type KnockId = string;

/** Data of `leave`. */
export type Leave = Record<symbol, never>;

/** Why somebody is gone. */
export type LeftReason = "left" | "connection_lost" | "removed" | "to_lobby" | "ended" | "hidden";

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

/** Data of `lobby.admit`. Either `knocks` or `all_up_to_rev`. */
export type LobbyAdmit = {
  /** Whom, at most 200. */
  knocks?: Array<KnockId> | null;
  /** Everybody who was listed up to this `lobby_rev`. */
  all_up_to_rev?: number | null;
  /** As what; absent for the role of their credential. */
  as_role?: Role | null;
};

/** Data of `lobby.deny`. Either `knocks` or `all_up_to_rev`. */
export type LobbyDeny = {
  /** Whom, at most 200. */
  knocks?: Array<KnockId> | null;
  /** Everybody who was listed up to this `lobby_rev`. */
  all_up_to_rev?: number | null;
  /** Why, as the denied read it. */
  reason?: Prose | null;
  /** Seconds for which their devices are refused, at most 86,400. */
  block_s?: number;
};

/** Somebody who waits. */
export type LobbyEntry = {
  /** The knock. */
  knock: KnockId;
  /** The name that was typed. */
  name: DisplayName;
  /** How well it is known. */
  identity: Identity;
  /** Since when. */
  since: Timestamp;
  /** What it waits for. */
  state: WaitingState;
  /** The note on its invite. */
  invite_note: string | null;
  /**
   * Whether this device, or another by the same invite, was removed from this meeting, sent
   * back to the lobby or made less.
   */
  previous_kick: boolean;
  /**
   * Whether a ban on its network matched, or somebody was removed from this meeting who came
   * from there, and nothing else of it.
   */
  network_banned: boolean;
  /** What was said to it. */
  note: string | null;
};

/** Whether a lobby stands before a room. */
export type LobbyMode = "on" | "off";

/** Data of `lobby.note`. */
export type LobbyNote = {
  /** To whom. */
  knock: KnockId;
  /** What; null takes it back. */
  text: Prose | null;
};

/** What came of a knock. */
export type LobbyOutcome = "admitted" | "denied" | "already_handled" | "gone" | "full";

/** Data of `lobby.ping`. */
export type LobbyPing = Record<symbol, never>;

/** What came of one knock. */
export type LobbyResult = {
  /** Which. */
  knock: KnockId;
  /** What. */
  result: LobbyOutcome;
  /** Who was first. */
  by?: ParticipantId;
};

/** `ok` of `lobby.admit` and `lobby.deny`. */
export type LobbyResults = {
  /** One per knock. */
  results: Array<LobbyResult>;
};

/** Data of `lobby.status`: how the receiver's knock stands. */
export type LobbyStatus = { state: "waiting" } & Waiting | { state: "waiting_for_host" } & Waiting | { state: "admitted", knock: KnockId, joined: Joined } | { state: "denied", knock: KnockId, reason: string | null, block_s: number };

/** Data of `lobby.update`: who waits, for those who may admit. */
export type LobbyUpdate = {
  /** Rises with each change; what `all_up_to_rev` names. */
  lobby_rev: number;
  /** Who waits, the longest first: at most 50. */
  entries: Array<LobbyEntry>;
  /** How many wait beyond those. */
  more: number;
  /** Whether so many knock that updates come seldom: one sound is enough. */
  flood: boolean;
};

/** `ok` of `room.manage`. The link then takes `room.update`, `invite.*`, `ban.*` and `leave`. */
export type Managed = {
  /** The room. */
  room: Room;
  /** The role of the credential. */
  role: Role;
  /** What the link may do. */
  permissions: Array<Permission>;
};

/** `ok` of `media.offer`. */
export type MediaAnswer = {
  /** As in the offer. */
  generation: number;
  /** The answer. */
  sdp: string;
  /** Which m-lines are slots. */
  slots: SlotMids;
};

/** Data of `media.grant`: an exception for publishing one source. */
export type MediaGrant = {
  /** To whom. */
  participant: ParticipantId;
  /** What; `screen` includes its sound. */
  source: Source;
  /** Given or taken. */
  on: boolean;
  /** Seconds until it ends, 1 to 86,400; absent for as long as the meeting goes on. */
  ttl_s?: number | null;
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

/** Data of `media.lock`: for everybody below the hosts, those in `allow` excepted. */
export type MediaLock = {
  /** What, 1 to 3: `microphone`, `camera`, `screen` with its sound. */
  sources: Array<Source>;
  /** Locked or not. Unlocking unmutes nobody. */
  on: boolean;
  /** Who may nevertheless, at most 500. */
  allow?: Array<ParticipantId>;
};

/** Data of `media.mute`. Microphones and cameras are muted, shares are ended. */
export type MediaMute = {
  /** Whom. */
  target: Target;
  /** What, 1 to 4. */
  sources: Array<Source>;
};

/** Data of `media.offer`. */
export type MediaOffer = {
  /** Counts the peer connections of this participant, from 1. The same again is an ICE restart. */
  generation: number;
  /** The offer: at most 96 KiB. */
  sdp: string;
  /**
   * Whether the server shall take media of this peer connection only through its relay. It does so
   * in any case where the room's `relay_only` is on.
   */
  relay_only?: boolean;
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

/** Data of `media.request`: asks somebody to unmute or to start. Nobody can be unmuted by another. */
export type MediaRequest = {
  /** Whom. */
  participant: ParticipantId;
  /** What. */
  source: Source;
};

/** Data of `media.request.answered`, to who asked. */
export type MediaRequestAnswered = {
  /** The request. */
  request: RequestId;
  /** Who was asked. */
  participant: ParticipantId;
  /** For what. */
  source: Source;
  /** The answer; null if there was none in time. */
  answer: RequestAnswer | null;
};

/** Data of `media.request.reply`. */
export type MediaRequestReply = {
  /** Which request. */
  request: RequestId;
  /** The answer. After `accept` the client itself unmutes or publishes. */
  answer: RequestAnswer;
};

/** `ok` of `media.request`. */
export type MediaRequestSent = {
  /** The request. */
  request: RequestId;
};

/** Data of `media.requested`. */
export type MediaRequested = {
  /** The request. */
  request: RequestId;
  /** What to unmute or to start. */
  source: Source;
  /** Who asks. */
  by: ParticipantId;
  /** Seconds for which it can be answered. */
  expires_s: number;
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

/** Data of `media.revoked`: a publication of the receiver is over, or was muted. */
export type MediaRevoked = {
  /** Which. */
  source: Source;
  /** Why. */
  reason: RevokedReason;
  /** By whom; null for the room itself. */
  by: ParticipantId | null;
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

/** `ok` of `media.mute`. */
export type Muted = {
  /** Those of whom something was muted or ended. */
  participants: Array<ParticipantId>;
};

/** What a join needs. */
export type Needs = "password" | "none";

/** What happens when the last host and co-host are gone. */
export type NoHost = "wait" | "continue" | "end";

/** An exception for one participant. */
export type Override = {
  /** For what. */
  key: Permission;
  /** Which way. */
  effect: Effect;
  /** Until when; null for as long as the meeting goes on. */
  expires_at: Timestamp | null;
};

/** What `perm.override` does. */
export type OverrideEffect = "allow" | "deny" | "clear";

/** Data of `panic.suspend`. */
export type PanicSuspend = {
  /** True stops everything below the hosts at once; false restores the policies as they were before. */
  on: boolean;
};

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
  /** Its custom role, if it has one; `role` is then what that one is based on. */
  custom_role?: RoleName;
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

/** Data of `participant.remove`. */
export type ParticipantRemove = {
  /** Whom. */
  participant: ParticipantId;
  /** Why, as the removed reads it. */
  reason?: Prose | null;
  /** More to read. */
  message?: Prose | null;
  /** To keep it out as well. */
  ban?: BanOrder | null;
};

/** Data of `participant.rename`. */
export type ParticipantRename = {
  /** Whose name. */
  participant: ParticipantId;
  /** The new one, 1 to 64 code points. */
  name: DisplayName;
};

/** Data of `participant.to_lobby`. */
export type ParticipantToLobby = {
  /** Whom. */
  participant: ParticipantId;
};

/** Data of `participant.updated`. */
export type ParticipantUpdated = {
  /** Who, as it is after the change. */
  participant: Participant;
};

/** Why nothing is sent in a slot. */
export type PauseReason = "bandwidth" | "overload" | "muted" | "source_ended" | "codec_unsupported" | "policy";

/** Data of `perm.override`. */
export type PermOverride = {
  /** For whom. */
  participant: ParticipantId;
  /** For what: one that the sender has. `room.join` and `receive.*` cannot be overridden. */
  key: Permission;
  /** Which way. */
  effect: OverrideEffect;
  /** Seconds until it ends, 1 to 86,400; absent for as long as the meeting goes on. */
  ttl_s?: number | null;
  /** The participant's `rev` that the sender has seen. */
  rev: number;
};

/** What a participant may do. Everything that is not listed is refused. */
export type Permission = "room.join" | "lobby.bypass" | "lobby.manage" | "room.lock" | "session.start" | "session.end" | "session.announce" | "room.settings" | "room.password" | "invite.create" | "invite.manage" | "publish.audio" | "publish.video" | "publish.screen" | "publish.screen_audio" | "receive.media" | "receive.screen" | "media.mute" | "media.request" | "media.grant" | "media.lock_all" | "screen.takeover" | "spotlight.set" | "panic.suspend" | "roster.see" | "roster.see_roles" | "participant.remove" | "participant.ban" | "ban.manage" | "participant.to_lobby" | "participant.rename" | "self.rename" | "role.assign" | "attendance.export" | "chat.read" | "chat.send" | "chat.private_hosts" | "chat.private_any" | "chat.delete_own" | "chat.edit_own" | "chat.delete_any" | "chat.clear" | "chat.configure" | "chat.pin" | "chat.react" | "chat.export" | "hand.raise" | "hand.manage" | "reaction.send";

/** Data of `permissions`: what the receiver may do, the whole list. */
export type PermissionsChanged = {
  /** Its role. */
  role: Role;
  /** Its custom role. */
  custom_role: RoleName | null;
  /** What it may do. */
  permissions: Array<Permission>;
  /** Its exceptions. */
  overrides: Array<Override>;
  /** Who changed it; null for the room itself. */
  by: ParticipantId | null;
  /** Why. */
  reason: PermissionsReason;
};

/** Why permissions changed. */
export type PermissionsReason = "role_changed" | "override_changed" | "room_changed" | "called";

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

/**
 * A reason, a message or a note: 1 to 500 code points, cleaned like a
 * [`DisplayName`] but for its line breaks.
 */
export type Prose = string;

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

/** One raised hand in the queue. */
export type QueuedHand = {
  /** Whose. */
  participant: ParticipantId;
  /** Place among all, from 1; 0 for the one who was called. */
  position: number;
  /** Since when. */
  raised_at: Timestamp;
  /** How often its owner was called in this session before. */
  round: number;
  /** Until when the one who was called may speak; null for those who wait. */
  called_until: Timestamp | null;
};

/** Data of the push `reaction`: shown for 5 s and forgotten. */
export type Reaction = {
  /** Whose; null if the receiver does not see it. */
  participant: ParticipantId | null;
  /** Which. */
  emoji: Emoji;
};

/** Data of `reaction.send`. */
export type ReactionSend = {
  /** Which. */
  emoji: Emoji;
};

/** Data of `removed`. Followed by close 4403. */
export type Removed = {
  /** Why. */
  reason: string | null;
  /** More to read. */
  message: string | null;
  /** Until when coming back is refused. */
  banned_until: Timestamp | null;
};

/** `ok` of `participant.remove`. */
export type RemovedOk = {
  /** The ban, if one was made. */
  ban: BanId | null;
  /** How often this device was removed in this meeting, this time included: from two on a ban is advisable. */
  removals: number;
};

/** `ok` of `participant.rename`. */
export type Renamed = {
  /** The participant's new `rev`. */
  rev: number;
};

/** An answer to a request. */
export type RequestAnswer = "accept" | "decline" | "later";

/** A request to unmute or to start: `req_…`. */
export type RequestId = string;

/** Why a peer connection has to be made anew. */
export type ResetReason = "dtls_failed" | "ice_failed" | "internal" | "relay_only" | "given_up";

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

/** `ok` of what changes a participant. */
export type Revised = {
  /** The participant's new `rev`. */
  rev: number;
};

/** Why a publication was revoked. */
export type RevokedReason = "muted" | "locked" | "permission_revoked" | "stopped" | "taken_over" | "suspended";

/** The name of a simulcast encoding (RFC 8851). */
export type Rid = "q" | "h" | "f";

/** What somebody is in a meeting. */
export type Role = "host" | "co_host" | "presenter" | "attendee" | "viewer";

/** The name of a custom role: 1 to 32 code points, cleaned like a [`DisplayName`]. */
export type RoleName = string;

/** Data of `role.set`. */
export type RoleSet = {
  /** Whose. */
  participant: ParticipantId;
  /** The role. */
  role: Role;
  /** A custom role of the room that is based on `role`. */
  custom_role?: RoleName | null;
  /** The participant's `rev` that the sender has seen. */
  rev: number;
};

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
  /** Whether it lets nobody in but hosts. */
  locked: boolean;
  /** Whether a lobby stands before it. */
  lobby: LobbyMode;
  /** What those in the lobby read. */
  lobby_message: string | null;
  /** Whether it asks for a password. */
  password_set: boolean;
  /** Whether who knows the password need not wait in the lobby. */
  password_bypasses_lobby: boolean;
  /** Whether it begins before a host is there. */
  start_without_host: boolean;
  /** What happens when the last host is gone. */
  no_host: NoHost;
  /** Seconds after which it happens. */
  no_host_grace_s: number;
  /** Whether newcomers wait because no host is there. */
  waiting_for_host: boolean;
  /** What happens when somebody comes a second time. */
  duplicate: DuplicatePolicy;
  /** The role of who comes without an invite: attendee or viewer. */
  default_role: Role;
  /** Whether a guest may be a co-host. */
  guests_may_cohost: boolean;
  /** What attendees may do. */
  attendees: Allowances;
  /** What viewers may do. */
  viewers: ViewerAllowances;
  /** Whether anybody below the hosts may send reactions. */
  reactions: boolean;
  /** In which order hands are called. */
  hands: HandOrder;
  /** Whether co-hosts may end the meeting for everybody. */
  cohosts_end: boolean;
  /** Seconds after which the meeting ends by itself, 60 to 604,800. */
  max_duration_s: number | null;
  /** Whom those without special rights see. */
  roster: RosterMode;
  /** How many at once. */
  caps: Caps;
  /** When it opens. */
  opens_at: Timestamp | null;
  /** When it closes for newcomers. */
  closes_at: Timestamp | null;
  /** What everybody has to agree to before coming in. */
  consent_text: string | null;
  /** Its own roles. */
  custom_roles: Array<CustomRole>;
  /** Its locks on sources. */
  av_lock: AvLock;
  /** Its chat policies. */
  chat: ChatPolicy;
  /** Who may share a screen. */
  screen: ScreenPolicy;
  /** Whether media is taken only through the relay of this server: see `media.offer`. */
  relay_only: boolean;
  /** Whether everything was stopped at once. */
  suspended: boolean;
  /** When it ends by itself. */
  ends_at: Timestamp | null;
  /** Who is shown large to everybody. */
  spotlight: Array<ParticipantId>;
};

/** Data of `room.create`, where the server allows it. */
export type RoomCreate = {
  /** Its name for people. */
  title: Title;
  /** Its password; with one the lobby begins off. */
  password?: SecretText | null;
};

/** `ok` of `room.create`. */
export type RoomCreated = {
  /** The room's name in links. */
  slug: Slug;
  /** The secret of the host link, shown this once. */
  secret: InviteSecret;
};

/** A room: `room_…`. */
export type RoomId = string;

/** Data of `room.info`. */
export type RoomInfo = {
  /** The room's name in links. */
  room: Slug;
  /** Whether the answer shall have what tries out the ways to the relay. */
  connection_test?: boolean;
};

/** Data of `room.manage`: the policies of a room without being in it. */
export type RoomManage = {
  /** The room's name in links. */
  room: Slug;
  /** An invite of a host or a co-host. */
  credential: Credential;
  /** As in `join`. */
  device_key: DeviceKey;
};

/** `ok` of what changes a room. */
export type RoomRevised = {
  /** The room's new `rev`. */
  rev: number;
};

/** `ok` of `room.info`. */
export type RoomSummary = {
  /** The room's name, if anybody may know it. */
  title?: string;
  /** A text to agree to before joining. */
  consent_text?: string;
  /** What a join needs. */
  needs: Needs;
  /** Whether who comes without an invite waits in a lobby first. */
  lobby?: boolean;
  /** Whether the meeting is being recorded. */
  recording: boolean;
  /** Code points of a name. */
  name_chars: number;
  /** Whether this server has a relay. */
  relay: boolean;
  /**
   * To try out the paths to the relay before joining: allocations of it relay nothing and
   * last a minute. Null where there is no relay, and unless it was asked for.
   */
  connection_test: IceServer | null;
};

/**
 * Changes to a room: absent members stay as they are. Data of `room.update`,
 * and what the command line and the configuration say about a room.
 */
export type RoomUpdate = {
  /** The `rev` that the sender has seen; absent to change whatever it is. */
  rev?: number | null;
  /** Its name for people, 1 to 120 code points. */
  title?: Title | null;
  /** Whether it lets nobody in but hosts. Needs `room.lock`. */
  locked?: boolean | null;
  /** Whether a lobby stands before it. */
  lobby?: LobbyMode | null;
  /** What those in the lobby read, at most 500 code points. */
  lobby_message?: Prose | null;
  /** The password, 8 to 128 code points; null to ask for none. Needs `room.password`. */
  password?: SecretText | null;
  /** Whether who knows the password need not wait in the lobby. */
  password_bypasses_lobby?: boolean | null;
  /** Whether it begins before a host is there. */
  start_without_host?: boolean | null;
  /** What happens when the last host is gone. */
  no_host?: NoHost | null;
  /** Seconds after which it happens, at most 3,600. */
  no_host_grace_s?: number | null;
  /** What happens when somebody comes a second time. */
  duplicate?: DuplicatePolicy | null;
  /** The role of who comes without an invite: attendee or viewer. */
  default_role?: Role | null;
  /** Whether a guest may be a co-host. */
  guests_may_cohost?: boolean | null;
  /** What attendees may do. */
  attendees?: Allowances | null;
  /** What viewers may do. */
  viewers?: ViewerAllowances | null;
  /** Whether anybody below the hosts may send reactions. */
  reactions?: boolean | null;
  /** In which order hands are called. */
  hands?: HandOrder | null;
  /** Whether co-hosts may end the meeting for everybody. Needs `session.end` too. */
  cohosts_end?: boolean | null;
  /** Seconds after which the meeting ends by itself, 60 to 604,800; null for never. Needs `session.end` too. */
  max_duration_s?: number | null;
  /** Changes to the chat policies. Needs `chat.configure`. */
  chat?: ChatUpdate | null;
  /** Whom those without special rights see. */
  roster?: RosterMode | null;
  /** How many at once. */
  caps?: Caps | null;
  /** When it opens. */
  opens_at?: Timestamp | null;
  /** When it closes for newcomers. */
  closes_at?: Timestamp | null;
  /** Networks from which it may be entered, such as `192.0.2.0/24`; an empty list for all. At most 64. */
  allowed_networks?: Array<string> | null;
  /** What everybody has to agree to, at most 500 code points. */
  consent_text?: Prose | null;
  /** Its own roles, at most 16. */
  custom_roles?: Array<CustomRole> | null;
  /** Who may share a screen. */
  screen?: ScreenPolicy | null;
  /**
   * Whether media is taken only through the relay of this server. Who is connected otherwise
   * hears `media.reset` at once.
   */
  relay_only?: boolean | null;
  /**
   * Words by which the operator finds it, at most 16 of 1 to 32 of `a-z`, `0-9`, `_` and `-`.
   * Only the operator sees and sets them.
   */
  tags?: Array<string> | null;
  /**
   * What another system calls it, 1 to 128 visible ASCII characters; no two rooms have the same.
   * Only the operator sees and sets it.
   */
  external_id?: string | null;
};

/** Data of `room.updated`: the room, whole. */
export type RoomUpdated = {
  /** The room. */
  room: Room;
  /** Who changed it; null for the operator or the room itself. */
  by: ParticipantId | null;
};

/** Data of `roster.count`: how many are in the room, for those who do not see all of them. */
export type RosterCount = {
  /** With the receiver. */
  participants: number;
};

/** Whom a participant without special rights sees in the roster. */
export type RosterMode = "all" | "hosts";

/** `ok` of `screen.start`. */
export type ScreenOutcome = { outcome: "granted", share_id: TrackId } | { outcome: "asked", request: RequestId };

/** Data of `screen.pause`: a placeholder is shown, its sound is silent. */
export type ScreenPause = {
  /** Paused or not. */
  on: boolean;
};

/** Who may share a screen at one time. */
export type ScreenPolicy = "one" | "one_takeover" | "many" | "off";

/** Data of `screen.start`. */
export type ScreenStart = {
  /** What the participant means to show, if it is known before. */
  surface?: Surface | null;
  /** Whether its sound is to be shared as well. */
  audio: boolean;
  /**
   * Whether to take the share over from who has it, where the room's policy is `one_takeover`:
   * at once from a lower role with `screen.takeover`, else its holder is asked.
   */
  take_over?: boolean;
};

/** Data of `screen.takeover.answered`. */
export type ScreenTakeoverAnswered = {
  /** The request. */
  request: RequestId;
  /** What the publication will be called; null if the share stays where it is. */
  share_id: TrackId | null;
};

/** Data of `screen.takeover.reply`. */
export type ScreenTakeoverReply = {
  /** Which request. */
  request: RequestId;
  /** The answer; with `accept` the own share ends before the reply. */
  answer: RequestAnswer;
};

/** Data of `screen.takeover.requested`. */
export type ScreenTakeoverRequested = {
  /** The request, to be answered with `screen.takeover.reply`. */
  request: RequestId;
  /** Who asks; null if the receiver does not see it. */
  by: ParticipantId | null;
  /** Seconds in which it can be answered. */
  expires_s: number;
};

/** Data of `screen.viewers`, to who shares: at most one a second. */
export type ScreenViewers = {
  /** How many have the screen in sight. */
  count: number;
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

/** Data of `session.announce`. */
export type SessionAnnounce = {
  /** What everybody reads, at most 500 code points. */
  message: Prose;
};

/** Data of `session.end`. */
export type SessionEnd = {
  /** Seconds until it ends, 0 to 60. */
  countdown_s?: number;
  /** What everybody reads. */
  message?: Prose | null;
};

/** Data of `session.end.cancel`: a countdown that runs is stopped. */
export type SessionEndCancel = Record<symbol, never>;

/** Data of `session.ending`, a state push: the end that is announced, if there is one. */
export type SessionEnding = {
  /** When it ends; null if it does not after all. */
  ends_at: Timestamp | null;
  /** Seconds until then. */
  in_s: number;
  /** Why; null with `ends_at`. */
  reason: EndingReason | null;
  /** Who ends it. */
  by: ParticipantId | null;
  /** What was said. */
  message: Prose | null;
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
  /** Whether the owner may not publish or unmute it at present. */
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

/** Data of `spotlight.set`: who is shown large to everybody. */
export type SpotlightSet = {
  /** Whom, at most 6; none to end it. */
  participants: Array<ParticipantId>;
};

/** What is captured (Screen Capture, DisplayCaptureSurfaceType). */
export type Surface = "monitor" | "window" | "browser";

/** Whom a verb concerns. */
export type Target = { kind: "participant", participant: ParticipantId } | { kind: "all_except", participants: Array<ParticipantId> };

/**
 * Milliseconds since 1970, from there to the year 9999.
 *
 * Written with seconds, `2026-11-22T10:00:00Z`, or with milliseconds if there
 * are any, `2026-11-22T10:00:00.120Z`.
 */
export type Timestamp = string;

/** The name of a room for people: 1 to 120 code points, cleaned like a [`DisplayName`]. */
export type Title = string;

/** A publication, or a screen share before it is one: `trk_…`. */
export type TrackId = string;

/** Data of `track.state`. */
export type TrackState = {
  /** Which publication. */
  source: Source;
  /** Muted or not. */
  muted: boolean;
};

/** Data of `turn.refresh`. */
export type TurnRefresh = Record<symbol, never>;

/** `ok` of `turn.refresh`. */
export type TurnRefreshed = {
  /** As in `joined`, with a new credential; the earlier one holds until it expires. */
  ice_servers: Array<IceServer>;
};

/**
 * Text as it was typed, of any length that fits into a message: the room
 * cleans it and says what is wrong with it.
 */
export type TypedText = string;

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

/** What viewers may do; the roles above them may anyway. */
export type ViewerAllowances = {
  /** Write, and react to messages, as far as attendees may. */
  chat: boolean;
  /** Raise their hands. */
  hands: boolean;
  /** Send reactions. */
  reactions: boolean;
};

/** Somebody waits. */
export type Waiting = {
  /** Which knock. */
  knock: KnockId;
  /** What the hosts say to all who wait. */
  message: string | null;
  /** What a host says to this one. */
  note: string | null;
  /** Since when. */
  since: Timestamp;
};

/** How somebody in the lobby stands. */
export type WaitingState = "waiting" | "waiting_for_host";

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
