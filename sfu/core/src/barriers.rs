//! Barriers: when everything that was said before has taken effect, on every
//! shard that holds the room.

use conclave_sfu_wire::control::{Event, RoomKey};

use crate::crossing::{Crossing, Message};
use crate::services::Services;

/// Those that other shards have not passed yet. They outlive their room: who
/// waits is answered in any case.
#[derive(Debug, Default)]
pub(crate) struct Barriers(Vec<Barrier>);

#[derive(Debug)]
struct Barrier {
    room: RoomKey,
    number: u64,
    /// Who has not passed it.
    awaited: Vec<u8>,
}

impl Barriers {
    /// Asks `peers`, the other shards of a room, to pass a barrier. Without any
    /// it is passed: whatever ends a publication empties the queues that hold
    /// it, so that nothing is left to wait for.
    pub(crate) fn begin(
        &mut self,
        room: RoomKey,
        number: u64,
        peers: Vec<u8>,
        services: &mut Services,
    ) {
        if peers.is_empty() {
            services.events.push_back(Event::Passed { room, number });
            return;
        }
        for peer in &peers {
            let message = Message::Barrier { number };
            let crossing = Crossing { room, message };
            services.crossings.push_back((*peer, crossing));
        }
        self.0.push(Barrier {
            room,
            number,
            awaited: peers,
        });
    }

    /// Learns that the shard `by` has passed a barrier.
    pub(crate) fn pass(&mut self, by: u8, room: RoomKey, number: u64, services: &mut Services) {
        let is_it = |barrier: &Barrier| (barrier.room, barrier.number) == (room, number);
        let Some(at) = self.0.iter().position(is_it) else {
            return;
        };
        let awaited = &mut self.0[at].awaited;
        awaited.retain(|peer| *peer != by);
        if awaited.is_empty() {
            self.0.swap_remove(at);
            services.events.push_back(Event::Passed { room, number });
        }
    }
}
