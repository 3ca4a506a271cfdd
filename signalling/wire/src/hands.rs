//! Raised hands and reactions.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::chat::Emoji;
use crate::ids::ParticipantId;
use crate::time::Timestamp;

/// In which order hands are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HandOrder {
    /// As they were raised.
    Fifo,
    /// Those who were not called in this session before those who were.
    FirstTimersFirst,
}

/// Data of `hand.raise`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandRaise {}

/// Data of `hand.lower`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandLower {
    /// Whose; absent for the own one. Another's needs `hand.manage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub participant: Option<ParticipantId>,
}

/// Data of `hand.lower_all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandLowerAll {}

/// Data of `hand.next`: the first of the queue may speak, and is asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandNext {
    /// Seconds for which it may, 10 to 3,600; absent for 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub ttl_s: Option<u32>,
}

/// `ok` of `hand.next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HandCalled {
    /// Who was called; null if no hand was up.
    pub participant: Option<ParticipantId>,
}

/// Data of `hand.queue`: all raised hands that the receiver may see, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HandQueue {
    /// The hands.
    pub hands: Vec<QueuedHand>,
}

/// One raised hand in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueuedHand {
    /// Whose.
    pub participant: ParticipantId,
    /// Place among all, from 1; 0 for the one who was called.
    pub position: u32,
    /// Since when.
    pub raised_at: Timestamp,
    /// How often its owner was called in this session before.
    pub round: u32,
    /// Until when the one who was called may speak; null for those who wait.
    pub called_until: Option<Timestamp>,
}

/// Data of `reaction.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReactionSend {
    /// Which.
    pub emoji: Emoji,
}

/// Data of the push `reaction`: shown for 5 s and forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reaction {
    /// Whose; null if the receiver does not see it.
    pub participant: Option<ParticipantId>,
    /// Which.
    pub emoji: Emoji,
}
