//! Sharing a screen.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{ParticipantId, RequestId, TrackId};
use crate::moderation::RequestAnswer;

/// Data of `screen.start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ScreenStart {
    /// What the participant means to show, if it is known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub surface: Option<Surface>,
    /// Whether its sound is to be shared as well.
    pub audio: bool,
    /// Whether to take the share over from who has it, where the room's policy is `one_takeover`:
    /// at once from a lower role with `screen.takeover`, else its holder is asked.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub take_over: bool,
}

/// What is captured (Screen Capture, DisplayCaptureSurfaceType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// A whole screen.
    Monitor,
    /// One window.
    Window,
    /// One tab.
    Browser,
}

/// `ok` of `screen.start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScreenOutcome {
    /// It may be shared.
    Granted {
        /// What the publication will be called.
        share_id: TrackId,
    },
    /// Its holder was asked: `screen.takeover.answered` comes within 60 s.
    Asked {
        /// The request.
        request: RequestId,
    },
}

/// Data of `screen.pause`: a placeholder is shown, its sound is silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ScreenPause {
    /// Paused or not.
    pub on: bool,
}

/// Data of `screen.takeover.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ScreenTakeoverReply {
    /// Which request.
    pub request: RequestId,
    /// The answer; with `accept` the own share ends before the reply.
    pub answer: RequestAnswer,
}

/// Data of `screen.takeover.requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ScreenTakeoverRequested {
    /// The request, to be answered with `screen.takeover.reply`.
    pub request: RequestId,
    /// Who asks; null if the receiver does not see it.
    pub by: Option<ParticipantId>,
    /// Seconds in which it can be answered.
    pub expires_s: u32,
}

/// Data of `screen.takeover.answered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ScreenTakeoverAnswered {
    /// The request.
    pub request: RequestId,
    /// What the publication will be called; null if the share stays where it is.
    pub share_id: Option<TrackId>,
}

/// Data of `screen.viewers`, to who shares: at most one a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ScreenViewers {
    /// How many have the screen in sight.
    pub count: u32,
}
