//! What lives in the loop of a shard besides the shard itself.

use std::net::SocketAddr;
use std::time::Instant;

use crate::hand_over::Parcel;
use crate::sys::Watch;

/// How many numbers, from 0 on, are the loop's where it watches by what a
/// [`Lodger`] watches by; the others are the lodger's.
pub const LOOP_NUMBERS: u64 = 16;

/// Serves descriptors of its own on the thread of a shard: the relay, whose
/// datagrams then reach the shard without a queue and without a wake-up.
///
/// The loop calls [`Lodger::serve`] when something of it is ready, it has more
/// to do, or time is due, then gives the shard what arrived, then
/// [sends](Lodger::send) what the shard has for it, and ends the turn with
/// [`Lodger::flush`]. None of them waits, none takes longer than a shard can be
/// late, and no panic comes out of them.
pub trait Lodger: Send {
    /// Returns what it watches by, under numbers from [`LOOP_NUMBERS`] on. The
    /// loop watches by the same: two sets, one in the other, would cost a
    /// system call and a way through both for each turn.
    fn watch(&self) -> Watch;

    /// Returns when it is to be served though nothing is ready.
    fn due(&self) -> Option<Instant>;

    /// Returns whether there is more to serve already: the loop is not to wait.
    fn has_more(&self) -> bool;

    /// Serves what has come, `ready` being its numbers that were found so.
    /// Datagrams for the shard are put into `arrived`, which is empty. Returns
    /// `false` when it has ended and is to be dropped.
    fn serve(&mut self, ready: &[u64], arrived: &mut Parcel) -> bool;

    /// Takes a datagram of the shard; it leaves with [`Lodger::flush`] at the latest.
    fn send(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]);

    /// Lets everything go that was sent in this turn.
    fn flush(&mut self);
}
