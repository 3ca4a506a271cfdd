//! Bytes between a client's stream and a connection to a peer (RFC 6062, section 4.5): paced and counted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_turn_core::limits::{Bucket, ByteRate};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// What one step copies at most. Less than the 64 KiB that the slowest pace allows at once.
const STEP_BYTES: usize = 16 * 1024;
/// How long who has used up its rate waits at least and at most before it asks again.
const WAIT_MIN: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How fast all peer connections of one allocation may be together, each way.
#[derive(Debug)]
pub(crate) struct Rates {
    bits_per_s: u64,
    rate: ByteRate,
    up: Mutex<Bucket>,
    down: Mutex<Bucket>,
}

/// Bytes that were carried, since the start.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
}

impl Rates {
    /// `bits_per_s` is that of an allocation.
    pub(crate) fn new(bits_per_s: u64) -> Rates {
        let rate = ByteRate::of_bits_per_s(bits_per_s);
        let full = || Mutex::new(Bucket::full(Instant::now().into_std(), &rate));
        Rates {
            bits_per_s,
            rate,
            up: full(),
            down: full(),
        }
    }

    /// Waits until `count` bytes, at most [`STEP_BYTES`], may go on.
    async fn take(&self, bucket: &Mutex<Bucket>, count: usize) {
        let bits = count as u64 * 8;
        let wait_ms = (bits * 1_000).checked_div(self.bits_per_s);
        let wait = wait_ms.map_or(WAIT_MAX, Duration::from_millis);
        // Others of the allocation wait behind, so that each has its turn.
        let mut bucket = bucket.lock().await;
        while !bucket.take(Instant::now().into_std(), &self.rate, count as u64) {
            sleep(wait.clamp(WAIT_MIN, WAIT_MAX)).await;
        }
    }
}

/// Copies bytes both ways until both ends are done or one breaks; `rest` goes to the peer first.
///
/// # Errors
/// Those of the streams.
pub(super) async fn join<C, P>(
    client: &mut C,
    rest: &[u8],
    peer: &mut P,
    rates: &Rates,
    carried: &Carried,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    P: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_peer, to_peer) = tokio::io::split(peer);
    tokio::try_join!(
        copy(
            rest.chain(from_client),
            to_peer,
            rates,
            &rates.up,
            &carried.up
        ),
        copy(from_peer, to_client, rates, &rates.down, &carried.down),
    )?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    rates: &Rates,
    bucket: &Mutex<Bucket>,
    carried: &AtomicU64,
) -> io::Result<()> {
    let mut bytes = vec![0; STEP_BYTES];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        rates.take(bucket, count).await;
        to.write_all(&bytes[..count]).await?;
        to.flush().await?;
        carried.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_pipe_carries_is_counted_and_no_faster_than_its_allocation_may() {
        let (mut near, mut client) = duplex(1 << 20);
        let (mut far, mut peer) = duplex(1 << 20);
        let (rates, carried) = (Rates::new(800_000), Carried::default());
        let began = Instant::now();
        let used = async {
            client.write_all(&[1; 300_000]).await.unwrap();
            client.shutdown().await.unwrap();
            peer.write_all(&[2; 10]).await.unwrap();
            let mut up = Vec::new();
            peer.read_to_end(&mut up).await.unwrap();
            peer.shutdown().await.unwrap();
            let mut down = Vec::new();
            client.read_to_end(&mut down).await.unwrap();
            assert_eq!((up.len(), down), (300_007, vec![2; 10]));
            assert_eq!(up[..8], *b"before-\x01");
        };
        let joined = join(&mut near, b"before-", &mut far, &rates, &carried);
        let (joined, ()) = tokio::join!(joined, used);
        joined.unwrap();
        // A second's worth at once, and two seconds for the rest.
        let lasted = began.elapsed();
        assert!((2_000..2_600).contains(&lasted.as_millis()), "{lasted:?}");
        assert_eq!(carried.up.load(Ordering::Relaxed), 300_007);
        assert_eq!(carried.down.load(Ordering::Relaxed), 10);
    }
}
