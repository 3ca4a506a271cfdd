//! Log lines and what a panic leaves behind.

use std::io::IsTerminal;
use std::panic;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Begins logging to standard error: for people on a terminal, otherwise one
/// JSON object a line.
pub(crate) fn init(log: &Log) {
    let pretty = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&log.filter))
        .with_writer(std::io::stderr);
    if pretty {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .init();
    }
    // The payload of a panic may hold anything that somebody sent us.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name().unwrap_or_default(), "panic");
    }));
}
