//! Which of many sockets have something, for those who hold thousands.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Sockets looked at in one turn; the others come in the next.
const EVENTS: usize = 64;

/// Watches sockets, each under a number of the caller's. Its own descriptor is
/// readable while one of them is, so that it can stand in [`wait`](fn@super::wait).
pub struct ReadySet {
    epoll: OwnedFd,
    events: [libc::epoll_event; EVENTS],
}

impl ReadySet {
    /// Makes an empty set; an error is the system's, for want of descriptors.
    pub fn new() -> io::Result<ReadySet> {
        // SAFETY: no pointers; the result is checked before it is used.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(ReadySet {
            // SAFETY: the descriptor is fresh, valid and owned by nobody else.
            epoll: unsafe { OwnedFd::from_raw_fd(fd) },
            events: [libc::epoll_event { events: 0, u64: 0 }; EVENTS],
        })
    }

    /// Watches a socket for what arrives and for errors, until it is closed.
    pub fn add(&self, socket: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: number,
        };
        // SAFETY: both descriptors are open, and the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                socket.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Returns the numbers of sockets that have something or are broken, without
    /// waiting; no more than 64 at once, in turn.
    pub fn ready(&mut self) -> io::Result<impl Iterator<Item = u64>> {
        // SAFETY: the events are writable, as many as told, and outlive the call.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                0,
            )
        };
        let count = if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            0
        } else {
            count as usize
        };
        Ok(self.events[..count].iter().map(|event| event.u64))
    }
}

impl AsFd for ReadySet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
