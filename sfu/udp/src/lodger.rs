//! What lives in the loop of a shard besides the shard itself.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use crate::hand_over::Parcel;

/// Serves descriptors of its own on the thread of a shard: the relay, whose
/// datagrams then reach the shard without a queue and without a wake-up.
///
/// The loop calls [`Lodger::serve`] when its descriptor is readable or it has
/// more to do, then gives the shard what arrived, then [sends](Lodger::send)
/// what the shard has for it, and ends the turn with [`Lodger::flush`]. None of
/// them waits, none takes longer than a shard can be late, and no panic comes
/// out of them.
pub trait Lodger: Send {
    /// Returns what is readable while there is something to serve.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Returns whether there is more to serve already: the loop is not to wait.
    fn has_more(&self) -> bool;

    /// Serves what has come. Datagrams for the shard are put into `arrived`,
    /// which is empty. Returns `false` when it has ended and is to be dropped.
    fn serve(&mut self, arrived: &mut Parcel) -> bool;

    /// Takes a datagram of the shard; it leaves with [`Lodger::flush`] at the latest.
    fn send(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]);

    /// Lets everything go that was sent in this turn.
    fn flush(&mut self);
}
