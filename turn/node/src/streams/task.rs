//! One connection: minds how long it lasts, and becomes a pipe to a peer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Wake;
use std::time::Duration;

use conclave_turn_wire::FiveTuple;
use tokio::io::AsyncWriteExt;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::inbox::{FromStream, Readiness, StreamEntrance};
use super::link::{Link, Pipe, Pulse, Stream};
use super::pipe::{Carried, join};
use super::socket::SocketHandle;

/// How long a client that has had no allocation may stay (security.md 3.10). Up to twice as long
/// one may whose allocation has ended, and one that takes nothing of what there is for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one with an allocation may be silent: it has to refresh within 3,600 s.
const SILENCE_MAX: Duration = Duration::from_secs(3_700);

/// Lends a stream to the relay thread until it ends, the relay closes it, or `stop` says so.
pub(super) async fn serve(
    (stream, socket): (Box<dyn Stream>, Option<SocketHandle>),
    client: FiveTuple,
    inbox: &StreamEntrance,
    mut stop: watch::Receiver<bool>,
) {
    let readiness = inbox.readiness(client);
    let pulse = Arc::new(Pulse::default());
    let (end, ended) = oneshot::channel();
    let link = Link::new(
        (stream, socket),
        Arc::clone(&readiness),
        Arc::clone(&pulse),
        end,
    );
    // Also when this future is dropped in the middle.
    let _farewell = Farewell(readiness);
    if !inbox.tell(FromStream::Opened(client, Box::new(link))).await {
        return;
    }
    tokio::select! {
        () = last(ended, &pulse, inbox.carried()) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Has the relay thread find out that nobody minds the stream any more. Made before, and so
/// dropped after, what tells it.
struct Farewell(Arc<Readiness>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

async fn last(ended: oneshot::Receiver<Pipe>, pulse: &Pulse, carried: &Carried) {
    let pipe = tokio::select! {
        pipe = ended => pipe.ok(),
        () = linger(pulse) => None,
    };
    let Some(Pipe {
        mut stream,
        rest,
        mut peer,
        hold,
    }) = pipe
    else {
        return;
    };
    tokio::select! {
        _ = join(&mut stream, &rest, &mut peer.stream, &peer.rates, carried) => {}
        // The relay closes the connection.
        _ = hold => {}
    }
    // TLS says goodbye; a client that is gone does not matter.
    let _ = timeout(PATIENCE, stream.shutdown()).await;
}

/// Returns when the client has had its time.
async fn linger(pulse: &Pulse) {
    let mut silence = Duration::ZERO;
    let mut taken_bytes = 0;
    let mut was_established = false;
    while silence < SILENCE_MAX {
        sleep(PATIENCE).await;
        let is_established = pulse.is_established.load(Ordering::Relaxed);
        if !is_established && !was_established {
            return;
        }
        was_established = is_established;
        silence += PATIENCE;
        if pulse.is_heard.swap(false, Ordering::Relaxed) {
            silence = Duration::ZERO;
        }
        let taken_before =
            std::mem::replace(&mut taken_bytes, pulse.taken_bytes.load(Ordering::Relaxed));
        if pulse.is_stuck.load(Ordering::Relaxed) && taken_bytes == taken_before {
            return;
        }
    }
}
