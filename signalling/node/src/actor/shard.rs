//! The way of one room to its shards.
//!
//! A room has a home, and comes to further shards where the home has enough to
//! do. What concerns a member goes to the shard of that member, what concerns
//! the room to all; what they answer together is one answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_sfu_wire::control::{Command, Event, MemberKey, RoomKey, RoomPolicy};
use tokio::time::Instant;

use crate::actor::span::Span;
use crate::actor::way::Way;
use crate::inbox::Inbox;
use crate::registry::Registry;

/// Which shards the room is on, and what they have not taken yet.
pub(super) struct ShardLink {
    registry: Arc<Registry>,
    own: Arc<Inbox>,
    room: RoomKey,
    span: Span,
    /// What the room allows; `None` while it is not open.
    policy: Option<RoomPolicy>,
    /// To each shard that the room is on, or was.
    ways: BTreeMap<usize, Way>,
}

impl ShardLink {
    pub(super) fn new(registry: Arc<Registry>, own: Arc<Inbox>, room: RoomKey) -> Self {
        ShardLink {
            registry,
            own,
            room,
            span: Span::default(),
            policy: None,
            ways: BTreeMap::new(),
        }
    }

    /// Gives a command to those whom it concerns, each of which gets it as soon
    /// as it takes it.
    pub(super) fn send(&mut self, now: Instant, command: Command) {
        self.registry.media.hear(&command);
        match command {
            Command::OpenRoom { policy, .. } => self.open(now, policy),
            Command::CloseRoom { .. } => {
                self.tell_all(now, &command);
                // What the shards still say of the room concerns its actor.
                self.forget_members();
            }
            Command::Admit { member, .. } => self.admit(now, member),
            Command::Drop { member } => self.drop_member(now, member),
            Command::Barrier { number, .. } => {
                self.span.expect(number);
                match self.policy {
                    Some(_) => self.tell_all(now, &command),
                    None => self.tell(now, self.spokesman(), command),
                }
            }
            Command::Span { .. } => self.tell_all(now, &command),
            Command::Offer { member, .. }
            | Command::EndTransport { member }
            | Command::Publish { member, .. }
            | Command::SetMuted { member, .. }
            | Command::Unpublish { member, .. }
            | Command::Wish { member, .. }
            | Command::AckSlots { member, .. }
            | Command::SetLink { member, .. } => {
                let shard = self.span.shard_of(member).unwrap_or(self.spokesman());
                self.tell(now, shard, command);
            }
        }
    }

    /// Takes what a shard says. Returns what the room is told: what all shards
    /// say together, as soon as they have.
    pub(super) fn take(&mut self, now: Instant, event: Event) -> Option<Event> {
        match event {
            Event::Passed { room, number } if room == self.room => {
                let has_passed = self.span.passed(number);
                self.retire(now);
                has_passed.then_some(Event::Passed { room, number })
            }
            Event::Quality { room, levels } if room == self.room => {
                let levels = self.span.levels(levels)?;
                Some(Event::Quality { room, levels })
            }
            event => Some(event),
        }
    }

    /// Offers what waits to the shards again. Returns false if one is lost.
    pub(super) fn flush(&mut self, now: Instant) -> bool {
        let mut are_there = true;
        for way in self.ways.values_mut() {
            are_there &= way.flush(now);
        }
        are_there
    }

    /// Closes the room everywhere and forgets it.
    pub(super) fn end(&mut self) {
        self.forget_members();
        self.registry.close(self.room);
        let ways = std::mem::take(&mut self.ways);
        if ways.values().any(|way| way.is_open() || way.is_busy()) {
            let close = Command::CloseRoom { room: self.room };
            self.registry.media.hear(&close);
        }
        for way in ways.into_values() {
            way.end();
        }
    }

    /// Returns whether the room may grow: some shard has time for more, or,
    /// where it is on none yet, for a room.
    pub(super) fn admits(&self) -> bool {
        match self.policy {
            Some(_) => self.registry.shards.takes_members(),
            None => self.registry.shards.takes_rooms(),
        }
    }

    /// Returns whether commands wait for a shard.
    pub(super) fn is_busy(&self) -> bool {
        self.ways.values().any(Way::is_busy)
    }

    /// Opens the room at home, or lets it allow something else everywhere.
    fn open(&mut self, now: Instant, policy: RoomPolicy) {
        if self.policy.is_none() {
            let home = self.registry.open(self.room, Arc::clone(&self.own));
            self.span.add(home);
        }
        self.policy = Some(policy.clone());
        let room = self.room;
        self.tell_all(now, &Command::OpenRoom { room, policy });
    }

    fn admit(&mut self, now: Instant, member: MemberKey) {
        let room = self.room;
        let shards = self.span.shards();
        let shard = self.registry.shards.place(shards);
        if let Some(policy) = self.policy.clone()
            && !shards.contains(&shard)
        {
            self.span.add(shard);
            self.tell(now, shard, Command::OpenRoom { room, policy });
            self.tell_span(now);
        }
        self.span.admit(member, shard);
        let inbox = Arc::clone(&self.own);
        self.registry.add_member(member, shard, inbox);
        self.tell(now, shard, Command::Admit { room, member });
    }

    fn drop_member(&mut self, now: Instant, member: MemberKey) {
        let shard = self.span.remove(member);
        if let Some(shard) = shard {
            self.registry.remove_member(member, shard);
        }
        let shard = shard.unwrap_or(self.spokesman());
        self.tell(now, shard, Command::Drop { member });
        self.retire(now);
    }

    /// Leaves the shards where the room has nobody any more.
    fn retire(&mut self, now: Instant) {
        let left = self.span.retire();
        if left.is_empty() {
            return;
        }
        self.tell_span(now);
        for shard in left {
            self.tell(now, shard, Command::CloseRoom { room: self.room });
        }
    }

    /// Tells all shards of the room which they are.
    fn tell_span(&mut self, now: Instant) {
        // A shard has a number of eight bits.
        let shards = self.span.shards().iter().map(|shard| *shard as u8);
        let span = Command::Span {
            room: self.room,
            shards: shards.collect(),
        };
        self.tell_all(now, &span);
    }

    /// Returns the shard that answers for a room that is on none, and for
    /// members who are not there: every shard does.
    fn spokesman(&self) -> usize {
        self.span.home().unwrap_or_default()
    }

    fn tell_all(&mut self, now: Instant, command: &Command) {
        for shard in self.span.shards().to_vec() {
            self.tell(now, shard, command.clone());
        }
    }

    fn tell(&mut self, now: Instant, shard: usize, command: Command) {
        let (media, room) = (&self.registry.media, self.room);
        self.ways
            .entry(shard)
            .or_insert_with(|| Way::new(Arc::clone(media), room, shard))
            .send(now, command);
    }

    fn forget_members(&mut self) {
        for (member, shard) in self.span.clear() {
            self.registry.remove_member(member, shard);
        }
        self.policy = None;
    }
}
