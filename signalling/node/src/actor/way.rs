//! The way of one room to one shard, and what that has not taken yet.

use std::collections::VecDeque;
use std::sync::Arc;

use conclave_sfu_wire::control::{Command, RoomKey};
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;

use crate::config::Media;

/// How soon a command is offered to a busy shard again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(5);
/// Commands that may wait for a busy shard, and for how long. A shard so far
/// behind is lost, and the room with it.
const BACKLOG: usize = 4096;
const LOST_AFTER: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Way {
    media: Arc<dyn Media>,
    room: RoomKey,
    shard: usize,
    /// The room was opened there, and not closed since.
    is_open: bool,
    backlog: VecDeque<Command>,
    /// Since when the shard takes nothing; `None` without a backlog.
    busy_since: Option<Instant>,
}

impl Way {
    pub(super) fn new(media: Arc<dyn Media>, room: RoomKey, shard: usize) -> Self {
        Way {
            media,
            room,
            shard,
            is_open: false,
            backlog: VecDeque::new(),
            busy_since: None,
        }
    }

    /// Gives a command to the shard, or keeps it until the shard takes it.
    pub(super) fn send(&mut self, now: Instant, command: Command) {
        match &command {
            Command::OpenRoom { .. } => self.is_open = true,
            Command::CloseRoom { .. } => self.is_open = false,
            _ => {}
        }
        // The order of commands is part of their meaning.
        let is_busy = !self.backlog.is_empty() || !self.offer(&command);
        if is_busy {
            self.busy_since.get_or_insert(now);
            self.backlog.push_back(command);
        }
    }

    /// Offers what waits to the shard again. Returns false if the shard is lost.
    pub(super) fn flush(&mut self, now: Instant) -> bool {
        while let Some(command) = self.backlog.front() {
            if !self.offer(command) {
                break;
            }
            self.backlog.pop_front();
            self.busy_since = Some(now);
        }
        if self.backlog.is_empty() {
            self.busy_since = None;
            return true;
        }
        let is_late = self
            .busy_since
            .is_some_and(|since| now.duration_since(since) >= LOST_AFTER);
        if !is_late && self.backlog.len() <= BACKLOG {
            return true;
        }
        warn!(
            room = self.room.0,
            shard = self.shard,
            "a shard takes no commands; its room ends"
        );
        self.backlog.clear();
        self.busy_since = None;
        false
    }

    /// Closes the room there. A shard that is busy is told as soon as it
    /// listens, that is, after this.
    pub(super) fn end(mut self) {
        // What waits may be the order to close it.
        if !self.is_open && self.backlog.is_empty() {
            return;
        }
        self.backlog
            .retain(|command| matches!(command, Command::Drop { .. }));
        self.backlog
            .push_back(Command::CloseRoom { room: self.room });
        while self
            .backlog
            .front()
            .is_some_and(|command| self.offer(command))
        {
            self.backlog.pop_front();
        }
        if !self.backlog.is_empty() {
            tokio::spawn(self.insist());
        }
    }

    /// Returns whether commands wait for the shard.
    pub(super) fn is_busy(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Returns whether the shard has the room, or will have it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    fn offer(&self, command: &Command) -> bool {
        self.media.send(self.shard, command.clone()).is_ok()
    }

    /// Offers the last commands of a room to a busy shard until it takes them or is lost.
    async fn insist(mut self) {
        let mut busy_since = Instant::now();
        while let Some(command) = self.backlog.front() {
            if self.offer(command) {
                self.backlog.pop_front();
                busy_since = Instant::now();
            } else if busy_since.elapsed() >= LOST_AFTER {
                return warn!(
                    room = self.room.0,
                    shard = self.shard,
                    "a shard was not told that a room ended"
                );
            } else {
                sleep(RETRY_AFTER).await;
            }
        }
    }
}
