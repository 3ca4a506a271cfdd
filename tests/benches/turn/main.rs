//! What the relay costs beside coturn, in one run on one machine: CPU per
//! relayed packet, allocations a second, memory per allocation.
//!
//! `cargo bench -p conclave-tests --bench turn`, as root. Each server runs in a
//! network namespace of its own, the same client against each: turnutils_uclient
//! of Debian's coturn, and media in bursts as meetings send it (`media.rs`). With a
//! word behind `--`, such as `media`, only rows with that word are measured. The
//! relay is a process of its own (this binary again), with real sockets, and with
//! virtual addresses in the loop of a shard, where an echo stands between the two for
//! the shard's own work. Runs alternate and figures are medians: good for ratios within one run,
//! not across machines.

mod certificate;
#[path = "../../turn/client.rs"]
mod client;
mod load;
mod login;
mod media;
mod relay;
mod streams;

use std::process::Command;

use load::{Allocating, Arrival, Way};

/// How often each measurement is made.
const RUNS: usize = 3;

/// Whom it is about, in the order of the columns.
const SERVERS: [Server; 3] = [Server::Coturn, Server::Real, Server::Virtual];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Coturn,
    Real,
    Virtual,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["--relay", backend] => relay::serve(backend),
        ["--media", way, arrival, peer] => media::send_here(way, arrival, peer),
        ["--allocate", first, count] => load::allocate_here(first, count),
        _ => measure(&words),
    }
}

fn measure(words: &[&str]) {
    for program in ["turnutils_uclient", "turnutils_peer", "turnserver", "ip"] {
        let mut look = Command::new("sh");
        look.args(["-c", "command -v \"$0\" >/dev/null", program]);
        if !look.status().is_ok_and(|status| status.success()) {
            println!("nothing measured: {program} is missing (Debian: coturn, iproute2)");
            return;
        }
    }
    certificate::make();
    let is_wanted = |name: &str| {
        let mut wishes = words
            .iter()
            .filter(|word| !word.starts_with("--"))
            .peekable();
        wishes.peek().is_none() || wishes.any(|wish| name.contains(wish))
    };
    println!("| | coturn | real sockets | of coturn | virtual | of coturn |");
    println!("|---|---|---|---|---|---|");
    for (way, load, rate) in [
        (Way::Udp, load::THIN, "5,000"),
        (Way::Udp, load::DENSE, "25,000"),
        (Way::Tcp, load::THIN, "5,000"),
        (Way::Tls, load::THIN, "5,000"),
    ] {
        let name = format!("CPU per packet by {}, {rate}/s each way, µs", way.name());
        if is_wanted(&name) {
            let figures = alternating(|server| load::relay(server, way, load));
            row(&name, figures.map(median), 1e6, 1);
        }
    }
    for (way, arrival) in [
        (Way::Udp, Arrival::Single),
        (Way::Udp, Arrival::Joined),
        (Way::Tcp, Arrival::Joined),
        (Way::Tls, Arrival::Joined),
    ] {
        let arrives = match (way, arrival) {
            (Way::Udp, Arrival::Single) => ", packet by packet",
            (Way::Udp, Arrival::Joined) => ", frames at once",
            _ => "",
        };
        let name = format!("CPU per packet of media by {}{arrives}, µs", way.name());
        if is_wanted(&name) {
            let figures = alternating(|server| load::media(server, way, arrival));
            row(&name, figures.map(median), 1e6, 2);
        }
    }
    if !is_wanted("allocations") {
        return;
    }
    let figures = alternating(load::allocate);
    let of = |part: fn(&Allocating) -> f64| {
        figures
            .clone()
            .map(|runs| median(runs.iter().map(part).collect()))
    };
    row("CPU per allocation, µs", of(|one| one.cpu_s), 1e6, 1);
    row("allocations/s of one client", of(|one| one.per_s), 1.0, 0);
    row(
        "own memory per allocation, KiB",
        of(|one| one.bytes),
        1.0 / 1024.0,
        2,
    );
}

/// Measures each server in turn, and that several times.
fn alternating<T>(measure: impl Fn(Server) -> T) -> [Vec<T>; 3] {
    let mut figures = SERVERS.map(|_| Vec::new());
    for _ in 0..RUNS {
        for (server, figures) in SERVERS.into_iter().zip(&mut figures) {
            figures.push(measure(server));
        }
    }
    figures
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn row(name: &str, [coturn, real, in_memory]: [f64; 3], unit: f64, digits: usize) {
    println!(
        "| {name} | {:.digits$} | {:.digits$} | {:.2} | {:.digits$} | {:.2} |",
        coturn * unit,
        real * unit,
        real / coturn,
        in_memory * unit,
        in_memory / coturn,
    );
}
