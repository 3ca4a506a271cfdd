//! How allocations end, and their quota with them: when every relayed address is given back.

use conclave_turn_wire::Family;

use super::{Server, Timer};
use crate::backend::{Io, Now};

impl Server {
    /// Takes an allocation out of every table, closes what it had open, and gives its place in the quotas back.
    pub(super) fn end_allocation(&mut self, _now: Now, id: u32, io: &mut Io<'_>) {
        let Some(mut allocation) = self.allocations.remove(id) else {
            return;
        };
        self.wheel.cancel(allocation.timer);
        for connection in std::mem::take(&mut allocation.connections) {
            self.end_connection(connection, io);
        }
        for relay in allocation.relays.iter().flatten() {
            io.backend.close(relay.address);
        }
        io.clients.allocation_ended(&allocation.tuple);
        self.quotas.give(allocation.place);
    }

    /// Closes the relayed address of one family, and the peer connections that it has.
    pub(super) fn close_relay(&mut self, id: u32, family: Family, io: &mut Io<'_>) {
        for connection in self.connections_of(id, family) {
            self.abort_connection(connection, io);
        }
        if let Some(relayed) = self.allocations.remove_relay(id, family) {
            io.backend.close(relayed);
        }
    }

    /// Moves an allocation's timer to where its first relayed address expires. A later deadline leaves the timer where it
    /// is: it finds out when it fires.
    pub(super) fn set_timer(&mut self, id: u32) {
        let Some(allocation) = self.allocations.get_mut(id) else {
            return;
        };
        let Some(deadline) = allocation.deadline() else {
            return;
        };
        if deadline < allocation.timer_due {
            self.wheel.cancel(allocation.timer);
            allocation.timer = self.wheel.set(deadline, Timer::Allocation(id));
            allocation.timer_due = deadline;
        }
    }

    pub(super) fn on_allocation_timer(&mut self, now: Now, id: u32, io: &mut Io<'_>) {
        for family in [Family::V4, Family::V6] {
            let relay = self
                .allocations
                .get(id)
                .and_then(|allocation| allocation.relay(family));
            if relay.is_some_and(|relay| relay.expires <= now.instant) {
                self.close_relay(id, family, io);
            }
        }
        let Some(deadline) = self.allocations.deadline(id) else {
            self.counters.ended_expired += 1;
            return self.end_allocation(now, id, io);
        };
        // The timer that fired is gone; the id is that of a live allocation, for ending cancels the timer.
        if let Some(allocation) = self.allocations.get_mut(id) {
            allocation.purge(now.instant);
            allocation.timer = self.wheel.set(deadline, Timer::Allocation(id));
            allocation.timer_due = deadline;
        }
    }

    pub(super) fn end_reservation(&mut self, token: [u8; 8], io: &mut Io<'_>) {
        if let Some(reservation) = self.reservations.remove(token) {
            io.backend.close(reservation.relayed);
            self.quotas.give(reservation.place);
        }
    }
}
