//! Starting and ending the shards of this process, and reaching them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use conclave_sfu_core::{EstimatorKind, SenderKind, Shard, ShardConfig};
use conclave_sfu_wire::control::Command;
use conclave_sfu_wire::ufrag::UfragKey;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};
use thiserror::Error;

use crate::addresses::{AddressMap, MediaAddr};
use crate::crossing::Crossings;
use crate::relay::{Relay, RelayPort};
use crate::sockets::Sockets;
use crate::stats::ShardStats;
use crate::thread::{EventSink, ShardThread, Shared, Turns};
use conclave_sfu_udp::Lodger;

/// How many commands wait for a shard at most. Some for each of a thousand
/// participants fit; a queue that is longer means that the shard does not keep
/// up, and its callers should hear of it.
const COMMAND_QUEUE: usize = 4_096;

/// How the media plane of this process is set up.
pub struct NodeConfig {
    /// The addresses for media, at least one, in the order in which clients are told them.
    pub addresses: Vec<MediaAddr>,
    /// The UDP port of shard 0, on all addresses; shard `n` has the `n`th after
    /// it. 0 lets the kernel choose for each shard.
    pub base_port: u16,
    /// How many shards, each with a thread of its own.
    pub shards: NonZeroU8,
    /// What the shards draw their secrets from.
    pub secrets: Secrets,
    /// The ways to the relay of this process, one for each shard in order; none
    /// without a relay, and where it is to live in the loop of the only shard
    /// ([`MediaNode::lodge`]).
    pub relay: Vec<RelayPort>,
}

/// What all secrets of the media plane come from.
#[derive(Clone)]
pub struct Secrets {
    /// The key of the check in our ICE fragments.
    pub ufrag_key: UfragKey,
    /// The seed of what the shards draw, such as ICE passwords.
    pub seed: [u8; 32],
}

impl Secrets {
    /// Draws them from the operating system; an error is its.
    pub fn draw() -> io::Result<Secrets> {
        let mut secrets = Secrets {
            ufrag_key: UfragKey([0; 16]),
            seed: [0; 32],
        };
        SysRng
            .try_fill_bytes(&mut secrets.ufrag_key.0)
            .map_err(io::Error::other)?;
        SysRng
            .try_fill_bytes(&mut secrets.seed)
            .map_err(io::Error::other)?;
        Ok(secrets)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Why a command did not reach its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// Its queue is full: the command is lost, and the caller answers that the server is busy.
    #[error("the queue of shard {0} is full")]
    Busy(u8),
    /// The shard has ended, or there never was one of this number.
    #[error("shard {0} is not running")]
    Gone(u8),
}

struct Inbox {
    commands: SyncSender<Command>,
    lodgers: SyncSender<Box<dyn Lodger>>,
    shared: Arc<Shared>,
}

/// Reaches the shards of a [`MediaNode`], from any thread.
#[derive(Clone)]
pub struct MediaHandle {
    inboxes: Arc<[Inbox]>,
}

impl MediaHandle {
    /// Returns how many shards there are; they are numbered from 0.
    pub fn shards(&self) -> u8 {
        // The configuration counts them in eight bits.
        self.inboxes.len() as u8
    }

    /// Puts a command into the queue of a shard. Never waits.
    pub fn send(&self, shard: u8, command: Command) -> Result<(), SendError> {
        let inbox = self
            .inboxes
            .get(usize::from(shard))
            .ok_or(SendError::Gone(shard))?;
        inbox
            .commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => SendError::Busy(shard),
                TrySendError::Disconnected(_) => SendError::Gone(shard),
            })?;
        inbox.shared.waker.wake();
        Ok(())
    }

    /// Returns whether there is such a shard, and it has not ended.
    pub fn is_running(&self, shard: u8) -> bool {
        self.inboxes
            .get(usize::from(shard))
            .is_some_and(|inbox| !inbox.shared.stop.load(Ordering::Acquire))
    }

    /// Returns what a shard has counted, as of its last turn; `None` if there is no such shard.
    pub fn stats(&self, shard: u8) -> Option<ShardStats> {
        self.inboxes
            .get(usize::from(shard))
            .map(|inbox| inbox.shared.stats.read())
    }
}

/// The media plane of this process. Dropping it ends it.
pub struct MediaNode {
    handle: MediaHandle,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<u16>,
    advertised: Vec<Vec<SocketAddr>>,
}

impl MediaNode {
    /// Binds all sockets and starts the shards.
    ///
    /// `sink_of` makes the closure that takes the events of a shard; it runs on
    /// the shard's thread and must not wait. Errors are those of binding (such
    /// as a port in use), of addresses that cannot be advertised, and of ways to
    /// the relay that are not one for each shard.
    pub fn start(
        mut config: NodeConfig,
        mut sink_of: impl FnMut(u8) -> EventSink,
    ) -> io::Result<MediaNode> {
        if !config.relay.is_empty() && config.relay.len() != usize::from(config.shards.get()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the relay needs one way for each shard",
            ));
        }
        let mut relay = std::mem::take(&mut config.relay).into_iter();
        let mut seeds = StdRng::from_seed(config.secrets.seed);
        let mut bound = Vec::new();
        for index in 0..config.shards.get() {
            bound.push(BoundShard::bind(&config, index, &mut seeds)?);
        }
        // From here on a failure drops the node, which ends the threads started so far.
        let ports = bound.iter().map(|shard| shard.sockets.port()).collect();
        let advertised = bound.iter().map(|shard| shard.map.candidates()).collect();
        let mut inboxes = Vec::new();
        let mut starts = Vec::new();
        for shard in bound {
            let (commands, inbox) = sync_channel(COMMAND_QUEUE);
            let shared = Arc::new(Shared::new()?);
            let (lodgers, entrance) = sync_channel(1);
            inboxes.push(Inbox {
                commands,
                lodgers,
                shared: shared.clone(),
            });
            starts.push((shard, inbox, entrance, shared));
        }
        let shared: Vec<Arc<Shared>> = inboxes.iter().map(|inbox| inbox.shared.clone()).collect();
        let crossings = Crossings::between(&shared);
        let handle = MediaHandle {
            inboxes: inboxes.into(),
        };
        let mut node = MediaNode {
            handle,
            threads: Vec::new(),
            ports,
            advertised,
        };
        for (
            (
                BoundShard {
                    index,
                    sockets,
                    map,
                    config,
                },
                inbox,
                lodgers,
                shared,
            ),
            crossings,
        ) in starts.into_iter().zip(crossings)
        {
            let sink = sink_of(index);
            let relay = Relay::apart(relay.next());
            let run = move || {
                let shard = Shard::new(Instant::now(), config);
                ShardThread {
                    index,
                    shard,
                    sockets,
                    map,
                    relay,
                    lodgers,
                    crossings,
                    inbox,
                    sink,
                    shared,
                    turns: Turns::new(),
                }
                .run();
            };
            node.threads.push(
                std::thread::Builder::new()
                    .name(format!("media-{index}"))
                    .spawn(run)?,
            );
        }
        Ok(node)
    }

    /// Returns what reaches the shards.
    pub fn handle(&self) -> MediaHandle {
        self.handle.clone()
    }

    /// Gives the relay to the loop of shard 0, for good: the shard of a node that has no
    /// other, and no ways to a relay elsewhere.
    ///
    /// # Errors
    /// When the shard has ended; the relay is dropped.
    pub fn lodge(&self, relay: Box<dyn Lodger>) -> Result<(), SendError> {
        let inbox = self.handle.inboxes.first().ok_or(SendError::Gone(0))?;
        inbox.lodgers.try_send(relay).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Busy(0),
            TrySendError::Disconnected(_) => SendError::Gone(0),
        })?;
        inbox.shared.waker.wake();
        Ok(())
    }

    /// Returns the bound UDP port of each shard, in order.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Returns the addresses and ports by which clients know a shard; none if
    /// there is no such shard.
    pub fn advertised(&self, shard: u8) -> &[SocketAddr] {
        self.advertised
            .get(usize::from(shard))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Ends all transports and waits until the threads have ended. Commands
    /// still in a queue are lost.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        for inbox in self.handle.inboxes.iter() {
            inbox.shared.stop.store(true, Ordering::Release);
            inbox.shared.waker.wake();
        }
        for thread in self.threads.drain(..) {
            // A panic has been reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Drop for MediaNode {
    fn drop(&mut self) {
        self.end();
    }
}

/// A shard that has all it needs to start.
struct BoundShard {
    index: u8,
    sockets: Sockets,
    map: AddressMap,
    config: ShardConfig,
}

impl BoundShard {
    fn bind(config: &NodeConfig, index: u8, seeds: &mut StdRng) -> io::Result<BoundShard> {
        let port = match config.base_port {
            0 => 0,
            base => base.checked_add(u16::from(index)).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "the media ports exceed 65535")
            })?,
        };
        let sockets = Sockets::bind(&config.addresses, port)?;
        sockets.enlarge_buffers();
        sockets.note_arrivals();
        let map = AddressMap::new(&config.addresses, index, |family| sockets.port_of(family))?;
        let mut seed = [0; 32];
        seeds.fill_bytes(&mut seed);
        let config = ShardConfig {
            index,
            candidates: map.candidates(),
            ufrag_key: config.secrets.ufrag_key,
            seed,
            sender: SenderKind::Own,
            estimator: EstimatorKind::GoogCc,
            ntp_at_start: ntp_now(),
        };
        Ok(BoundShard {
            index,
            sockets,
            map,
            config,
        })
    }
}

/// From the beginning of NTP's era (1900) to that of Unix (RFC 5905, section 6).
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// Returns the wall clock as an NTP timestamp, in 1/2^32 s.
fn ntp_now() -> u64 {
    // A clock before 1970 is none: receivers need one that goes on, not the right one.
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    (unix.as_secs().wrapping_add(NTP_TO_UNIX_S) << 32) | fraction
}

#[cfg(test)]
mod tests;
