//! The two makes of relayed addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_udp::{IpFields, Watch};
use conclave_turn_core::Backend;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::config::BackendConfig;
use crate::real::RealBackend;
use crate::shards::Shards;
use crate::streams::StreamEntrance;

/// What is to have the relayed addresses.
pub(crate) enum Wanted {
    /// As the configuration says: for a thread.
    Apart(BackendConfig),
    /// The table, for the loop of the one shard that has these addresses.
    Within(Vec<SocketAddr>),
}

impl Wanted {
    /// Returns whether peers are reached by sockets.
    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Wanted::Apart(BackendConfig::Real(_)))
    }
}

/// What has the relayed addresses.
pub(crate) enum BackendSide {
    /// In memory, to the shards.
    Virtual(Box<Shards>),
    /// Sockets.
    Real(Box<RealBackend>),
}

impl BackendSide {
    /// Makes it; tasks that it needs report to `entrance`, and `watch` tells what has come
    /// from peers: under the index of a shard, or under a number of the sockets'. One allocation
    /// may carry `bits_per_s` of TCP each way.
    pub(crate) fn open(
        wanted: Wanted,
        bits_per_s: u64,
        entrance: StreamEntrance,
        watch: Watch,
    ) -> io::Result<BackendSide> {
        Ok(match wanted {
            Wanted::Within(addresses) => {
                BackendSide::Virtual(Box::new(Shards::within(addresses, seed()?)))
            }
            Wanted::Apart(BackendConfig::Virtual(shards)) => {
                let shards = Shards::new(shards, seed()?);
                for (index, way) in shards.descriptors().enumerate() {
                    watch.add_waker(way, index as u64)?;
                }
                BackendSide::Virtual(Box::new(shards))
            }
            Wanted::Apart(BackendConfig::Real(config)) => BackendSide::Real(Box::new(
                RealBackend::open(&config, bits_per_s, entrance, watch)?,
            )),
        })
    }

    /// Closes every relayed address: the server that knew them is gone.
    pub(crate) fn begin_anew(&mut self) -> io::Result<()> {
        match self {
            BackendSide::Virtual(shards) => shards.begin_anew(seed()?),
            BackendSide::Real(real) => real.begin_anew(),
        }
        Ok(())
    }

    /// Takes note of what the IP header said of the datagram that the next call serves.
    pub(crate) fn note_arrival(&mut self, ip: IpFields) {
        // In memory there is no hop, and no header to write it into.
        if let BackendSide::Real(real) = self {
            real.note_arrival(ip);
        }
    }

    /// Lends it for one call of the server.
    pub(crate) fn with<R>(&mut self, now: Instant, serve: impl FnOnce(&mut dyn Backend) -> R) -> R {
        match self {
            BackendSide::Virtual(shards) => shards.with(now, serve),
            BackendSide::Real(real) => {
                let served = serve(&mut **real);
                real.note_arrival(IpFields::default());
                served
            }
        }
    }

    /// Lets go of everything that was sent in this turn.
    pub(crate) fn flush(&mut self) {
        match self {
            BackendSide::Virtual(shards) => shards.flush(),
            BackendSide::Real(real) => real.flush(),
        }
    }

    /// Returns how many datagrams to peers found no room.
    pub(crate) fn dropped(&self) -> u64 {
        match self {
            BackendSide::Virtual(shards) => shards.dropped(),
            BackendSide::Real(real) => real.dropped(),
        }
    }
}

fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
