//! Log lines and what a panic leaves behind.

use std::io::IsTerminal;
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter};

use crate::config::{Log, LogFormat};

/// Begins logging to standard error: for people on a terminal, otherwise one
/// JSON object a line.
pub(crate) fn init(log: &Log) {
    let pretty = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(filtered(&log.filter));
    if pretty {
        let lines = lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false);
        subscriber.with(lines).init();
    } else {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        subscriber.with(lines).init();
    }
    // The payload of a panic may hold anything that somebody sent us.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name().unwrap_or_default(), "panic");
    }));
}

/// Lets through what `log.filter` asks for, but from libraries no more than
/// [`most`] allows. The second is a filter of its own because among the
/// directives of one filter the more specific wins, and somebody could name
/// a module of a library.
fn filtered<S: Subscriber + for<'a> LookupSpan<'a>>(wanted: &str) -> impl Layer<S> {
    EnvFilter::new(wanted).and_then(filter::filter_fn(is_ours_or_harmless))
}

fn is_ours_or_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= most(metadata.target())
}

/// Returns the finest level that is written for a target. Libraries write
/// whole messages at their finer levels: the WebSocket library device keys and
/// resume tokens, the WebRTC library descriptions and addresses.
fn most(target: &str) -> LevelFilter {
    let library = target.split("::").next().unwrap_or(target);
    match library {
        ours if ours.starts_with("conclave") => LevelFilter::TRACE,
        "str0m" | "is" | "dimpl" => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn libraries_write_no_fine_lines_whatever_the_filter_says() {
        for wanted in [
            "trace",
            "tungstenite::protocol=trace,str0m::change=trace,conclave=trace",
        ] {
            let subscriber = tracing_subscriber::registry().with(filtered(wanted));
            tracing::subscriber::with_default(subscriber, || {
                assert!(enabled!(target: "conclave", Level::TRACE), "{wanted}");
                assert!(
                    !enabled!(target: "tungstenite::protocol", Level::TRACE),
                    "{wanted}"
                );
                assert!(
                    !enabled!(target: "tungstenite::protocol", Level::DEBUG),
                    "{wanted}"
                );
                assert!(
                    enabled!(target: "tungstenite::protocol", Level::INFO),
                    "{wanted}"
                );
                assert!(!enabled!(target: "str0m::change", Level::INFO), "{wanted}");
                assert!(enabled!(target: "str0m::change", Level::WARN), "{wanted}");
            });
        }
    }

    #[test]
    fn the_filter_still_hides_what_it_does_not_ask_for() {
        let subscriber = tracing_subscriber::registry().with(filtered("warn,conclave=debug"));
        tracing::subscriber::with_default(subscriber, || {
            assert!(enabled!(target: "conclave::listen", Level::DEBUG));
            assert!(!enabled!(target: "conclave::listen", Level::TRACE));
            assert!(!enabled!(target: "rustls", Level::INFO));
        });
    }
}
