//! The way of one room to its shard.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use conclave_sfu_wire::control::{Command, MemberKey, RoomKey};
use tokio::time::{Duration, Instant};
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

    /// Returns whether commands wait for the shard.
    pub(super) fn is_busy(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Closes the room there, without regard to what waits, and forgets it.
    pub(super) fn end(&mut self) {
        // What waits may be the order to close it.
        let was_open = self.is_open || !self.backlog.is_empty();
        self.backlog.clear();
        self.forget_members();
        self.registry.close(self.room);
        if was_open && !self.offer(&Command::CloseRoom { room: self.room }) {
            warn!(
                room = self.room.0,
                shard = self.shard,
                "a shard was not told that a room ended"
            );
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
