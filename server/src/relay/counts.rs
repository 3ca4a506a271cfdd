//! What the relay has done, for the log at the end.

use conclave_turn_core::DropReason;
use conclave_turn_node::RelayStats;
use conclave_turn_wire::error::ErrorCode;

/// Writes what the relay has counted since its start.
pub(super) fn log(stats: &RelayStats) {
    let server = &stats.server;
    let errors = |codes: &[ErrorCode]| codes.iter().map(|code| server.errors(*code)).sum::<u64>();
    let drops = |reasons: &[DropReason]| {
        let counts = reasons.iter().map(|reason| server.drops(*reason));
        counts.sum::<u64>()
    };
    tracing::info!(
        allocations_udp = server.made_udp,
        allocations_tcp = server.made_tcp,
        allocations_tls = server.made_tls,
        ended_revoked = server.ended_revoked,
        unauthenticated = errors(&[ErrorCode::Unauthenticated]),
        forbidden = errors(&[ErrorCode::Forbidden]),
        over_quota = errors(&[
            ErrorCode::AllocationQuotaReached,
            ErrorCode::InsufficientCapacity
        ]),
        unanswered = server.suppressed,
        packets_up = server.up.packets,
        bytes_up = server.up.bytes,
        packets_down = server.down.packets,
        bytes_down = server.down.bytes,
        dropped_by_policy = drops(&[DropReason::Policy, DropReason::NoPermission]),
        dropped_by_rate = drops(&[DropReason::Rate]),
        dropped_full = drops(&[DropReason::QueueFull])
            + stats.handed_over_dropped
            + stats.stream_frames_dropped
            + stats.udp.full_out,
        malformed = drops(&[DropReason::Malformed]),
        "the relay has ended"
    );
}
