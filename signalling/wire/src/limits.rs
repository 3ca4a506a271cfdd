//! What a client may send, how much and how often.
//!
//! Each number is from the protocol (`docs/protocol.md`); the comment says what
//! more or less of it costs.

use std::time::Duration;

/// Version of the protocol, and of the WebSocket subprotocol.
pub const PROTOCOL: u32 = 1;
/// WebSocket subprotocol that both sides must name.
pub const SUBPROTOCOL: &str = "conclave.v1";

/// Bytes of a message. More would let one client fill the room's inbox with less effort.
pub const MESSAGE_BYTES: usize = 16 * 1024;
/// Bytes of a `media.offer`: Chromium's offer with every codec is 76 kB, its narrowed one 31 kB.
pub const OFFER_BYTES: usize = 128 * 1024;
/// Bytes of the SDP inside, after JSON escapes are resolved.
pub const SDP_BYTES: usize = 96 * 1024;
/// Bytes of the first message: nothing is known of its sender.
pub const HELLO_BYTES: usize = 4 * 1024;
/// Nested arrays and objects of a message. The deepest request has four.
pub const DEPTH: usize = 16;

/// From the upgrade to `hello`.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// From `hello` to an outcome of `join`: the time of somebody who types a name and chooses devices.
pub const JOIN_WITHIN: Duration = Duration::from_secs(600);
/// Messages from `hello` to an outcome of `join`.
pub const MESSAGES_BEFORE_JOIN: u32 = 20;

/// Messages a second of a participant, sustained.
pub const MESSAGES_PER_S: u32 = 30;
/// Messages of a participant at once.
pub const MESSAGES_BURST: u32 = 60;
/// Offers of a participant in a minute. Each costs the shard some 100 µs and a new DTLS handshake at worst.
pub const OFFERS_PER_MINUTE: u32 = 6;
/// Credentials for the relay that a participant asks for in a minute. A client needs one in nine.
pub const TURN_REFRESHES_PER_MINUTE: u32 = 10;
/// Wishes of a participant in a second.
pub const WISHES_PER_S: u32 = 5;
/// Changes of a room that one link makes in a second, sustained: each is told to everybody.
pub const ROOM_CHANGES_PER_S: u32 = 2;
/// Changes of a room that one link makes at once.
pub const ROOM_CHANGES_BURST: u32 = 20;
/// Transports of a participant that are rebuilt in a minute; then it stays without media.
pub const RESETS_PER_MINUTE: u32 = 3;

/// Code points of a display name.
pub const NAME_CHARS: usize = 64;
/// Code points of a reason, a message or a note.
pub const PROSE_CHARS: usize = 500;
/// Code points of a room's title.
pub const TITLE_CHARS: usize = 120;
/// Code points of the name of a custom role.
pub const ROLE_NAME_CHARS: usize = 32;
/// Code points of a room's password, at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Code points of a room's password, at most: hashing cost does not grow with it.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// Custom roles of a room.
pub const CUSTOM_ROLES: usize = 16;
/// Networks of a room's allow-list.
pub const NETWORKS: usize = 64;
/// Invites of a room that are not revoked. Each costs some 300 bytes while somebody is in the room.
pub const INVITES: usize = 1000;
/// Invites that are not revoked of one device that does not manage invites. All such devices together
/// have half of [`INVITES`]: the others stay free for those who do.
pub const INVITES_OWN: usize = 20;
/// Invites that one participant who does not manage invites makes in a minute.
pub const INVITES_OWN_PER_MINUTE: u32 = 10;
/// Uses that an invite may be limited to: each device is remembered, 32 bytes each, and not counted again.
pub const INVITE_USES: u32 = 1000;
/// Bans of a room. Each costs some 300 bytes while somebody is in the room.
pub const BANS: usize = 1000;
/// Participants that one device may be in a room: a page and a second screen.
pub const SEATS_PER_DEVICE: usize = 2;
/// People in a lobby.
pub const LOBBY_PLACES: usize = 200;
/// People in a lobby from one source: more would let one network fill it.
pub const LOBBY_PLACES_PER_SOURCE: usize = 20;
/// People in a lobby from one neighbourhood, an IPv4 /24 or an IPv6 /48: whoever has a /48 has 65,536 networks.
pub const LOBBY_PLACES_PER_PREFIX: usize = 60;
/// Places of a lobby that are kept for those with an invite of their own.
pub const LOBBY_PLACES_INVITED: usize = 50;
/// Entries of one `lobby.update`: two screens of a list; `more` counts the rest.
pub const LOBBY_ENTRIES: usize = 50;
/// Knocks in a minute beyond which `lobby.update` comes at most every [`LOBBY_FLOOD_EVERY`].
pub const LOBBY_FLOOD_PER_MINUTE: u32 = 10;
/// See [`LOBBY_FLOOD_PER_MINUTE`].
pub const LOBBY_FLOOD_EVERY: Duration = Duration::from_secs(5);
/// Seconds between two `lobby.ping`s.
pub const LOBBY_PING_EVERY: Duration = Duration::from_secs(10);
/// Silence after which somebody in the lobby loses the place; a reload is back by then.
pub const LOBBY_GONE_AFTER: Duration = Duration::from_secs(25);
/// Messages a second of somebody in the lobby.
pub const LOBBY_MESSAGES_PER_S: u32 = 1;
/// Messages at once of somebody in the lobby.
pub const LOBBY_MESSAGES_BURST: u32 = 5;
/// How long a `media.request` can be answered.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// Requests of one participant to another in a minute.
pub const REQUESTS_PER_MINUTE: u32 = 3;
/// How long somebody who left, or whose server crashed, comes back to the same role and overrides without waiting.
pub const STANDING_KEPT: Duration = Duration::from_secs(300);
/// Rooms that one source may make in an hour, where anybody may.
pub const ROOMS_PER_SOURCE_PER_HOUR: u32 = 20;

/// Code points of a chat message.
pub const CHAT_CHARS: usize = 4000;
/// Chat messages a second of one participant, sustained.
pub const CHAT_PER_S: u32 = 2;
/// Chat messages of one participant at once.
pub const CHAT_BURST: u32 = 10;
/// Seconds between two messages in slow mode, at most.
pub const CHAT_SLOW_S_MAX: u32 = 3600;
/// Days for which messages are kept, at most.
pub const CHAT_KEEP_DAYS_MAX: u32 = 365;
/// Messages of a room in memory; the oldest go first. With [`CHAT_MEMORY_BYTES`] it bounds what a room holds.
pub const CHAT_MESSAGES: usize = 2000;
/// Bytes of the texts of a room in memory.
pub const CHAT_MEMORY_BYTES: usize = 2 * 1024 * 1024;
/// Messages that somebody who joins is shown, the newest.
pub const CHAT_SHOWN: usize = 200;
/// Bytes of the texts that somebody who joins is shown.
pub const CHAT_SHOWN_BYTES: usize = 256 * 1024;
/// Time in which an author may change a message.
pub const CHAT_EDIT_WITHIN: Duration = Duration::from_secs(300);
/// People whom one message may mention.
pub const CHAT_MENTIONS: usize = 20;
/// Messages that are pinned.
pub const CHAT_PINS: usize = 10;
/// People who may react to one message in one way; more are not counted: each hears of all of them each time.
pub const CHAT_REACTIONS: usize = 100;
/// Bytes of one piece of an export, but for its last line.
pub const CHAT_EXPORT_BYTES: usize = 256 * 1024;
/// Reactions a second of one participant, sustained.
pub const REACTIONS_PER_S: u32 = 2;
/// Reactions of one participant at once.
pub const REACTIONS_BURST: u32 = 10;
/// Announcements of one participant in a minute.
pub const ANNOUNCEMENTS_PER_MINUTE: u32 = 6;
/// Participants in the spotlight.
pub const SPOTLIGHTS: usize = 6;
/// Screens that are shared at once, where several may be.
pub const SCREENS: usize = 4;
/// Seconds that somebody who was called may speak, where nobody says otherwise.
pub const HAND_TTL_S: u32 = 300;
/// Seconds of a countdown to the end, at most.
pub const COUNTDOWN_S_MAX: u32 = 60;
/// Seconds that a meeting may be limited to, at least and at most.
pub const DURATION_S: std::ops::RangeInclusive<u32> = 60..=7 * 86_400;
/// Tags of a room.
pub const TAGS: usize = 16;
/// Characters of a tag.
pub const TAG_CHARS: usize = 32;
/// Characters of what another system calls a room.
pub const EXTERNAL_ID_CHARS: usize = 128;
/// People whom the attendance of a session lists; of more only the number is kept.
pub const ATTENDEES: usize = 2000;

/// How long a participant whose link broke keeps its place.
pub const RESUME_WINDOW: Duration = Duration::from_secs(30);
/// How long a participant whose browser closed the link because the page went away (close code 1001)
/// keeps its place: a reload is back by then, and whoever closed the tab is soon seen to have left.
pub const PAGE_GONE_WINDOW: Duration = Duration::from_secs(10);
/// Pushes kept for a resume. With [`RESUME_BYTES`] it bounds the memory of each participant.
pub const RESUME_PUSHES: usize = 256;
/// Bytes of pushes kept for a resume.
pub const RESUME_BYTES: usize = 256 * 1024;

/// How often the server pings.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// Silence after which the server closes with 4408.
pub const IDLE_AFTER: Duration = Duration::from_secs(60);
/// WebSocket pings and pongs of a client in a second, sustained. A browser only answers [`PING_EVERY`].
pub const CONTROL_FRAMES_PER_S: u32 = 5;
/// WebSocket pings and pongs of a client at once.
pub const CONTROL_FRAMES_BURST: u32 = 20;
/// Bytes waiting to be written to one client, after which it is closed with 4430.
pub const WRITE_QUEUE_BYTES: usize = 1024 * 1024;
/// Links of one source, an IPv4 address or an IPv6 /64.
pub const LINKS_PER_SOURCE: u32 = 256;
/// Joins of one source in a second, sustained. Each may leave a participant behind that keeps its
/// place for [`RESUME_WINDOW`]: more would let one source fill a room with them.
pub const JOINS_PER_SOURCE_PER_S: u32 = 2;
/// Joins of one source at once: an office behind one address that begins its meeting.
pub const JOINS_PER_SOURCE_BURST: u32 = 60;

/// Video slots of a participant.
pub const VIDEO_SLOTS: u16 = 12;
/// Audio slots of a participant.
pub const AUDIO_SLOTS: u16 = 4;
