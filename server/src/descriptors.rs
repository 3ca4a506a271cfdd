//! How many files and sockets the system lets this process have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What is not for clients' connections: listeners, media sockets, files, the
/// runtime's own.
const RESERVED: u64 = 256;

/// Raises the soft limit to the hard one, which needs no privilege, and
/// returns it. The soft one is 1,024 on most systems for the sake of programs
/// that use `select(2)`.
///
/// # Errors
/// When the system refuses.
pub(crate) fn raise_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

/// Returns how many connections of `wanted` fit into a limit of descriptors;
/// at least one.
pub(crate) fn connections_within(limit: u64, wanted: usize) -> usize {
    let left = limit.saturating_sub(RESERVED).max(1);
    usize::try_from(left).map_or(wanted, |left| wanted.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(connections_within(u64::MAX, 16_384), 16_384);
        assert_eq!(connections_within(16_384 + 256, 16_384), 16_384);
        assert_eq!(connections_within(16_384, 16_384), 16_128);
        assert_eq!(connections_within(64, 16_384), 1);
    }
}
