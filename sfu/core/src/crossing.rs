//! What one shard tells another about a room that both hold.
//!
//! Values cross, never handles: a payload is copied for each shard, because a
//! reference count that two cores write to costs more than the copy.

use std::fmt;
use std::sync::Arc;

use conclave_sfu_wire::control::{Codec, MemberKey, MidName, Rid, RoomKey, Source};

use crate::packet::MediaPacket;

/// One thing that a shard tells another. It is carried as it is: in order for
/// each pair of shards, and only media may be lost.
pub struct Crossing {
    pub(crate) room: RoomKey,
    pub(crate) message: Message,
}

impl Crossing {
    /// Returns whether it is a packet of media, which may be dropped where too
    /// much waits. Nothing else may.
    pub fn is_media(&self) -> bool {
        matches!(self.message, Message::Packet { .. })
    }
}

impl fmt::Debug for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crossing")
            .field("room", &self.room)
            .field("kind", &self.message.kind())
            .finish_non_exhaustive()
    }
}

/// A publication, as every shard calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Track {
    pub(crate) member: MemberKey,
    pub(crate) source: Source,
}

/// A set of encodings by their places, lowest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Encodings(u8);

impl Encodings {
    /// All that there can be.
    pub(crate) const ALL: Encodings = Encodings(u8::MAX);

    /// Returns whether an encoding is one of them.
    pub(crate) fn contains(self, encoding: usize) -> bool {
        self.0 & Encodings::of(encoding).0 != 0
    }

    /// Returns those that `other` does not have.
    pub(crate) fn without(self, other: Encodings) -> Encodings {
        Encodings(self.0 & !other.0)
    }

    fn of(encoding: usize) -> Encodings {
        let shift = u32::try_from(encoding).unwrap_or(u32::MAX);
        Encodings(1u8.checked_shl(shift).unwrap_or(0))
    }
}

impl FromIterator<usize> for Encodings {
    fn from_iter<I: IntoIterator<Item = usize>>(encodings: I) -> Self {
        let bits = encodings
            .into_iter()
            .map(|encoding| Encodings::of(encoding).0);
        Encodings(bits.fold(0, |all, bit| all | bit))
    }
}

/// What is told.
pub(crate) enum Message {
    /// The sender holds the room and knows that the receiver does. A fresh one
    /// knows nothing of the receiver yet, and is to be answered.
    Hello { fresh: bool },
    /// A member of the sender publishes; told again, its encodings are new.
    Began(Began),
    /// A publication was muted or unmuted.
    Muted { track: Track, muted: bool },
    /// A publication carries another codec from here on.
    Carries { track: Track, codec: Codec },
    /// A publication ended.
    Ended { track: Track },
    /// A packet of a publication.
    Packet {
        track: Track,
        encoding: usize,
        packet: MediaPacket,
    },
    /// Which encodings of a publication of the receiver anybody wants. The
    /// epoch is that of the announcement that it answers.
    Demand {
        track: Track,
        epoch: u32,
        wanted: Encodings,
    },
    /// Somebody waits for a keyframe of a publication of the receiver.
    Keyframe { track: Track, encoding: usize },
    /// To be answered when everything before it has taken effect.
    Barrier { number: u64 },
    /// The answer to [`Message::Barrier`].
    BarrierPassed { number: u64 },
}

impl Message {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Message::Hello { .. } => "hello",
            Message::Began(_) => "began",
            Message::Muted { .. } => "muted",
            Message::Carries { .. } => "carries",
            Message::Ended { .. } => "ended",
            Message::Packet { .. } => "packet",
            Message::Demand { .. } => "demand",
            Message::Keyframe { .. } => "keyframe",
            Message::Barrier { .. } => "barrier",
            Message::BarrierPassed { .. } => "barrier passed",
        }
    }
}

/// What another shard needs to know of a publication.
pub(crate) struct Began {
    pub(crate) track: Track,
    /// Counts the announcements of the sender.
    pub(crate) epoch: u32,
    /// The m-line that it comes on, where it comes from.
    pub(crate) mid: MidName,
    /// Its encodings; empty without simulcast.
    pub(crate) rids: Vec<Rid>,
    pub(crate) muted: bool,
}

/// Another shard that was told of a publication.
#[derive(Debug)]
pub(crate) struct Across {
    pub(crate) shard: u8,
    /// The announcement that it was told.
    pub(crate) epoch: u32,
    /// What goes there.
    pub(crate) wanted: Encodings,
    /// The codec that it was told of.
    pub(crate) codec: Option<Codec>,
}

/// Copies a packet for another shard.
pub(crate) fn copied(packet: &MediaPacket) -> MediaPacket {
    MediaPacket {
        payload: Arc::from(&packet.payload[..]),
        ..packet.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_encodings_holds_what_was_put_in() {
        let set: Encodings = [0, 2].into_iter().collect();
        assert!(set.contains(0) && !set.contains(1) && set.contains(2));
        let other: Encodings = [2, 1].into_iter().collect();
        assert_eq!(set.without(other), [0].into_iter().collect());
        assert!(!Encodings::ALL.contains(8) && !Encodings::ALL.contains(usize::MAX));
        assert_eq!([9].into_iter().collect::<Encodings>(), Encodings::default());
    }

    #[test]
    fn a_crossing_shows_nothing_of_what_it_carries() {
        let crossing = Crossing {
            room: RoomKey(7),
            message: Message::Hello { fresh: true },
        };
        assert!(!crossing.is_media());
        assert_eq!(
            format!("{crossing:?}"),
            "Crossing { room: RoomKey(7), kind: \"hello\", .. }"
        );
    }
}
