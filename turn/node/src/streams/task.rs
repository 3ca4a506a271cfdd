//! One connection: reads, cuts frames, writes, and becomes a pipe to a peer.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conclave_turn_wire::FiveTuple;
use conclave_turn_wire::deframe::Deframer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::inbox::{Frames, FromStream, StreamEntrance};
use super::parcel::{Reader, Then, queue};

/// How long a client without an allocation may stay (security.md 3.10).
const IDLE_BEFORE_ALLOCATION: Duration = Duration::from_secs(30);
/// How long one with an allocation may be silent: it has to refresh within 3,600 s.
const SILENCE_MAX: Duration = Duration::from_secs(3_700);
/// How long one write may hang before the client counts as gone.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// What one read takes at most: eight packets of media. Each connection has such a buffer.
const READ_BYTES: usize = 8 * 1024;
/// What one write gathers from several parcels: a full TLS record.
const WRITE_BYTES: usize = 16 * 1024;
/// The first bytes of a ConnectionBind request (RFC 6062, section 5.3).
const CONNECTION_BIND: [u8; 2] = [0x00, 0x0b];

/// Serves a client until its stream ends, the relay closes it, or `stop` says so.
pub(super) async fn serve<S>(
    stream: S,
    client: FiveTuple,
    inbox: &StreamEntrance,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (writer, mut parcels) = queue();
    if !inbox.tell(FromStream::Opened(client, writer)).await {
        return;
    }
    // Also when this future is dropped in the middle.
    let _farewell = Farewell { inbox, client };
    tokio::select! {
        () = converse(stream, client, inbox, &mut parcels) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Tells the relay thread that the stream is gone.
struct Farewell<'a> {
    inbox: &'a StreamEntrance,
    client: FiveTuple,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.inbox.try_tell(FromStream::Closed(self.client));
    }
}

async fn converse<S>(stream: S, client: FiveTuple, inbox: &StreamEntrance, parcels: &mut Reader)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut deframer = Deframer::new();
    let state = State::default();
    let (mut read, mut write) = tokio::io::split(stream);
    let end = tokio::select! {
        () = read_frames(&mut read, &mut deframer, client, inbox, &state) => None,
        end = write_parcels(&mut write, parcels, &state) => end.ok().flatten(),
        () = linger(&state) => None,
    };
    let mut stream = read.unsplit(write);
    if let Some(peer) = end {
        tokio::select! {
            _ = pipe(&mut stream, deframer, peer) => {}
            // The relay closes the connection.
            _ = parcels.next() => {}
        }
    }
    // TLS says goodbye; a client that is gone does not matter.
    let _ = timeout(WRITE_STALL_MAX, stream.shutdown()).await;
}

/// Copies bytes both ways until both ends are done or one breaks.
async fn pipe<S>(stream: &mut S, deframer: Deframer, mut peer: TcpStream) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What came behind ConnectionBind is the peer's.
    peer.write_all(&deframer.into_rest()).await?;
    tokio::io::copy_bidirectional(stream, &mut peer).await?;
    Ok(())
}

/// What reading and writing tell each other, and the one who minds the time.
#[derive(Default)]
struct State {
    /// The client has, or had, an allocation.
    is_established: AtomicBool,
    /// Something came since this was last looked at.
    is_heard: AtomicBool,
    /// A ConnectionBind was answered.
    answered: Notify,
}

async fn linger(state: &State) {
    sleep(IDLE_BEFORE_ALLOCATION).await;
    if !state.is_established.load(Ordering::Relaxed) {
        return;
    }
    while state.is_heard.swap(false, Ordering::Relaxed) {
        sleep(SILENCE_MAX).await;
    }
}

/// Hands whole frames to the relay until the stream ends or is no TURN.
async fn read_frames<S: AsyncRead>(
    stream: &mut ReadHalf<S>,
    deframer: &mut Deframer,
    client: FiveTuple,
    inbox: &StreamEntrance,
    state: &State,
) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        state.is_heard.store(true, Ordering::Relaxed);
        if deframer.push(&buffer[..count]).is_err() {
            return;
        }
        loop {
            let mut frames = Frames::default();
            let mut is_to_wait = false;
            let mut is_good = true;
            while !is_to_wait {
                match deframer.next_frame() {
                    Ok(Some(frame)) => {
                        is_to_wait = frame.starts_with(&CONNECTION_BIND);
                        frames.push(frame);
                    }
                    Ok(None) => break,
                    Err(_) => {
                        is_good = false;
                        break;
                    }
                }
            }
            if is_to_wait {
                // An answer to an earlier request is not the one to wait for.
                let _ = pin!(state.answered.notified()).enable();
            }
            if !frames.is_empty() && !inbox.tell(FromStream::Frames(client, frames)).await {
                return;
            }
            if !is_good {
                return;
            }
            if !is_to_wait {
                break;
            }
            // What follows may be raw bytes for a peer: the answer tells.
            state.answered.notified().await;
        }
    }
}

/// Writes parcels until the relay closes the connection (`None`) or gives it to a peer.
async fn write_parcels<S: AsyncWrite>(
    stream: &mut WriteHalf<S>,
    parcels: &mut Reader,
    state: &State,
) -> io::Result<Option<TcpStream>> {
    let mut bytes = Vec::new();
    while let Some(first) = parcels.next().await {
        let mut next = Some(first);
        let mut then = Then::GoOn;
        let now = Instant::now();
        while let Some(mut parcel) = next {
            parcels.unpack(&parcel, now, &mut bytes);
            parcels.done_with(&parcel);
            if parcel.is_established {
                state.is_established.store(true, Ordering::Relaxed);
            }
            then = std::mem::take(&mut parcel.then);
            let is_more = matches!(then, Then::GoOn) && bytes.len() < WRITE_BYTES;
            next = is_more.then(|| parcels.next_now()).flatten();
        }
        if !bytes.is_empty() {
            timeout(WRITE_STALL_MAX, async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            })
            .await??;
        }
        bytes.clear();
        bytes.shrink_to(WRITE_BYTES);
        match then {
            Then::GoOn => state.answered.notify_one(),
            Then::Close => return Ok(None),
            Then::Splice(peer) => return Ok(Some(peer)),
        }
    }
    Ok(None)
}
