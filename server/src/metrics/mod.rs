//! Numbers about the server, for whoever watches it. Everything that counts
//! keeps its own counts; a scrape reads them all at once.

mod families;
mod page;
mod process;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use conclave_server_api::{WebhookCounts as Counts, Webhooks};
use conclave_sfu_node::{MediaHandle, ShardStats};
use conclave_signalling_node::Node;
use conclave_signalling_store::Store;
use conclave_turn_core::DropReason;
use conclave_turn_node::{RelayHandle, RelayStats};
use conclave_turn_wire::error::ErrorCode;

pub(crate) use page::CONTENT_TYPE;
pub(crate) use requests::{Requests, count as count_request};

use crate::http::Readiness;
use crate::listen::{Counters, Sources};
use crate::media::EventLoss;
use page::Page;

/// Why packets are dropped by the relay, as the label says it.
const DROPS: [(&str, DropReason); 13] = [
    ("source", DropReason::Source),
    ("malformed", DropReason::Malformed),
    ("unexpected", DropReason::Unexpected),
    ("budget", DropReason::Budget),
    ("no_allocation", DropReason::NoAllocation),
    ("no_channel", DropReason::NoChannel),
    ("no_permission", DropReason::NoPermission),
    ("policy", DropReason::Policy),
    ("rate", DropReason::Rate),
    ("oversize", DropReason::Oversize),
    ("hop_limit", DropReason::HopLimit),
    ("queue_full", DropReason::QueueFull),
    ("unreachable", DropReason::Unreachable),
];

/// Reloads of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    /// What they said holds.
    pub(crate) applied: AtomicU64,
    /// They said something wrong, and changed nothing.
    pub(crate) refused: AtomicU64,
}

/// The part that holds meetings.
pub(crate) struct Meetings {
    /// Rooms and links.
    pub(crate) signalling: Node,
    /// The shards.
    pub(crate) media: MediaHandle,
    /// What became of what the shards said.
    pub(crate) loss: Arc<EventLoss>,
    /// What is kept.
    pub(crate) store: Store,
    /// The file of the database.
    pub(crate) database: PathBuf,
    /// What sends webhooks.
    pub(crate) webhooks: Webhooks,
    /// Requests of the API.
    pub(crate) requests: Arc<Requests>,
}

/// Where the numbers are.
pub(crate) struct Metrics {
    /// When the server started.
    pub(crate) started: SystemTime,
    /// Whether it is ready.
    pub(crate) readiness: Arc<Readiness>,
    /// Its reloads.
    pub(crate) reloads: Arc<Reloads>,
    /// Its connections.
    pub(crate) counters: Arc<Counters>,
    /// Those that are open.
    pub(crate) sources: Arc<Sources>,
    /// Its meetings, unless it is a relay and nothing else.
    pub(crate) meetings: Option<Meetings>,
    /// Its relay, if there is one.
    pub(crate) relay: Option<RelayHandle>,
}

impl Metrics {
    /// Returns the page of all numbers at `now`.
    pub(crate) async fn page(&self, now: SystemTime) -> String {
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.by("conclave_build_info", [(version, 1)]);
        let is_ready = self.readiness.reasons(now).is_empty();
        page.value("conclave_ready", u8::from(is_ready));
        page.value("conclave_draining", u8::from(self.readiness.is_draining()));
        page.known(
            "conclave_tls_certificate_not_after_seconds",
            self.readiness.certificate_ends_s(),
        );
        page.by(
            "conclave_reloads_total",
            [
                ("applied", count(&self.reloads.applied)),
                ("refused", count(&self.reloads.refused)),
            ],
        );
        if let Some(meetings) = &self.meetings {
            meetings.write_rooms(&mut page);
        }
        self.write_connections(&mut page);
        if let Some(meetings) = &self.meetings {
            meetings.write_media(&mut page);
        }
        if let Some(relay) = &self.relay {
            write_relay(&mut page, &relay.stats());
        }
        if let Some(meetings) = &self.meetings {
            meetings.write_store(&mut page);
            meetings.requests.write(&mut page);
            meetings.write_webhooks(&mut page).await;
        }
        process::write(&mut page, self.started);
        page.into_text()
    }

    fn write_connections(&self, page: &mut Page) {
        let Counters {
            accepted,
            refused,
            accept_failed,
            tls_made,
            tls_failed,
            silent,
            turn,
            unannounced,
            unknown,
            challenges,
        } = self.counters.as_ref();
        page.value("conclave_connections_open", self.sources.open());
        page.value("conclave_connections_undecided", self.sources.half_open());
        page.value("conclave_connections_accepted_total", count(accepted));
        page.value("conclave_tls_handshakes_total", count(tls_made));
        page.value("conclave_connections_relayed_total", count(turn));
        page.by(
            "conclave_connections_ended_early_total",
            [
                ("limit", count(refused)),
                ("tls", count(tls_failed)),
                ("silent", count(silent)),
                ("unannounced", count(unannounced)),
                ("unknown", count(unknown)),
                ("challenge", count(challenges)),
            ],
        );
        page.value("conclave_accept_failures_total", count(accept_failed));
    }
}

impl Meetings {
    fn write_rooms(&self, page: &mut Page) {
        let stats = self.signalling.stats();
        page.value("conclave_rooms", stats.rooms_known);
        page.value("conclave_rooms_live", stats.rooms);
        page.value("conclave_participants", stats.participants);
        page.value("conclave_links", stats.links);
        let joins = stats.joins;
        page.by(
            "conclave_joins_total",
            [
                ("taken", joins.taken_total),
                ("refused", joins.refused_total),
                ("turned_away", joins.turned_away_total),
                ("unavailable", joins.unavailable_total),
            ],
        );
        page.value("conclave_room_panics_total", stats.room_panics_total);
        page.value(
            "conclave_commits_retried_total",
            stats.commits_retried_total,
        );
        page.value("conclave_commits_failed_total", stats.commits_failed_total);
        page.value("conclave_password_hashes_total", stats.hashes_total);
    }

    fn write_media(&self, page: &mut Page) {
        let shards = 0..self.media.shards();
        let shards = shards.filter_map(|shard| Some((shard, self.media.stats(shard)?)));
        let shards: Vec<(u8, ShardStats)> = shards.collect();
        let mut each = |name: &str, value: fn(&ShardStats) -> u64| {
            page.by(name, shards.iter().map(|(shard, it)| (shard, value(it))));
        };
        each("conclave_media_datagrams_in_total", |it| it.io.datagrams_in);
        each("conclave_media_datagrams_out_total", |it| {
            it.io.datagrams_out
        });
        each("conclave_media_messages_out_total", |it| it.io.messages_out);
        each("conclave_media_in_bytes_total", |it| it.io.bytes_in);
        each("conclave_media_out_bytes_total", |it| it.io.bytes_out);
        each("conclave_media_relayed_in_total", |it| it.io.relayed_in);
        each("conclave_media_relayed_out_total", |it| it.io.relayed_out);
        let received: fn(&ShardStats) -> u64 = |it| it.shard.received;
        each("conclave_media_packets_received_total", received);
        let forwarded: fn(&ShardStats) -> u64 = |it| it.shard.forwarded;
        each("conclave_media_packets_forwarded_total", forwarded);
        each("conclave_media_crossed_total", |it| it.io.crossed);
        each("conclave_media_crossings_dropped_total", |it| {
            it.io.crossings_dropped
        });
        let unpublished: fn(&ShardStats) -> u64 = |it| it.shard.unpublished;
        each("conclave_media_packets_unpublished_total", unpublished);
        let asked: fn(&ShardStats) -> u64 = |it| it.shard.keyframes_requested;
        each("conclave_media_keyframes_requested_total", asked);
        let late: fn(&ShardStats) -> u64 = |it| it.shard.unacknowledged_slots;
        each("conclave_media_slots_late_total", late);
        each("conclave_media_not_aead_total", |it| it.shard.not_aead);
        each("conclave_media_panics_total", |it| it.shard.panics);
        each("conclave_media_pictures_stopped_total", |it| {
            it.shard.pictures_stopped
        });
        each("conclave_media_admission", |it| it.load.admission as u64);
        write_load(page, &shards);
        let mut dropped = page.family("conclave_media_datagrams_dropped_total");
        for (shard, it) in &shards {
            let (io, core) = (&it.io, &it.shard);
            for (reason, value) in [
                ("arrival", io.dropped_in),
                ("forged", io.forged_in),
                ("unroutable", core.unroutable),
                ("not_relayed", core.not_relayed),
                ("filtered", core.filtered),
                ("late", core.pictures_late),
                ("overdue", core.dropped),
                ("full", io.full_out),
                ("refused", io.refused_out),
            ] {
                dropped.sample(&[shard, &reason], value);
            }
        }
        let loss = self.loss.as_ref();
        page.value("conclave_media_events_dropped_total", count(&loss.repeated));
        page.value("conclave_media_events_lost_total", count(&loss.final_ones));
    }

    fn write_store(&self, page: &mut Page) {
        let kept = self.store.statistics();
        page.value("conclave_store_transactions_total", kept.transactions);
        page.by(
            "conclave_store_calls_total",
            [("ok", kept.jobs), ("failed", kept.failed)],
        );
        let file = std::fs::metadata(&self.database).ok();
        page.known("conclave_store_database_bytes", file.map(|file| file.len()));
        let heads = self.store.checkpoints();
        let head = heads.borrow();
        let head = head.as_ref();
        page.known("conclave_audit_head_sequence", head.map(|head| head.seq));
        page.known(
            "conclave_audit_head_time_seconds",
            head.map(|head| head.at.unix_ms() / 1000),
        );
    }
}

impl Meetings {
    async fn write_webhooks(&self, page: &mut Page) {
        let Counts {
            delivered,
            failed,
            dead,
            in_flight,
        } = self.webhooks.counts();
        page.by(
            "conclave_webhook_attempts_total",
            [("delivered", delivered), ("failed", failed)],
        );
        page.value("conclave_webhook_deliveries_given_up_total", dead);
        page.value("conclave_webhook_deliveries_in_flight", in_flight);
        let kept = self.store.delivery_counts(None).await.ok();
        let pending = kept.as_ref().map(|kept| kept.pending);
        page.known("conclave_webhook_deliveries_pending", pending);
        let dead = kept.map(|kept| kept.dead);
        page.known("conclave_webhook_deliveries_dead", dead);
    }
}

fn write_load(page: &mut Page, shards: &[(u8, ShardStats)]) {
    let mut each = |name: &str, value: fn(&ShardStats) -> f64| {
        page.by(name, shards.iter().map(|(shard, it)| (shard, value(it))));
    };
    each("conclave_media_lag_seconds", |it| it.load.lag.as_secs_f64());
    each("conclave_media_work_ratio", |it| {
        it.load.work_permille as f64 / 1000.0
    });
    each("conclave_media_shed_ratio", |it| {
        it.load.shed_permille as f64 / 1000.0
    });
    let mut changes = page.family("conclave_media_shed_changes_total");
    for (shard, it) in shards {
        changes.sample(&[shard, &"down"], it.load.cuts);
        changes.sample(&[shard, &"up"], it.load.climbs);
    }
    let mut policed = page.family("conclave_media_policed_total");
    for (shard, it) in shards {
        let refused = it.shard.refused;
        for (reason, value) in [
            ("packets", refused.packets),
            ("bytes", refused.bytes),
            ("streams", refused.ssrcs),
            ("keyframes", refused.keyframe_requests),
            ("offers", refused.offers),
        ] {
            policed.sample(&[shard, &reason], value);
        }
    }
}

fn write_relay(page: &mut Page, stats: &RelayStats) {
    let server = &stats.server;
    page.value("conclave_relay_allocations", server.allocations);
    page.value("conclave_relay_stream_clients", stats.stream_clients);
    page.by(
        "conclave_relay_allocations_made_total",
        [
            ("udp", server.made_udp),
            ("tcp", server.made_tcp),
            ("tls", server.made_tls),
        ],
    );
    page.by(
        "conclave_relay_allocations_ended_total",
        [
            ("expired", server.ended_expired),
            ("client", server.ended_by_client),
            ("revoked", server.ended_revoked),
            ("stream", server.ended_with_stream),
        ],
    );
    page.value(
        "conclave_relay_peer_connections_total",
        server.connections_bound,
    );
    let (up, down) = (server.up, server.down);
    page.by(
        "conclave_relay_packets_total",
        [("up", up.packets), ("down", down.packets)],
    );
    page.by(
        "conclave_relay_bytes_total",
        [("up", up.bytes), ("down", down.bytes)],
    );
    let codes = ErrorCode::ALL.iter();
    page.by(
        "conclave_relay_errors_total",
        codes.map(|code| (code.code(), server.errors(*code))),
    );
    let (udp, handed) = (stats.udp, stats.handed_over_dropped);
    let drops = DROPS.map(|(label, reason)| match reason {
        // The server counts what is on its way up, the sockets what is on its way down.
        DropReason::HopLimit => (label, server.drops(reason) + udp.hop_limit_out),
        _ => (label, server.drops(reason)),
    });
    let outside = [
        ("arrival", udp.dropped_in),
        ("socket_full", udp.full_out),
        ("refused", udp.refused_out),
        ("shard_full", handed),
        ("stream_slow", stats.stream_frames_dropped),
    ];
    page.by(
        "conclave_relay_dropped_total",
        drops.into_iter().chain(outside),
    );
    page.value("conclave_relay_unanswered_total", server.suppressed);
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
