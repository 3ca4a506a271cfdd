//! The counts in the repository.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::{Case, Cost, cases};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/forward/counts.txt");

const HEAD: &str = "\
# Instructions per forwarded packet, of the shard alone, as callgrind counts them; feedback is
# what it does for the viewers' datagrams, per packet forwarded as well. They depend on the
# compiler and on the cryptographic library, hardly on the machine: under valgrind all processors
# with AVX2 look alike. Written by: cargo bench -p conclave-tests --bench forward -- --keep
# sender viewers forward feedback
";

/// Counts by case.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<Case, Cost>);

impl Kept {
    /// Reads what the repository keeps; nothing if it keeps nothing.
    pub(crate) fn read() -> Kept {
        let text = fs::read_to_string(FILE).unwrap_or_default();
        Kept(text.lines().filter_map(parsed).collect())
    }

    /// Writes all anew.
    pub(crate) fn write(&self) {
        let mut text = HEAD.to_owned();
        for case in cases() {
            if let Some(Cost { forward, feedback }) = self.0.get(&case) {
                let (sender, viewers) = (case.sender(), case.viewers);
                let _ = writeln!(text, "{sender} {viewers} {forward:.0} {feedback:.0}");
            }
        }
        if let Err(error) = fs::write(FILE, text) {
            println!("the counts could not be kept: {error}");
        }
    }

    pub(crate) fn note(&mut self, case: Case, cost: Cost) {
        self.0.insert(case, cost);
    }

    /// Returns a cost as two cells, with the change against what is kept.
    pub(crate) fn beside(&self, case: Case, cost: Cost) -> String {
        let kept = self.0.get(&case);
        let cell = |now: f64, then: Option<f64>| match then {
            Some(then) => format!("{now:.0} ({:+.1} %)", (now / then - 1.0) * 100.0),
            None => format!("{now:.0}"),
        };
        let forward = cell(cost.forward, kept.map(|kept| kept.forward));
        let feedback = cell(cost.feedback, kept.map(|kept| kept.feedback));
        format!("{forward} | {feedback}")
    }
}

fn parsed(line: &str) -> Option<(Case, Cost)> {
    let mut words = line.split(' ');
    let own = match words.next()? {
        "own" => true,
        "str0m" => false,
        _ => return None,
    };
    let viewers = words.next()?.parse().ok()?;
    let forward = words.next()?.parse().ok()?;
    let feedback = words.next()?.parse().ok()?;
    Some((Case { own, viewers }, Cost { forward, feedback }))
}
