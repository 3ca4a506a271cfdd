//! Words that wait until the media plane has stopped what they speak of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::ErrorCode;

use crate::negotiation::MEDIA_ANSWER_WITHIN;
use crate::output::{LinkId, Notice, Reply};
use crate::room::Room;
use crate::room::requests::{Answer, ReplyTo};

/// What is held back.
#[derive(Debug)]
enum Word {
    Reply { to: ReplyTo, reply: Reply },
    Notice { to: MemberKey, notice: Arc<Notice> },
}

impl Word {
    /// Returns who waits for it as a reply.
    fn reply_to(&self) -> Option<ReplyTo> {
        match self {
            Word::Reply { to, .. } => Some(*to),
            Word::Notice { .. } => None,
        }
    }
}

#[derive(Debug)]
struct Held {
    word: Word,
    deadline: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    number: u64,
    /// Whether the step that is being taken has stopped anything.
    stopped: bool,
    held: BTreeMap<u64, Held>,
}

impl Barriers {
    /// Begins a step.
    pub(super) fn begin(&mut self) {
        self.stopped = false;
    }

    /// Looks at what the media plane is told.
    pub(super) fn note(&mut self, command: &Command) {
        self.stopped |= matches!(
            command,
            Command::SetMuted { muted: true, .. }
                | Command::Unpublish { .. }
                | Command::Drop { .. }
                | Command::EndTransport { .. }
        );
    }

    /// Returns when the first reply is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // The numbers rise with time.
        self.held.values().next().map(|held| held.deadline)
    }

    /// Returns whether a request waits here.
    pub(super) fn awaits(&self, link: LinkId, id: u32) -> bool {
        let waiting = ReplyTo::Link { link, id };
        let mut held = self.held.values();
        held.any(|held| held.word.reply_to() == Some(waiting))
    }

    /// Forgets what a link waited for that is in the room no longer.
    pub(super) fn forget(&mut self, link: LinkId) {
        let is_of = |to| matches!(to, ReplyTo::Link { link: other, .. } if other == link);
        self.held
            .retain(|_, held| !held.word.reply_to().is_some_and(is_of));
    }

    /// Returns whether the operator waits here.
    pub(super) fn holds_operator(&self) -> bool {
        let mut held = self.held.values();
        held.any(|held| matches!(held.word.reply_to(), Some(ReplyTo::Operator { .. })))
    }
}

impl Room {
    /// Gives a reply as soon as nothing that this step stopped is forwarded any
    /// more: at once if it stopped nothing.
    pub(super) fn once_stopped(&mut self, to: ReplyTo, reply: Reply) -> Answer {
        if !self.barriers.stopped {
            return Ok(Some(reply));
        }
        self.hold(Word::Reply { to, reply });
        Ok(None)
    }

    /// Tells a participant something as soon as nothing that this step stopped
    /// is forwarded any more.
    pub(super) fn tell_once_stopped(&mut self, to: MemberKey, notice: Arc<Notice>) {
        if self.barriers.stopped {
            self.hold(Word::Notice { to, notice });
        } else {
            self.tell(to, &notice);
        }
    }

    /// Keeps a reply back for which [`Room::send_barrier`] is called in the same
    /// step. Until then the room has somebody to answer, and is not closed.
    pub(super) fn promise(&mut self, to: ReplyTo, reply: Reply) -> u64 {
        self.keep_back(Word::Reply { to, reply })
    }

    /// Asks the media plane to say when it has done everything up to here.
    pub(super) fn send_barrier(&mut self, number: u64) {
        self.command(Command::Barrier {
            room: self.key,
            number,
        });
    }

    fn hold(&mut self, word: Word) {
        let number = self.keep_back(word);
        self.send_barrier(number);
    }

    fn keep_back(&mut self, word: Word) -> u64 {
        self.barriers.number += 1;
        let number = self.barriers.number;
        let deadline = self.now + MEDIA_ANSWER_WITHIN;
        self.barriers.held.insert(number, Held { word, deadline });
        number
    }

    /// Says what waited for this.
    pub(super) fn barrier_passed(&mut self, number: u64) {
        match self.barriers.held.remove(&number).map(|held| held.word) {
            None => {}
            Some(Word::Reply { to, reply }) => self.answer_late(to, Ok(Some(reply))),
            Some(Word::Notice { to, notice }) => self.tell(to, &notice),
        }
    }

    /// Says that it is not known whether media has stopped. What was done stays.
    pub(super) fn give_up_on_barriers(&mut self) {
        let now = self.now;
        self.abandon(|held| held.deadline <= now);
    }

    /// Says the same of everything: the media plane has failed.
    pub(super) fn abandon_barriers(&mut self) {
        self.abandon(|_| true);
    }

    fn abandon(&mut self, which: impl Fn(&Held) -> bool) {
        let held = self.barriers.held.extract_if(.., |_, held| which(held));
        let abandoned: Vec<Word> = held.map(|(_, held)| held.word).collect();
        for word in abandoned {
            match word {
                Word::Reply { to, .. } => {
                    self.answer_late(to, Err(ErrorCode::NotAvailable.into()));
                }
                // It is true all the same.
                Word::Notice { to, notice } => self.tell(to, &notice),
            }
        }
    }

    /// Answers somebody who may be gone.
    pub(super) fn answer_late(&mut self, to: ReplyTo, answer: Answer) {
        if self.is_there(to) {
            self.answer(to, answer);
        }
    }

    /// Returns whether somebody can be answered.
    pub(super) fn is_there(&self, to: ReplyTo) -> bool {
        match to {
            ReplyTo::Link { link, .. } => self.links.contains_key(&link),
            ReplyTo::Operator { .. } => true,
        }
    }

    /// Returns whether a request of a link is answered later.
    pub(super) fn owes(&self, link: LinkId, id: u32) -> bool {
        self.barriers.awaits(link, id) || self.hashings.awaits(link, id)
    }
}
