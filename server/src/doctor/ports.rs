//! Whether the ports of the server can be had.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Socket, Type};

use super::finding::Finding;
use crate::config::{Config, Listen, Role};

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Pages, signalling and the relay.
    Https,
    /// Plain HTTP.
    Http,
    /// The relay, by UDP.
    Relay,
    /// The relay, by TCP in the clear.
    RelayTcp,
    /// Media of a shard.
    Media,
}

impl Use {
    const fn words(self) -> &'static str {
        match self {
            Use::Https => "TCP, for pages, signalling and the relay",
            Use::Http => "TCP, for plain HTTP",
            Use::Relay => "UDP, for the relay",
            Use::RelayTcp => "TCP, for the relay",
            Use::Media => "UDP, for media",
        }
    }

    const fn cure(self) -> &'static str {
        match self {
            Use::Https | Use::Relay => "choose another with --https",
            Use::RelayTcp => "choose another in `turn.listen`",
            Use::Http => "choose another with --http, or `--http off`",
            Use::Media => "choose others with --media-port",
        }
    }
}

/// One port and what binding it gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) use_: Use,
    pub(super) address: SocketAddr,
    pub(super) bound: Result<(), io::ErrorKind>,
}

/// Tries to bind every port of a configuration, and lets go of it at once.
pub(super) fn look(config: &Config) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut tcp = |use_, listen: Listen| {
        for address in listen.addresses() {
            let bound = bind_tcp(address).map_err(|error| error.kind());
            ports.push(Port {
                use_,
                address,
                bound,
            });
        }
    };
    tcp(Use::Https, config.https);
    if let Some(http) = config.http {
        tcp(Use::Http, http);
    }
    let extra = if config.turn.enabled {
        &config.turn.listen[..]
    } else {
        &[]
    };
    for listen in extra {
        tcp(Use::RelayTcp, *listen);
    }
    let mut udp = |use_, address| {
        let bound = bind_udp(address).map_err(|error| error.kind());
        ports.push(Port {
            use_,
            address,
            bound,
        });
    };
    let own = std::iter::once(config.https).filter(|_| config.turn.enabled);
    for listen in own.chain(extra.iter().copied()) {
        for address in listen.addresses().into_iter().flat_map(of_families) {
            udp(Use::Relay, address);
        }
    }
    let base = config.media.port_base;
    let shards = match config.role {
        Role::All => config.media.shards.get(),
        Role::Turn(_) => 0,
    };
    for shard in 0..shards {
        for wildcard in [
            IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Ipv6Addr::UNSPECIFIED.into(),
        ] {
            // With 0 the kernel chooses; beyond the last port the start says so.
            if base != 0
                && let Some(port) = base.checked_add(u16::from(shard))
            {
                udp(Use::Media, SocketAddr::new(wildcard, port));
            }
        }
    }
    ports
}

/// Returns what the relay binds for an address: of `[::]` both families, each on its own.
fn of_families(address: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let is_both = address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let v4 = is_both.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
    std::iter::once(address).chain(v4)
}

fn bind_tcp(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // As the server does: what waits to end after a stop is no obstacle.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    drop(TcpListener::from(socket));
    Ok(())
}

fn bind_udp(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    drop(UdpSocket::from(socket));
    Ok(())
}

/// Says which ports cannot be had. Those of a running server are its own.
pub(super) fn judge(ports: &[Port], is_running: bool) -> Vec<Finding> {
    let problems: Vec<Finding> = ports
        .iter()
        .filter_map(|port| problem(port, is_running))
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let text = if is_running {
        "the server runs on this data folder and has its ports".to_owned()
    } else {
        format!("all {} ports can be had", ports.len())
    };
    vec![Finding::ok("ports", text)]
}

fn problem(port: &Port, is_running: bool) -> Option<Finding> {
    let (address, words, cure) = (port.address, port.use_.words(), port.use_.cure());
    let number = address.port();
    match port.bound {
        Ok(()) => None,
        // A machine without IPv6 serves IPv4 alone.
        Err(io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported) if address.is_ipv6() => {
            None
        }
        Err(io::ErrorKind::AddrInUse) if is_running => None,
        Err(io::ErrorKind::AddrInUse) => Some(Finding::error(
            "ports",
            format!("another program has {address} ({words})"),
            format!("`ss -lntup 'sport = :{number}'` names it: stop it, or {cure}"),
        )),
        Err(io::ErrorKind::PermissionDenied) => Some(Finding::error(
            "ports",
            format!("this user may not bind {address} ({words})"),
            format!(
                "ports below 1024 need CAP_NET_BIND_SERVICE (the service file has it); or {cure}"
            ),
        )),
        Err(io::ErrorKind::AddrNotAvailable) => Some(Finding::error(
            "ports",
            format!("this machine has no address {} ({words})", address.ip()),
            cure,
        )),
        Err(kind) if is_no_ipv6(address, kind) => None,
        Err(kind) => Some(Finding::error(
            "ports",
            format!("{address} ({words}) cannot be bound: {kind}"),
            cure,
        )),
    }
}

/// Returns whether the system has no IPv6 at all: std names that error not at all.
fn is_no_ipv6(address: SocketAddr, kind: io::ErrorKind) -> bool {
    address.is_ipv6()
        && kind != io::ErrorKind::InvalidInput
        && !std::path::Path::new("/proc/net/if_inet6").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Layers, Surroundings};
    use crate::doctor::Level;

    fn port(use_: Use, bound: Result<(), io::ErrorKind>) -> Port {
        let address = SocketAddr::from(([0, 0, 0, 0], 443));
        Port {
            use_,
            address,
            bound,
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_unless_it_is_our_own() {
        let ports = [
            port(Use::Https, Err(io::ErrorKind::AddrInUse)),
            port(Use::Media, Ok(())),
        ];
        let found = judge(&ports, false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Error);
        assert!(found[0].cure.as_ref().unwrap().contains("--https"));
        assert_eq!(judge(&ports, true)[0].level, Level::Ok);
    }

    #[test]
    fn a_port_that_is_not_allowed_names_the_capability() {
        let found = judge(
            &[port(Use::Http, Err(io::ErrorKind::PermissionDenied))],
            true,
        );
        assert!(
            found[0]
                .cure
                .as_ref()
                .unwrap()
                .contains("CAP_NET_BIND_SERVICE")
        );
    }

    fn config(turn: &str) -> Config {
        let mut layers = Layers::default();
        let file = format!("[turn]\n{turn}\n");
        layers
            .add_file(std::path::Path::new("c.toml"), &file)
            .unwrap();
        let surroundings = Surroundings {
            dev: true,
            cores: 1,
        };
        config::add_defaults(&mut layers, surroundings);
        Config::from_layers(&layers, true).unwrap()
    }

    #[test]
    fn the_relay_wants_udp_of_both_families_and_nothing_where_it_is_off() {
        let wanted = |turn: &str| {
            let mut ports = look(&config(turn));
            ports.retain(|port| matches!(port.use_, Use::Relay | Use::RelayTcp));
            let ports = ports.iter();
            ports
                .map(|port| (port.use_, port.address.to_string()))
                .collect::<Vec<_>>()
        };
        let listen = "listen = [\"127.0.0.1:0\"]";
        assert_eq!(
            wanted(listen),
            [
                (Use::RelayTcp, "127.0.0.1:0".to_owned()),
                (Use::Relay, "[::]:8443".to_owned()),
                (Use::Relay, "0.0.0.0:8443".to_owned()),
                (Use::Relay, "127.0.0.1:0".to_owned()),
            ]
        );
        assert_eq!(wanted(&format!("enabled = false\n{listen}")), []);
    }

    #[test]
    fn a_port_that_somebody_has_is_seen() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(
            bind_tcp(address).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(taken);
        bind_tcp(address).unwrap();
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(
            bind_udp(address).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
