//! The relay of a server with meetings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use conclave_sfu_node::{MediaNode, RelayEnds, RelayPort};
use conclave_signalling_core::relay::Relay as Minted;
use conclave_turn_core::ServerConfig;
use conclave_turn_core::auth::Secret;
use conclave_turn_node::{BackendConfig, Relay, RelayConfig, RelayHandle, ShardPort};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at};

use super::start::{Sockets, server};
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

/// Makes the ways between the shards and the relay, one for each; none without a relay, and none
/// for the only shard: the relay lives in its loop.
///
/// # Errors
/// When the system gives no descriptors.
pub(crate) fn ways(config: &Config) -> anyhow::Result<(Vec<RelayPort>, Vec<RelayEnds>)> {
    let shards = match config.media.shards.get() {
        2.. if config.turn.enabled => config.media.shards.get(),
        _ => 0,
    };
    let ways = (0..shards).map(|_| RelayPort::pair());
    let ways = ways.collect::<Result<Vec<_>, _>>();
    let ways = ways.context("cannot connect the relay with the shards")?;
    Ok(ways.into_iter().unzip())
}

/// Starts the relay in the loop of the only shard.
fn lodge(
    listeners: &[SocketAddr],
    server: ServerConfig,
    media: &MediaNode,
) -> anyhow::Result<Relay> {
    let addresses = media.advertised(0).to_vec();
    let (relay, lodger) = Relay::within(listeners, server, addresses)?;
    media.lodge(lodger)?;
    Ok(relay)
}

impl OwnRelay {
    /// Starts it, unless it is off: in the loop of the only shard, where no packet waits for
    /// another thread, or on a thread of its own beside several.
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
        let realm = site.public_url.host().trim_matches(['[', ']']);
        let (server, mint) = server(&config.turn, realm);
        let listeners = sockets.udp.clone();
        sockets.release();
        let relay = if ends.is_empty() {
            lodge(&listeners, server, media)
        } else {
            let shards = (0..).zip(ends).map(|(index, ends)| ShardPort {
                index,
                addresses: media.advertised(index).to_vec(),
                to_shard: ends.to_shard,
                from_shard: ends.from_shard,
            });
            let backend = BackendConfig::Virtual(shards.collect());
            Relay::start(RelayConfig {
                listeners,
                server,
                backend,
            })
            .map_err(anyhow::Error::from)
        };
        let relay = relay.context("cannot start the relay")?;
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
