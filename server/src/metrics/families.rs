//! Every metric there is. The names are a promise to whoever draws graphs of
//! them: `docs/metrics.md` lists them, and a test compares.

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size, with a sum: `_bucket`, `_sum` and `_count` are behind its name.
    Histogram,
}

impl Kind {
    /// Returns its name in the text format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric, with all its labels.
#[derive(Debug)]
pub(crate) struct Family {
    /// Ends in its unit; a counter in `_total`.
    pub(crate) name: &'static str,
    /// How it moves.
    pub(crate) kind: Kind,
    /// The names of its labels. Their values are known when the process
    /// starts: none is a room, a person or an address.
    pub(crate) labels: &'static [&'static str],
    /// What it says.
    pub(crate) help: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Histogram,
        labels: &[],
        help,
    }
}

/// Every metric, in the order in which they are written.
pub(crate) const FAMILIES: &[Family] = &[
    gauge(
        "conclave_build_info",
        &["version"],
        "The version; the value is always 1.",
    ),
    gauge(
        "conclave_ready",
        &[],
        "Whether new work should come, as /readyz says.",
    ),
    gauge(
        "conclave_draining",
        &[],
        "Whether the process was told to end.",
    ),
    gauge(
        "conclave_tls_certificate_not_after_seconds",
        &[],
        "End of the certificate, in seconds since 1970; absent while there is none.",
    ),
    counter(
        "conclave_reloads_total",
        &["result"],
        "Reloads of the configuration: `applied`, or `refused` for an error in it.",
    ),
    gauge("conclave_rooms", &[], "Rooms that there are."),
    gauge(
        "conclave_rooms_live",
        &[],
        "Rooms that somebody is in, waits for or manages.",
    ),
    gauge(
        "conclave_participants",
        &[],
        "Participants, with those whose link is lost for a while.",
    ),
    gauge(
        "conclave_links",
        &[],
        "Open signalling links, with those that have not joined.",
    ),
    counter(
        "conclave_joins_total",
        &["outcome"],
        "Joins: `taken` into the room or its lobby, `refused` by the room, `turned_away` at the door (password, invite, pace), `unavailable`.",
    ),
    counter(
        "conclave_room_panics_total",
        &[],
        "Rooms that a defect ended.",
    ),
    counter(
        "conclave_commits_retried_total",
        &[],
        "Commits of rooms that the store refused and that were tried again.",
    ),
    counter(
        "conclave_commits_failed_total",
        &[],
        "Commits of rooms that were given up.",
    ),
    counter(
        "conclave_password_hashes_total",
        &[],
        "Passwords that were hashed.",
    ),
    gauge(
        "conclave_connections_open",
        &[],
        "Open TCP connections, links and relayed ones among them.",
    ),
    gauge(
        "conclave_connections_undecided",
        &[],
        "Of these, those that have not said yet what they want: their handshake or first bytes are awaited.",
    ),
    counter(
        "conclave_connections_accepted_total",
        &[],
        "TCP connections taken from the kernel.",
    ),
    counter(
        "conclave_tls_handshakes_total",
        &[],
        "TLS handshakes made on them.",
    ),
    counter(
        "conclave_connections_relayed_total",
        &[],
        "Connections taken that asked for the relay.",
    ),
    counter(
        "conclave_connections_ended_early_total",
        &["reason"],
        "Connections taken that came to nothing: `limit`, `tls`, `silent`, `unannounced` by a proxy of `listen.proxy_protocol`, `unknown` protocol, `challenge` of who signs certificates.",
    ),
    counter(
        "conclave_accept_failures_total",
        &[],
        "Times that the kernel gave no connection, for want of descriptors most likely.",
    ),
    counter(
        "conclave_media_datagrams_in_total",
        &["shard"],
        "Datagrams handed to a shard.",
    ),
    counter(
        "conclave_media_datagrams_out_total",
        &["shard"],
        "Datagrams handed to the kernel by a shard.",
    ),
    counter(
        "conclave_media_messages_out_total",
        &["shard"],
        "Messages handed to the kernel by a shard; several datagrams to one destination may be one.",
    ),
    counter(
        "conclave_media_in_bytes_total",
        &["shard"],
        "Bytes of datagrams handed to a shard, relayed ones among them.",
    ),
    counter(
        "conclave_media_out_bytes_total",
        &["shard"],
        "Bytes of datagrams that a shard was about to send, relayed and dropped ones among them.",
    ),
    counter(
        "conclave_media_relayed_in_total",
        &["shard"],
        "Datagrams that the relay handed to a shard.",
    ),
    counter(
        "conclave_media_relayed_out_total",
        &["shard"],
        "Datagrams handed to the relay by a shard, dropped ones among them.",
    ),
    counter(
        "conclave_media_datagrams_dropped_total",
        &["shard", "reason"],
        "Datagrams dropped: `arrival` cut off or to no media address, `forged` with an address that only the relay gives, `unroutable` for no transport, `not_relayed` where only the relay is allowed, `filtered` by the DTLS filter or for their size, `late` pictures that had waited for more than 150 ms before they were read, `overdue` pictures that waited for more than 200 ms to be sent over a line that takes less, `full` socket, `refused` by the kernel.",
    ),
    counter(
        "conclave_media_packets_received_total",
        &["shard"],
        "Packets of media that came, unpublished ones among them.",
    ),
    counter(
        "conclave_media_packets_forwarded_total",
        &["shard"],
        "Packets handed to senders.",
    ),
    counter(
        "conclave_media_crossed_total",
        &["shard"],
        "Packets that a shard handed to another shard of the room, once for each.",
    ),
    counter(
        "conclave_media_crossings_dropped_total",
        &["shard"],
        "The same dropped because the other shard was late.",
    ),
    counter(
        "conclave_media_packets_unpublished_total",
        &["shard"],
        "Packets dropped because nothing is published on their m-line, or because it is muted.",
    ),
    counter(
        "conclave_media_keyframes_requested_total",
        &["shard"],
        "Keyframes that publishers were asked for.",
    ),
    counter(
        "conclave_media_slots_late_total",
        &["shard"],
        "Slots whose subscriber took longer than two seconds to acknowledge.",
    ),
    counter(
        "conclave_media_not_aead_total",
        &["shard"],
        "Connections whose media is sealed without an AEAD.",
    ),
    counter(
        "conclave_media_policed_total",
        &["shard", "reason"],
        "What participants sent that was more than they may: datagrams by their `packets` or `bytes`, packets of more `streams`, requests for `keyframes`, `offers`.",
    ),
    gauge(
        "conclave_media_lag_seconds",
        &["shard"],
        "How long the oldest datagram had waited for a shard, at the worst in the last tenth of a second of work.",
    ),
    gauge(
        "conclave_media_work_ratio",
        &["shard"],
        "Work in a second of arrivals, in seconds; above 1 a shard does not keep up.",
    ),
    gauge(
        "conclave_media_shed_ratio",
        &["shard"],
        "How much of all pictures a shard gives up for want of time: 0 is nothing, above 2/3 there are people who get none, at 1 nobody gets any.",
    ),
    counter(
        "conclave_media_shed_changes_total",
        &["shard", "change"],
        "How often a shard gave something up (`down`), and took some of it back (`up`).",
    ),
    counter(
        "conclave_media_pictures_stopped_total",
        &["shard"],
        "Pictures that a shard stopped sending to somebody for want of time.",
    ),
    gauge(
        "conclave_media_admission",
        &["shard"],
        "Whom a shard takes: 0 everybody, 1 no new rooms, 2 nobody new.",
    ),
    counter(
        "conclave_media_panics_total",
        &["shard"],
        "Transports that a defect ended.",
    ),
    counter(
        "conclave_media_events_dropped_total",
        &[],
        "Events of shards dropped because the control plane was slow; their kind is repeated.",
    ),
    counter(
        "conclave_media_events_lost_total",
        &[],
        "Events of shards lost for good; one of them ends readiness.",
    ),
    gauge(
        "conclave_relay_allocations",
        &[],
        "Allocations of the relay that live.",
    ),
    gauge(
        "conclave_relay_stream_clients",
        &[],
        "Clients of the relay that are connected by TCP or TLS.",
    ),
    counter(
        "conclave_relay_allocations_made_total",
        &["transport"],
        "Allocations made, by `udp`, `tcp` and `tls`.",
    ),
    counter(
        "conclave_relay_allocations_ended_total",
        &["reason"],
        "Allocations that ended: `expired`, by the `client`, `revoked` with their session, with their `stream`.",
    ),
    counter(
        "conclave_relay_peer_connections_total",
        &[],
        "Connections of peers that were joined to a stream of a client (RFC 6062): only a relay that stands alone has any.",
    ),
    counter(
        "conclave_relay_packets_total",
        &["direction"],
        "Packets relayed: `up` from clients, `down` to them.",
    ),
    counter(
        "conclave_relay_bytes_total",
        &["direction"],
        "Bytes of payload relayed.",
    ),
    counter(
        "conclave_relay_errors_total",
        &["code"],
        "Error responses of the relay, by their code (RFC 8656, section 19); 401 and 438 are part of every beginning.",
    ),
    counter(
        "conclave_relay_dropped_total",
        &["reason"],
        "Packets that the relay dropped without an answer.",
    ),
    counter(
        "conclave_relay_unanswered_total",
        &[],
        "Answers that strangers did not get because they had too many.",
    ),
    counter(
        "conclave_store_transactions_total",
        &[],
        "Transactions committed to the database.",
    ),
    counter(
        "conclave_store_calls_total",
        &["result"],
        "Calls for a change of the database: `ok`, `failed`.",
    ),
    gauge(
        "conclave_store_database_bytes",
        &[],
        "Size of the database file.",
    ),
    gauge(
        "conclave_audit_head_sequence",
        &[],
        "Number of the last audit record under a signed head; absent before the first.",
    ),
    gauge(
        "conclave_audit_head_time_seconds",
        &[],
        "When that head was signed, in seconds since 1970; absent before the first.",
    ),
    counter(
        "conclave_api_requests_total",
        &["class"],
        "Requests of the API, those of the command line among them, by the class of their answer: `2xx`, `3xx`, `4xx`, `5xx`.",
    ),
    histogram(
        "conclave_api_request_seconds",
        "How long the API took for them.",
    ),
    counter(
        "conclave_webhook_attempts_total",
        &["result"],
        "Calls of webhooks: `delivered`, or `failed`.",
    ),
    counter(
        "conclave_webhook_deliveries_given_up_total",
        &[],
        "Deliveries that failed for the last time.",
    ),
    gauge(
        "conclave_webhook_deliveries_in_flight",
        &[],
        "Calls of webhooks that wait for their answer.",
    ),
    gauge(
        "conclave_webhook_deliveries_pending",
        &[],
        "Deliveries that are to be tried.",
    ),
    gauge(
        "conclave_webhook_deliveries_dead",
        &[],
        "Deliveries that were given up in the last 30 days.",
    ),
    counter(
        "process_cpu_seconds_total",
        &[],
        "Processor time of the process.",
    ),
    gauge("process_resident_memory_bytes", &[], "Resident memory."),
    gauge("process_open_fds", &[], "Open file descriptors."),
    gauge(
        "process_max_fds",
        &[],
        "File descriptors that the system allows.",
    ),
    gauge(
        "process_start_time_seconds",
        &[],
        "When the server started, in seconds since 1970.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::reference;

    #[test]
    fn names_are_unique_end_in_their_unit_and_say_what_they_count() {
        let names: BTreeSet<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        for family in FAMILIES {
            let Family { name, help, .. } = family;
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert_eq!(
                family.kind == Kind::Counter,
                name.ends_with("_total"),
                "{name}"
            );
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(name.bytes().all(is_plain), "{name}");
        }
    }

    #[test]
    fn the_dashboard_and_the_alerts_name_no_other_metrics() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("package");
        let known: BTreeSet<String> = FAMILIES.iter().flat_map(samples).collect();
        for file in ["grafana.json", "alerts.yaml"] {
            let text = std::fs::read_to_string(package.join(file)).unwrap();
            let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
            let is_metric = |word: &&str| {
                let prefixes = ["conclave_", "process_"];
                prefixes.iter().any(|prefix| word.starts_with(prefix))
            };
            let named: BTreeSet<&str> = words.filter(is_metric).collect();
            assert!(named.len() > 10, "{file}: {named:?}");
            for name in named {
                assert!(known.contains(name), "{file}: {name}");
            }
        }
    }

    /// The names that are scraped of a family.
    fn samples(family: &Family) -> Vec<String> {
        match family.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .map(|end| format!("{}{end}", family.name))
                .collect(),
            Kind::Counter | Kind::Gauge => vec![family.name.to_owned()],
        }
    }

    #[test]
    fn the_documentation_lists_every_metric() {
        let mut table = String::from("| metric | kind | labels | says |\n|---|---|---|---|\n");
        for family in FAMILIES {
            let labels: Vec<String> = family.labels.iter().map(|it| format!("`{it}`")).collect();
            let (kind, labels) = (family.kind.name(), labels.join(", "));
            let Family { name, help, .. } = family;
            writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        reference::assert_written(&page, "metrics", &table);
    }
}
