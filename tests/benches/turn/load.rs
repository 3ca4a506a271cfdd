//! One server under one load: what it took.

use std::io::BufRead;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use conclave_tests::lab::{Lab, Pid};

use crate::Server;
use crate::certificate;
use crate::client::{self, User};
use crate::relay::{PASSWORD, PORT, REALM, USER};

/// Clients of `turnutils_uclient`, and the size of their packets.
const CLIENTS: u32 = 50;
const BYTES: &str = "1000";

/// What each client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    packets: u32,
    distance_ms: u32,
}

/// 5,000 packets a second each way: hardly two of them come at the same time.
pub(crate) const THIN: Load = Load {
    packets: 500,
    distance_ms: 10,
};
/// 25,000 packets a second each way.
pub(crate) const DENSE: Load = Load {
    packets: 2_500,
    distance_ms: 2,
};

/// Allocations that are made before: the first ones fill caches and pools.
const WARM_UP: usize = 256;
/// Allocations that are made to measure one.
const ALLOCATIONS: usize = 4_000;

/// How clients reach the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Udp => "UDP",
            Way::Tcp => "TCP",
            Way::Tls => "TLS",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Way::Udp => &[],
            Way::Tcp => &["-t"],
            Way::Tls => &["-t", "-S"],
        }
    }
}

/// How what a client sends at once by UDP reaches the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival {
    /// Each packet by itself, some microseconds behind the one before.
    Single,
    /// Together, as an interface hands over what came while it kept its interrupt back.
    Joined,
}

impl Arrival {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Arrival::Single => "single",
            Arrival::Joined => "joined",
        }
    }
}

/// What allocations took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocating {
    /// CPU of each, in seconds.
    pub(crate) cpu_s: f64,
    /// How many were made in a second.
    pub(crate) per_s: f64,
    /// Own memory of each, in bytes.
    pub(crate) bytes: f64,
}

/// Relays media of many clients to an echo and back; returns the CPU per relayed
/// packet in seconds.
pub(crate) fn relay(server: Server, way: Way, load: Load) -> f64 {
    let mut lab = Lab::new();
    let pid = start(server, &mut lab);
    if server != Server::Virtual {
        let mut peer = lab.command("turnutils_peer");
        peer.args(["-L", "127.0.0.1"]);
        lab.start(peer);
    }
    let before = cpu(pid);
    let mut arguments = way.flags().to_vec();
    arguments.extend(["-u", USER, "-w", PASSWORD, "-e", "127.0.0.1", "-X", "-c"]);
    let [clients, packets, distance] =
        [CLIENTS, load.packets, load.distance_ms].map(|number| number.to_string());
    arguments.extend(["-m", &clients, "-n", &packets, "-z", &distance]);
    arguments.extend(["-l", BYTES]);
    arguments.push("127.0.0.1");
    let (_, said) = lab.run("turnutils_uclient", &arguments);
    let came_back = said
        .lines()
        .rev()
        .find_map(|line| {
            line.split_once("tot_recv_msgs=")?
                .1
                .trim()
                .parse::<u32>()
                .ok()
        })
        .unwrap_or_else(|| panic!("{server:?} by {}: {said}", way.name()));
    let wanted = CLIENTS * load.packets;
    if came_back < wanted / 100 * 99 {
        println!(
            "({server:?} by {}: {came_back} of {wanted} came back)",
            way.name()
        );
    }
    (cpu(pid) - before).as_secs_f64() / f64::from(2 * came_back)
}

/// Relays media as meetings send it, to a peer and back; returns the CPU per relayed
/// packet in seconds.
pub(crate) fn media(server: Server, way: Way, arrival: Arrival) -> f64 {
    let mut lab = Lab::new();
    let pid = start(server, &mut lab);
    let own = std::env::current_exe().expect("the own path is known");
    let mut client = lab.command(own);
    // With virtual addresses the peer is in the server's process.
    let peer = if server == Server::Virtual {
        "none"
    } else {
        "peer"
    };
    client.args(["--media", way.name(), arrival.name(), peer]);
    let (_, output) = lab.start_reading(client);
    let mut lines = output.lines().map_while(Result::ok);
    let begins = lines.next();
    assert_eq!(begins.as_deref(), Some("begins"), "the client failed");
    let before = cpu(pid);
    let said = lines.next().expect("the client ends with its counts");
    let numbers: Vec<u64> = said
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [sent, returned] = numbers[..] else {
        panic!("{server:?} by {}: {said}", way.name());
    };
    if returned < sent {
        println!(
            "({server:?} by {}: {returned} of {sent} came back)",
            way.name()
        );
    }
    (cpu(pid) - before).as_secs_f64() / (2 * returned) as f64
}

/// Makes allocations, each from an address of its own.
pub(crate) fn allocate(server: Server) -> Allocating {
    let mut lab = Lab::new();
    let pid = start(server, &mut lab);
    allocate_from(&lab, 0, WARM_UP);
    let (cpu_before, bytes_before) = (cpu(pid), pid.own_bytes());
    let began = Instant::now();
    allocate_from(&lab, WARM_UP, ALLOCATIONS);
    let (took, count) = (began.elapsed(), ALLOCATIONS as f64);
    Allocating {
        cpu_s: (cpu(pid) - cpu_before).as_secs_f64() / count,
        per_s: count / took.as_secs_f64(),
        bytes: pid.own_bytes().saturating_sub(bytes_before) as f64 / count,
    }
}

fn allocate_from(lab: &Lab, first: usize, count: usize) {
    let own = std::env::current_exe().expect("the own path is known");
    let mut client = lab.command(own);
    client.args(["--allocate", &first.to_string(), &count.to_string()]);
    let status = client.status().expect("ip is there");
    assert!(status.success(), "the client failed");
}

/// The client's side of [`allocate`], in a process within the namespace.
pub(crate) fn allocate_here(first: &str, count: &str) {
    let first = first.parse().expect("it is a number");
    let user = User {
        name: USER,
        password: PASSWORD,
    };
    let count = count.parse().expect("it is a number");
    client::allocate((Ipv4Addr::LOCALHOST, PORT).into(), first, &user, count)
        .expect("it allocates");
}

fn start(server: Server, lab: &mut Lab) -> Pid {
    let own = std::env::current_exe().expect("the own path is known");
    let (mut command, word) = match server {
        Server::Coturn => (coturn(lab), "IO method (admin thread)"),
        Server::Real | Server::Virtual => (lab.command(own), "ready"),
    };
    match server {
        Server::Coturn => {}
        Server::Real => {
            command.args(["--relay", "real"]);
        }
        Server::Virtual => {
            command.args(["--relay", "virtual"]);
        }
    }
    lab.start_until(command, word)
}

fn coturn(lab: &Lab) -> Command {
    // Into a pipe it would write by the page.
    let mut command = lab.command("stdbuf");
    command
        .args(["-oL", "turnserver"])
        .args(["-n", "--no-cli", "--lt-cred-mech", "--allow-loopback-peers"])
        .args(["--user", &format!("{USER}:{PASSWORD}"), "--realm", REALM])
        .args(["-L", "127.0.0.1", "-E", "127.0.0.1"])
        .arg("--cert")
        .arg(certificate::file("pem"))
        .arg("--pkey")
        .arg(certificate::file("key.pem"))
        .args(["--log-file=stdout", "--simple-log"])
        // It complains of a kernel without SCTP.
        .stderr(Stdio::null())
        .current_dir(std::env::temp_dir());
    command
}

/// What all threads of the server used.
fn cpu(pid: Pid) -> Duration {
    pid.cpu().values().sum()
}
