//! What is done in a meeting, or with all of it.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::{OfSession, Which};
use crate::operator::api::Ask;
use crate::operator::invite::parse_span;
use crate::operator::{Failure, Output, Where, ask, json_text, say, table};

/// Seconds of the longest countdown.
const COUNTDOWN_S_MAX: u32 = 60;

pub(super) const MUTE_EXAMPLES: &str = "\
Examples:
  conclave session mute team par_01k…                    the microphone
  conclave session mute team par_01k… --source screen    ends the share

Nobody can be unmuted by another.";

pub(super) const REMOVE_EXAMPLES: &str = "\
Examples:
  conclave session remove team par_01k… --reason \"Played music\"
  conclave session remove team par_01k… --ban            for a day
  conclave session remove team par_01k… --ban=7d --strict";

pub(super) const END_EXAMPLES: &str = "\
Examples:
  conclave session end team
  conclave session end team --in 60s --message \"The next class begins\"";

/// A command about somebody in a meeting.
#[derive(Debug, Args)]
pub(crate) struct Act {
    #[command(flatten)]
    which: Which,
    /// Who, `par_…`, as `people` prints it
    #[arg(value_name = "PARTICIPANT")]
    participant: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave session mute`.
#[derive(Debug, Args)]
pub(crate) struct Mute {
    #[command(flatten)]
    act: Act,
    /// What; may be repeated
    #[arg(long = "source", value_name = "SOURCE", default_value = "microphone",
        value_parser = ["microphone", "camera", "screen", "screen_audio"])]
    sources: Vec<String>,
}

/// `conclave session remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    #[command(flatten)]
    act: Act,
    /// Keep them out of the room as well, for a day or for SPAN: a number and m, h or d
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true,
        default_missing_value = "1d", value_parser = parse_span)]
    ban: Option<Duration>,
    /// Refuse whoever shares only their network too; else they wait in the lobby
    #[arg(long, requires = "ban")]
    strict: bool,
    /// Why, as they read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// More for them to read
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

/// `conclave session role`.
#[derive(Debug, Args)]
pub(crate) struct SetRole {
    #[command(flatten)]
    act: Act,
    /// Which role
    #[arg(value_name = "ROLE",
        value_parser = ["host", "co_host", "presenter", "attendee", "viewer"])]
    role: String,
    /// A custom role of the room that is based on the role
    #[arg(long, value_name = "NAME")]
    custom_role: Option<String>,
}

/// `conclave session announce`.
#[derive(Debug, Args)]
pub(crate) struct Announce {
    #[command(flatten)]
    which: Which,
    /// What everybody reads
    #[arg(value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave session end`.
#[derive(Debug, Args)]
pub(crate) struct End {
    #[command(flatten)]
    which: Which,
    /// After a countdown that everybody sees: seconds, 60s at most [default: at once]
    #[arg(long = "in", value_name = "SPAN", value_parser = parse_countdown)]
    countdown_s: Option<u32>,
    /// What everybody reads
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    place: Where,
}

impl Act {
    pub(super) fn to_lobby(&self) -> Result<(), Failure> {
        self.done("to-lobby", Map::new()).and_then(|answer| {
            let text = format!("{} is in the lobby\n", self.participant);
            told(&self.place, &answer, &text)
        })
    }

    /// Does something to somebody.
    fn done(&self, act: &str, body: Map<String, Value>) -> Result<Value, Failure> {
        let api = self.place.reach()?;
        let rest = ["participants", self.participant.as_str(), act];
        let path = self.which.path(&api, &rest)?;
        let order = match body.is_empty() {
            true => Ask::post(&path),
            false => Ask::send(Method::POST, &path, Value::Object(body)),
        };
        ask(&api, order)
    }
}

impl Mute {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let body = Map::from_iter([("sources".to_owned(), json!(self.sources))]);
        let answer = self.act.done("mute", body)?;
        let text = match answer["muted"] == true {
            true => format!("{} is muted\n", self.act.participant),
            false => "nothing of this was open\n".to_owned(),
        };
        told(&self.act.place, &answer, &text)
    }
}

impl Remove {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut body = Map::new();
        for (member, text) in [("reason", &self.reason), ("message", &self.message)] {
            if let Some(text) = text {
                body.insert(member.to_owned(), json!(text));
            }
        }
        if let Some(span) = self.ban {
            let ban = json!({"ttl_s": span.as_secs(), "strict": self.strict});
            body.insert("ban".to_owned(), ban);
        }
        let answer = self.act.done("remove", body)?;
        let mut text = format!("{} is removed\n", self.act.participant);
        if let Value::String(ban) = &answer["ban"] {
            text.push_str(&format!("ban  {ban}\n"));
        }
        told(&self.act.place, &answer, &text)
    }
}

impl SetRole {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut body = Map::from_iter([("role".to_owned(), json!(self.role))]);
        if let Some(custom) = &self.custom_role {
            body.insert("custom_role".to_owned(), json!(custom));
        }
        let Act {
            which,
            participant,
            place,
        } = &self.act;
        let api = place.reach()?;
        let path = which.path(&api, &["participants", participant])?;
        let answer = ask(&api, Ask::send(Method::PATCH, &path, Value::Object(body)))?;
        let text = format!("{participant} is {}\n", table::cell(&answer["role"]));
        told(place, &answer, &text)
    }
}

impl Announce {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let path = self.which.path(&api, &["announce"])?;
        let body = json!({"text": self.text});
        let answer = ask(&api, Ask::send(Method::POST, &path, body))?;
        told(&self.place, &answer, "everybody is told\n")
    }
}

impl End {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let path = self.which.path(&api, &["end"])?;
        let countdown_s = self.countdown_s.unwrap_or(0);
        let body = json!({"countdown_s": countdown_s, "message": self.message});
        let answer = ask(&api, Ask::send(Method::POST, &path, body))?;
        let text = match countdown_s {
            0 => "it is over\n".to_owned(),
            seconds => format!("it ends in {seconds} s\n"),
        };
        told(&self.place, &answer, &text)
    }
}

/// Locks the room of a meeting, or unlocks it.
pub(super) fn lock(OfSession { which, place }: &OfSession, locked: bool) -> Result<(), Failure> {
    let api = place.reach()?;
    let path = which.path(&api, &["lock"])?;
    let body = json!({"locked": locked});
    let answer = ask(&api, Ask::send(Method::POST, &path, body))?;
    let text = match locked {
        true => "the room is locked\n",
        false => "the room is not locked\n",
    };
    told(place, &answer, text)
}

/// Says that something is done: in words, or as it was answered.
fn told(place: &Where, answer: &Value, text: &str) -> Result<(), Failure> {
    match place.output {
        Output::Table => say(text),
        Output::Json if answer.is_null() => Ok(()),
        Output::Json => say(&json_text(answer)),
    }
}

/// Reads seconds, with or without their unit.
fn parse_countdown(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix('s').unwrap_or(text);
    let seconds = digits.parse().ok();
    seconds
        .filter(|seconds| *seconds <= COUNTDOWN_S_MAX)
        .ok_or_else(|| format!("`{text}` is not 0s to {COUNTDOWN_S_MAX}s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_countdown_is_a_minute_at_most() {
        assert_eq!(parse_countdown("60s"), Ok(60));
        assert_eq!(parse_countdown("5"), Ok(5));
        for bad in ["", "s", "61s", "1m", "-1s"] {
            assert!(parse_countdown(bad).is_err(), "{bad}");
        }
    }
}
