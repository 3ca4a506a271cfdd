//! What the sockets of a shard have done, for whoever reads it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::SendReport;

/// Cumulative counts of one shard since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Datagrams handed to the shard.
    pub datagrams_in: u64,
    /// Datagrams dropped on arrival: cut off, or to an address that is no media address.
    pub dropped_in: u64,
    /// Datagrams handed to the kernel.
    pub datagrams_out: u64,
    /// Messages handed to the kernel; several datagrams to one destination may be one.
    pub messages_out: u64,
    /// Datagrams dropped because a socket had no room.
    pub full_out: u64,
    /// Datagrams that the kernel refused, such as for want of a route.
    pub refused_out: u64,
}

/// The counts as their shard keeps them.
pub(crate) type Counts = IoStats;

impl IoStats {
    pub(crate) fn add_sent(&mut self, report: SendReport) {
        self.datagrams_out += report.datagrams;
        self.messages_out += report.messages;
        self.full_out += report.full;
        self.refused_out += report.refused;
    }
}

/// The counts as others see them: written by one thread, each value for itself.
#[derive(Debug, Default)]
pub(crate) struct SharedStats([AtomicU64; 6]);

impl SharedStats {
    pub(crate) fn publish(&self, counts: &Counts) {
        let values = [
            counts.datagrams_in,
            counts.dropped_in,
            counts.datagrams_out,
            counts.messages_out,
            counts.full_out,
            counts.refused_out,
        ];
        for (cell, value) in self.0.iter().zip(values) {
            cell.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> IoStats {
        let [
            datagrams_in,
            dropped_in,
            datagrams_out,
            messages_out,
            full_out,
            refused_out,
        ] = [0, 1, 2, 3, 4, 5].map(|index: usize| self.0[index].load(Ordering::Relaxed));
        IoStats {
            datagrams_in,
            dropped_in,
            datagrams_out,
            messages_out,
            full_out,
            refused_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let counts = Counts {
            datagrams_in: 1,
            dropped_in: 2,
            datagrams_out: 3,
            messages_out: 4,
            full_out: 5,
            refused_out: 6,
        };
        let shared = SharedStats::default();
        shared.publish(&counts);
        assert_eq!(shared.read(), counts);
    }
}
