//! Instructions, as callgrind counts them: the same everywhere where the same
//! compiler made the same program.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use conclave_tests::fanout::Meter;

use crate::{Case, Cost, check};

/// Says to a child what it is to do.
const WORK: &str = "--work";
/// What a child says before the number of packets that it has forwarded.
const FORWARDED: &str = "forwarded ";

/// Shorter than when time is measured, for all of it runs fifty times slower.
const WARM_UP: usize = 40;
const COUNTED: usize = 20;

/// Calls the work of the shard from functions that callgrind knows by name:
/// what is done outside of them is not counted. Each writes to a field of its
/// own, so that the compiler does not make one function of all.
#[derive(Default)]
struct Counted {
    forwards: Cell<u64>,
    feedbacks: Cell<u64>,
    upkeeps: Cell<u64>,
    asides: Cell<u64>,
}

impl Meter for Counted {
    #[inline(never)]
    fn feedback(&self, work: &mut dyn FnMut()) {
        self.feedbacks.set(self.feedbacks.get() + 1);
        work();
    }

    #[inline(never)]
    fn forward(&self, work: &mut dyn FnMut()) {
        self.forwards.set(self.forwards.get() + 1);
        work();
    }

    #[inline(never)]
    fn upkeep(&self, work: &mut dyn FnMut()) {
        self.upkeeps.set(self.upkeeps.get() + 1);
        work();
    }

    #[inline(never)]
    fn aside(&self, work: &mut dyn FnMut()) {
        self.asides.set(self.asides.get() + 1);
        work();
    }
}

/// Looks away, without a name that callgrind knows.
struct Idle;

impl Meter for Idle {
    fn feedback(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn forward(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn upkeep(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn aside(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// Returns what this process is to do as a child under callgrind.
pub(crate) fn case_of(arguments: &[String]) -> Option<Case> {
    let mut words = arguments.iter().skip_while(|word| *word != WORK).skip(1);
    let own = words.next()? == "own";
    let viewers = words.next()?.parse().ok()?;
    Some(Case { own, viewers })
}

/// Does the work of a child.
pub(crate) fn work(case: Case) {
    let mut fanout = case.gather();
    fanout.run(WARM_UP, &Idle);
    let before = fanout.traffic();
    fanout.run(COUNTED, &Counted::default());
    let traffic = fanout.traffic().since(before);
    check(case, traffic);
    println!("{FORWARDED}{}", traffic.forwarded);
}

/// Returns whether there is a valgrind.
pub(crate) fn valgrind() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Counts a case in a child. Says why if it cannot.
pub(crate) fn measure(case: Case) -> Option<Cost> {
    let file = profile_of(case);
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        // Counting begins and ends with each of them; `aside` within another ends it.
        .arg("--toggle-collect=*Counted*")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().ok()?)
        .args([WORK, case.sender(), &case.viewers.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let forwarded = said
        .lines()
        .find_map(|line| line.strip_prefix(FORWARDED)?.parse::<f64>().ok());
    let Some(forwarded) = forwarded.filter(|_| output.status.success()) else {
        println!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    };
    let profile = fs::read_to_string(&file).ok()?;
    let of = |name| inclusive(&profile, name) as f64 / forwarded;
    Some(Cost {
        forward: of("forward") + of("upkeep"),
        feedback: of("feedback"),
    })
}

/// Where the profile of a case is left, for `callgrind_annotate --inclusive=yes`.
fn profile_of(case: Case) -> PathBuf {
    let name = format!("forward.{}.{}.callgrind", case.sender(), case.viewers);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Returns what a method of [`Counted`] has cost with all that it has called:
/// the sum of the costs in its block, for a call has its own there.
fn inclusive(profile: &str, method: &str) -> u64 {
    let wanted = |name: &str| name.contains("Counted") && name.ends_with(method);
    // A name stands where its number comes first, here or in front of a call.
    let named = |line: &str| {
        let (number, name) = line
            .strip_prefix("cfn=")
            .or(line.strip_prefix("fn="))?
            .split_once(' ')?;
        wanted(name).then(|| number.to_owned())
    };
    let Some(number) = profile.lines().find_map(named) else {
        return 0;
    };
    let mut within = false;
    let mut sum = 0;
    for line in profile.lines() {
        if let Some(block) = line.strip_prefix("fn=") {
            within = block.split(' ').next() == Some(&number);
        } else if within
            && line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
        {
            let cost = line.split(' ').nth(1);
            sum += cost.and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}
