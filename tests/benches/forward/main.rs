//! What a shard itself does for a forwarded packet: no sockets, no threads, no
//! clients beside it, both ways of sending.
//!
//! Time is measured in this process; instructions are counted by callgrind in
//! a child of it, where valgrind is there, and compared with what
//! `counts.txt` keeps. With `--keep` that file is written anew; nothing here
//! fails because a number has changed.

mod count;
mod kept;
mod time;

use conclave_sfu_core::{EstimatorKind, SenderKind};
use conclave_tests::fanout::{Fanout, Traffic};

use kept::Kept;

/// How many see and hear the publisher.
const VIEWERS: [usize; 3] = [1, 12, 50];

/// What is measured: who sends, to how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    own: bool,
    viewers: usize,
}

/// Of one case, per forwarded packet: nanoseconds or instructions.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// For the publisher's datagrams and all that they set off, and for what is due.
    forward: f64,
    /// For the viewers' datagrams.
    feedback: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(case) = count::case_of(&arguments) {
        return count::work(case);
    }
    let (kept, counts) = (Kept::read(), count::valgrind());
    if !counts {
        println!("valgrind is not there: instructions are not counted");
    }
    println!(
        "Per forwarded packet, of the shard alone; feedback is what it does for the viewers'."
    );
    println!("| sender | viewers | ns | ns, feedback | instructions | instructions, feedback |");
    println!("|---|---|---|---|---|---|");
    let mut counted = Kept::default();
    for case in cases() {
        let time = time::measure(case);
        print!(
            "| {} | {} | {:.0} | {:.0} |",
            case.sender(),
            case.viewers,
            time.forward,
            time.feedback
        );
        match counts.then(|| count::measure(case)).flatten() {
            Some(cost) => {
                println!(" {} |", kept.beside(case, cost));
                counted.note(case, cost);
            }
            None => println!(" – | – |"),
        }
    }
    if arguments.iter().any(|argument| argument == "--keep") {
        counted.write();
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let of = |own| {
        VIEWERS
            .into_iter()
            .map(move |viewers| Case { own, viewers })
    };
    [true, false].into_iter().flat_map(of)
}

impl Case {
    fn sender(self) -> &'static str {
        if self.own { "own" } else { "str0m" }
    }

    fn gather(self) -> Fanout {
        let sender = if self.own {
            SenderKind::Own
        } else {
            SenderKind::Str0m
        };
        Fanout::new(self.viewers, sender, EstimatorKind::GoogCc)
    }
}

/// Fails where viewers do not get what is sent: what that costs says nothing.
fn check(case: Case, traffic: Traffic) {
    let due = traffic.received * case.viewers as u64;
    let few = |count: u64| count * 50 < due * 49;
    assert!(
        !few(traffic.forwarded) && !few(traffic.sent),
        "{case:?}: not everything is forwarded: {traffic:?}"
    );
}
