//! Whether the running server answers on each way that browsers take: pages,
//! and the relay by UDP, TCP and TLS, from this machine and by its public name.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::finding::Finding;
use super::name::Name;
use crate::config::Config;
use crate::health_check;

/// For each step; an answer from this machine takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(3);
/// UDP is asked again: a datagram may be lost.
const UDP_ATTEMPTS: u32 = 3;

/// A STUN Binding request without attributes (RFC 8489, section 5): type, no
/// length, cookie, and a transaction id that nobody has to guess.
const BINDING: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42conclave-doc";
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Pages,
    RelayUdp,
    RelayTcp,
    RelayTls,
}

impl Way {
    const ALL: [Way; 4] = [Way::Pages, Way::RelayUdp, Way::RelayTcp, Way::RelayTls];

    const fn words(self) -> &'static str {
        match self {
            Way::Pages => "pages and signalling",
            Way::RelayUdp => "the relay by UDP",
            Way::RelayTcp => "the relay by TCP",
            Way::RelayTls => "the relay by TLS",
        }
    }
}

/// One way that was tried.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) way: Way,
    pub(super) target: SocketAddr,
    /// Whether the target is the public name rather than this machine.
    pub(super) is_public: bool,
    pub(super) outcome: Result<(), String>,
}

/// Tries every way, here and by each address of the public name.
pub(super) fn look(config: &Config, name: &Name) -> Vec<Tried> {
    let local = health_check::reachable(config.https.addresses()[0]);
    let public_port = config
        .public_url
        .as_ref()
        .map_or(local.port(), |url| url.port());
    let public = name
        .addresses()
        .iter()
        .map(|ip: &IpAddr| SocketAddr::new(*ip, public_port));
    let targets = std::iter::once((local, false)).chain(public.map(|target| (target, true)));
    let mut tried = Vec::new();
    for (target, is_public) in targets {
        for way in Way::ALL {
            let is_relay = way != Way::Pages;
            // The relay is where its URLs say; behind a proxy that is another port.
            if is_relay && (!config.turn.enabled || (is_public && !config.turn.urls.is_empty())) {
                continue;
            }
            let outcome = walk(config, way, target).map_err(|error| format!("{error:#}"));
            tried.push(Tried {
                way,
                target,
                is_public,
                outcome,
            });
        }
    }
    tried
}

fn walk(config: &Config, way: Way, target: SocketAddr) -> anyhow::Result<()> {
    match way {
        Way::Pages => {
            let mut stream = health_check::open_tls(config, target)?;
            stream.write_all(
                b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            )?;
            let mut start = [0; 9];
            stream.read_exact(&mut start).context("no answer")?;
            ensure!(&start == b"HTTP/1.1 ", "the answer is not HTTP");
            Ok(())
        }
        Way::RelayUdp => ask_by_udp(target),
        Way::RelayTcp => ask_by_stream(health_check::open(config, target)?),
        Way::RelayTls => ask_by_stream(health_check::open_tls(config, target)?),
    }
}

fn ask_by_udp(target: SocketAddr) -> anyhow::Result<()> {
    let wildcard: IpAddr = if target.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    let socket = UdpSocket::bind(SocketAddr::new(wildcard, 0))?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(TIMEOUT / UDP_ATTEMPTS))?;
    let mut answer = [0; 128];
    for _ in 0..UDP_ATTEMPTS {
        socket.send(&BINDING)?;
        if let Ok(len) = socket.recv(&mut answer) {
            return check(&answer[..len]);
        }
    }
    anyhow::bail!("no answer")
}

fn ask_by_stream(mut stream: impl Read + Write) -> anyhow::Result<()> {
    stream.write_all(&BINDING)?;
    stream.flush()?;
    let mut answer = [0; BINDING.len()];
    stream.read_exact(&mut answer).context("no answer")?;
    check(&answer)
}

fn check(answer: &[u8]) -> anyhow::Result<()> {
    let is_ours = answer.get(4..20) == Some(&BINDING[4..]);
    ensure!(
        is_ours && answer.starts_with(&BINDING_SUCCESS),
        "something else answers there"
    );
    Ok(())
}

/// Says which ways are closed; `None` if no server runs.
pub(super) fn judge(tried: Option<&[Tried]>) -> Vec<Finding> {
    let Some(tried) = tried else {
        return vec![Finding::notice(
            "ways",
            "the server does not run on this data folder, so no way to it was tried",
            "start it and ask the doctor again",
        )];
    };
    let mut found: Vec<Finding> = tried.iter().filter_map(|one| problem(one, tried)).collect();
    if found.is_empty() {
        found.push(Finding::ok(
            "ways",
            format!("all {} ways to the server are open", tried.len()),
        ));
    }
    found
}

fn problem(one: &Tried, all: &[Tried]) -> Option<Finding> {
    let why = one.outcome.as_ref().err()?;
    let words = one.way.words();
    let works_here = all
        .iter()
        .any(|other| other.way == one.way && !other.is_public && other.outcome.is_ok());
    let port = one.target.port();
    let protocol = if one.way == Way::RelayUdp {
        "UDP"
    } else {
        "TCP"
    };
    Some(if one.is_public && works_here {
        Finding::warning(
            "ways",
            format!("{words} works here, not by the public name at port {port}: {why}"),
            format!(
                "open and forward {protocol} port {port}; a router that does not lead its own network back in \
                 (no hairpin NAT) looks the same: try from outside"
            ),
        )
    } else {
        Finding::error(
            "ways",
            format!("{words} does not work at port {port} of this machine: {why}"),
            "read the server's log from its start on",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::doctor::Level;

    fn tried(way: Way, is_public: bool, works: bool) -> Tried {
        let outcome = if works {
            Ok(())
        } else {
            Err("no answer".to_owned())
        };
        Tried {
            way,
            target: SocketAddr::from(([192, 0, 2, 1], 443)),
            is_public,
            outcome,
        }
    }

    #[test]
    fn what_works_here_and_not_by_name_is_a_matter_of_the_network() {
        let all = [
            tried(Way::RelayUdp, false, true),
            tried(Way::RelayUdp, true, false),
        ];
        let found = judge(Some(&all));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Warning);
        assert!(found[0].cure.as_ref().unwrap().contains("UDP port 443"));
        let nowhere = [
            tried(Way::RelayTls, false, false),
            tried(Way::RelayTls, true, false),
        ];
        assert!(
            judge(Some(&nowhere))
                .iter()
                .all(|finding| finding.level == Level::Error)
        );
        assert_eq!(judge(None)[0].level, Level::Notice);
    }

    #[test]
    fn an_answer_of_something_else_is_not_taken_for_ours() {
        let mut answer = BINDING;
        answer[..2].copy_from_slice(&BINDING_SUCCESS);
        check(&answer).unwrap();
        answer[19] ^= 1;
        assert!(check(&answer).is_err());
        assert!(check(b"HTTP/1.1 400 Bad Request").is_err());
        assert!(check(b"").is_err());
    }

    #[test]
    fn a_relay_is_asked_by_udp_and_tcp() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp_address = tcp.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut request = [0; 20];
            let (_, source) = udp.recv_from(&mut request).unwrap();
            request[..2].copy_from_slice(&BINDING_SUCCESS);
            udp.send_to(&request, source).unwrap();
            let (mut stream, _) = tcp.accept().unwrap();
            stream.read_exact(&mut request).unwrap();
            request[..2].copy_from_slice(&BINDING_SUCCESS);
            stream.write_all(&request).unwrap();
        });
        ask_by_udp(address).unwrap();
        ask_by_stream(TcpStream::connect(tcp_address).unwrap()).unwrap();
        server.join().unwrap();
    }
}
