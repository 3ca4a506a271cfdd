//! What one shard tells another about a room that both hold.
//!
//! Values cross, never handles: a payload is copied for each shard, because a
//! reference count that two cores write to costs more than the copy.

use std::fmt;

use conclave_sfu_wire::control::RoomKey;

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
        false
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

/// What is told.
pub(crate) enum Message {
    /// The sender holds the room and knows that the receiver does. A fresh one
    /// knows nothing of the receiver yet, and is to be answered.
    Hello { fresh: bool },
    /// To be answered when everything before it has taken effect.
    Barrier { number: u64 },
    /// The answer to [`Message::Barrier`].
    BarrierPassed { number: u64 },
}

impl Message {
    fn kind(&self) -> &'static str {
        match self {
            Message::Hello { .. } => "hello",
            Message::Barrier { .. } => "barrier",
            Message::BarrierPassed { .. } => "barrier passed",
        }
    }
}
