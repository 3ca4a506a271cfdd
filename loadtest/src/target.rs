//! How participants get into a server: the seam between the engine, which moves
//! packets, and the signalling of one make of server, which says which SDP goes where.

use std::future::Future;
use std::pin::Pin;

use conclave_sfu_wire::control::Source;

use crate::engine::Seat;
use crate::measured::TargetName;

/// A kind of server, and how to reach one.
///
/// A make of it knows the signalling of that server and nothing of packets: it is
/// given a [`Seat`] at the engine, whose peers make offers, take answers and say
/// when their media is up.
pub trait Target: Send + Sync + 'static {
    /// What stands in the report.
    fn name(&self) -> TargetName;

    /// Brings one participant in, keeps it there until [`SeatEvent::Leave`], and takes it out.
    ///
    /// It runs as a task of its own on the runtime of links. Returning before it was told to
    /// leave counts as falling out, with or without an error. All peers of the seat end with it.
    ///
    /// [`SeatEvent::Leave`]: crate::engine::SeatEvent::Leave
    fn attend(&self, seat: Seat) -> Attendance<'_>;
}

/// What [`Target::attend`] returns.
pub type Attendance<'a> = Pin<Box<dyn Future<Output = Result<(), TargetError>> + Send + 'a>>;

/// Why a participant did not come in or fell out.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The server cannot be reached, or broke the connection.
    #[error("link: {0}")]
    Link(String),
    /// The server said no. The text says what helps, where that is known.
    #[error("refused: {0}")]
    Refused(String),
    /// The media did not come up, or ended.
    #[error("media: {0}")]
    Media(String),
    /// It was told to leave before it was in. That is no failure.
    #[error("the run ended before it was in")]
    Over,
}

/// What one participant does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1; publishers come first. It stands in the stamps of its packets.
    pub number: u64,
    /// What it sends; nothing as a viewer.
    pub sends: Vec<Source>,
    /// How many pictures of others it wants to see at most.
    pub watches: usize,
    /// Publishers of the whole run: their numbers are 1 to this.
    pub publishers: usize,
    /// Whether it only counts the packets that it receives, without opening them.
    pub only_counts: bool,
}

impl Part {
    /// Returns whether it sends anything.
    pub fn is_publisher(&self) -> bool {
        !self.sends.is_empty()
    }

    /// The name that others see.
    pub fn display_name(&self) -> String {
        let role = if self.is_publisher() {
            "Publisher"
        } else {
            "Viewer"
        };
        format!("{role} {}", self.number)
    }
}
