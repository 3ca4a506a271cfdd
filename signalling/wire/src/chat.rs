//! Chat: what is written, and who rules over it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{MessageId, ParticipantId};
use crate::objects::Role;
use crate::text::{ClientId, DisplayName, TypedText};
use crate::time::Timestamp;

/// Who may write to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PublicChat {
    /// Everybody.
    All,
    /// Hosts and co-hosts.
    Hosts,
    /// Nobody, hosts included.
    Off,
}

/// To whom one may write privately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrivateChat {
    /// To anybody.
    All,
    /// To hosts and co-hosts, together or to one of them. They answer anybody.
    Hosts,
    /// To nobody, hosts included.
    Off,
}

/// Which earlier messages somebody who joins is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatHistory {
    /// None.
    None,
    /// Those of this session.
    Session,
    /// Those of earlier sessions too, as far as they are kept.
    Kept,
}

/// How long messages are kept on disk, sealed. Private ones never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatKeep {
    /// Not at all: they live in memory until the session ends.
    None,
    /// Until the session ends: they survive a crash.
    Session,
    /// For `keep_days`.
    Days,
}

/// The chat policies of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatPolicy {
    /// Who may write to all.
    pub public: PublicChat,
    /// To whom one may write privately.
    pub private: PrivateChat,
    /// Seconds between two messages of one participant below the hosts, 0 to 3,600; 0 is no limit.
    pub slow_s: u32,
    /// Whether links may be followed.
    pub links: bool,
    /// What somebody who joins is shown.
    pub history: ChatHistory,
    /// How long messages are kept on disk.
    #[serde(default = "ChatPolicy::keep_by_default")]
    pub keep: ChatKeep,
    /// For how many days, with `keep` of `days`: 1 to 365.
    #[serde(default = "ChatPolicy::keep_days_by_default")]
    pub keep_days: u32,
}

impl ChatPolicy {
    /// What a policy says that was written before it could say so.
    const fn keep_by_default() -> ChatKeep {
        ChatKeep::None
    }

    const fn keep_days_by_default() -> u32 {
        30
    }
}

impl Default for ChatPolicy {
    /// Everybody writes, privately to hosts; nothing is kept or shown to newcomers.
    fn default() -> Self {
        ChatPolicy {
            public: PublicChat::All,
            private: PrivateChat::Hosts,
            slow_s: 0,
            links: true,
            history: ChatHistory::None,
            keep: ChatPolicy::keep_by_default(),
            keep_days: ChatPolicy::keep_days_by_default(),
        }
    }
}

/// Changes to the chat policies: absent members stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct ChatUpdate {
    /// Who may write to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<PublicChat>,
    /// To whom one may write privately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<PrivateChat>,
    /// Seconds between two messages of one participant below the hosts, 0 to 3,600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 3600)))]
    pub slow_s: Option<u32>,
    /// Whether links may be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<bool>,
    /// What somebody who joins is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<ChatHistory>,
    /// How long messages are kept on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<ChatKeep>,
    /// For how many days: 1 to 365.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 365)))]
    pub keep_days: Option<u32>,
}

/// To whom a chat message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChatTarget {
    /// To everybody.
    All {},
    /// To hosts and co-hosts.
    Hosts {},
    /// To one participant.
    Participant {
        /// To whom.
        participant: ParticipantId,
    },
}

/// From the list of emoji: the enum, the names, the list.
macro_rules! emoji {
    ($($variant:ident = $text:literal;)*) => {
        /// What one may react with: a closed set, so that nothing reaches others unread.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Emoji {
            $(#[doc = $text] #[serde(rename = $text)] $variant,)*
        }

        impl Emoji {
            /// All of them, in the order in which they are offered.
            pub const ALL: &'static [Emoji] = &[$(Emoji::$variant,)*];
        }
    };
}

emoji! {
    ThumbsUp = "👍";
    ThumbsDown = "👎";
    Clap = "👏";
    Heart = "❤️";
    Joy = "😂";
    Surprise = "😮";
    Sad = "😢";
    Party = "🎉";
    Thinking = "🤔";
    Wave = "👋";
    Thanks = "🙏";
    Yes = "✅";
    No = "❌";
    Fire = "🔥";
}

/// Who wrote a chat message, as it was then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatAuthor {
    /// Who.
    pub participant: ParticipantId,
    /// Its name.
    pub name: DisplayName,
    /// Its role.
    pub role: Role,
}

impl std::fmt::Debug for ChatAuthor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatAuthor")
            .field("participant", &self.participant)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Who reacted to a message in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatReaction {
    /// How.
    pub emoji: Emoji,
    /// Who, in the order of their reactions; those whom the receiver does not see are left out.
    pub participants: Vec<ParticipantId>,
    /// How many in all.
    pub count: u32,
}

/// A chat message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatMessage {
    /// Its identifier.
    pub id: MessageId,
    /// Its number in the room: they rise, and those of messages to others are left out.
    pub number: u32,
    /// What its author called it.
    pub client_id: ClientId,
    /// Who wrote it.
    pub from: ChatAuthor,
    /// To whom.
    pub to: ChatTarget,
    /// The text: at most 4,000 code points; empty when it was deleted.
    pub text: String,
    /// Which message it answers.
    pub reply_to: Option<MessageId>,
    /// Whom it mentions.
    pub mentions: Vec<ParticipantId>,
    /// When.
    pub ts: Timestamp,
    /// When its author changed it last.
    pub edited_at: Option<Timestamp>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// The role of who deleted it; its place stays.
    pub deleted_by: Option<Role>,
    /// How others reacted.
    pub reactions: Vec<ChatReaction>,
}

impl std::fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatMessage")
            .field("id", &self.id)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Data of `chat.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatSend {
    /// The sender's own name for it, 1 to 64 letters, digits, `-` or `_`. Said again, as after a lost link, it is not written twice.
    pub client_id: ClientId,
    /// To whom.
    pub to: ChatTarget,
    /// The text, 1 to 4,000 code points.
    pub text: TypedText,
    /// Which message it answers: one to the same receivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub reply_to: Option<MessageId>,
    /// Whom it mentions, at most 20.
    #[serde(default)]
    #[ts(as = "Option<Vec<ParticipantId>>", optional)]
    pub mentions: Vec<ParticipantId>,
}

/// `ok` of `chat.send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatSent {
    /// The message.
    pub id: MessageId,
    /// When it was written.
    pub ts: Timestamp,
}

/// Data of `chat.edit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatEdit {
    /// Which message: an own one, not older than 5 minutes.
    pub id: MessageId,
    /// Its new text.
    pub text: TypedText,
}

/// Data of `chat.delete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatDelete {
    /// Which message.
    pub id: MessageId,
}

/// Data of `chat.react`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatReact {
    /// To which message.
    pub id: MessageId,
    /// How.
    pub emoji: Emoji,
    /// Given or taken back.
    pub on: bool,
}

/// Data of `chat.pin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatPin {
    /// Which message: one to everybody.
    pub id: MessageId,
    /// Pinned or not; at most 10 are.
    pub on: bool,
}

/// Data of `chat.clear`: messages to everybody and to the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatClear {
    /// The `number` of the last message that goes; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub up_to: Option<u32>,
}

/// How a chat is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChatFormat {
    /// One JSON object a line.
    Jsonl,
    /// To read.
    Txt,
    /// For spreadsheets; no cell begins a formula.
    Csv,
}

/// Data of `chat.export`: messages to everybody and to the hosts, never private ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatExport {
    /// How.
    pub format: ChatFormat,
    /// Go on after this number, from `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub after: Option<u32>,
}

/// `ok` of `chat.export`: at most some 256 KiB.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatExported {
    /// A piece of the file; the first has its head.
    pub text: String,
    /// For `after` of the next piece; null if this was the last.
    pub next: Option<u32>,
}

impl std::fmt::Debug for ChatExported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatExported")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Data of the push `chat.message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ChatWritten(pub ChatMessage);

/// Data of `chat.edited`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatEdited {
    /// Which message.
    pub id: MessageId,
    /// Its new text.
    pub text: String,
    /// When.
    pub edited_at: Timestamp,
}

impl std::fmt::Debug for ChatEdited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatEdited")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Data of `chat.deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatDeleted {
    /// Which message.
    pub id: MessageId,
    /// The role of who deleted it.
    pub by_role: Role,
}

/// Data of `chat.reacted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatReacted {
    /// To which message.
    pub id: MessageId,
    /// All reactions to it.
    pub reactions: Vec<ChatReaction>,
}

/// Data of `chat.pinned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatPinned {
    /// Which message.
    pub id: MessageId,
    /// Pinned or not.
    pub on: bool,
}

/// Data of `chat.cleared`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatCleared {
    /// The `number` of the last message to everybody or to the hosts that is gone.
    pub up_to: u32,
    /// The role of who cleared.
    pub by_role: Role,
}
