//! Waiting for sockets, and being woken by another thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Wakes a thread that waits in [`wait`].
pub struct Waker(OwnedFd);

impl Waker {
    /// Makes one; an error is the system's, for want of descriptors.
    pub fn new() -> io::Result<Waker> {
        // SAFETY: no pointers; the result is checked before it is used.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is fresh, valid and owned by nobody else.
        Ok(Waker(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Lets the current or the next [`wait`] with this return at once.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes that outlive the call. It fails only when the
        // counter is at its end, and then the waker is readable all the same.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Takes back all wakes so far.
    pub fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes that outlive the call. It fails only when there was no wake.
        let _ = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of `fds` is readable, or for `timeout`, or for ever without one.
///
/// Returns which are readable (or broken: reading tells). A signal ends the wait with none.
pub fn wait<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    // A negative descriptor is skipped by the kernel.
    let mut polled = fds.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    poll(&mut polled, timeout)?;
    Ok(polled.map(|entry| entry.revents != 0))
}

/// As [`wait`], for as many descriptors as there happen to be. Its memory stays.
#[derive(Default)]
pub struct WaitList(Vec<libc::pollfd>);

impl WaitList {
    /// Waits until one of `fds` is readable, or for `timeout`, or for ever without one.
    pub fn wait<'a>(
        &mut self,
        fds: impl Iterator<Item = BorrowedFd<'a>>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.0.clear();
        self.0.extend(fds.map(|fd| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        }));
        poll(&mut self.0, timeout)
    }

    /// Returns whether the descriptor that was given as number `index`, from 0,
    /// is readable (or broken: reading tells), as of the last wait.
    pub fn is_ready(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|entry| entry.revents != 0)
    }
}

/// Fills in what is ready. A signal ends the wait with nothing.
fn poll(polled: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let spec = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    });
    let spec_pointer = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: pointer and length are those of a slice that is borrowed alone, `spec` is
    // null or outlives the call, and no signal mask is given.
    let ready = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            spec_pointer,
            std::ptr::null(),
        )
    };
    if ready < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            _ => Err(error),
        };
    }
    Ok(())
}
