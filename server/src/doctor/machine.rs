//! What the machine itself gives: buffers, descriptors, disk, time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use super::finding::Finding;
use crate::config::Config;
use crate::descriptors;

/// What the shards ask for, per socket and direction.
const BUFFER_BYTES: u64 = 4 << 20;
/// Below it the server still runs, and the database soon does not.
const DISK_LOW_BYTES: u64 = 1 << 30;
const DISK_OUT_BYTES: u64 = 64 << 20;
/// A file from later than this means that the clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(120);
/// Bit of CAP_NET_ADMIN, which may exceed the system's caps for buffers (`linux/capability.h`).
const CAP_NET_ADMIN: u64 = 1 << 12;

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// `net.core.rmem_max` and `wmem_max`; `None` where the system does not say.
    buffers: Option<(u64, u64)>,
    may_exceed_buffers: bool,
    /// Descriptors that the process may have, and connections that are configured.
    descriptors: Option<u64>,
    connections: usize,
    data_dir: String,
    disk: Disk,
    clock: Clock,
}

#[derive(Debug, Clone)]
enum Disk {
    /// Bytes that this user may still write.
    Free(u64),
    /// It is there and cannot be used.
    Unusable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Clock {
    Synchronised,
    Unsynchronised,
    /// A file of ours was written in the future.
    SetBack,
    Unknown,
}

/// Looks at the machine.
pub(super) fn look(config: &Config) -> Facts {
    let data_dir = &config.storage.data_dir;
    let cap = |name| {
        fs::read_to_string(format!("/proc/sys/net/core/{name}"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    Facts {
        buffers: cap("rmem_max").zip(cap("wmem_max")),
        may_exceed_buffers: effective_capabilities().is_some_and(|caps| caps & CAP_NET_ADMIN != 0),
        descriptors: getrlimit(Resource::RLIMIT_NOFILE)
            .ok()
            .map(|(_, hard)| hard),
        connections: config.limits.connections,
        data_dir: data_dir.display().to_string(),
        disk: disk(data_dir),
        clock: clock(data_dir),
    }
}

fn effective_capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn disk(data_dir: &Path) -> Disk {
    // The folder is made at the first start: then its nearest parent tells.
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else {
        return Disk::Unusable("it is on no file system".to_owned());
    };
    if !existing.is_dir() {
        return Disk::Unusable(format!("{} is no folder", existing.display()));
    }
    if let Err(error) = nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK) {
        return Disk::Unusable(format!(
            "{} cannot be written: {}",
            existing.display(),
            error.desc()
        ));
    }
    match statvfs(existing) {
        Ok(stat) => Disk::Free(stat.blocks_available().saturating_mul(stat.fragment_size())),
        Err(error) => Disk::Unusable(error.desc().to_owned()),
    }
}

fn clock(data_dir: &Path) -> Clock {
    let latest = SystemTime::now() + CLOCK_SLACK;
    let is_late = |entry: fs::DirEntry| {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        written.is_ok_and(|written| written > latest)
    };
    let mut entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    if entries.any(is_late) {
        return Clock::SetBack;
    }
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Clock::Synchronised;
    }
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(answer) if answer.stdout.starts_with(b"yes") => Clock::Synchronised,
        Ok(answer) if answer.stdout.starts_with(b"no") => Clock::Unsynchronised,
        // A container has no say in its clock.
        _ => Clock::Unknown,
    }
}

/// Says what the machine lacks.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    vec![
        buffers(facts),
        files(facts),
        disk_space(facts),
        time(&facts.clock),
    ]
}

fn buffers(facts: &Facts) -> Finding {
    match facts.buffers {
        None => Finding::notice(
            "udp_buffers",
            "the system does not tell its caps for socket buffers",
            "see that net.core.rmem_max and net.core.wmem_max are 4194304 at least",
        ),
        Some((receive, send)) if receive.min(send) >= BUFFER_BYTES || facts.may_exceed_buffers => {
            Finding::ok(
                "udp_buffers",
                "the media sockets get the buffers that they ask for",
            )
        }
        Some((receive, send)) => Finding::warning(
            "udp_buffers",
            format!(
                "the system caps socket buffers at {receive} and {send} bytes: bursts of pictures get lost"
            ),
            format!(
                "sysctl -w net.core.rmem_max={BUFFER_BYTES} net.core.wmem_max={BUFFER_BYTES}, and in /etc/sysctl.d"
            ),
        ),
    }
}

fn files(facts: &Facts) -> Finding {
    let Some(limit) = facts.descriptors else {
        return Finding::notice(
            "file_limit",
            "the system does not tell how many files may be open",
            "see that `ulimit -Hn` is above `limits.connections`",
        );
    };
    let possible = descriptors::connections_within(limit, facts.connections);
    if possible == facts.connections {
        return Finding::ok(
            "file_limit",
            format!("{possible} connections fit into the limit of open files"),
        );
    }
    Finding::warning(
        "file_limit",
        format!(
            "{limit} files may be open: {possible} connections instead of {}",
            facts.connections
        ),
        "raise LimitNOFILE in the service file (or `ulimit -Hn`), or lower `limits.connections`",
    )
}

fn disk_space(facts: &Facts) -> Finding {
    let folder = &facts.data_dir;
    match &facts.disk {
        Disk::Unusable(why) => Finding::error(
            "disk",
            format!("{folder}: {why}"),
            "name a folder with --data-dir that the user of the server may write",
        ),
        Disk::Free(bytes) if *bytes < DISK_OUT_BYTES => Finding::error(
            "disk",
            format!(
                "{folder} has {} MiB left: nothing is kept any more",
                bytes >> 20
            ),
            "make room, or move the folder",
        ),
        Disk::Free(bytes) if *bytes < DISK_LOW_BYTES => Finding::warning(
            "disk",
            format!("{folder} has {} MiB left", bytes >> 20),
            "make room: the audit log and kept chat grow",
        ),
        Disk::Free(bytes) => Finding::ok("disk", format!("{folder} has {} GiB left", bytes >> 30)),
    }
}

fn time(clock: &Clock) -> Finding {
    match clock {
        Clock::Synchronised => Finding::ok("clock", "it is synchronised"),
        Clock::Unsynchronised => Finding::warning(
            "clock",
            "it is not synchronised: credentials of the relay and join tokens hold by the clock",
            "timedatectl set-ntp true, or install chrony",
        ),
        Clock::SetBack => Finding::error(
            "clock",
            "files of the server were written in the future: the clock was set back",
            "set the clock (`timedatectl set-ntp true`); tokens and the audit log go by it",
        ),
        Clock::Unknown => Finding::notice(
            "clock",
            "whether it is synchronised cannot be told here",
            "see on the host that timedatectl says `System clock synchronized: yes`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn facts() -> Facts {
        Facts {
            buffers: Some((BUFFER_BYTES, BUFFER_BYTES)),
            may_exceed_buffers: false,
            descriptors: Some(100_000),
            connections: 16_384,
            data_dir: "/srv/conclave".to_owned(),
            disk: Disk::Free(20 << 30),
            clock: Clock::Synchronised,
        }
    }

    fn level(facts: &Facts, check: &str) -> Level {
        let found = judge(facts);
        found
            .iter()
            .find(|finding| finding.check == check)
            .unwrap()
            .level
    }

    #[test]
    fn a_good_machine_has_nothing_to_mend() {
        assert!(
            judge(&facts())
                .iter()
                .all(|finding| finding.level == Level::Ok)
        );
    }

    #[test]
    fn each_thing_that_lacks_is_told() {
        let small = Facts {
            buffers: Some((212_992, BUFFER_BYTES)),
            ..facts()
        };
        assert_eq!(level(&small, "udp_buffers"), Level::Warning);
        assert_eq!(
            level(
                &Facts {
                    may_exceed_buffers: true,
                    ..small
                },
                "udp_buffers"
            ),
            Level::Ok
        );
        assert_eq!(
            level(
                &Facts {
                    descriptors: Some(1024),
                    ..facts()
                },
                "file_limit"
            ),
            Level::Warning
        );
        assert_eq!(
            level(
                &Facts {
                    disk: Disk::Free(1 << 29),
                    ..facts()
                },
                "disk"
            ),
            Level::Warning
        );
        assert_eq!(
            level(
                &Facts {
                    disk: Disk::Free(1 << 20),
                    ..facts()
                },
                "disk"
            ),
            Level::Error
        );
        assert_eq!(
            level(
                &Facts {
                    clock: Clock::Unsynchronised,
                    ..facts()
                },
                "clock"
            ),
            Level::Warning
        );
        assert_eq!(
            level(
                &Facts {
                    clock: Clock::SetBack,
                    ..facts()
                },
                "clock"
            ),
            Level::Error
        );
        assert_eq!(
            level(
                &Facts {
                    clock: Clock::Unknown,
                    ..facts()
                },
                "clock"
            ),
            Level::Notice
        );
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_its_parent_and_a_file_is_no_folder() {
        let folder = std::env::temp_dir();
        assert!(matches!(disk(&folder.join("not/there/yet")), Disk::Free(_)));
        let file = folder.join(format!("conclave-doctor-{}", std::process::id()));
        fs::write(&file, "x").unwrap();
        assert!(matches!(disk(&file), Disk::Unusable(_)));
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_file_of_tomorrow_means_a_clock_that_was_set_back() {
        let folder =
            std::env::temp_dir().join(format!("conclave-doctor-clock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = fs::File::create(folder.join("x")).unwrap();
        assert_ne!(clock(&folder), Clock::SetBack);
        file.set_modified(SystemTime::now() + Duration::from_secs(86_400))
            .unwrap();
        assert_eq!(clock(&folder), Clock::SetBack);
        fs::remove_dir_all(folder).unwrap();
    }
}
