//! What sends to one subscriber.

use std::time::Instant;

use conclave_sfu_srtp::KeyError;
use conclave_sfu_wire::control::MidName;

use crate::arena::SendArena;
use crate::estimate::{Estimator, Fixed, GoogCc};
use crate::packet::Outgoing;
use crate::transport::{ESTIMATE_START_BPS, SrtpKeys, Transport};

/// Who rewrites, paces and seals what the links of a shard send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SenderKind {
    /// Our own path.
    #[default]
    Own,
    /// The library's, which ours is compared with.
    Str0m,
}

/// Who says how much the path of a link takes, where [`SenderKind::Own`] sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EstimatorKind {
    /// What browsers themselves use.
    #[default]
    GoogCc,
    /// Always this many bit/s.
    Fixed(u64),
}

impl EstimatorKind {
    /// Makes the estimator of one link.
    pub(crate) fn make(self, now: Instant) -> Box<dyn Estimator> {
        match self {
            EstimatorKind::GoogCc => Box::new(GoogCc::new(now, ESTIMATE_START_BPS)),
            EstimatorKind::Fixed(bps) => Box::new(Fixed::new(bps)),
        }
    }
}

/// A negotiated m-line that we send on, as the sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamParams {
    /// The m-line.
    pub(crate) mid: MidName,
    /// Picture or sound: pictures are paced and answered when NACKed.
    pub(crate) video: bool,
    /// Its place among those of the link, in the order of [`Sender::bind`].
    pub(crate) index: usize,
}

/// What a subscriber's feedback asks for, and what became of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SenderEvent {
    /// The receiver of this m-line needs a keyframe.
    Keyframe(MidName),
    /// The path takes this many bit/s.
    Estimate(u64),
    /// The receiver of this m-line has not got the packet with this sequence number.
    Nack(MidName, u16),
    /// What waited on this m-line was too old and was dropped: the picture is
    /// broken until the next keyframe.
    Dropped(MidName),
}

/// Who is to see an RTCP datagram next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Nobody: it is done with.
    Done,
    /// The transport, as it came.
    Transport,
    /// Nobody: it is not authentic, was seen before, or is no RTCP.
    Refused,
}

/// Counts since the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Packets sent again because they were asked for.
    pub(crate) resent: u64,
    /// Packets that receivers said they lacked.
    pub(crate) nacked: u64,
    /// Sender reports.
    pub(crate) reports: u64,
    /// Probes of what the path takes.
    pub(crate) probes: u64,
    /// Packets of pictures that waited for too long, or had no path.
    pub(crate) dropped: u64,
    /// Packets that the sealer refused.
    pub(crate) unsealed: u64,
}

/// Sends rewritten packets to one subscriber over its transport.
///
/// The transport carries ICE, DTLS and receiving, and has no send method of
/// its own; it is lent to each call, because both ways of sending share its
/// path. Every SSRC belongs to exactly one sender for the life of its keys.
pub(crate) trait Sender {
    /// Takes an m-line into use, or what was negotiated anew about it.
    fn bind(&mut self, transport: &mut Transport, params: StreamParams);

    /// Takes the keys of the connection; nothing was sent before.
    ///
    /// # Errors
    ///
    /// When they are no keys: nothing can be sent.
    fn connected(&mut self, now: Instant, keys: SrtpKeys) -> Result<(), KeyError>;

    /// Takes a packet for sending; [`Sender::flush`] lets it go.
    fn push(
        &mut self,
        now: Instant,
        transport: &mut Transport,
        params: StreamParams,
        out: Outgoing<'_>,
    );

    /// Takes a packet that was sent and is asked for again
    /// ([`SenderEvent::Nack`]), with the numbers that it had.
    fn resend(&mut self, now: Instant, params: StreamParams, out: Outgoing<'_>);

    /// Drops what of an m-line waits to be sent, and forgets what could be
    /// resent: its source was stopped, or its next one is another's.
    fn forget(&mut self, transport: &mut Transport, params: StreamParams);

    /// Sets what the pacing should sustain and what it may look for, in bit/s.
    fn set_target(
        &mut self,
        now: Instant,
        transport: &mut Transport,
        sustain_bps: u64,
        desired_bps: u64,
    );

    /// Sends what is due at `now`.
    fn flush(&mut self, transport: &mut Transport, now: Instant, arena: &mut SendArena);

    /// Takes an RTCP datagram as it came from the network.
    fn handle_rtcp(&mut self, now: Instant, transport: &Transport, datagram: &[u8]) -> Route;

    /// Returns when [`Sender::flush`] is next due, if nothing is pushed.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Takes the next piece of feedback.
    fn poll_event(&mut self, transport: &mut Transport) -> Option<SenderEvent>;

    /// Says goodbye to the other side.
    fn close(&mut self, transport: &mut Transport, arena: &mut SendArena);

    /// Takes what was counted since the last time.
    fn take_sent(&mut self) -> Sent;
}
