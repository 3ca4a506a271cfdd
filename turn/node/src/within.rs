//! The relay within the loop of the only shard of this process.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use conclave_sfu_udp::{Lodger, Parcel, Watch};
use conclave_turn_core::Now;
use tokio::runtime::Handle;
use tracing::info;

use crate::turns::{Turns, now};

/// How long streams are served in one turn; media of the shard's own sockets
/// waits that long. Less would cost a turn of the shard for each few streams.
const STREAMS_WITHIN: Duration = Duration::from_micros(500);

/// The relay as the loop of a shard has it.
pub(crate) struct Within {
    turns: Turns,
    /// What streams may need, such as time, when they are read and written.
    runtime: Option<Handle>,
    /// When the turn began in which something was served or sent that is not flushed yet.
    turn: Option<Now>,
    /// It has no sockets any more, and waits to be dropped.
    has_ended: bool,
    /// Whoever ends the relay sees this drop.
    _alive: SyncSender<()>,
}

impl Within {
    /// Makes it ready for the loop.
    pub(crate) fn new(turns: Turns, alive: SyncSender<()>) -> Within {
        info!("relay is within the loop of the shard");
        Within {
            runtime: turns.runtime().cloned(),
            turns,
            turn: None,
            has_ended: false,
            _alive: alive,
        }
    }

    /// Does some work, which may be of streams.
    fn work(&mut self, work: impl FnOnce(&mut Turns) -> io::Result<()>) {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        self.has_ended |= !self.turns.guard(work);
    }

    fn now(&mut self) -> Now {
        *self.turn.get_or_insert_with(now)
    }
}

impl Lodger for Within {
    fn watch(&self) -> Watch {
        self.turns.watch()
    }

    fn due(&self) -> Option<Instant> {
        self.turns.due()
    }

    fn has_more(&self) -> bool {
        self.turns.has_more() || self.has_ended
    }

    fn serve(&mut self, ready: &[u64], arrived: &mut Parcel) -> bool {
        if self.has_ended || self.turns.is_stopped() {
            info!("relay has ended");
            return false;
        }
        let now = self.now();
        self.work(|turns| {
            turns.awaken(ready);
            turns.take(now, Some(now.instant + STREAMS_WITHIN))
        });
        self.turns.swap(arrived);
        true
    }

    fn send(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let now = self.now();
        // Nothing here reads or writes a stream, or says anything.
        let goes_on = self.turns.guard(|turns| {
            turns.send(now, source, destination, payload);
            Ok(())
        });
        self.has_ended |= !goes_on;
    }

    fn flush(&mut self) {
        let Some(now) = self.turn.take() else {
            return;
        };
        self.work(|turns| {
            turns.flush(now);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests;
