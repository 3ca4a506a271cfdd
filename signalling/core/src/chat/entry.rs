//! One message, and what belongs to it that nobody is told.

use conclave_signalling_wire::chat::{ChatMessage, ChatReaction, ChatSent, ChatTarget, Emoji};
use conclave_signalling_wire::ids::{ParticipantId, SessionId};
use conclave_signalling_wire::time::Timestamp;

use crate::chat::Reader;
use crate::digest::DeviceHash;
use crate::record::{Change, ChatRecord};

/// A reaction of one device.
#[derive(Debug, Clone)]
pub(super) struct Given {
    emoji: Emoji,
    participant: ParticipantId,
    /// Unknown of reactions that were kept.
    device: Option<DeviceHash>,
}

impl Given {
    fn is_of(&self, (participant, device): (ParticipantId, DeviceHash)) -> bool {
        self.participant == participant || self.device == Some(device)
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The message but for its reactions.
    pub(super) message: ChatMessage,
    /// The device of its author.
    pub(crate) device: DeviceHash,
    /// The device of the one to whom it is written, if it is one.
    pub(crate) to_device: Option<DeviceHash>,
    pub(super) session: SessionId,
    /// Until when it is on disk; `None` for what is not.
    pub(super) expires_at: Option<Timestamp>,
    /// In the order in which they were given.
    pub(super) given: Vec<Given>,
}

impl Entry {
    /// Takes a message that was kept.
    pub(super) fn from_record(record: ChatRecord) -> Self {
        let ChatRecord {
            mut message,
            device,
            session,
            expires_at,
        } = record;
        let reactions = std::mem::take(&mut message.reactions);
        let given = reactions.into_iter().flat_map(|reaction| {
            let emoji = reaction.emoji;
            let participants = reaction.participants.into_iter();
            participants.map(move |participant| Given {
                emoji,
                participant,
                device: None,
            })
        });
        Entry {
            given: given.collect(),
            message,
            device,
            to_device: None,
            session,
            expires_at: Some(expires_at),
        }
    }

    /// Returns the message without its reactions.
    pub(crate) fn message(&self) -> &ChatMessage {
        &self.message
    }

    pub(crate) fn number(&self) -> u32 {
        self.message.number
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(self.message.to, ChatTarget::Participant { .. })
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.message.deleted_by.is_some()
    }

    pub(super) fn is_stored(&self) -> bool {
        self.expires_at.is_some()
    }

    /// Returns whether it was written to somebody, or by it. Whoever comes again
    /// is another participant, but the same device.
    pub(super) fn is_to(&self, reader: &Reader) -> bool {
        let is_end = self.device == reader.device;
        match self.message.to {
            ChatTarget::All {} => true,
            ChatTarget::Hosts {} => is_end || reader.is_host,
            ChatTarget::Participant { .. } => is_end || self.to_device == Some(reader.device),
        }
    }

    /// Returns whether a message of `device` to `to` goes to the receivers of this one.
    pub(crate) fn has_receivers_of(
        &self,
        device: DeviceHash,
        to: ChatTarget,
        to_device: Option<DeviceHash>,
    ) -> bool {
        match (self.message.to, to) {
            (ChatTarget::All {}, ChatTarget::All {})
            | (ChatTarget::Hosts {}, ChatTarget::Hosts {}) => true,
            (ChatTarget::Participant { .. }, ChatTarget::Participant { .. }) => {
                let ends = (Some(self.device), self.to_device);
                ends == (Some(device), to_device) || ends == (to_device, Some(device))
            }
            _ => false,
        }
    }

    /// Returns what its author is answered.
    pub(super) fn sent(&self) -> ChatSent {
        ChatSent {
            id: self.message.id,
            ts: self.message.ts,
        }
    }

    /// Returns the bytes that it counts for.
    pub(super) fn weight(&self) -> usize {
        self.message.text.len() + self.given.len() * size_of::<Given>()
    }

    /// Returns the reactions, each kind where it was given first.
    pub(crate) fn reactions(&self) -> Vec<ChatReaction> {
        let mut reactions: Vec<ChatReaction> = Vec::new();
        for given in &self.given {
            let mut known = reactions.iter_mut();
            match known.find(|reaction| reaction.emoji == given.emoji) {
                Some(reaction) => {
                    reaction.participants.push(given.participant);
                    reaction.count += 1;
                }
                None => reactions.push(ChatReaction {
                    emoji: given.emoji,
                    participants: vec![given.participant],
                    count: 1,
                }),
            }
        }
        reactions
    }

    /// Returns the message with all reactions.
    pub(crate) fn whole(&self) -> ChatMessage {
        ChatMessage {
            reactions: self.reactions(),
            ..self.message.clone()
        }
    }

    /// Returns whether somebody reacted so.
    pub(super) fn has(&self, emoji: Emoji, who: (ParticipantId, DeviceHash)) -> bool {
        let mut given = self.given.iter();
        given.any(|given| given.emoji == emoji && given.is_of(who))
    }

    /// Returns whether a reaction of somebody makes a difference.
    pub(super) fn may_take(
        &self,
        emoji: Emoji,
        who: (ParticipantId, DeviceHash),
        most: usize,
    ) -> bool {
        let given = self.given.iter().filter(|given| given.emoji == emoji);
        !self.has(emoji, who) && given.count() < most
    }

    /// Adds or takes away a reaction.
    pub(super) fn react(
        &mut self,
        emoji: Emoji,
        (participant, device): (ParticipantId, DeviceHash),
        on: bool,
    ) {
        self.given
            .retain(|given| given.emoji != emoji || !given.is_of((participant, device)));
        if on {
            self.given.push(Given {
                emoji,
                participant,
                device: Some(device),
            });
        }
    }

    /// Returns what is to be kept of it, if anything is.
    pub(super) fn change(&self) -> Option<Change> {
        debug_assert!(!(self.is_private() && self.is_stored()));
        let record = ChatRecord {
            message: self.whole(),
            device: self.device,
            session: self.session,
            expires_at: self.expires_at?,
        };
        Some(Change::Chat(Box::new(record)))
    }
}
