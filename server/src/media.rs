//! The media plane of this process: started, reached by the control plane,
//! heard through one bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use conclave_sfu_node::{EventSink, MediaAddr, MediaHandle, MediaNode, NodeConfig, Secrets};
use conclave_sfu_wire::control::{Command, Event};
use conclave_signalling_node::MediaBusy;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::config::{Media, MediaIp};
use crate::http::Readiness;

/// How many events wait for the control plane at most: some for each of a
/// thousand participants. A shard never waits for room in it.
const EVENT_QUEUE: usize = 8_192;
/// With less room than this, only events that nothing repeats are queued.
const RESERVE: usize = EVENT_QUEUE / 4;

/// The shards, as the control plane sees them.
pub(crate) struct Shards(pub(crate) MediaHandle);

impl conclave_signalling_node::Media for Shards {
    fn shards(&self) -> usize {
        usize::from(self.0.shards())
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        // A shard that has ended takes nothing either: the room tries again until it ends itself.
        let shard = u8::try_from(shard).map_err(|_| MediaBusy)?;
        self.0.send(shard, command).map_err(|_| MediaBusy)
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
) -> anyhow::Result<(MediaNode, mpsc::Receiver<Event>)> {
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let config = NodeConfig {
        addresses: ips.iter().map(media_addr).collect(),
        base_port: media.port_base,
        shards: media.shards,
        secrets: Secrets::draw().context("the system gives no random bytes")?,
        relay: Vec::new(),
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

    use conclave_sfu_wire::control::{MemberKey, RoomKey};

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
