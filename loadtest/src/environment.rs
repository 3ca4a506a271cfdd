//! The machine on which the tool runs.

use std::fs;
use std::thread::available_parallelism;

use conclave_loadtest::engine::unix_time;
use conclave_loadtest::measured::Environment;
use conclave_signalling_wire::time::Timestamp;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors of a participant: its link and its socket, and one more where a server wants two.
const DESCRIPTORS_EACH: u64 = 3;
/// Descriptors of everything else.
const DESCRIPTORS_BESIDE: u64 = 128;

/// Reads what a report says of the machine.
pub(crate) fn read() -> Environment {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name.trim().to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let unix_ms = unix_time().as_millis() as u64;
    Environment {
        cores: available_parallelism().map_or(1, usize::from),
        processor,
        kernel: kernel.map(|release| release.trim().to_owned()),
        date: Timestamp::from_unix_ms(unix_ms).whole_seconds().to_string(),
    }
}

/// Lets this process have the descriptors that so many participants need, as far as it may.
pub(crate) fn raise_descriptors(participants: usize) {
    let wanted = participants as u64 * DESCRIPTORS_EACH + DESCRIPTORS_BESIDE;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft >= wanted {
        return;
    }
    // Only root may raise the hard limit.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_ok();
    if raised
        || setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok() && wanted <= hard
    {
        return;
    }
    eprintln!(
        "conclave-loadtest: {participants} participants need {wanted} open files and {hard} are allowed \
         (ulimit -n): some will not come in"
    );
}
