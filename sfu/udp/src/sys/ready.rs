//! Which of many sockets have something, for those who hold thousands.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sockets looked at in one turn; the others come in the next.
const EVENTS: usize = 64;

/// The number of the timer.
const TIMER: u64 = u64::MAX;

/// Watches descriptors, each under a number of the caller's, and a deadline.
///
/// The deadline is a timer of its own that is set only when it changes: a wait with a timeout
/// sets the processor's timer each time, which costs more than the wait itself in a virtual machine.
pub struct ReadySet {
    epoll: Watch,
    timer: OwnedFd,
    due: Option<Instant>,
    events: [libc::epoll_event; EVENTS],
    count: usize,
}

/// Adds to a [`ReadySet`].
#[derive(Clone)]
pub struct Watch(Arc<OwnedFd>);

impl ReadySet {
    /// Makes an empty set; an error is the system's, for want of descriptors.
    pub fn new() -> io::Result<ReadySet> {
        // SAFETY: no pointers; the result is checked before it is used.
        let epoll = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))? };
        ReadySet::of(Watch(Arc::new(epoll)))
    }

    /// Makes a set of what `watch` watches, now and later, with a deadline of its own. Of several
    /// such sets only one is to be waited for: what one is told, another may not be.
    pub fn of(epoll: Watch) -> io::Result<ReadySet> {
        // SAFETY: no pointers; the result is checked before it is used.
        let timer = unsafe {
            owned(libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
            ))?
        };
        // Setting it anew quiets it.
        epoll.enter(timer.as_fd(), TIMER, libc::EPOLLIN | libc::EPOLLET)?;
        Ok(ReadySet {
            epoll,
            timer,
            due: None,
            events: [libc::epoll_event { events: 0, u64: 0 }; EVENTS],
            count: 0,
        })
    }

    /// Returns what adds to this set.
    pub fn watch(&self) -> Watch {
        self.epoll.clone()
    }

    /// Waits until something is there: for ever, until `due`, or not at all if `is_brief`.
    ///
    /// At most 64 are told at once, the others with the next call, in turn. A signal ends the wait.
    pub fn wait(&mut self, due: Option<Instant>, is_brief: bool) -> io::Result<()> {
        if !is_brief {
            self.set_due(due)?;
        }
        // SAFETY: the events are writable, as many as told, and outlive the call.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.0.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                if is_brief { 0 } else { -1 },
            )
        };
        self.count = 0;
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            return Ok(());
        }
        self.count = count as usize;
        let has_fired = self.events().any(|number| number == TIMER);
        if has_fired {
            // The next wait sets it.
            self.due = None;
        }
        Ok(())
    }

    /// Sets when a wait ends though nothing came: `None` is never.
    pub fn set_due(&mut self, due: Option<Instant>) -> io::Result<()> {
        if self.due == due {
            return Ok(());
        }
        self.set_timer(due)
    }

    /// Returns the deadline that is set; `None` once it was over.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns the numbers that the last wait found.
    pub fn ready(&self) -> impl Iterator<Item = u64> {
        self.events().filter(|number| *number != TIMER)
    }

    fn events(&self) -> impl Iterator<Item = u64> {
        self.events[..self.count].iter().map(|event| event.u64)
    }

    fn set_timer(&mut self, due: Option<Instant>) -> io::Result<()> {
        // Zero would be never.
        let wait = due.map(|due| {
            due.saturating_duration_since(Instant::now())
                .max(Duration::from_nanos(1))
        });
        let wait = wait.unwrap_or_default();
        // SAFETY: all zeroes are a valid value of this plain struct.
        let mut spec: libc::itimerspec = unsafe { std::mem::zeroed() };
        spec.it_value.tv_sec = libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX);
        spec.it_value.tv_nsec = libc::c_long::from(wait.subsec_nanos() as i32);
        // SAFETY: the new value outlives the call, and the old one is not asked for.
        let result = unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const spec,
                std::ptr::null_mut(),
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        self.due = due;
        Ok(())
    }
}

impl Watch {
    /// Watches a socket for what arrives and for errors, until it is closed: it is told as long as something is there.
    ///
    /// `number` is below `u64::MAX`.
    pub fn add(&self, socket: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        self.enter(socket, number, libc::EPOLLIN)
    }

    /// As [`Watch::add`], but told once for each thing that arrives, and also when a stream has room to write.
    pub fn add_edges(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        self.enter(fd, number, events)
    }

    /// As [`Watch::add`], for a [`Waker`](super::Waker) that is never drained: told once for each wake.
    pub fn add_waker(&self, waker: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        self.enter(waker, number, libc::EPOLLIN | libc::EPOLLET)
    }

    /// Watches a descriptor no longer, though it stays open.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: both descriptors are open; no event is given.
        let result = unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd.as_raw_fd(),
                std::ptr::null_mut(),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn enter(&self, fd: BorrowedFd<'_>, number: u64, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: number,
        };
        // SAFETY: both descriptors are open, and the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Takes a descriptor that was made just before.
///
/// # Safety
/// It is negative, or fresh and owned by nobody else.
unsafe fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::super::UdpSocket;
    use super::*;

    #[test]
    fn a_set_of_the_same_watch_finds_what_either_watches_by_its_own_deadline() {
        let first = ReadySet::new().unwrap();
        let sockets = [(); 2].map(|()| UdpSocket::bind_to("127.0.0.1:0".parse().unwrap()).unwrap());
        first.watch().add(sockets[0].as_fd(), 7).unwrap();
        let mut second = ReadySet::of(first.watch()).unwrap();
        second.watch().add(sockets[1].as_fd(), 8).unwrap();

        let due = Instant::now() + Duration::from_millis(20);
        second.wait(Some(due), false).unwrap();
        assert!(Instant::now() >= due);
        assert_eq!(second.ready().count(), 0);
        second.wait(None, true).unwrap();
        assert_eq!(second.ready().count(), 0, "the timer was told once");

        let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for socket in &sockets {
            other.send_to(b"x", socket.local()).unwrap();
        }
        second.wait(None, false).unwrap();
        let mut ready: Vec<u64> = second.ready().collect();
        ready.sort_unstable();
        assert_eq!(ready, [7, 8]);
        drop(first);
        // Nobody took it.
        second.wait(None, false).unwrap();
        assert_eq!(second.ready().count(), 2);
    }
}
