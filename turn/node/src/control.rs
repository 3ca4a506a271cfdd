//! What the control plane tells the relay: who is in, who is not any more, and whom they may reach.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use conclave_turn_core::auth::{Secret, SessionKey};
use conclave_turn_core::policy::PeerPolicy;

/// How many wait at most. A thousand participants that join and leave at once
/// fit. Full means wait: the relay takes all of them in one turn, and a
/// revocation must not be lost.
const QUEUE: usize = 4_096;

/// One change of who is in, of by what they prove it, or of whom they may reach.
#[derive(Debug)]
pub(crate) enum Control {
    /// Credentials of this session work from here on.
    Admit(SessionKey),
    /// They do not any more, and its allocations end.
    Revoke(SessionKey),
    /// Tickets are minted under this secret from here on; those of the one before still work.
    Rotate(Secret),
    /// These peers may be reached from here on, and no others.
    SetPolicy(PeerPolicy),
}

/// Makes the queue.
pub(crate) fn queue() -> (SyncSender<Control>, Receiver<Control>) {
    sync_channel(QUEUE)
}
