//! What the control plane tells the relay: who is in, and who is not any more.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use conclave_turn_core::auth::{Secret, SessionKey};

/// How many wait at most. A thousand participants that join and leave at once
/// fit. Full means wait: the relay takes all of them in one turn, and a
/// revocation must not be lost.
const QUEUE: usize = 4_096;

/// One change of who is in, or of by what they prove it.
#[derive(Debug)]
pub(crate) enum Control {
    /// Credentials of this session work from here on.
    Admit(SessionKey),
    /// They do not any more, and its allocations end.
    Revoke(SessionKey),
    /// Tickets are minted under this secret from here on; those of the one before still work.
    Rotate(Secret),
}

/// Makes the queue.
pub(crate) fn queue() -> (SyncSender<Control>, Receiver<Control>) {
    sync_channel(QUEUE)
}
