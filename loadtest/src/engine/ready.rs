//! Which of many sockets have something, for a thread that can be woken.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

/// Sockets looked at in one turn; the others come in the next.
const EVENTS: usize = 64;
/// The number of the waker: no peer has it.
const WAKER: u64 = u64::MAX;

/// Wakes the thread that waits on its [`Ready`].
pub(super) struct Waker(EventFd);

impl Waker {
    /// Ends the current wait, or the next one.
    pub(super) fn wake(&self) {
        // It fails only when the counter is at its end, and then the thread is awake.
        let _ = self.0.write(1);
    }
}

/// Sockets that are watched, each under a number.
pub(super) struct Ready {
    epoll: Epoll,
    waker: Arc<Waker>,
    events: [EpollEvent; EVENTS],
}

impl Ready {
    /// Makes an empty set with its waker.
    pub(super) fn new() -> io::Result<(Ready, Arc<Waker>)> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let waker = Arc::new(Waker(EventFd::from_value_and_flags(0, flags)?));
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&waker.0, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        let ready = Ready {
            epoll,
            waker: Arc::clone(&waker),
            events: [EpollEvent::empty(); EVENTS],
        };
        Ok((ready, waker))
    }

    /// Watches a socket until it is closed.
    pub(super) fn add(&self, socket: impl AsFd, number: u64) -> io::Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        Ok(self.epoll.add(socket, event)?)
    }

    /// Waits for a socket, the waker, or the end of `patience`, and returns the numbers of
    /// sockets that have something.
    pub(super) fn wait(
        &mut self,
        patience: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = u64>> {
        // epoll itself waits for whole milliseconds, and timers are due in between.
        if patience.is_none_or(|patience| !patience.is_zero()) {
            let mut polled = [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut polled, patience.map(TimeSpec::from), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let ready = self.events.get(..count).unwrap_or_default();
        if ready.iter().any(|event| event.data() == WAKER) {
            // Nothing to read is a wake that was taken already.
            let _ = self.waker.0.read();
        }
        let numbers = ready.iter().map(EpollEvent::data);
        Ok(numbers.filter(|number| *number != WAKER))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::socket::Socket;
    use super::*;

    #[test]
    fn a_socket_with_something_ends_the_wait_and_so_does_the_waker() {
        let (mut ready, waker) = Ready::new().unwrap();
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (from, to) = (
            Socket::bind(loopback).unwrap(),
            Socket::bind(loopback).unwrap(),
        );
        ready.add(&to, 7).unwrap();
        assert_eq!(ready.wait(Some(Duration::ZERO)).unwrap().count(), 0);
        waker.wake();
        assert_eq!(ready.wait(None).unwrap().count(), 0);
        assert!(from.send(to.local(), b"x"));
        assert_eq!(ready.wait(None).unwrap().collect::<Vec<_>>(), [7]);
    }
}
