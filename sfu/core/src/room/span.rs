//! A room that other shards hold as well.

use std::collections::VecDeque;
use std::time::Instant;

use super::Room;
use crate::crossing::{Crossing, Message};
use crate::services::Services;

/// The other shards of a room.
pub(super) struct Span {
    peers: Vec<Peer>,
    /// What is for them, in order.
    outbox: VecDeque<(u8, Message)>,
}

/// Another shard that holds the room. Commands reach shards at different times:
/// what it says counts from when it has said that it knows of us.
struct Peer {
    shard: u8,
    heard: bool,
    /// It was told what is here.
    told: bool,
}

impl Room {
    /// Takes the list of shards that hold the room.
    pub(crate) fn span(&mut self, _: Instant, own: u8, shards: &[u8], _: &mut Services) {
        let others = shards.iter().copied().filter(|shard| *shard != own);
        let others: Vec<u8> = others.filter(|_| shards.contains(&own)).collect();
        if others.is_empty() {
            self.span = None;
            return;
        }
        let span = self.span.get_or_insert_with(|| {
            Box::new(Span {
                peers: Vec::new(),
                outbox: VecDeque::new(),
            })
        });
        span.peers.retain(|peer| others.contains(&peer.shard));
        for shard in others {
            if !span.peers.iter().any(|peer| peer.shard == shard) {
                span.peers.push(Peer {
                    shard,
                    heard: false,
                    told: false,
                });
                span.outbox
                    .push_back((shard, Message::Hello { fresh: true }));
            }
        }
    }

    /// Takes what another shard says about the room.
    pub(crate) fn handle_crossing(
        &mut self,
        _: Instant,
        from: u8,
        message: Message,
        _: &mut Services,
    ) {
        let Some(span) = self.span.as_mut() else {
            return;
        };
        let Some(peer) = span.peers.iter_mut().find(|peer| peer.shard == from) else {
            return;
        };
        match message {
            Message::Hello { fresh } => {
                peer.heard = true;
                if fresh {
                    span.outbox
                        .push_back((from, Message::Hello { fresh: false }));
                }
                peer.told = true;
            }
            // The shard answers these itself.
            Message::Barrier { .. } | Message::BarrierPassed { .. } => {}
        }
    }

    /// Hands over what is for other shards.
    pub(crate) fn take_crossings(&mut self, services: &mut Services) {
        if let Some(span) = self.span.as_mut() {
            let room = self.key;
            let waiting = span.outbox.drain(..);
            let crossings = waiting.map(|(to, message)| (to, Crossing { room, message }));
            services.crossings.extend(crossings);
        }
    }

    /// Returns the other shards that hold the room.
    pub(crate) fn peers(&self) -> impl Iterator<Item = u8> {
        self.span
            .iter()
            .flat_map(|span| span.peers.iter().map(|peer| peer.shard))
    }
}
