//! One participant's place at the engine, as its signalling sees it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::{Rid, Source};
use tokio::sync::{mpsc, oneshot, watch};

use super::mailbox::{Command, Mailbox};
use crate::target::{Part, TargetError};

/// What a peer connection is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerShape {
    /// Whether it has the sending m-lines of a publisher.
    pub sends: bool,
    /// Receiving m-lines for pictures; without meaning where the server offers.
    pub video_slots: usize,
    /// Receiving m-lines for sound; likewise.
    pub audio_slots: usize,
}

/// A peer connection of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(super) u64);

/// A peer connection with its first SDP: an offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Which.
    pub peer: PeerId,
    /// To be sent to the server.
    pub sdp: String,
    /// The m-lines on which sources are sent, by their mid. Empty where the server offered.
    pub sending: Vec<(Source, String)>,
}

/// What a seat is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatEvent {
    /// ICE and DTLS of a peer are up: it can publish.
    Connected(PeerId),
    /// A peer is dead.
    Failed(PeerId, String),
    /// The participant is to leave.
    Leave,
}

/// Events of one seat that wait to be taken. There are three per peer at most.
const EVENTS: usize = 16;

/// One participant's place at the engine. Its peers end when it is dropped.
pub struct Seat {
    part: Part,
    began: Instant,
    mailbox: Arc<Mailbox>,
    sender: mpsc::Sender<SeatEvent>,
    events: mpsc::Receiver<SeatEvent>,
    leave: watch::Receiver<bool>,
    peers: Vec<PeerId>,
}

impl Seat {
    pub(super) fn new(
        part: Part,
        began: Instant,
        mailbox: Arc<Mailbox>,
        leave: watch::Receiver<bool>,
    ) -> Seat {
        let (sender, events) = mpsc::channel(EVENTS);
        Seat {
            part,
            began,
            mailbox,
            sender,
            events,
            leave,
            peers: Vec::new(),
        }
    }

    /// What the participant does.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Makes a peer that offers.
    ///
    /// # Errors
    /// [`TargetError::Media`] where the engine has ended.
    pub async fn offer(&mut self, shape: PeerShape) -> Result<Described, TargetError> {
        self.open_offering(shape, None).await
    }

    /// Makes a peer that offers, with the address from which it reaches `server` as its
    /// candidate: for servers that wait for one.
    ///
    /// # Errors
    /// [`TargetError::Media`] where the engine has ended or no socket can be had.
    pub async fn offer_toward(
        &mut self,
        shape: PeerShape,
        server: IpAddr,
    ) -> Result<Described, TargetError> {
        self.open_offering(shape, Some(server)).await
    }

    async fn open_offering(
        &mut self,
        shape: PeerShape,
        toward: Option<IpAddr>,
    ) -> Result<Described, TargetError> {
        let (reply, made) = oneshot::channel();
        let peer = self.new_peer();
        self.send(Command::Open {
            peer,
            part: self.part.clone(),
            began: self.began,
            shape,
            offer: None,
            toward,
            events: self.sender.clone(),
            reply,
        });
        made.await.map_err(|_| engine_ended())?
    }

    /// Makes a peer that answers an offer of the server, which then sends and it only receives.
    ///
    /// `toward` is the address of the server that the media should go to, if its SDP names several.
    ///
    /// # Errors
    /// [`TargetError::Media`] if the offer cannot be used.
    pub async fn answer(
        &mut self,
        sdp: String,
        toward: Option<IpAddr>,
    ) -> Result<Described, TargetError> {
        let (reply, made) = oneshot::channel();
        let peer = self.new_peer();
        self.send(Command::Open {
            peer,
            part: self.part.clone(),
            began: self.began,
            shape: PeerShape::default(),
            offer: Some(sdp),
            toward,
            events: self.sender.clone(),
            reply,
        });
        made.await.map_err(|_| engine_ended())?
    }

    /// Gives a peer the answer to its offer. `toward` as in [`Seat::answer`].
    ///
    /// # Errors
    /// [`TargetError::Media`] if the answer does not fit or no socket can be had.
    pub async fn accept(
        &mut self,
        peer: PeerId,
        sdp: String,
        toward: Option<IpAddr>,
    ) -> Result<(), TargetError> {
        let (reply, taken) = oneshot::channel();
        self.send(Command::Answer {
            peer,
            sdp,
            toward,
            reply,
        });
        taken.await.map_err(|_| engine_ended())?
    }

    /// Lets a connected peer that offered send a source from its devices, or stop.
    pub fn publish(&self, peer: PeerId, source: Source, on: bool) {
        self.send(Command::Publish { peer, source, on });
    }

    /// Lets a peer send those encodings of a picture that are wanted; as with a browser, a picture
    /// of one encoding goes on.
    pub fn demand(&self, peer: PeerId, source: Source, active: Vec<Rid>) {
        self.send(Command::Demand {
            peer,
            source,
            active,
        });
    }

    /// Waits for what happens next. Can be dropped and called again at any time.
    pub async fn event(&mut self) -> SeatEvent {
        tokio::select! {
            biased;
            event = self.events.recv() => event.unwrap_or(SeatEvent::Leave),
            // The other end is gone only with the whole run.
            _ = self.leave.wait_for(|leave| *leave) => SeatEvent::Leave,
        }
    }

    /// Waits until a peer is connected.
    ///
    /// # Errors
    /// [`TargetError::Media`] if it dies, or the participant is to leave before.
    pub async fn connected(&mut self, peer: PeerId) -> Result<(), TargetError> {
        loop {
            match self.event().await {
                SeatEvent::Connected(which) if which == peer => return Ok(()),
                SeatEvent::Connected(_) => {}
                SeatEvent::Failed(_, reason) => return Err(TargetError::Media(reason)),
                SeatEvent::Leave => return Err(TargetError::Over),
            }
        }
    }

    fn new_peer(&mut self) -> PeerId {
        let peer = self.mailbox.new_peer();
        self.peers.push(peer);
        peer
    }

    fn send(&self, command: Command) {
        self.mailbox.send(command);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        for peer in self.peers.drain(..) {
            self.mailbox.send(Command::Close { peer });
        }
    }
}

fn engine_ended() -> TargetError {
    TargetError::Media("the engine has ended".to_owned())
}
