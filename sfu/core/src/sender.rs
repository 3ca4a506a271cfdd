//! What sends to one subscriber.

use std::time::Instant;

use conclave_sfu_wire::control::MidName;

use crate::arena::SendArena;
use crate::packet::Outgoing;
use crate::transport::Transport;

/// A negotiated m-line that we send on, as the sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamParams {
    /// The m-line.
    pub(crate) mid: MidName,
    /// Picture or sound: pictures are paced and answered when NACKed.
    pub(crate) video: bool,
}

/// What a subscriber's feedback asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SenderEvent {
    /// The receiver of this m-line needs a keyframe.
    Keyframe(MidName),
    /// The path takes this many bit/s.
    Estimate(u64),
}

/// Sends rewritten packets to one subscriber over its transport.
///
/// The transport carries ICE, DTLS and receiving, and has no send method of
/// its own; it is lent to each call, because both ways of sending share its
/// path. Every SSRC belongs to exactly one sender for the life of its keys.
pub(crate) trait Sender {
    /// Takes an m-line into use.
    fn bind(&mut self, transport: &mut Transport, params: StreamParams);

    /// Takes a packet for sending; [`Sender::flush`] lets it go.
    fn push(
        &mut self,
        transport: &mut Transport,
        params: StreamParams,
        out: Outgoing<'_>,
        arena: &mut SendArena,
    );

    /// Drops what of an m-line waits to be sent, and forgets what could be
    /// resent: its source was stopped, or its next one is another's.
    fn forget(&mut self, transport: &mut Transport, params: StreamParams);

    /// Sets what the pacing should sustain and what it may look for, in bit/s.
    fn set_target(&mut self, transport: &mut Transport, sustain_bps: u64, desired_bps: u64);

    /// Sends what is due at `now`.
    fn flush(&mut self, transport: &mut Transport, now: Instant, arena: &mut SendArena);

    /// Takes the next piece of feedback.
    fn poll_event(&mut self, transport: &mut Transport) -> Option<SenderEvent>;
}
