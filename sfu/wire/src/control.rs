//! What the control plane tells a shard, and what the shard tells it.
//!
//! Both directions are values on bounded queues: a handle never crosses. The
//! media plane knows neither names nor roles; it knows keys that the control
//! plane drew and never reuses within one life of the process.

use std::fmt;

/// A room, as both planes call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u64);

/// A participant, as both planes call it. Drawn anew for each join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub u64);

/// What a track shows or carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The voice of a participant.
    Microphone,
    /// The picture of a participant.
    Camera,
    /// A shared screen, window or tab.
    Screen,
    /// The sound that comes with a shared screen.
    ScreenAudio,
}

impl Source {
    /// Returns whether the track is a picture.
    pub const fn is_video(self) -> bool {
        matches!(self, Source::Camera | Source::Screen)
    }
}

/// A codec that a room may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 6716, payload format of RFC 7587.
    Opus,
    /// RFC 6386, payload format of RFC 7741.
    Vp8,
    /// Constrained baseline, packetization mode 1 (RFC 6184).
    H264,
}

/// The identity of an m-line (RFC 9143): 1 to 16 token characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MidName {
    bytes: [u8; 16],
    len: u8,
}

impl MidName {
    /// Takes a mid as written in SDP or a message.
    ///
    /// Returns `None` unless it is 1 to 16 characters of `token` (RFC 4566,
    /// section 9) restricted to letters, digits, `-` and `_`.
    pub fn new(text: &str) -> Option<Self> {
        let valid = (1..=16).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !valid {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Some(MidName {
            bytes,
            len: text.len() as u8,
        })
    }

    /// Returns the mid as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII ever gets in.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for MidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for MidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a simulcast encoding (RFC 8851). The three that Conclave offers, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rid {
    /// A quarter of the height.
    Q,
    /// Half of the height.
    H,
    /// The full height.
    F,
}

impl Rid {
    /// All of them, lowest first.
    pub const ALL: [Rid; 3] = [Rid::Q, Rid::H, Rid::F];

    /// Returns the name in SDP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rid::Q => "q",
            Rid::H => "h",
            Rid::F => "f",
        }
    }

    /// Reads the name in SDP.
    pub fn parse(text: &str) -> Option<Self> {
        Rid::ALL.into_iter().find(|rid| rid.as_str() == text)
    }
}

/// How much one view matters to who looks at it; the order is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Chosen by the viewer, or a shared screen in the large place.
    Pinned,
    /// The one who speaks, shown large.
    Speaker,
    /// One of many.
    Gallery,
}

/// One picture that a participant wishes to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Whose picture.
    pub member: MemberKey,
    /// Camera or screen.
    pub source: Source,
    /// Height of the tile in device pixels, at least 1.
    pub max_height_px: u16,
    /// How much it matters.
    pub priority: Priority,
}

/// Whom a shard takes, by how much it has to do. Who is in stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Admission {
    /// Everybody.
    #[default]
    All,
    /// Whoever joins a room that is there.
    NoRooms,
    /// Nobody new.
    Nobody,
}

/// What the room allows in its media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPolicy {
    /// Video codecs, the preferred one first.
    pub video_codecs: Vec<Codec>,
}

impl Default for RoomPolicy {
    fn default() -> Self {
        RoomPolicy {
            video_codecs: vec![Codec::Vp8, Codec::H264],
        }
    }
}

/// From the control plane to a shard. Applied in order.
#[derive(Clone)]
pub enum Command {
    /// Makes a room on this shard. A second time: changes its policy.
    OpenRoom {
        /// The room.
        room: RoomKey,
        /// What it allows.
        policy: RoomPolicy,
    },
    /// Says which shards hold a room: told to each of them whenever that
    /// changes. What is published on one is then to be had on all. A shard that
    /// is not listed any more is forgotten, with all that came from it. Without
    /// it, or with one shard, a room is alone.
    Span {
        /// The room, already open.
        room: RoomKey,
        /// All of them, the one that is told included: the home shard first,
        /// which tells who speaks.
        shards: Vec<u8>,
    },
    /// Ends a room and every transport in it.
    CloseRoom {
        /// The room.
        room: RoomKey,
    },
    /// Lets a participant of a room have media. Nothing is received from it before.
    Admit {
        /// The room, already open.
        room: RoomKey,
        /// The participant.
        member: MemberKey,
    },
    /// Ends the transport of a participant and forgets it.
    Drop {
        /// The participant.
        member: MemberKey,
    },
    /// Carries an SDP offer. The same `generation` again is an ICE restart, a
    /// higher one a new peer connection; publications and wishes stay.
    /// Answered by [`Event::Answer`] or [`Event::OfferRefused`].
    Offer {
        /// The participant.
        member: MemberKey,
        /// Counts the peer connections of this participant, from 1.
        generation: u32,
        /// The offer, within the limits of [`crate::sdp`].
        sdp: String,
        /// Whether the peer connection may use the relay alone: from here on it
        /// takes nothing from a source that is not [`crate::relayed`], and sends
        /// nothing there.
        relay_only: bool,
    },
    /// Ends the transport of a participant, if there is one. It stays, with its
    /// publications and wishes, and may offer the next generation.
    EndTransport {
        /// The participant.
        member: MemberKey,
    },
    /// Accepts what comes on a sending m-line as a source. Answered by
    /// [`Event::Published`] or [`Event::PublishRefused`].
    Publish {
        /// The participant.
        member: MemberKey,
        /// Told back with the answer: a source may be published, ended and
        /// published again before the first answer is there.
        attempt: u32,
        /// The sending m-line.
        mid: MidName,
        /// What it carries.
        source: Source,
        /// Whether it begins muted: received, but forwarded to nobody.
        muted: bool,
    },
    /// Mutes or unmutes a publication: a muted one is forwarded to nobody.
    SetMuted {
        /// The participant.
        member: MemberKey,
        /// Which publication.
        source: Source,
        /// Muted or not.
        muted: bool,
    },
    /// Ends a publication; what still comes on its m-line is dropped.
    Unpublish {
        /// The participant.
        member: MemberKey,
        /// Which publication.
        source: Source,
    },
    /// Replaces the list of pictures that a participant wishes to see.
    Wish {
        /// The participant.
        member: MemberKey,
        /// The list, the most wanted first among equals.
        views: Vec<View>,
    },
    /// Says that the participant has detached the slots that changed up to
    /// `rev`. Answered by [`Event::SlotsAcked`].
    AckSlots {
        /// The participant.
        member: MemberKey,
        /// The last [`Event::Slots`] that it has seen.
        rev: u32,
    },
    /// Says whether the signalling link of a participant is up. While it is
    /// down no slot of its is given to another source.
    SetLink {
        /// The participant.
        member: MemberKey,
        /// Up or down.
        up: bool,
    },
    /// Asks to be told when everything before it has taken effect: what was
    /// muted, ended or dropped is not forwarded any more, not even from a
    /// queue, nor by another shard that holds the room. Answered by
    /// [`Event::Passed`], even for an unknown room.
    Barrier {
        /// The room.
        room: RoomKey,
        /// Told back.
        number: u64,
    },
}

/// Why a slot shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// There is not enough bandwidth towards the subscriber.
    Bandwidth,
    /// The shard has more to do than it can.
    Overload,
    /// The publisher is muted.
    Muted,
    /// The publication ended.
    SourceEnded,
    /// The subscriber cannot decode it.
    CodecUnsupported,
}

/// What feeds one video slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotState {
    /// The m-line of the slot.
    pub mid: MidName,
    /// Whose picture and which, or nobody's.
    pub feed: Option<(MemberKey, Source)>,
    /// Whether nothing is being sent.
    pub paused: Option<PauseReason>,
}

/// Why an offer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfferError {
    /// It is no SDP that a browser makes, or breaks a limit; the text names the place.
    Invalid(&'static str),
    /// There is no codec in common for an m-line.
    CodecUnsupported,
    /// The generation is lower than the one in use.
    Stale,
    /// The participant is not admitted on this shard.
    UnknownMember,
    /// There were too many within a minute.
    TooMany,
}

/// Why a publication was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishError {
    /// No sending m-line of that mid has been negotiated.
    UnknownMid,
    /// A picture on an audio m-line, or the reverse.
    WrongKind,
    /// The m-line already carries another source.
    MidTaken,
    /// The participant is not admitted on this shard.
    UnknownMember,
}

/// Why a transport ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportFailure {
    /// The DTLS handshake or association failed.
    Dtls,
    /// No connectivity check succeeded for too long.
    Ice,
    /// Our own code panicked while serving it.
    Panic,
}

/// From a shard to the control plane.
#[derive(Clone)]
pub enum Event {
    /// The answer to an offer.
    Answer {
        /// The participant.
        member: MemberKey,
        /// As in the offer.
        generation: u32,
        /// The SDP answer.
        sdp: String,
        /// Receiving m-lines for pictures, in order: the video slots.
        video_slots: Vec<MidName>,
        /// Receiving m-lines for sound, in order: the audio slots.
        audio_slots: Vec<MidName>,
    },
    /// An offer was refused; what was negotiated before stays.
    OfferRefused {
        /// The participant.
        member: MemberKey,
        /// As in the offer.
        generation: u32,
        /// Why.
        error: OfferError,
    },
    /// A publication was accepted.
    Published {
        /// The participant.
        member: MemberKey,
        /// As in the command.
        attempt: u32,
        /// Which publication.
        source: Source,
        /// The encodings negotiated for its m-line; empty without simulcast.
        rids: Vec<Rid>,
    },
    /// A publication was refused.
    PublishRefused {
        /// The participant.
        member: MemberKey,
        /// As in the command.
        attempt: u32,
        /// Which publication.
        source: Source,
        /// Why.
        error: PublishError,
    },
    /// ICE and DTLS are up.
    Connected {
        /// The participant.
        member: MemberKey,
        /// Of which peer connection.
        generation: u32,
    },
    /// The transport ended by itself; the participant stays and may offer again.
    TransportFailed {
        /// The participant.
        member: MemberKey,
        /// Of which peer connection.
        generation: u32,
        /// Why.
        failure: TransportFailure,
    },
    /// Video slots changed; only those that changed are listed.
    Slots {
        /// The participant.
        member: MemberKey,
        /// Rises by one with every such event of this participant.
        rev: u32,
        /// The changed slots.
        slots: Vec<SlotState>,
    },
    /// The answer to [`Command::AckSlots`].
    SlotsAcked {
        /// The participant.
        member: MemberKey,
        /// As in the command.
        rev: u32,
        /// Per slot whose source starts with this: no packet of it carries an
        /// RTP timestamp before this one (serial arithmetic), every packet of
        /// its former source does.
        first_rtp_timestamps: Vec<(MidName, u32)>,
    },
    /// Which encodings of a publication anybody wants, lowest first.
    Layers {
        /// The publisher.
        member: MemberKey,
        /// Which publication.
        source: Source,
        /// The wanted encodings; for a publication without simulcast all three or none.
        active: Vec<Rid>,
        /// The codec to send.
        codec: Codec,
    },
    /// Who speaks, loudest first; at most a few times a second.
    Speakers {
        /// The room.
        room: RoomKey,
        /// Participant and level from 0 to 127, larger is louder.
        speakers: Vec<(MemberKey, u8)>,
    },
    /// How well participants are connected: 0 lost, 1 poor, 2 fair, 3 good.
    Quality {
        /// The room.
        room: RoomKey,
        /// All participants of the room whose level is known.
        levels: Vec<(MemberKey, u8)>,
    },
    /// The answer to [`Command::Barrier`].
    Passed {
        /// As in the command.
        room: RoomKey,
        /// As in the command.
        number: u64,
    },
    /// A room ended because our own code panicked while serving it.
    RoomFailed {
        /// The room.
        room: RoomKey,
    },
}
