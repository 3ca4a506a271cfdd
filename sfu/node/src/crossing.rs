//! What goes from one shard to another, and how it gets there.
//!
//! Between each two shards there is a queue in each direction, with one writer
//! and one reader. Media that finds too much in it is dropped and counted, as at
//! a socket; everything else is let through, as it is never said again. It is as
//! much as the publications of the rooms on both shards, and little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use conclave_sfu_core::Crossing;

use crate::thread::{ShardThread, Shared};

/// How many messages wait on one way before media is dropped: a tenth of a second
/// of two hundred publishers with two hundred packets a second each. More would
/// only be delay.
const WAITING_MAX: usize = 4_096;

/// How many one turn takes from each other shard, as many as from a socket: what
/// comes from a busy shard does not hold up the sockets for long.
const TAKEN_PER_TURN: usize = 64;

/// One shard's ends of the ways to and from all others.
pub(crate) struct Crossings<T = Crossing> {
    /// By shard; none to itself.
    to: Vec<Option<Exit<T>>>,
    from: Vec<Entry<T>>,
    /// What was taken and not served yet, with where it is from.
    taken: Vec<(u8, T)>,
    /// More waits than the last turn took.
    has_more: bool,
}

struct Exit<T> {
    queue: Sender<(Instant, T)>,
    waiting: Arc<AtomicUsize>,
    other: Arc<Shared>,
    has_sent: bool,
}

struct Entry<T> {
    from: u8,
    queue: Receiver<(Instant, T)>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Crossings<T> {
    /// Makes the ends of all shards, in order. `shards` are what others know of them.
    pub(crate) fn between(shards: &[Arc<Shared>]) -> Vec<Crossings<T>> {
        let mut all: Vec<Crossings<T>> = shards.iter().map(|_| Crossings::alone()).collect();
        for from in 0..shards.len() {
            for (to, other) in shards.iter().enumerate() {
                if from == to {
                    all[from].to.push(None);
                    continue;
                }
                let (writer, reader) = channel();
                let waiting = Arc::new(AtomicUsize::new(0));
                all[from].to.push(Some(Exit {
                    queue: writer,
                    waiting: Arc::clone(&waiting),
                    other: Arc::clone(other),
                    has_sent: false,
                }));
                all[to].from.push(Entry {
                    // A node counts its shards in eight bits.
                    from: from as u8,
                    queue: reader,
                    waiting,
                });
            }
        }
        all
    }

    fn alone() -> Self {
        Crossings {
            to: Vec::new(),
            from: Vec::new(),
            taken: Vec::new(),
            has_more: false,
        }
    }

    /// Puts a message on the way to another shard, which hears of it by
    /// [`Crossings::ring`]. Returns whether it is on its way: media may be dropped.
    fn push(&mut self, at: Instant, to: u8, message: T, is_media: bool) -> bool {
        let exit = self.to.get_mut(usize::from(to)).and_then(Option::as_mut);
        let Some(exit) = exit else {
            debug_assert!(false, "shards know which others there are");
            return false;
        };
        if is_media && exit.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            return false;
        }
        // Before the other shard can take it away.
        exit.waiting.fetch_add(1, Ordering::Relaxed);
        // A shard that has ended takes nothing, and its rooms end.
        let is_sent = exit.queue.send((at, message)).is_ok();
        exit.has_sent |= is_sent;
        is_sent
    }

    /// Wakes the shards to which something has gone.
    fn ring(&mut self) {
        for exit in self.to.iter_mut().flatten() {
            if std::mem::take(&mut exit.has_sent) {
                exit.other.ring();
            }
        }
    }

    /// Takes some of what waits. Returns how long the oldest of it had waited,
    /// or `None` if nothing does.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let mut oldest: Option<Instant> = None;
        self.has_more = false;
        for entry in &self.from {
            let mut count = 0;
            for (sent_at, message) in entry.queue.try_iter().take(TAKEN_PER_TURN) {
                oldest = Some(oldest.map_or(sent_at, |oldest| oldest.min(sent_at)));
                self.taken.push((entry.from, message));
                count += 1;
            }
            let before = entry.waiting.fetch_sub(count, Ordering::Relaxed);
            self.has_more |= before > count;
        }
        oldest.map(|oldest| now.saturating_duration_since(oldest))
    }

    /// Returns whether more waits than was taken, so that nobody need wake the shard for it.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }
}

impl ShardThread {
    /// Takes some of what other shards have sent. Returns how long the oldest of
    /// it had waited, or `None` if there is nothing.
    pub(crate) fn receive_crossings(&mut self, now: Instant) -> Option<Duration> {
        if self.shared.was_rung() || self.crossings.has_more() {
            self.crossings.take(now)
        } else {
            None
        }
    }

    /// Hands to the shard what was taken; returns how much.
    pub(crate) fn serve_crossings(&mut self, now: Instant) -> usize {
        let count = self.crossings.taken.len();
        for (from, crossing) in self.crossings.taken.drain(..) {
            self.shard.handle_crossing(now, from, crossing);
        }
        count
    }

    /// Lets go of what the turn has for other shards.
    pub(crate) fn send_crossings(&mut self) {
        let mut sent_at = None;
        while let Some((to, crossing)) = self.shard.poll_crossing() {
            let at = *sent_at.get_or_insert_with(Instant::now);
            let is_media = crossing.is_media();
            let is_sent = self.crossings.push(at, to, crossing, is_media);
            self.turns.io.add_crossing(is_media, is_sent);
        }
        if sent_at.is_some() {
            self.crossings.ring();
        }
    }
}

#[cfg(test)]
mod tests;
