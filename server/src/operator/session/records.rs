//! What is kept of a meeting: who took part, and what was written.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Which;
use crate::operator::api::Ask;
use crate::operator::save::Target;
use crate::operator::{Failure, Output, Where, ask, json_text, say, table};

pub(super) const ATTENDANCE_EXAMPLES: &str = "\
Examples:
  conclave session attendance team
  conclave session attendance ses_01k… --csv --to attendance.csv";

pub(super) const CHAT_EXAMPLES: &str = "\
Examples:
  conclave session chat team
  conclave session chat ses_01k… --format csv --to chat.csv

Private messages are never shown. A key needs the scope content:read.";

/// `conclave session attendance`.
#[derive(Debug, Args)]
pub(crate) struct Attendance {
    #[command(flatten)]
    which: Which,
    /// As a table for spreadsheets
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: Where,
}

/// `conclave session chat`.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    which: Which,
    /// How it is written [default: txt, with --output json jsonl]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: Where,
}

/// How a chat is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Txt,
    /// One JSON object a line.
    Jsonl,
    /// For spreadsheets.
    Csv,
}

impl Attendance {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let path = self.which.path(&api, &["attendance"])?;
        if self.csv {
            return self.target.save(&api, &format!("{path}?format=csv"));
        }
        if self.target.is_file() {
            return self.target.save(&api, &path);
        }
        let shown = ask(&api, Ask::get(&path))?;
        match self.place.output {
            Output::Json => say(&json_text(&shown)),
            Output::Table => say(&people(&shown)),
        }
    }
}

impl Chat {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let format = self.format.unwrap_or(match self.place.output {
            Output::Table => Format::Txt,
            Output::Json => Format::Jsonl,
        });
        let format = match format {
            Format::Txt => "txt",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        };
        let path = self.which.path(&api, &["chat", "export"])?;
        self.target.save(&api, &format!("{path}?format={format}"))
    }
}

fn people(shown: &Value) -> String {
    let row = |person: &Value| {
        let member = |name: &str| table::cell(&person[name]);
        vec![
            member("name"),
            member("role"),
            member("identity"),
            member("joined_at"),
            member("left_at"),
            clock(&person["present_s"]),
            clock(&person["talk_s"]),
            member("visits"),
        ]
    };
    let people = shown["people"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = people.iter().map(row).collect();
    let headings = [
        "NAME", "ROLE", "IDENTITY", "JOINED", "LEFT", "PRESENT", "SPOKE", "VISITS",
    ];
    let mut text = table::text(&headings, &rows);
    match shown["more"].as_u64() {
        None | Some(0) => {}
        Some(more) => text.push_str(&format!("and {more} more\n")),
    }
    text
}

/// Returns seconds as hours, minutes and seconds.
fn clock(seconds: &Value) -> String {
    let Some(seconds) = seconds.as_u64() else {
        return table::cell(seconds);
    };
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn those_who_took_part_stand_in_lines() {
        let shown = json!({
            "people": [{
                "name": "Ada", "role": "host", "identity": "invited",
                "joined_at": "2026-11-22T10:00:00Z", "left_at": null,
                "present_s": 3723, "talk_s": 59, "visits": 2,
            }],
            "more": 3,
        });
        assert_eq!(
            people(&shown),
            "NAME  ROLE  IDENTITY  JOINED                LEFT  PRESENT  SPOKE    VISITS\n\
             Ada   host  invited   2026-11-22T10:00:00Z  -     1:02:03  0:00:59  2\n\
             and 3 more\n"
        );
    }
}
