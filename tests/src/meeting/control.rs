//! The least control plane: commands to shards and events to participants, each with its delay.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Command, Event, MemberKey};

use super::Meeting;
use super::oracle::Assignment;

/// The signalling link of one participant: ordered, and held up while it is down.
#[derive(Debug)]
pub(super) struct Signalling {
    delay: Duration,
    up: bool,
    last_up: Option<Instant>,
    last_down: Option<Instant>,
    held: Vec<Held>,
}

enum Held {
    Command(Command),
    Event(Box<Event>),
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Held::Command(_) => "Command",
            Held::Event(_) => "Event",
        })
    }
}

impl Signalling {
    pub(super) fn new(delay: Duration) -> Self {
        Signalling {
            delay,
            up: true,
            last_up: None,
            last_down: None,
            held: Vec::new(),
        }
    }

    pub(super) fn set_up(&mut self, up: bool) {
        self.up = up;
    }
}

/// What is under way in the control plane.
#[derive(Default)]
pub(super) struct Queue {
    count: u64,
    heap: BinaryHeap<Reverse<Entry>>,
}

struct Entry {
    at: Instant,
    count: u64,
    message: Message,
}

pub(super) enum Message {
    ToShard(usize, Command),
    ToMember(u64, Box<Event>),
}

impl Queue {
    fn push(&mut self, at: Instant, message: Message) {
        self.count += 1;
        self.heap.push(Reverse(Entry {
            at,
            count: self.count,
            message,
        }));
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Message> {
        let due = self.heap.peek().is_some_and(|Reverse(next)| next.at <= now);
        due.then(|| self.heap.pop())
            .flatten()
            .map(|Reverse(entry)| entry.message)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(next)| next.at)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.count).cmp(&(other.at, other.count))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl Meeting {
    /// Sends what a participant asks for to its shard.
    pub(super) fn command(&mut self, member: u64, command: Command) {
        let now = self.now;
        let state = self.member(member);
        let shard = state.shard;
        if !state.signalling.up {
            state.signalling.held.push(Held::Command(command));
            return;
        }
        let at = in_order(now + state.signalling.delay, &mut state.signalling.last_up);
        self.control.push(at, Message::ToShard(shard, command));
    }

    /// Tells a shard what the control plane has decided by itself.
    pub(super) fn order(&mut self, shard: usize, command: Command) {
        self.order_at(self.now, shard, command);
    }

    pub(super) fn order_at(&mut self, at: Instant, shard: usize, command: Command) {
        self.control.push(at, Message::ToShard(shard, command));
    }

    /// Sends on what waited for the link.
    pub(super) fn resume_link(&mut self, member: u64) {
        for held in std::mem::take(&mut self.member(member).signalling.held) {
            match held {
                Held::Command(command) => self.command(member, command),
                Held::Event(event) => self.tell(member, *event),
            }
        }
    }

    /// Notes what a shard reports and sends it to whom it concerns.
    pub(super) fn report(&mut self, event: Event) {
        let now = self.now;
        self.events.push((now, event.clone()));
        let Some(MemberKey(member)) = concerned(&event) else {
            return;
        };
        let Some(state) = self.members.get_mut(&member) else {
            return;
        };
        match &event {
            Event::Connected { .. } => state.connected_at = Some(now),
            Event::Slots { rev, slots, .. } => {
                Assignment::note(&mut state.assignments, now, *rev, slots)
            }
            Event::SlotsAcked {
                rev,
                first_rtp_timestamps,
                ..
            } => {
                Assignment::note_ack(&mut state.assignments, now, *rev, first_rtp_timestamps);
            }
            _ => {}
        }
        self.tell(member, event);
    }

    fn tell(&mut self, member: u64, event: Event) {
        let now = self.now;
        let state = self.member(member);
        if !state.signalling.up {
            state.signalling.held.push(Held::Event(Box::new(event)));
            return;
        }
        let at = in_order(
            now + state.signalling.delay,
            &mut state.signalling.last_down,
        );
        self.control
            .push(at, Message::ToMember(member, Box::new(event)));
    }

    /// What a client does with what it is told.
    pub(super) fn handle_told(&mut self, member: u64, event: Event) {
        let now = self.now;
        let seed = self.seed;
        let state = self.member(member);
        if !state.signalling.up {
            state.signalling.held.push(Held::Event(Box::new(event)));
            return;
        }
        match event {
            Event::Answer { sdp, .. } => {
                if let Err(error) = state.participant.accept_answer(now, &sdp) {
                    panic!("seed {seed}: participant {member}: {error}");
                }
                state.answers += 1;
            }
            Event::Published { source, .. } => state.participant.publish(now, source, true),
            Event::Layers { source, active, .. } => state.participant.set_active(source, &active),
            Event::Slots { rev, .. } if state.holds_acks => state.unacked_rev = Some(rev),
            Event::Slots {
                rev, member: key, ..
            } => {
                self.command(member, Command::AckSlots { member: key, rev });
            }
            Event::OfferRefused { error, .. } => {
                panic!("seed {seed}: participant {member}: offer refused: {error:?}");
            }
            Event::PublishRefused { .. } => state.refusals.push("publish"),
            Event::TransportFailed { .. } => state.refusals.push("transport"),
            _ => {}
        }
    }

    /// Returns what was refused to a participant or failed for it.
    pub fn refusals(&self, member: u64) -> &[&'static str] {
        &self.members[&member].refusals
    }
}

/// Whom an event concerns; `None` if the whole room.
fn concerned(event: &Event) -> Option<MemberKey> {
    match event {
        Event::Answer { member, .. }
        | Event::OfferRefused { member, .. }
        | Event::Published { member, .. }
        | Event::PublishRefused { member, .. }
        | Event::Connected { member, .. }
        | Event::TransportFailed { member, .. }
        | Event::Slots { member, .. }
        | Event::SlotsAcked { member, .. }
        | Event::Layers { member, .. } => Some(*member),
        Event::Speakers { .. }
        | Event::Quality { .. }
        | Event::Passed { .. }
        | Event::RoomFailed { .. } => None,
    }
}

/// A link keeps its order.
fn in_order(at: Instant, last: &mut Option<Instant>) -> Instant {
    let at = last.map_or(at, |last| last.max(at));
    *last = Some(at);
    at
}
