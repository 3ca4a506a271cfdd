//! The media plane of this process: started, reached by the control plane,
//! heard through one bounded queue.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use conclave_sfu_node::{
    EventSink, MediaAddr, MediaHandle, MediaNode, NodeConfig, RelayPort, Secrets,
};
use conclave_sfu_wire::control::{Admission, Command, Event, MemberKey, RoomKey};
use conclave_signalling_node::MediaBusy;
use conclave_turn_node::RelayHandle;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::config::{Media, MediaIp};
use crate::http::Readiness;
use crate::relay::session_of;

/// How many events wait for the control plane at most: some for each of a
/// thousand participants. A shard never waits for room in it.
const EVENT_QUEUE: usize = 8_192;
/// With less room than this, only events that nothing repeats are queued.
const RESERVE: usize = EVENT_QUEUE / 4;

/// The shards, as the control plane sees them. What it tells them of who is in
/// is told the relay too.
pub(crate) struct Shards {
    shards: MediaHandle,
    relay: Option<(RelayHandle, Mutex<Members>)>,
}

impl Shards {
    pub(crate) fn new(shards: MediaHandle, relay: Option<RelayHandle>) -> Self {
        Shards {
            shards,
            relay: relay.map(|relay| (relay, Mutex::default())),
        }
    }
}

impl conclave_signalling_node::Media for Shards {
    fn shards(&self) -> usize {
        usize::from(self.shards.shards())
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        // A shard that has ended takes nothing either: the room tries again until it ends itself.
        let shard = u8::try_from(shard).map_err(|_| MediaBusy)?;
        self.shards.send(shard, command).map_err(|_| MediaBusy)
    }

    fn admission(&self, shard: usize) -> Admission {
        // What a shard that has ended said last would draw everybody there.
        let stats = u8::try_from(shard)
            .ok()
            .filter(|shard| self.shards.is_running(*shard))
            .and_then(|shard| self.shards.stats(shard));
        stats.map_or(Admission::Nobody, |stats| stats.load.admission)
    }

    fn work_percent(&self, shard: usize) -> u32 {
        let stats = u8::try_from(shard)
            .ok()
            .and_then(|shard| self.shards.stats(shard));
        let percent = stats.map_or(100, |stats| stats.load.work_permille / 10);
        u32::try_from(percent).unwrap_or(u32::MAX)
    }

    /// Tells the relay, whose credentials work from here on, or never again.
    fn hear(&self, command: &Command) {
        let Some((relay, members)) = &self.relay else {
            return;
        };
        let members = || members.lock().unwrap_or_else(PoisonError::into_inner);
        match command {
            Command::Admit { room, member } => {
                members().admit(*room, *member);
                relay.admit(session_of(*member));
            }
            Command::Drop { member } => {
                members().leave(*member);
                relay.revoke(session_of(*member));
            }
            Command::CloseRoom { room } => {
                for member in members().close(*room) {
                    relay.revoke(session_of(member));
                }
            }
            _ => {}
        }
    }
}

/// Who is in which room, for rooms that end as a whole.
#[derive(Debug, Default)]
struct Members {
    rooms: HashMap<RoomKey, HashSet<MemberKey>>,
    of: HashMap<MemberKey, RoomKey>,
}

impl Members {
    fn admit(&mut self, room: RoomKey, member: MemberKey) {
        self.rooms.entry(room).or_default().insert(member);
        self.of.insert(member, room);
    }

    fn leave(&mut self, member: MemberKey) {
        let Some(room) = self.of.remove(&member) else {
            return;
        };
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&member);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    /// Returns who was in it.
    fn close(&mut self, room: RoomKey) -> HashSet<MemberKey> {
        let members = self.rooms.remove(&room).unwrap_or_default();
        for member in &members {
            self.of.remove(member);
        }
        members
    }
}

/// Events that found no room; only ever rises.
#[derive(Debug, Default)]
pub(crate) struct EventLoss {
    /// Speakers and quality: the next ones say the same again.
    pub(crate) repeated: AtomicU64,
    /// Everything else. One of these ends the readiness of the process: what
    /// participants are told may be wrong from here on.
    pub(crate) final_ones: AtomicU64,
}

/// Binds the media sockets and starts the shards.
///
/// Their events come out of the receiver, those of one shard in order.
///
/// # Errors
/// When a socket cannot be bound, or an address cannot be told to clients.
pub(crate) fn start(
    media: &Media,
    ips: &[MediaIp],
    readiness: &Arc<Readiness>,
    loss: &Arc<EventLoss>,
    relay: Vec<RelayPort>,
) -> anyhow::Result<(MediaNode, mpsc::Receiver<Event>)> {
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let config = NodeConfig {
        addresses: ips.iter().map(media_addr).collect(),
        base_port: media.port_base,
        shards: media.shards,
        secrets: Secrets::draw().context("the system gives no random bytes")?,
        relay,
    };
    let node = MediaNode::start(config, |_| {
        sink(sender.clone(), Arc::clone(readiness), Arc::clone(loss))
    })
    .with_context(|| {
        let addresses = ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "cannot bind media sockets from UDP port {} on {addresses}; see --media-port and --media-ip",
            media.port_base
        )
    })?;
    Ok((node, events))
}

fn sink(sender: mpsc::Sender<Event>, readiness: Arc<Readiness>, loss: Arc<EventLoss>) -> EventSink {
    Box::new(move |event| {
        let is_repeated = matches!(event, Event::Speakers { .. } | Event::Quality { .. });
        if is_repeated && sender.capacity() < RESERVE {
            loss.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // A closed queue means that the control plane has ended, and so will we.
        if let Err(TrySendError::Full(_)) = sender.try_send(event)
            && loss.final_ones.fetch_add(1, Ordering::Relaxed) == 0
        {
            readiness.set_events_lost();
            tracing::error!(
                "the control plane does not keep up: events of the media plane were lost"
            );
        }
    })
}

fn media_addr(ip: &MediaIp) -> MediaAddr {
    MediaAddr {
        bound: ip.bound,
        advertised: ip.advertised,
        advertised_port: ip.advertised_port,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::tls::Live;

    #[test]
    fn with_little_room_left_only_what_nothing_repeats_is_queued() {
        let (mut sink, mut events, readiness, loss) = plane();
        for _ in 0..EVENT_QUEUE {
            sink(Event::Speakers {
                room: RoomKey(1),
                speakers: vec![],
            });
        }
        let queued = EVENT_QUEUE - RESERVE + 1;
        assert_eq!(events.len(), queued);
        assert_eq!(
            loss.repeated.load(Ordering::Relaxed),
            (EVENT_QUEUE - queued) as u64
        );
        sink(connected());
        assert_eq!(events.len(), queued + 1);
        assert!(readiness.reasons(SystemTime::now()).is_empty());
        assert!(matches!(events.try_recv(), Ok(Event::Speakers { .. })));
    }

    #[test]
    fn a_lost_event_that_nothing_repeats_ends_readiness() {
        let (mut sink, _events, readiness, loss) = plane();
        for _ in 0..EVENT_QUEUE + 2 {
            sink(connected());
        }
        assert_eq!(loss.final_ones.load(Ordering::Relaxed), 2);
        assert_eq!(
            readiness.reasons(SystemTime::now()),
            ["events of the media plane were lost"]
        );
    }

    #[test]
    fn a_room_that_ends_names_who_was_left_in_it() {
        let mut members = Members::default();
        for (room, member) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
            members.admit(RoomKey(room), MemberKey(member));
        }
        members.admit(RoomKey(1), MemberKey(1));
        members.leave(MemberKey(2));
        members.leave(MemberKey(2));
        let left = HashSet::from([MemberKey(1), MemberKey(3)]);
        assert_eq!(members.close(RoomKey(1)), left);
        assert!(members.close(RoomKey(1)).is_empty());
        members.leave(MemberKey(4));
        assert!(members.rooms.is_empty() && members.of.is_empty());
    }

    fn connected() -> Event {
        Event::Connected {
            member: MemberKey(1),
            generation: 1,
        }
    }

    fn plane() -> (
        EventSink,
        mpsc::Receiver<Event>,
        Arc<Readiness>,
        Arc<EventLoss>,
    ) {
        let readiness = Arc::new(Readiness::new(Live::for_tests()));
        readiness.set_serving();
        let loss = Arc::default();
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        (
            sink(sender, Arc::clone(&readiness), Arc::clone(&loss)),
            events,
            readiness,
            loss,
        )
    }
}
