//! The relay on a thread of its own: with real sockets, and with several shards.

use std::io;

use tokio::runtime::Handle;
use tracing::{info, info_span};

use crate::turns::{Turns, now};

/// Does one turn after the other until it is told to stop.
pub(crate) fn run(mut turns: Turns) {
    let _span = info_span!("relay").entered();
    let runtime = turns.runtime().cloned();
    let _runtime = runtime.as_ref().map(Handle::enter);
    info!("relay has started");
    while !turns.is_stopped() {
        if !turns.guard(turn) {
            return;
        }
    }
    info!("relay has ended");
}

/// Waits, and does what there is to do.
pub(crate) fn turn(turns: &mut Turns) -> io::Result<()> {
    turns.wait()?;
    let now = now();
    turns.take(now, None)?;
    turns.flush(now);
    Ok(())
}
