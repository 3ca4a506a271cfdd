//! What a caller demands of a run, and what came of it.

use crate::measured::{Measured, Threshold};

/// One demand with its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// Share of media packets lost within the window, 0 to 1.
    Loss(f64),
    /// 99 % of delays within the window, in milliseconds.
    DelayP99Ms(f64),
    /// The longest join, in milliseconds.
    JoinMs(f64),
    /// Freezes per participant that decrypts and minute of the window.
    FreezesPerMinute(f64),
    /// Participants that did not come in or fell out.
    Failures(f64),
    /// Processor time of the server per packet that arrived, in microseconds.
    ServerUsPerPacket(f64),
}

impl Demand {
    /// Holds the demand against a run.
    pub fn judge(self, run: &Measured) -> Threshold {
        let measured_if = |is_measured: bool, value: f64| is_measured.then_some(value);
        let (option, limit, actual, unit) = match self {
            Demand::Loss(limit) => {
                let packets = run.totals.video_packets + run.totals.audio_packets;
                let actual = measured_if(packets > 0, run.steady.loss * 100.0);
                ("--max-loss", limit * 100.0, actual, "%")
            }
            Demand::DelayP99Ms(limit) => {
                let actual = measured_if(run.latency_ms.count > 0, run.latency_ms.p99);
                ("--max-p99", limit, actual, "ms")
            }
            Demand::JoinMs(limit) => {
                let actual = measured_if(run.join_ms.count > 0, run.join_ms.max);
                ("--max-join", limit, actual, "ms")
            }
            Demand::FreezesPerMinute(limit) => {
                let minutes = run.window.seconds() / 60.0 * run.scenario.decrypting() as f64;
                let actual = run.freeze_ms.count as f64 / minutes;
                (
                    "--max-freezes",
                    limit,
                    measured_if(minutes > 0.0, actual),
                    "/min",
                )
            }
            Demand::Failures(limit) => ("--max-failed", limit, Some(run.totals.failed as f64), ""),
            Demand::ServerUsPerPacket(limit) => {
                let actual = run.server.as_ref().map(|server| server.us_per_packet);
                ("--max-server-us", limit, actual, "us")
            }
        };
        Threshold {
            option: option.to_owned(),
            limit,
            actual,
            unit: unit.to_owned(),
            passed: actual.is_some_and(|actual| actual <= limit),
        }
    }
}
