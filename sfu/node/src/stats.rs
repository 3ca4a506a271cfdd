//! What the sockets of a shard have done, for whoever reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conclave_sfu_core::{Counters, Load, Refused};

use conclave_sfu_udp::SendReport;
use conclave_sfu_wire::control::Admission;

/// Cumulative counts of one shard since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// What its sockets did.
    pub io: IoStats,
    /// What it decided.
    pub shard: Counters,
    /// How much it has to do: no counts, but what holds.
    pub load: Load,
}

/// Cumulative counts of the sockets of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Datagrams handed to the shard.
    pub datagrams_in: u64,
    /// Bytes in them, and in those that the relay handed over.
    pub bytes_in: u64,
    /// Datagrams dropped on arrival: cut off, or to an address that is no media address.
    pub dropped_in: u64,
    /// Datagrams dropped on arrival because they came from a network with a
    /// source address that only the relay of this process gives.
    pub forged_in: u64,
    /// Datagrams that the relay handed over.
    pub relayed_in: u64,
    /// Datagrams handed over to the relay, dropped ones among them.
    pub relayed_out: u64,
    /// Datagrams handed to the kernel.
    pub datagrams_out: u64,
    /// Bytes of datagrams that were to be sent, to the relay and dropped ones among them.
    pub bytes_out: u64,
    /// Messages handed to the kernel; several datagrams to one destination may be one.
    pub messages_out: u64,
    /// Datagrams dropped because a socket had no room.
    pub full_out: u64,
    /// Datagrams that the kernel refused, such as for want of a route.
    pub refused_out: u64,
    /// Packets of media handed to other shards, one for each of these.
    pub crossed: u64,
    /// The same dropped because too much waited on the way.
    pub crossings_dropped: u64,
}

impl IoStats {
    pub(crate) fn add_sent(&mut self, report: SendReport) {
        self.datagrams_out += report.datagrams;
        self.messages_out += report.messages;
        self.full_out += report.full;
        self.refused_out += report.refused;
    }

    pub(crate) fn add_crossing(&mut self, is_media: bool, is_sent: bool) {
        if is_media && is_sent {
            self.crossed += 1;
        } else if is_media {
            self.crossings_dropped += 1;
        }
    }
}

/// The counts as others see them: written by one thread, each value for itself.
#[derive(Debug)]
pub(crate) struct SharedStats([AtomicU64; 44]);

impl Default for SharedStats {
    fn default() -> Self {
        SharedStats([const { AtomicU64::new(0) }; 44])
    }
}

impl SharedStats {
    pub(crate) fn publish(&self, ShardStats { io, shard, load }: ShardStats) {
        let values = [
            io.datagrams_in,
            io.dropped_in,
            io.datagrams_out,
            io.messages_out,
            io.full_out,
            io.refused_out,
            io.forged_in,
            io.relayed_in,
            io.relayed_out,
            shard.not_relayed,
            shard.unroutable,
            shard.unpublished,
            shard.forwarded,
            shard.not_aead,
            shard.unacknowledged_slots,
            shard.filtered,
            shard.panics,
            io.bytes_in,
            io.bytes_out,
            shard.received,
            shard.keyframes_requested,
            shard.resent,
            shard.nacked,
            shard.sender_reports,
            shard.probes,
            shard.dropped,
            shard.unsealed,
            shard.rtcp_refused,
            shard.aead,
            shard.pictures_stopped,
            load.admission as u64,
            load.shed_permille,
            load.cuts,
            load.climbs,
            load.lag.as_micros() as u64,
            load.work_permille,
            shard.refused.packets,
            shard.refused.bytes,
            shard.refused.ssrcs,
            shard.refused.keyframe_requests,
            shard.refused.offers,
            shard.pictures_late,
            io.crossed,
            io.crossings_dropped,
        ];
        for (cell, value) in self.0.iter().zip(values) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> ShardStats {
        let value = |index: usize| self.0[index].load(Ordering::Relaxed);
        ShardStats {
            io: IoStats {
                datagrams_in: value(0),
                dropped_in: value(1),
                datagrams_out: value(2),
                messages_out: value(3),
                full_out: value(4),
                refused_out: value(5),
                forged_in: value(6),
                relayed_in: value(7),
                relayed_out: value(8),
                bytes_in: value(17),
                bytes_out: value(18),
                crossed: value(42),
                crossings_dropped: value(43),
            },
            shard: Counters {
                not_relayed: value(9),
                unroutable: value(10),
                unpublished: value(11),
                forwarded: value(12),
                not_aead: value(13),
                unacknowledged_slots: value(14),
                filtered: value(15),
                panics: value(16),
                received: value(19),
                keyframes_requested: value(20),
                resent: value(21),
                nacked: value(22),
                sender_reports: value(23),
                probes: value(24),
                dropped: value(25),
                unsealed: value(26),
                rtcp_refused: value(27),
                aead: value(28),
                pictures_stopped: value(29),
                pictures_late: value(41),
                refused: Refused {
                    packets: value(36),
                    bytes: value(37),
                    ssrcs: value(38),
                    keyframe_requests: value(39),
                    offers: value(40),
                },
            },
            load: Load {
                admission: admission(value(30)),
                shed_permille: value(31),
                cuts: value(32),
                climbs: value(33),
                lag: Duration::from_micros(value(34)),
                work_permille: value(35),
            },
        }
    }
}

fn admission(value: u64) -> Admission {
    let all = [Admission::All, Admission::NoRooms];
    let is_told = |one: &Admission| *one as u64 == value;
    all.into_iter().find(is_told).unwrap_or(Admission::Nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let stats = ShardStats {
            io: IoStats {
                datagrams_in: 1,
                dropped_in: 2,
                datagrams_out: 3,
                messages_out: 4,
                full_out: 5,
                refused_out: 6,
                forged_in: 14,
                relayed_in: 15,
                relayed_out: 16,
                bytes_in: 18,
                bytes_out: 19,
                crossed: 51,
                crossings_dropped: 52,
            },
            shard: Counters {
                unroutable: 7,
                not_relayed: 17,
                unpublished: 8,
                forwarded: 9,
                not_aead: 10,
                unacknowledged_slots: 11,
                filtered: 12,
                panics: 13,
                received: 20,
                keyframes_requested: 21,
                resent: 22,
                nacked: 23,
                sender_reports: 24,
                probes: 25,
                dropped: 26,
                unsealed: 27,
                rtcp_refused: 28,
                aead: 29,
                pictures_stopped: 30,
                pictures_late: 41,
                refused: Refused {
                    packets: 36,
                    bytes: 37,
                    ssrcs: 38,
                    keyframe_requests: 39,
                    offers: 40,
                },
            },
            load: Load {
                admission: Admission::NoRooms,
                shed_permille: 31,
                cuts: 32,
                climbs: 33,
                lag: Duration::from_micros(34),
                work_permille: 35,
            },
        };
        let shared = SharedStats::default();
        shared.publish(stats);
        assert_eq!(shared.read(), stats);
    }
}
