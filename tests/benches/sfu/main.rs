//! What the SFU costs per forwarded packet, and per participant.
//!
//! The media node runs in a child process (this binary again), pinned to core
//! 0 where `taskset` is there; synthetic participants with real DTLS and SRTP
//! run in this process over loopback sockets. CPU is user and system time of
//! all threads of the child, memory its resident set. Figures are good for
//! ratios within one run, not across machines.

mod child;
mod crowd;

use std::time::Duration;

use child::Child;
use crowd::{Crowd, Shape};

/// Before anything is counted: joining, keyframes, bandwidth.
const WARM_UP: Duration = Duration::from_secs(6);
/// What is counted.
const WINDOW: Duration = Duration::from_secs(8);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--media-node") {
        child::serve();
        return;
    }
    println!(
        "| work | packets/s | µs per packet (user + system) | core | lost | KiB per participant |"
    );
    println!("|---|---|---|---|---|---|");
    for subscribers in [1, 10, 50] {
        measure(
            &format!("1 → {subscribers}"),
            Shape::Webinar {
                viewers: subscribers,
            },
        );
    }
    measure("meeting of 8", Shape::Meeting { members: 8 });
}

fn measure(name: &str, shape: Shape) {
    let mut child = Child::start();
    let empty = child.resident_bytes();
    let mut crowd = Crowd::join(&mut child, shape);
    crowd.run(&mut child, WARM_UP);
    let (packets, cpu, began) = (crowd.received(), child.cpu(), crowd.now());
    crowd.run(&mut child, WINDOW);
    let packets = crowd.received() - packets;
    let (cpu, elapsed) = (child.cpu() - cpu, crowd.now() - began);
    let per_participant = (child.resident_bytes() - empty) / crowd.len() as u64 / 1024;
    println!(
        "| {name} | {:.0} | {:.1} | {:.0} % | {:.2} % | {per_participant} |",
        packets as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / packets as f64,
        cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0,
        crowd.lost_share() * 100.0,
    );
}
