//! What runs came to, and how it is written down.

use conclave_loadtest::measured::Measured;

use crate::row::Row;

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) packets_per_s: f64,
    /// User and system time of all threads of the server, over packets that arrived.
    pub(crate) us_per_packet: f64,
    pub(crate) core_percent: f64,
    pub(crate) loss_percent: f64,
    pub(crate) delay_p50_ms: f64,
    pub(crate) delay_p99_ms: f64,
    pub(crate) kib_each: f64,
    pub(crate) lateness_p99_ms: f64,
    /// Pairs of picture and sound that each receiver got, by the packets that arrived.
    pub(crate) pairs_each: f64,
    pub(crate) failed: f64,
}

impl Figures {
    /// Reads a run; absent is what nobody measured.
    pub(crate) fn of(run: &Measured, row: &Row) -> Figures {
        let server = run.server.clone();
        let of_server = |value: fn(&conclave_loadtest::measured::ServerUse) -> f64| {
            server.as_ref().map_or(f64::NAN, value)
        };
        let delay = |value: f64| {
            if run.latency_ms.count == 0 {
                f64::NAN
            } else {
                value
            }
        };
        let steady = &run.steady;
        let of_one = steady.sent_per_s / row.publishers as f64;
        Figures {
            packets_per_s: steady.received_per_s,
            us_per_packet: of_server(|server| server.us_per_packet),
            core_percent: of_server(|server| server.cores * 100.0),
            loss_percent: steady.loss * 100.0,
            delay_p50_ms: delay(run.latency_ms.p50),
            delay_p99_ms: delay(run.latency_ms.p99),
            kib_each: of_server(|server| server.memory_per_participant_bytes as f64 / 1024.0),
            lateness_p99_ms: run
                .generator
                .timer_lateness_ms
                .p99
                .max(run.generator.socket_lateness_ms.p99),
            pairs_each: steady.received_per_s / row.receivers() as f64 / of_one,
            failed: run.totals.failed as f64,
        }
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "\
| work | server | packets/s | CPU µs per packet | core | lost | delay p50 ms | delay p99 ms | KiB each | pairs each | generator late p99 ms |
|---|---|---|---|---|---|---|---|---|---|---|";

/// Returns the line of one server in one row; each figure is the median with least and most.
pub(crate) fn line(row: &Row, server: &str, runs: &[Figures]) -> String {
    let of = |value: fn(&Figures) -> f64, digits: usize| {
        spread(runs.iter().map(value).collect(), digits)
    };
    let failed = runs.iter().map(|run| run.failed).sum::<f64>();
    let failed = if failed > 0.0 {
        format!(", {failed} did not come in")
    } else {
        String::new()
    };
    format!(
        "| {} | {server}{failed} | {} | {} | {} % | {} % | {} | {} | {} | {} of {} | {} |",
        row.name(),
        of(|run| run.packets_per_s, 0),
        of(|run| run.us_per_packet, 1),
        of(|run| run.core_percent, 0),
        of(|run| run.loss_percent, 3),
        of(|run| run.delay_p50_ms, 1),
        of(|run| run.delay_p99_ms, 1),
        of(|run| run.kib_each, 0),
        of(|run| run.pairs_each, 2),
        row.others(),
        of(|run| run.lateness_p99_ms, 1),
    )
}

/// Returns the median, and least and most where there are several that differ.
pub(crate) fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let Some((least, most)) = values.first().zip(values.last()) else {
        return "–".to_owned();
    };
    let told = |value: f64| grouped(&format!("{value:.digits$}"));
    let (least, most) = (told(*least), told(*most));
    let middle = told(median(&values));
    if least == most {
        middle
    } else {
        format!("{middle} ({least}–{most})")
    }
}

/// Of values in order, of which there is one at least.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    } else {
        sorted[middle]
    }
}

/// Commas between thousands.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let digits = whole.len();
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (digits - index).is_multiple_of(3) && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}
