//! The relay of a server with meetings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use conclave_sfu_node::{MediaNode, RelayEnds, RelayPort};
use conclave_signalling_core::relay::Relay as Minted;
use conclave_turn_core::auth::Secret;
use conclave_turn_node::{Relay, RelayHandle, ShardPort};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use super::start::{Sockets, start};
use super::{Minting, Places, Served, counts};
use crate::config::Config;
use crate::listen;
use crate::site::Site;

/// How often the secret changes under which credentials are made. It never leaves this process, and
/// must only be longer than a credential lasts.
const SECRET_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The relay of a server with meetings.
pub(crate) struct OwnRelay {
    relay: Relay,
    minting: Arc<Minting>,
    /// Where clients find it.
    pub(crate) places: Places,
}

/// Makes the ways between the shards and the relay, one for each; none without a relay.
///
/// # Errors
/// When the system gives no descriptors.
pub(crate) fn ways(config: &Config) -> anyhow::Result<(Vec<RelayPort>, Vec<RelayEnds>)> {
    let shards = if config.turn.enabled {
        config.media.shards.get()
    } else {
        0
    };
    let ways = (0..shards).map(|_| RelayPort::pair());
    let ways = ways.collect::<Result<Vec<_>, _>>();
    let ways = ways.context("cannot connect the relay with the shards")?;
    Ok(ways.into_iter().unzip())
}

impl OwnRelay {
    /// Starts it, unless it is off.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    pub(crate) fn start(
        config: &Config,
        site: &Site,
        https_port: u16,
        sockets: &mut Sockets,
        media: &MediaNode,
        ends: Vec<RelayEnds>,
    ) -> anyhow::Result<Option<Self>> {
        if !config.turn.enabled {
            return Ok(None);
        }
        let places = Places {
            urls: config.turn.urls.clone(),
            public_url: site.public_url.clone(),
            bound_port: https_port,
        };
        let shards = (0..).zip(ends).map(|(index, ends)| ShardPort {
            index,
            addresses: media.advertised(index).to_vec(),
            to_shard: ends.to_shard,
            from_shard: ends.from_shard,
        });
        let realm = site.public_url.host().trim_matches(['[', ']']);
        let (relay, mint) = start(&config.turn, realm, sockets, shards.collect())?;
        Ok(Some(OwnRelay {
            relay,
            minting: Arc::new(Minting::new(mint, places.clone())),
            places,
        }))
    }

    /// Returns what reaches it.
    pub(crate) fn handle(&self) -> RelayHandle {
        self.relay.handle()
    }

    /// Returns what makes credentials for it.
    pub(crate) fn minting(&self) -> Arc<dyn Minted> {
        Arc::clone(&self.minting) as Arc<dyn Minted>
    }

    /// Returns it as the listeners see it.
    pub(crate) fn served(&self) -> Arc<dyn listen::Relay> {
        Arc::new(Served(self.handle()))
    }

    /// Ends it, waits for that, and writes what it has counted.
    pub(crate) fn shutdown(self) {
        let handle = self.handle();
        self.relay.shutdown();
        counts::log(&handle.stats());
    }

    /// Changes the secret of credentials daily, until `stop` turns true.
    pub(crate) fn keep_changing_secrets(
        &self,
        mut stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (handle, minting) = (self.handle(), Arc::clone(&self.minting));
        async move {
            let mut due = interval_at(Instant::now() + SECRET_EVERY, SECRET_EVERY);
            loop {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    _ = due.tick() => {}
                }
                let secret = Secret::random(rand::random());
                // The relay first: nobody may hold what it does not know.
                handle.rotate(secret.clone());
                minting.rotate(secret);
            }
        }
    }
}
