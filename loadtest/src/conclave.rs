//! This project's server as a target.

mod invite;
mod link;
mod roster;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use conclave_sfu_wire::control::{Rid, Source};
use conclave_signalling_wire::limits::PROTOCOL;
use conclave_signalling_wire::objects;
use conclave_signalling_wire::push::{MediaLayers, Push};
use conclave_signalling_wire::reply::{
    Done, HelloOutcome, JoinOutcome, Joined, MediaAnswer, Published,
};
use conclave_signalling_wire::request::{
    Hello, Join, Leave, MediaOffer, MediaPublish, MediaSlotsAck, MediaWish,
};
use conclave_signalling_wire::secret::DeviceKey;
use conclave_signalling_wire::text::{ClientLabel, DisplayName, Mid};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until};

pub use invite::{InvalidLink, InviteLink};
pub use trust::{anybody, system};

use crate::engine::{Described, PeerId, PeerShape, Seat, SeatEvent};
use crate::measured::TargetName;
use crate::target::{Attendance, Target, TargetError};
use link::Link;
use roster::Roster;

/// Between two wishes; the server takes five a second.
const WISH_PAUSE: Duration = Duration::from_millis(250);
/// What a client calls itself.
const CLIENT: &str = concat!("conclave-loadtest/", env!("CARGO_PKG_VERSION"));
/// How long leaving may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server, and the room that a run uses.
pub struct Conclave {
    invite: InviteLink,
    origin: String,
    tls: Arc<ClientConfig>,
}

impl Conclave {
    /// A room by an invite link. `origin` is what the server takes for its own page's, if it is not the link's.
    pub fn new(invite: InviteLink, origin: Option<String>, tls: ClientConfig) -> Conclave {
        Conclave {
            origin: origin.unwrap_or_else(|| invite.origin.clone()),
            invite,
            tls: Arc::new(tls),
        }
    }

    async fn run(&self, mut seat: Seat) -> Result<(), TargetError> {
        let mut link = Link::open(&self.invite, &self.origin, &self.tls).await?;
        let joined = self.join(&seat, &mut link).await?;
        let peer = negotiate(&mut seat, &mut link).await?;
        let mut roster = Roster::new(&joined, seat.part().watches);
        let mut next_wish = Instant::now();
        loop {
            tokio::select! {
                event = seat.event() => match event {
                    SeatEvent::Connected(_) => publish(&seat, &mut link, &peer).await?,
                    SeatEvent::Failed(_, reason) => return Err(TargetError::Media(reason)),
                    SeatEvent::Leave => break,
                },
                push = link.next() => match push? {
                    Push::MediaLayers(layers) => demand(&seat, peer.peer, &layers),
                    push => handle(push, &mut roster, &mut link).await?,
                },
                () = sleep_until(next_wish), if roster.has_changed() => {
                    let (rev, views) = roster.wish();
                    link.tell(MediaWish { rev, views }).await?;
                    next_wish = Instant::now() + WISH_PAUSE;
                }
            }
        }
        // Whether the server still answers is nobody's concern any more.
        let _ = tokio::time::timeout(FAREWELL, link.ask::<Done>(Leave {})).await;
        Ok(())
    }

    async fn join(&self, seat: &Seat, link: &mut Link) -> Result<Joined, TargetError> {
        let unfit = |error: conclave_signalling_wire::text::InvalidText| {
            TargetError::Link(error.to_string())
        };
        let hello = Hello {
            protocol: PROTOCOL,
            client: ClientLabel::new(CLIENT).map_err(unfit)?,
            resume: None,
        };
        link.ask::<HelloOutcome>(hello).await?;
        let join = Join {
            room: self.invite.room.clone(),
            credential: self.invite.credential.clone(),
            name: DisplayName::new(&seat.part().display_name()).map_err(unfit)?,
            device_key: DeviceKey::new(rand::random()),
            consent_hash: None,
            duplicate: None,
        };
        match link.ask::<JoinOutcome>(join).await? {
            JoinOutcome::Joined(joined) => Ok(*joined),
            JoinOutcome::Lobby(_) => Err(TargetError::Refused(
                "the room's lobby is on: switch it off, or use an invite that passes it".to_owned(),
            )),
            JoinOutcome::Duplicate(_) => Err(TargetError::Refused(
                "the server takes two participants for one device".to_owned(),
            )),
        }
    }
}

impl Target for Conclave {
    fn name(&self) -> TargetName {
        TargetName::Conclave
    }

    fn attend(&self, seat: Seat) -> Attendance<'_> {
        Box::pin(self.run(seat))
    }
}

/// Brings the peer connection of a participant up.
async fn negotiate(seat: &mut Seat, link: &mut Link) -> Result<Described, TargetError> {
    let part = seat.part();
    let shape = PeerShape {
        sends: part.is_publisher(),
        video_slots: part.watches,
        audio_slots: AUDIO_SLOTS,
    };
    let described = seat.offer(shape).await?;
    let offer = MediaOffer {
        generation: 1,
        sdp: described.sdp.clone(),
        relay_only: false,
    };
    let answer: MediaAnswer = link.ask(offer).await?;
    let server = link.server();
    seat.accept(described.peer, answer.sdp, Some(server))
        .await?;
    Ok(described)
}

/// Slots for sound that a page of the server offers.
const AUDIO_SLOTS: usize = 4;

/// Publishes what a participant sends, and switches its devices on.
async fn publish(seat: &Seat, link: &mut Link, described: &Described) -> Result<(), TargetError> {
    let peer: PeerId = described.peer;
    for (source, mid) in &described.sending {
        if !seat.part().sends.contains(source) {
            continue;
        }
        let publish = MediaPublish {
            mid: Mid::new(mid).map_err(|error| TargetError::Media(error.to_string()))?,
            source: wire_source(*source),
            muted: false,
        };
        link.ask::<Published>(publish).await?;
        seat.publish(peer, *source, true);
    }
    Ok(())
}

/// Sends what somebody wants to see of a picture, and nothing else.
fn demand(seat: &Seat, peer: PeerId, layers: &MediaLayers) {
    let source = match layers.source {
        objects::PictureSource::Camera => Source::Camera,
        objects::PictureSource::Screen => Source::Screen,
    };
    let active = layers.active.iter().map(|rid| match rid {
        objects::Rid::Q => Rid::Q,
        objects::Rid::H => Rid::H,
        objects::Rid::F => Rid::F,
    });
    seat.demand(peer, source, active.collect());
}

async fn handle(push: Push, roster: &mut Roster, link: &mut Link) -> Result<(), TargetError> {
    match push {
        Push::ParticipantJoined(joined) => roster.note(&joined.participant),
        Push::ParticipantUpdated(updated) => roster.note(&updated.participant),
        Push::ParticipantLeft(left) => roster.forget(left.participant),
        // Nothing shows pictures here: every slot is detached as soon as it is asked for.
        Push::MediaSlots(slots) => {
            link.tell(MediaSlotsAck { rev: slots.rev }).await?;
        }
        Push::Removed(_) => return Err(TargetError::Refused("removed by a host".to_owned())),
        Push::Ended(_) => return Err(TargetError::Refused("the meeting ended".to_owned())),
        Push::MediaReset(_) => {
            return Err(TargetError::Media(
                "the server lost the connection".to_owned(),
            ));
        }
        _ => {}
    }
    Ok(())
}

fn wire_source(source: Source) -> objects::Source {
    match source {
        Source::Microphone => objects::Source::Microphone,
        Source::Camera => objects::Source::Camera,
        Source::Screen => objects::Source::Screen,
        Source::ScreenAudio => objects::Source::ScreenAudio,
    }
}
