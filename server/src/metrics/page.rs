//! The text that is answered: the Prometheus exposition format, version 0.0.4.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};

use super::families::{FAMILIES, Family};

/// The media type of a page.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making. Each metric is written once.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    written: BTreeSet<&'static str>,
}

impl Page {
    /// Writes a metric without labels.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        self.family(name).sample(&[], value);
    }

    /// Writes a metric without labels, if it has a value.
    pub(crate) fn known(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// Writes a metric with one label.
    pub(crate) fn by<L: Display, V: Display>(
        &mut self,
        name: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) {
        let mut family = self.family(name);
        for (label, value) in samples {
            family.sample(&[&label], value);
        }
    }

    /// Writes a histogram without labels. `buckets` are upper bounds, as the label says them, with
    /// how many are no larger; the last is `+Inf`, with all of them.
    pub(crate) fn histogram(&mut self, name: &str, buckets: &[(&str, u64)], sum: f64) {
        self.family(name);
        let count = buckets.last().map_or(0, |(_, count)| *count);
        // Writing to a string does not fail.
        for (bound, count) in buckets {
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = write!(self.text, "{name}_sum {sum}\n{name}_count {count}\n");
    }

    /// Begins a metric.
    ///
    /// # Panics
    /// In debug builds, for a name that is not in the table or was written before.
    pub(crate) fn family(&mut self, name: &str) -> Samples<'_> {
        let family = FAMILIES.iter().find(|family| family.name == name);
        debug_assert!(family.is_some(), "{name} is not in the table of metrics");
        if let Some(Family {
            name, kind, help, ..
        }) = family
        {
            let is_new = self.written.insert(name);
            debug_assert!(is_new, "{name} is written twice");
            let kind = kind.name();
            // Writing to a string does not fail.
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        Samples {
            text: &mut self.text,
            family,
        }
    }

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A metric in the making.
pub(crate) struct Samples<'a> {
    text: &'a mut String,
    family: Option<&'static Family>,
}

impl Samples<'_> {
    /// Writes one value. `labels` are in the order of the table; none of them
    /// has a quotation mark, a backslash or a line break.
    pub(crate) fn sample(&mut self, labels: &[&dyn Display], value: impl Display) {
        let Some(Family {
            name,
            labels: names,
            ..
        }) = self.family
        else {
            return;
        };
        debug_assert_eq!(names.len(), labels.len(), "{name}");
        let pairs = names.iter().zip(labels);
        let pairs: Vec<String> = pairs.map(|(name, it)| format!("{name}=\"{it}\"")).collect();
        let _ = match pairs.is_empty() {
            true => writeln!(self.text, "{name} {value}"),
            false => writeln!(self.text, "{name}{{{}}} {value}", pairs.join(",")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_help_type_labels_and_values() {
        let mut page = Page::default();
        page.value("conclave_rooms", 3);
        page.known("conclave_audit_head_sequence", None::<u64>);
        page.by("conclave_store_calls_total", [("ok", 1), ("failed", 0)]);
        page.family("conclave_media_datagrams_dropped_total")
            .sample(&[&0, &"full"], 7);
        assert_eq!(
            page.into_text(),
            "# HELP conclave_rooms Rooms that there are.\n\
             # TYPE conclave_rooms gauge\n\
             conclave_rooms 3\n\
             # HELP conclave_store_calls_total Calls for a change of the database: `ok`, `failed`.\n\
             # TYPE conclave_store_calls_total counter\n\
             conclave_store_calls_total{result=\"ok\"} 1\n\
             conclave_store_calls_total{result=\"failed\"} 0\n"
                .to_owned()
                + &format!(
                    "# HELP conclave_media_datagrams_dropped_total {}\n",
                    FAMILIES
                        .iter()
                        .find(|it| it.name == "conclave_media_datagrams_dropped_total")
                        .unwrap()
                        .help
                )
                + "# TYPE conclave_media_datagrams_dropped_total counter\n\
                   conclave_media_datagrams_dropped_total{shard=\"0\",reason=\"full\"} 7\n"
        );
    }
}
