//! The VideoRoom of Janus, for figures beside it: its API over WebSocket.
//!
//! A participant has a link and a session of its own. What it sends goes over a
//! peer connection that we offer; all that it receives over a second one, which
//! Janus offers once everybody publishes (streams of all publishers in one, as
//! Janus can since 1.0). Media is not touched on the way, so stamps survive.
//!
//! Janus takes no loopback addresses: it must be reached over another interface.

mod link;
mod message;

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_sfu_wire::control::Source;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use self::link::{Link, check, refused};
use self::message::{Answer, Feed, Jsep, NO_SUCH_FEED, ROOM_EXISTS, body};
use crate::engine::{PeerShape, Seat, SeatEvent};
use crate::measured::TargetName;
use crate::target::{Attendance, Target, TargetError};

/// How long viewers wait for publishers that are still on their way. Then they
/// take those that are there.
const PUBLISHERS_PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions for a publisher that Janus does not know yet.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is asked for.
const ATTEMPTS: usize = 25;

/// A Janus server, and the room that a run uses.
pub struct Janus {
    url: String,
    room: u64,
    /// Who is in the room. The first makes it, the last takes it away.
    present: Mutex<usize>,
    /// What can be subscribed to.
    feeds: watch::Sender<BTreeMap<u64, Feed>>,
}

impl Janus {
    /// A server at `url` (`ws://HOST:8188`), with a room number that nobody else uses.
    pub fn new(url: impl Into<String>, room: u64) -> Janus {
        Janus {
            url: url.into(),
            room,
            present: Mutex::new(0),
            feeds: watch::Sender::default(),
        }
    }

    async fn run(&self, mut seat: Seat) -> Result<(), TargetError> {
        let mut link = Link::open(&self.url).await?;
        self.enter(&mut link, seat.part().publishers).await?;
        let stayed = self.stay(&mut seat, &mut link).await;
        let number = seat.part().number;
        self.feeds.send_modify(|feeds| {
            feeds.remove(&number);
        });
        self.leave(&mut link).await;
        link.close().await;
        stayed
    }

    /// Makes the room if nobody is there.
    async fn enter(&self, link: &mut Link, publishers: usize) -> Result<(), TargetError> {
        let mut present = self.present.lock().await;
        if *present == 0 {
            let handle = link.attach().await?;
            let create = body::create(self.room, publishers);
            match link.message(handle, create, None).await? {
                Err(refusal) if refusal.code != ROOM_EXISTS => return Err(refused(refusal)),
                _ => {}
            }
        }
        *present += 1;
        Ok(())
    }

    /// Takes the room away after the last one.
    async fn leave(&self, link: &mut Link) {
        let mut present = self.present.lock().await;
        *present -= 1;
        if *present == 0
            && let Ok(handle) = link.attach().await
        {
            // A room that stays is empty, and gone with the server.
            let _ = link.message(handle, body::destroy(self.room), None).await;
        }
    }

    async fn stay(&self, seat: &mut Seat, link: &mut Link) -> Result<(), TargetError> {
        if seat.part().is_publisher() {
            self.publish(seat, link).await?;
        }
        if seat.part().publishers > usize::from(seat.part().is_publisher()) {
            self.subscribe(seat, link).await?;
        }
        loop {
            tokio::select! {
                event = seat.event() => match event {
                    SeatEvent::Leave => return Ok(()),
                    SeatEvent::Failed(_, reason) => return Err(TargetError::Media(reason)),
                    SeatEvent::Connected(_) => {}
                },
                incoming = link.next() => check(incoming?)?,
            }
        }
    }

    async fn publish(&self, seat: &mut Seat, link: &mut Link) -> Result<(), TargetError> {
        let shape = PeerShape {
            sends: true,
            ..PeerShape::default()
        };
        // Janus takes no check from an address that it was not told.
        let offered = seat.offer_toward(shape, link.server()?).await?;
        let part = seat.part().clone();
        let handle = link.attach().await?;
        let join = body::publish(self.room, part.number, &part.display_name());
        let joined = link.message(handle, join, Some(Jsep::offer(offered.sdp)));
        let sdp = sdp_of(joined.await?.map_err(refused)?)?;
        link.end_candidates(handle).await?;
        seat.accept(offered.peer, sdp, None).await?;
        seat.connected(offered.peer).await?;
        link.up(handle).await?;
        let mut feed = Feed::default();
        for (source, mid) in offered.sending {
            if !part.sends.contains(&source) {
                continue;
            }
            seat.publish(offered.peer, source, true);
            match source {
                Source::Microphone => feed.audio = Some(mid),
                Source::Camera => feed.video = Some(mid),
                Source::Screen | Source::ScreenAudio => {}
            }
        }
        self.feeds.send_modify(|feeds| {
            feeds.insert(part.number, feed);
        });
        Ok(())
    }

    async fn subscribe(&self, seat: &mut Seat, link: &mut Link) -> Result<(), TargetError> {
        let feeds = self.publishers(seat).await?;
        let part = seat.part().clone();
        let streams = body::choose(&feeds, part.number, part.watches);
        if streams.is_empty() {
            return Err(TargetError::Refused("nobody publishes".to_owned()));
        }
        let handle = link.attach().await?;
        let offer = self.offered(link, handle, &streams).await?;
        let answered = seat.answer(offer, None).await?;
        let answer = Some(Jsep::answer(answered.sdp));
        let started = link.message(handle, body::start(), answer).await?;
        started.map_err(refused)?;
        link.end_candidates(handle).await?;
        seat.connected(answered.peer).await
    }

    /// Waits until all publish, or long enough.
    async fn publishers(&self, seat: &mut Seat) -> Result<BTreeMap<u64, Feed>, TargetError> {
        let all = seat.part().publishers;
        let mut feeds = self.feeds.subscribe();
        let complete = timeout(
            PUBLISHERS_PATIENCE,
            feeds.wait_for(|feeds| feeds.len() >= all),
        );
        tokio::select! {
            complete = complete => drop(complete),
            event = seat.event() => match event {
                SeatEvent::Failed(_, reason) => return Err(TargetError::Media(reason)),
                SeatEvent::Connected(_) | SeatEvent::Leave => return Err(TargetError::Over),
            },
        }
        Ok(self.feeds.borrow().clone())
    }

    /// Returns the offer of what was asked for. Janus says "no such feed" of a
    /// publisher until it has seen the end of its handshake.
    async fn offered(
        &self,
        link: &mut Link,
        handle: u64,
        streams: &[(u64, &str)],
    ) -> Result<String, TargetError> {
        for _ in 1..ATTEMPTS {
            let subscribe = body::subscribe(self.room, streams);
            match link.message(handle, subscribe, None).await? {
                Err(refusal) if refusal.code == NO_SUCH_FEED => sleep(AGAIN).await,
                answer => return sdp_of(answer.map_err(refused)?),
            }
        }
        let subscribe = body::subscribe(self.room, streams);
        let answer = link.message(handle, subscribe, None).await?;
        sdp_of(answer.map_err(refused)?)
    }
}

impl Target for Janus {
    fn name(&self) -> TargetName {
        TargetName::Janus
    }

    fn attend(&self, seat: Seat) -> Attendance<'_> {
        Box::pin(self.run(seat))
    }
}

fn sdp_of(answer: Answer) -> Result<String, TargetError> {
    let missing = || TargetError::Refused("Janus gave no SDP".to_owned());
    answer.jsep.map(|jsep| jsep.sdp).ok_or_else(missing)
}
