//! What is logged, and how.

use super::reader::Reader;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people if standard error is a terminal, else for machines.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// Which are written, in the manner of `info,conclave=debug`.
    pub(crate) filter: String,
}

impl Reader<'_> {
    /// Reads `[log]`.
    pub(super) fn log(&mut self) -> Log {
        Log {
            format: self
                .parsed("log.format", parse_log_format)
                .unwrap_or(LogFormat::Auto),
            filter: self
                .parsed("log.filter", parse_log_filter)
                .unwrap_or_default(),
        }
    }
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is not auto, pretty or json")),
    }
}

fn parse_log_filter(text: &str) -> Result<String, String> {
    let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
    parsed
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}
