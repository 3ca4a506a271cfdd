//! The relay of a server with meetings: its sockets, and the way to the shards.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context;
use conclave_turn_core::auth::{CredentialsConfig, Mint, Secret};
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::{AllocationLimits, ServerConfig, limits, quota::QuotaLimits};
use tokio::net::TcpListener;

use crate::config::{Config, Listen, Turn};
use crate::listen;

/// How often a free port of TCP may be one that is taken of UDP.
const ATTEMPTS: usize = 16;

/// Connection tests of one source at once. One holds an allocation for each way, for some seconds:
/// enough for sixteen of a class that begin together. Who finds no place is told that the way is
/// blocked, and one source must not take all places.
const TESTS_PER_SOURCE: u32 = 3 * 16;

/// TCP sockets and the addresses at which the relay takes UDP beside them.
pub(crate) struct Sockets {
    /// Of HTTPS.
    pub(crate) https: Vec<TcpListener>,
    /// Of `turn.listen`.
    pub(crate) extra: Vec<TcpListener>,
    /// All of both, for UDP; none without a relay.
    pub(crate) udp: Vec<SocketAddr>,
    /// Keep the ports until the relay binds them: other parts bind ports of the kernel's choice first.
    held: Vec<UdpSocket>,
}

impl Sockets {
    /// Lets go of the UDP ports. The relay is to bind them at once.
    pub(crate) fn release(&mut self) {
        self.held.clear();
    }
}

/// Binds the TCP sockets, and looks that UDP is free at the same ports.
///
/// # Errors
/// When an address cannot be bound; the text says which and what may help.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Sockets> {
    let turn = &config.turn;
    let mut sockets = Sockets {
        https: Vec::new(),
        extra: Vec::new(),
        udp: Vec::new(),
        held: Vec::new(),
    };
    if !turn.enabled {
        sockets.https = listen::bind(config.https)?;
        return Ok(sockets);
    }
    sockets.https = bind_both(config.https, &mut sockets.udp, &mut sockets.held)?;
    for place in &turn.listen {
        let bound = bind_both(*place, &mut sockets.udp, &mut sockets.held)?;
        sockets.extra.extend(bound);
    }
    Ok(sockets)
}

fn bind_both(
    place: Listen,
    udp: &mut Vec<SocketAddr>,
    held: &mut Vec<UdpSocket>,
) -> anyhow::Result<Vec<TcpListener>> {
    let is_free_choice = place.addresses().iter().all(|address| address.port() == 0);
    let attempts = if is_free_choice { ATTEMPTS } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        let tcp = listen::bind(place)?;
        let addresses = tcp
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        match addresses
            .iter()
            .copied()
            .map(hold)
            .collect::<io::Result<Vec<_>>>()
        {
            Ok(sockets) => {
                held.extend(sockets.into_iter().flatten());
                udp.extend(addresses);
                return Ok(tcp);
            }
            Err(error) => last = Some((addresses, error)),
        }
    }
    let (addresses, error) = last.context("no attempt to bind")?;
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program uses this port of UDP (HTTP/3 perhaps); stop it, choose another with \
             --https, or do without the relay with turn.enabled = false"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        }
        _ => "",
    };
    let places = addresses.iter().map(ToString::to_string);
    let places = places.collect::<Vec<_>>().join(", ");
    Err(anyhow::Error::new(error).context(format!("cannot take UDP on {places}{cure}")))
}

/// Binds what the relay will bind: of `[::]` both families, each on its own.
fn hold(address: SocketAddr) -> io::Result<Vec<UdpSocket>> {
    let is_both = address.ip() == std::net::IpAddr::from([0u16; 8]);
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    let mut held = vec![UdpSocket::from(socket)];
    if is_both {
        held.push(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, address.port()))?);
    }
    Ok(held)
}

/// Returns how the relay of a server with meetings serves, which reaches its shards and nothing
/// else, and what mints tickets for it.
pub(super) fn server(turn: &Turn, realm: &str) -> (ServerConfig, Mint) {
    let mint = Mint::new(Secret::random(rand::random()));
    let credentials = CredentialsConfig {
        tickets: Some(mint.clone()),
        ..CredentialsConfig::default()
    };
    // The relay takes the addresses of the shards for the list.
    let policy = PeerPolicy::Closed(PeerList::default());
    (server_config(turn, realm, credentials, policy), mint)
}

/// Returns how a relay serves, by what was said of every relay.
pub(super) fn server_config(
    turn: &Turn,
    realm: &str,
    credentials: CredentialsConfig,
    policy: PeerPolicy,
) -> ServerConfig {
    let realm = turn.realm_at(realm);
    ServerConfig {
        realm: realm.to_owned(),
        credentials,
        policy,
        quotas: QuotaLimits {
            tests_per_source: TESTS_PER_SOURCE,
            total_bits_per_s: turn.total_mbit_per_s.map(|it| bits(it.get())),
            ..QuotaLimits::default()
        },
        allocation: AllocationLimits {
            bits_per_s: bits(turn.mbit_per_s),
            ..AllocationLimits::default()
        },
        replies_per_s: limits::REPLIES_PER_S_MAX,
        seed: rand::random(),
        legacy_channel_numbers: false,
    }
}

fn bits(mbit: u32) -> u64 {
    u64::from(mbit) * 1_000_000
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Layers, Surroundings, add_defaults};

    #[test]
    fn all_allocations_together_have_a_ceiling_unless_it_is_taken_away() {
        let ceiling = |file: &str| {
            let mut layers = Layers::default();
            layers.add_file(Path::new("c.toml"), file).unwrap();
            let surroundings = Surroundings {
                dev: true,
                cores: 2,
            };
            add_defaults(&mut layers, surroundings);
            let config = Config::from_layers(&layers, true).unwrap();
            server(&config.turn, "localhost").0.quotas.total_bits_per_s
        };
        assert_eq!(ceiling(""), Some(1_000_000_000));
        assert_eq!(ceiling("[turn]\ntotal_mbit_per_s = 20"), Some(20_000_000));
        assert_eq!(ceiling("[turn]\ntotal_mbit_per_s = 0"), None);
    }

    #[tokio::test]
    async fn tcp_and_udp_get_the_same_free_port_of_both_families() {
        for place in ["[::]:0", "127.0.0.1:0", "localhost:0"] {
            let (mut udp, mut held) = (Vec::new(), Vec::new());
            let place = Listen::parse(place).unwrap();
            let tcp = bind_both(place, &mut udp, &mut held).unwrap();
            let tcp: Vec<SocketAddr> = tcp.iter().map(|one| one.local_addr().unwrap()).collect();
            assert_eq!(tcp, udp);
            let ports = held.iter().map(|one| one.local_addr().unwrap().port());
            assert!(ports.clone().all(|port| port == udp[0].port() && port != 0));
            assert_eq!(
                ports.len(),
                if udp[0].ip().is_unspecified() {
                    2
                } else {
                    udp.len()
                }
            );
        }
    }

    #[tokio::test]
    async fn a_port_that_udp_has_in_use_is_named() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = Listen::Address(taken.local_addr().unwrap());
        let error = bind_both(place, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error:#}");
    }
}
