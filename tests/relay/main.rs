//! The relay on real sockets, towards shards in memory.

mod client;
mod shard;
mod stand_in;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conclave_sfu_node::MediaNode;
use conclave_turn_core::ServerConfig;
use conclave_turn_core::auth::{Credential, CredentialsConfig, Mint, Secret, SessionKey};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_node::{BackendConfig, Relay, RelayConfig, ShardPort};

use client::REALM;

/// The participant of all tests, to the relay.
const ADA: SessionKey = SessionKey(1);

/// A relay with a mint for it.
struct Stage {
    relay: Relay,
    mint: Mint,
}

impl Stage {
    /// Starts a relay that listens on `listener`.
    fn new(listener: &str, shards: Vec<ShardPort>) -> Stage {
        let mint = Mint::new(Secret::random([7; 32]));
        let config = RelayConfig {
            listeners: vec![listener.parse().expect("an address and a port")],
            server: server(&mint),
            backend: BackendConfig::Virtual(shards),
        };
        let relay = Relay::start(config).expect("loopback has a free port");
        Stage { relay, mint }
    }

    /// Starts one within the loop of the only shard of `node`.
    fn within(listener: &str, node: &MediaNode) -> Stage {
        let mint = Mint::new(Secret::random([7; 32]));
        let listeners = [listener.parse().expect("an address and a port")];
        let addresses = node.advertised(0).to_vec();
        let (relay, lodger) =
            Relay::within(&listeners, server(&mint), addresses).expect("loopback has a free port");
        node.lodge(lodger).expect("the shard runs");
        Stage { relay, mint }
    }

    /// Mints a credential that is good for ten minutes.
    fn credential(&self, session: SessionKey) -> Credential {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("the clock is not before 1970").as_secs();
        self.mint.mint(session, now + 600, [3; 8])
    }

    /// The relay by loopback, in the family of its first socket.
    fn address(&self) -> SocketAddr {
        let mut address = self.relay.addresses()[0];
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => [127, 0, 0, 1].into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }
}

fn server(mint: &Mint) -> ServerConfig {
    ServerConfig {
        realm: REALM.to_owned(),
        credentials: CredentialsConfig {
            tickets: Some(mint.clone()),
            ..CredentialsConfig::default()
        },
        policy: PeerPolicy::Closed(PeerList::exact([])),
        quotas: Default::default(),
        allocation: Default::default(),
        replies_per_s: 1_000,
        seed: [9; 32],
        legacy_channel_numbers: false,
    }
}

/// Waits until something holds, without sleeping.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(
            std::time::Instant::now() < end,
            "not within patience: {what}"
        );
        std::thread::yield_now();
    }
}
