//! The two makes of relayed addresses.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use conclave_turn_core::Backend;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::config::BackendConfig;
use crate::real::RealBackend;
use crate::shards::Shards;
use crate::streams::StreamEntrance;

/// What has the relayed addresses.
pub(crate) enum BackendSide {
    /// In memory, to the shards.
    Virtual(Box<Shards>),
    /// Sockets.
    Real(Box<RealBackend>),
}

impl BackendSide {
    /// Makes it; tasks that it needs report to `entrance`.
    pub(crate) fn open(config: BackendConfig, entrance: StreamEntrance) -> io::Result<BackendSide> {
        Ok(match config {
            BackendConfig::Virtual(shards) => {
                BackendSide::Virtual(Box::new(Shards::new(shards, seed()?)))
            }
            BackendConfig::Real(config) => {
                BackendSide::Real(Box::new(RealBackend::open(&config, entrance)?))
            }
        })
    }

    /// Closes every relayed address: the server that knew them is gone.
    pub(crate) fn begin_anew(&mut self) -> io::Result<()> {
        match self {
            BackendSide::Virtual(shards) => shards.begin_anew(seed()?),
            BackendSide::Real(real) => real.begin_anew()?,
        }
        Ok(())
    }

    /// Lends it for one call of the server.
    pub(crate) fn with<R>(&mut self, now: Instant, serve: impl FnOnce(&mut dyn Backend) -> R) -> R {
        match self {
            BackendSide::Virtual(shards) => shards.with(now, serve),
            BackendSide::Real(real) => serve(&mut **real),
        }
    }

    /// Returns what is readable when something came from a peer: one for each
    /// shard, or one for all sockets.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let (shards, real) = match self {
            BackendSide::Virtual(shards) => (Some(shards.descriptors()), None),
            BackendSide::Real(real) => (None, Some(real.descriptor())),
        };
        shards.into_iter().flatten().chain(real)
    }

    /// Lets go of everything that was sent in this turn.
    pub(crate) fn flush(&mut self) {
        match self {
            BackendSide::Virtual(shards) => shards.flush(),
            // Each datagram has its own socket and left at once.
            BackendSide::Real(_) => {}
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
