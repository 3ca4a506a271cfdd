//! `conclave audit`.

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Api, Ask};
use super::save::Target;
use super::{Failure, Output, Where, ask, json_text, query_of, say, table};

/// Between two looks of `--follow`.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// What was done, and whether the record of it is whole.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum AuditCommand {
    /// Print the newest records
    #[command(after_help = TAIL_EXAMPLES)]
    Tail(Tail),
    /// Check that no record was changed, removed or put elsewhere
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Print the last record's hash, to be kept elsewhere
    #[command(after_help = "Examples:\n  conclave audit head >> /mnt/elsewhere/heads")]
    Head(Where),
    /// Write all records, one a line
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
}

const TAIL_EXAMPLES: &str = "\
Examples:
  conclave audit tail --room team --action participant.remove
  conclave audit tail --actor operator --follow
  conclave audit tail --target par_01k… --from 2026-11-22T10:00:00Z";

const VERIFY_EXAMPLES: &str = "\
Examples:
  conclave audit verify
  conclave audit verify --anchor 4711:9f86d0…    a head that was noted elsewhere is still there

Without an anchor, whoever has the database, the audit key and the master key could write another
history. The server logs a signed head now and then: keep one of them elsewhere.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  conclave audit export --to audit.jsonl
  conclave audit export --format cef --after 4711    for a system that gathers logs";

/// `conclave audit tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Only this action, such as participant.remove
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only by this actor: an id, or a kind such as operator
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only in this room: its name in links, or its id
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Only what was done to this: an id, or a name
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only what was done at TIME or later, as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only what was done before TIME
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Go on with what comes
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    place: Where,
}

/// `conclave audit verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A head that was noted elsewhere; may be repeated
    #[arg(long, value_name = "SEQ:HASH")]
    anchor: Vec<String>,
    #[command(flatten)]
    place: Where,
}

/// `conclave audit export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Begin after the record of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
    /// How a record is written: as JSON, or in the Common Event Format
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_parser = ["jsonl", "cef"])]
    format: String,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Tail(tail) => tail.run(),
        AuditCommand::Verify(verify) => verify.run(),
        AuditCommand::Head(place) => head(place),
        AuditCommand::Export(export) => export.run(),
    }
}

impl Tail {
    fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        if self.follow && !api.is_server() {
            let text = "no server runs: nothing comes to follow, and waiting for it would keep one from starting";
            return Err(Failure::Failed(text.to_owned()));
        }
        let mut last = self.print_page(&api, None)?;
        if !self.follow {
            return Ok(());
        }
        loop {
            let seen = last.unwrap_or_else(|| "0".to_owned());
            let newer = self.print_page(&api, Some(&seen))?;
            if newer.is_none() {
                thread::sleep(FOLLOW_EVERY);
            }
            last = newer.or(Some(seen));
        }
    }

    /// Prints a page; returns the number of its last record.
    fn print_page(&self, api: &Api, after: Option<&str>) -> Result<Option<String>, Failure> {
        let limit = self.limit.to_string();
        let parameters = [
            ("limit", Some(limit.as_str())),
            ("cursor", after),
            ("action", self.action.as_deref()),
            ("actor", self.actor.as_deref()),
            ("room", self.room.as_deref()),
            ("target", self.target.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.until.as_deref()),
        ];
        let said: Vec<(&str, &str)> = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let page = ask(api, Ask::get(&format!("/api/v1/audit{}", query_of(&said))))?;
        let records = page["data"].as_array().cloned().unwrap_or_default();
        for record in &records {
            match self.place.output {
                Output::Json => say(&format!("{record}\n"))?,
                Output::Table => say(&format!("{}\n", line(record)))?,
            }
        }
        Ok(records.last().map(|record| record["seq"].to_string()))
    }
}

impl Verify {
    fn run(&self) -> Result<(), Failure> {
        let anchors: Vec<_> = self
            .anchor
            .iter()
            .map(|anchor| ("anchor", anchor))
            .collect();
        let path = format!("/api/v1/audit/verify{}", query_of(&anchors));
        let found = ask(&self.place.reach()?, Ask::get(&path))?;
        let is_intact = found["intact"] == true;
        match self.place.output {
            Output::Json => say(&json_text(&found))?,
            Output::Table if is_intact => say(&format!(
                "intact: {} records, {} signed heads, {} records after the last of them\nhead: {}\n",
                found["records"],
                found["checkpoints"],
                found["unsigned"],
                table::cell(&found["head"])
            ))?,
            Output::Table => {}
        }
        if is_intact {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the audit log is broken at record {}: {}",
            found["seq"],
            table::cell(&found["why"])
        )))
    }
}

impl Export {
    fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let (after, format) = (self.after, &self.format);
        let path = format!("/api/v1/audit/export?after={after}&format={format}");
        self.target.save(&api, &path)
    }
}

fn head(place: &Where) -> Result<(), Failure> {
    let shown = ask(&place.reach()?, Ask::get("/api/v1/audit/head"))?;
    match place.output {
        Output::Json => say(&json_text(&shown)),
        Output::Table => say(&format!("{}\n", table::cell(&shown["head"]))),
    }
}

/// Returns a record as people read it.
fn line(record: &Value) -> String {
    let actor = match (&record["actor"]["id"], &record["actor"]["kind"]) {
        (Value::String(id), _) => id.clone(),
        (_, kind) => table::cell(kind),
    };
    let mut line = format!(
        "{:>6}  {}  {actor}  {}",
        record["seq"].to_string(),
        table::cell(&record["at"]),
        table::cell(&record["action"])
    );
    for member in [
        "target",
        "outcome",
        "detail",
        "room",
        "prefix",
        "request_id",
    ] {
        if let Value::String(text) = &record[member] {
            line.push_str("  ");
            line.push_str(text);
        }
    }
    line
}
