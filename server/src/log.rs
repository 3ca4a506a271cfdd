//! Log lines and what a panic leaves behind.

use std::io::IsTerminal;
use std::panic;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter, reload};

use crate::config::{Log, LogFormat};

/// Changes which lines are written.
#[derive(Clone)]
pub(crate) struct Refilter(Arc<dyn Fn(&str) + Send + Sync>);

impl Refilter {
    /// Lets through what `wanted` asks for, in the words of `log.filter`.
    pub(crate) fn set(&self, wanted: &str) {
        (self.0)(wanted);
    }
}

/// Begins logging to standard error: for people on a terminal, otherwise one
/// JSON object a line.
pub(crate) fn init(log: &Log) -> Refilter {
    let pretty = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let (filter, refilter) = filtered(&log.filter);
    let subscriber = tracing_subscriber::registry().with(filter);
    if pretty {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false);
        subscriber.with(lines).init();
    } else {
        subscriber.with(json(std::io::stderr)).init();
    }
    // The payload of a panic may hold anything that somebody sent us.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, thread = thread.name().unwrap_or_default(), "panic");
    }));
    refilter
}

/// Writes one JSON object a line: `timestamp`, `level`, `target`, `message`,
/// the fields of the event beside them, and in `span` those of its span.
fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).json();
    lines.flatten_event(true).with_span_list(false)
}

/// Lets through what `log.filter` asks for, but from libraries no more than
/// [`most`] allows. The second is a filter of its own because among the
/// directives of one filter the more specific wins, and somebody could name
/// a module of a library.
fn filtered<S>(wanted: &str) -> (impl Layer<S> + use<S>, Refilter)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (lines, handle) = reload::Layer::new(EnvFilter::new(wanted));
    let refilter = Refilter(Arc::new(move |wanted| {
        // It fails when logging has ended, and then nobody reads of it.
        let _ = handle.reload(EnvFilter::new(wanted));
    }));
    (
        lines.and_then(filter::filter_fn(is_ours_or_harmless)),
        refilter,
    )
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
    use std::io::{self, Write};
    use std::sync::Mutex;

    use serde_json::Value;
    use tracing::{Level, enabled};

    use super::*;

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::registry().with(json(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let _shard = tracing::info_span!("shard", index = 1).entered();
            let odd = "a\nb\r\u{1b}[31m\0\u{2028}\"}";
            tracing::warn!(%odd, count = 3, "first\n{{\"level\":\"ERROR\"}}");
            tracing::info!("second");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 2, "{text}");
        let is_odd = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(is_odd), "{text}");
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "first\n{\"level\":\"ERROR\"}");
        assert_eq!(line["odd"], "a\nb\r\u{1b}[31m\0\u{2028}\"}");
        assert_eq!(line["count"], 3);
        assert_eq!(line["span"]["index"], 1);
        assert!(line["target"].as_str().unwrap().ends_with("log::tests"));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn libraries_write_no_fine_lines_whatever_the_filter_says() {
        for wanted in [
            "trace",
            "tungstenite::protocol=trace,str0m::change=trace,conclave=trace",
        ] {
            let subscriber = tracing_subscriber::registry().with(filtered(wanted).0);
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
        let (filter, refilter) = filtered("warn,conclave=debug");
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            assert!(enabled!(target: "conclave::listen", Level::DEBUG));
            assert!(!enabled!(target: "conclave::listen", Level::TRACE));
            assert!(!enabled!(target: "rustls", Level::INFO));
            refilter.set("info,conclave=trace");
            assert!(enabled!(target: "rustls", Level::INFO));
            assert!(!enabled!(target: "rustls", Level::DEBUG));
        });
    }

    /// What was written, as whoever gathers logs has it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
