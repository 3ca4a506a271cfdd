//! What the doctor found, and how it says so.

use std::fmt::Write;

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Could not be told, or is worth knowing.
    Notice,
    /// Meetings work, but not for everybody or not for long.
    Warning,
    /// The server does not start, or no meeting works.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at; stable, for programs.
    pub(crate) check: &'static str,
    /// How much it matters.
    pub(crate) level: Level,
    /// What is so.
    pub(crate) cause: String,
    /// What helps, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cure: Option<String>,
}

impl Finding {
    /// Says that something is as it should be.
    pub(crate) fn ok(check: &'static str, cause: impl Into<String>) -> Self {
        Finding {
            check,
            level: Level::Ok,
            cause: cause.into(),
            cure: None,
        }
    }

    /// Says what is worth knowing.
    pub(crate) fn notice(
        check: &'static str,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding::with(Level::Notice, check, cause.into(), cure.into())
    }

    /// Says what keeps some people out, or will.
    pub(crate) fn warning(
        check: &'static str,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding::with(Level::Warning, check, cause.into(), cure.into())
    }

    /// Says what keeps everybody out.
    pub(crate) fn error(
        check: &'static str,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding::with(Level::Error, check, cause.into(), cure.into())
    }

    fn with(level: Level, check: &'static str, cause: String, cure: String) -> Self {
        Finding {
            check,
            level,
            cause,
            cure: Some(cure),
        }
    }
}

/// Returns the findings for people: a line of cause, and one of cure where one is needed.
pub(crate) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{level:<8} {:<14} {}", finding.check, finding.cause);
        if let Some(cure) = &finding.cure {
            let _ = writeln!(text, "{:<8} {:<14} {cure}", "", "  cure:");
        }
    }
    let count = |level| findings.iter().filter(|found| found.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "Nothing stands in the way of a meeting."),
        _ => writeln!(text, "Errors: {errors}. Warnings: {warnings}."),
    };
    text
}

/// Returns the findings for programs: one JSON object.
pub(crate) fn json(findings: &[Finding]) -> String {
    let worst = findings.iter().map(|finding| finding.level).max();
    let is_ok = worst.is_none_or(|worst| worst < Level::Error);
    let mut text = serde_json::json!({ "ok": is_ok, "findings": findings }).to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("ports", "TCP port 443 is free"),
            Finding::warning("name", "it leads elsewhere", "change it"),
            Finding::error("disk", "it is full", "empty it"),
        ]
    }

    #[test]
    fn every_finding_that_matters_has_one_line_of_cause_and_one_of_cure() {
        let text = text(&findings());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[1].starts_with("warning  name") && lines[2].contains("cure:"));
        assert_eq!(lines[5], "Errors: 1. Warnings: 1.");
    }

    #[test]
    fn programs_read_the_same() {
        let value: serde_json::Value = serde_json::from_str(&json(&findings())).unwrap();
        assert_eq!(value["ok"], false);
        assert_eq!(value["findings"][0]["level"], "ok");
        assert!(value["findings"][0].get("cure").is_none());
        assert_eq!(value["findings"][2]["cure"], "empty it");
        assert!(json(&findings()[..2]).contains("\"ok\":true"));
    }
}
