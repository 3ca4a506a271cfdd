//! The way of one room to its shard.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use conclave_sfu_wire::control::{Admission, Command, MemberKey, RoomKey};
use tokio::time::{Duration, Instant, sleep};
use tracing::warn;

use crate::inbox::Inbox;
use crate::registry::Registry;

/// How soon a command is offered to a busy shard again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(5);
/// Commands that may wait for a busy shard, and for how long. A shard so far
/// behind is lost, and the room with it.
const BACKLOG: usize = 4096;
const LOST_AFTER: Duration = Duration::from_secs(10);

/// Which shard the room is on, who of it is there, and what it has not taken yet.
pub(super) struct ShardLink {
    registry: Arc<Registry>,
    own: Arc<Inbox>,
    room: RoomKey,
    shard: usize,
    members: BTreeSet<MemberKey>,
    is_open: bool,
    backlog: VecDeque<Command>,
    /// Since when the shard takes nothing; `None` without a backlog.
    busy_since: Option<Instant>,
}

impl ShardLink {
    pub(super) fn new(registry: Arc<Registry>, own: Arc<Inbox>, room: RoomKey) -> Self {
        ShardLink {
            registry,
            own,
            room,
            shard: 0,
            members: BTreeSet::new(),
            is_open: false,
            backlog: VecDeque::new(),
            busy_since: None,
        }
    }

    /// Gives a command to the shard, or keeps it until the shard takes it.
    pub(super) fn send(&mut self, now: Instant, command: Command) {
        self.registry.media.hear(&command);
        match &command {
            Command::OpenRoom { room, .. } if !self.is_open => {
                self.shard = self.registry.open(*room, Arc::clone(&self.own));
                self.is_open = true;
            }
            Command::Admit { member, .. } => {
                self.members.insert(*member);
                self.registry
                    .add_member(*member, self.shard, Arc::clone(&self.own));
            }
            Command::Drop { member } => {
                self.members.remove(member);
                self.registry.remove_member(*member, self.shard);
            }
            // What the shard still says of the room concerns its actor.
            Command::CloseRoom { .. } => self.forget_members(),
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

    /// Returns whether the room may grow: its shard has time for more, or, where
    /// it is on none yet, some shard has time for a room.
    pub(super) fn admits(&self) -> bool {
        let media = &self.registry.media;
        match self.is_open {
            true => media.admission(self.shard) != Admission::Nobody,
            false => self.registry.takes_rooms(),
        }
    }

    /// Returns whether commands wait for the shard.
    pub(super) fn is_busy(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Closes the room there and forgets it. A shard that is busy is told as
    /// soon as it listens, that is, after this.
    pub(super) fn end(&mut self) {
        // What waits may be the order to close it.
        let was_open = self.is_open || !self.backlog.is_empty();
        let mut last = std::mem::take(&mut self.backlog);
        last.retain(|command| matches!(command, Command::Drop { .. }));
        self.forget_members();
        self.registry.close(self.room);
        if !was_open {
            return;
        }
        let close = Command::CloseRoom { room: self.room };
        self.registry.media.hear(&close);
        last.push_back(close);
        while last.front().is_some_and(|command| self.offer(command)) {
            last.pop_front();
        }
        if !last.is_empty() {
            let (registry, room, shard) = (Arc::clone(&self.registry), self.room, self.shard);
            tokio::spawn(insist(registry, room, shard, last));
        }
    }

    fn offer(&self, command: &Command) -> bool {
        self.registry
            .media
            .send(self.shard, command.clone())
            .is_ok()
    }

    fn forget_members(&mut self) {
        for member in std::mem::take(&mut self.members) {
            self.registry.remove_member(member, self.shard);
        }
        self.is_open = false;
    }
}

/// Offers the last commands of a room to a busy shard until it takes them or is lost.
async fn insist(
    registry: Arc<Registry>,
    room: RoomKey,
    shard: usize,
    mut commands: VecDeque<Command>,
) {
    let mut busy_since = Instant::now();
    while let Some(command) = commands.front() {
        if registry.media.send(shard, command.clone()).is_ok() {
            commands.pop_front();
            busy_since = Instant::now();
        } else if busy_since.elapsed() >= LOST_AFTER {
            return warn!(
                room = room.0,
                shard, "a shard was not told that a room ended"
            );
        } else {
            sleep(RETRY_AFTER).await;
        }
    }
}
