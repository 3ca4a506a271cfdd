//! Whether the running server answers on each way that browsers take: pages,
//! and the relay by UDP, TCP and TLS, from this machine and by its public name.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use anyhow::{Context, ensure};
use conclave_turn_wire::ClientTransport;

use super::finding::Finding;
use super::name::Name;
use crate::config::{Config, RelayUrl};
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
    const RELAY: [Way; 3] = [Way::RelayUdp, Way::RelayTcp, Way::RelayTls];

    const fn of(transport: ClientTransport) -> Self {
        match transport {
            ClientTransport::Udp => Way::RelayUdp,
            ClientTransport::Tcp => Way::RelayTcp,
            ClientTransport::Tls => Way::RelayTls,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Way::Pages => "pages and signalling",
            Way::RelayUdp => "the relay by UDP",
            Way::RelayTcp => "the relay by TCP",
            Way::RelayTls => "the relay by TLS",
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Way::RelayUdp => "UDP",
            Way::Pages | Way::RelayTcp | Way::RelayTls => "TCP",
        }
    }
}

/// By what a browser would find a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// An address of this machine.
    Machine,
    /// The public name.
    Name,
    /// One of `turn.urls`.
    Url(String),
}

/// One way to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) way: Way,
    pub(super) target: SocketAddr,
    pub(super) by: By,
}

/// One way that was tried.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) trial: Trial,
    pub(super) outcome: Result<(), String>,
}

/// What became of all ways.
#[derive(Debug)]
pub(super) struct Looked {
    tried: Vec<Tried>,
    /// Those that could not be tried, each with the reason.
    untried: Vec<String>,
}

/// Tries every way: here, by each address of the public name, and by each URL of the relay.
pub(super) fn look(config: &Config, name: &Name) -> Looked {
    let (trials, untried) = plan(config, name, |host| {
        let found = (host, 0).to_socket_addrs();
        found.map_or_else(
            |_| Vec::new(),
            |found| found.map(|address| address.ip()).collect(),
        )
    });
    let tried = trials.into_iter().map(|trial| {
        let outcome = walk(config, trial.way, trial.target);
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        Tried { trial, outcome }
    });
    Looked {
        tried: tried.collect(),
        untried,
    }
}

/// Returns what is to be tried, and in words what cannot be. `resolve` gives the addresses of a name.
fn plan(
    config: &Config,
    name: &Name,
    resolve: impl Fn(&str) -> Vec<IpAddr>,
) -> (Vec<Trial>, Vec<String>) {
    let (mut trials, mut untried) = (Vec::new(), Vec::new());
    let turn = &config.turn;
    let relay_ways = |is_there: bool| if is_there { &Way::RELAY[..] } else { &[] };
    let mut add = |ways: &[Way], target: SocketAddr, by: &By| {
        for way in ways {
            let (way, by) = (*way, by.clone());
            let trial = Trial { way, target, by };
            if !trials.contains(&trial) {
                trials.push(trial);
            }
        }
    };
    let local = health_check::reachable(config.https.addresses()[0]);
    add(&[Way::Pages], local, &By::Machine);
    add(relay_ways(turn.enabled), local, &By::Machine);
    for place in turn.listen.iter().filter(|_| turn.enabled) {
        // Of `localhost` the second may not be there.
        let target = health_check::reachable(place.addresses()[0]);
        if target.port() == 0 {
            untried.push(format!(
                "`{place}` of `turn.listen`: the kernel chose its port"
            ));
        } else {
            add(&[Way::RelayUdp, Way::RelayTcp], target, &By::Machine);
        }
    }
    if let Some(public) = &config.public_url {
        // The relay is where its URLs say; behind a proxy that is another port.
        let is_relay_there = turn.enabled && turn.urls.is_empty();
        for ip in name.addresses() {
            let target = SocketAddr::new(*ip, public.port());
            add(&[Way::Pages], target, &By::Name);
            add(relay_ways(is_relay_there), target, &By::Name);
        }
        if name.addresses().is_empty() {
            untried.push("the public name: it leads nowhere".to_owned());
        }
    }
    for text in turn.urls.iter().filter(|_| turn.enabled) {
        let Ok(url) = RelayUrl::parse(text) else {
            continue;
        };
        let ips = if url.host == RelayUrl::PAGE {
            name.addresses().to_vec()
        } else {
            resolve(url.host)
        };
        if ips.is_empty() {
            untried.push(format!("`{text}` of `turn.urls`: its host leads nowhere"));
        }
        for ip in ips {
            let target = SocketAddr::new(ip, url.port);
            add(&[Way::of(url.transport)], target, &By::Url(text.clone()));
        }
    }
    (trials, untried)
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

/// Says which ways are closed and which were not tried; `None` if no server runs.
pub(super) fn judge(looked: Option<&Looked>) -> Vec<Finding> {
    let Some(Looked { tried, untried }) = looked else {
        return vec![Finding::notice(
            "ways",
            "the server does not run on this data folder, so no way to it was tried",
            "start it and ask the doctor again",
        )];
    };
    let mut found: Vec<Finding> = tried.iter().filter_map(|one| problem(one, tried)).collect();
    if found.is_empty() {
        let which = if untried.is_empty() {
            "to the server"
        } else {
            "that could be tried"
        };
        found.push(Finding::ok(
            "ways",
            format!("all {} ways {which} are open", tried.len()),
        ));
    }
    found.extend(untried.iter().map(|what| {
        Finding::notice(
            "ways",
            format!("not tried: {what}"),
            "try it in a browser: the page before joining shows which ways work",
        )
    }));
    found
}

fn problem(one: &Tried, all: &[Tried]) -> Option<Finding> {
    let why = one.outcome.as_ref().err()?;
    let Trial { way, target, by } = &one.trial;
    let (words, protocol, port) = (way.words(), way.protocol(), target.port());
    let works_here = all.iter().any(|other| {
        other.trial.way == *way && other.trial.by == By::Machine && other.outcome.is_ok()
    });
    let forward = format!(
        "open and forward {protocol} port {port}; a router that does not lead its own network back in \
         (no hairpin NAT) looks the same: try from outside"
    );
    Some(match by {
        By::Name if works_here => Finding::warning(
            "ways",
            format!("{words} works here, not by the public name at port {port}: {why}"),
            forward,
        ),
        By::Url(url) => Finding::warning(
            "ways",
            format!("{words} does not work at {target}, where `{url}` of `turn.urls` leads: {why}"),
            forward,
        ),
        By::Machine | By::Name => Finding::error(
            "ways",
            format!("{words} does not work at port {port} of this machine: {why}"),
            "read the server's log from its start on",
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::thread;

    use super::*;
    use crate::config::{Layers, Surroundings, add_defaults};
    use crate::doctor::Level;

    fn tried(way: Way, by: By, works: bool) -> Tried {
        let outcome = if works {
            Ok(())
        } else {
            Err("no answer".to_owned())
        };
        let target = SocketAddr::from(([192, 0, 2, 1], 443));
        Tried {
            trial: Trial { way, target, by },
            outcome,
        }
    }

    fn looked<const N: usize>(tried: [Tried; N]) -> Vec<Finding> {
        let tried = Vec::from(tried);
        let untried = Vec::new();
        judge(Some(&Looked { tried, untried }))
    }

    fn config(file: &str) -> Config {
        let mut layers = Layers::default();
        layers.add_file(Path::new("c.toml"), file).unwrap();
        let surroundings = Surroundings {
            dev: true,
            cores: 2,
        };
        add_defaults(&mut layers, surroundings);
        Config::from_layers(&layers, true).unwrap()
    }

    /// Each way to be tried, as `way address`.
    fn planned(file: &str) -> (Vec<String>, Vec<String>) {
        let name = Name::Address([203, 0, 113, 7].into());
        let (trials, untried) = plan(&config(file), &name, |host| {
            let known = host == "turn.example.org";
            known.then(|| [203, 0, 113, 8].into()).into_iter().collect()
        });
        let texts = trials.iter().map(|trial| {
            let way = trial.way.words().trim_start_matches("the relay by ");
            format!("{way} {}", trial.target)
        });
        (texts.collect(), untried)
    }

    #[test]
    fn every_address_and_every_url_of_the_relay_is_tried() {
        let (trials, untried) = planned(
            "public_url = \"https://203.0.113.7\"\n\
             [listen]\nhttps = \"[::]:8443\"\n\
             [turn]\nlisten = [\"[::]:3478\", \"192.0.2.5:3479\"]\n\
             urls = [\"turn:{host}:3478\", \"turns:turn.example.org:443?transport=tcp\"]\n",
        );
        assert_eq!(
            trials,
            [
                "pages and signalling 127.0.0.1:8443",
                "UDP 127.0.0.1:8443",
                "TCP 127.0.0.1:8443",
                "TLS 127.0.0.1:8443",
                "UDP 127.0.0.1:3478",
                "TCP 127.0.0.1:3478",
                "UDP 192.0.2.5:3479",
                "TCP 192.0.2.5:3479",
                "pages and signalling 203.0.113.7:443",
                "UDP 203.0.113.7:3478",
                "TLS 203.0.113.8:443",
            ]
        );
        assert!(untried.is_empty(), "{untried:?}");
    }

    #[test]
    fn without_urls_the_relay_is_where_the_pages_are_and_without_a_relay_nowhere() {
        let (trials, _) = planned("public_url = \"https://203.0.113.7\"\n");
        assert_eq!(trials.len(), 8, "{trials:?}");
        let (trials, untried) = planned(
            "public_url = \"https://203.0.113.7\"\n\
             [turn]\nenabled = false\nlisten = [\"[::]:3478\"]\nurls = [\"turn:nowhere.example.org\"]\n",
        );
        assert_eq!(trials.len(), 2, "{trials:?}");
        assert!(untried.is_empty(), "{untried:?}");
    }

    #[test]
    fn what_could_not_be_tried_is_said() {
        let (_, untried) = planned(
            "[turn]\nlisten = [\"127.0.0.1:0\"]\nurls = [\"turn:nowhere.example.org:443\"]\n",
        );
        assert_eq!(untried.len(), 2, "{untried:?}");
        let found = judge(Some(&Looked {
            tried: vec![tried(Way::Pages, By::Machine, true)],
            untried,
        }));
        let levels: Vec<Level> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Notice, Level::Notice]);
        assert!(found[0].cause.contains("that could be tried"));
        assert!(found[2].cause.contains("turn:nowhere.example.org:443"));
    }

    #[test]
    fn a_url_that_nobody_answers_is_named() {
        let url = By::Url("turn:{host}:443".to_owned());
        let found = looked([
            tried(Way::RelayUdp, By::Machine, true),
            tried(Way::RelayUdp, url, false),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Warning);
        assert!(found[0].cause.contains("`turn:{host}:443`"), "{found:?}");
    }

    #[test]
    fn what_works_here_and_not_by_name_is_a_matter_of_the_network() {
        let found = looked([
            tried(Way::RelayUdp, By::Machine, true),
            tried(Way::RelayUdp, By::Name, false),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::Warning);
        assert!(found[0].cure.as_ref().unwrap().contains("UDP port 443"));
        let nowhere = looked([
            tried(Way::RelayTls, By::Machine, false),
            tried(Way::RelayTls, By::Name, false),
        ]);
        assert!(nowhere.iter().all(|finding| finding.level == Level::Error));
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
