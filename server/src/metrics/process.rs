//! What the system says of this process.

use std::fs;
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;

use super::page::Page;

/// Writes what is known; what the system does not tell is left out.
pub(super) fn write(page: &mut Page, started: SystemTime) {
    page.known("process_cpu_seconds_total", cpu_seconds());
    page.known("process_resident_memory_bytes", resident_bytes());
    page.known("process_open_fds", open_files());
    let files = getrlimit(Resource::RLIMIT_NOFILE).ok();
    page.known("process_max_fds", files.map(|(soft, _)| soft));
    let since = started.duration_since(SystemTime::UNIX_EPOCH);
    let since: Option<Duration> = since.ok();
    page.known("process_start_time_seconds", since.map(|it| it.as_secs()));
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Reads the line `VmRSS:     1234 kB`.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn open_files() -> Option<usize> {
    // One of them is the folder that is being read.
    Some(
        fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_files_and_time() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(open_files().unwrap() > 2);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
