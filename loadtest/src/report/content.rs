//! What is said of a run: which figures, under which names.

use super::figure::{NOTHING, count, figure, figure_or_dash};
use super::view::{Cell, Chart, Mood, Series, Table, View};
use crate::measured::{
    Ended, Line, Measured, Quantiles, Scenario, ScenarioKind, Second, TargetName, Threshold,
};

const MIB: f64 = 1024.0 * 1024.0;
/// Above this the generator's own lateness colours the delays of the server.
const LATENESS_MS: f64 = 5.0;
/// A generator that uses this much of its processors is measured, not the server.
const BUSY_SHARE: f64 = 0.9;
/// Failures that are told one by one.
const FAILURES_MAX: usize = 20;

/// Returns all that is to be shown of a run.
pub(crate) fn of(run: &Measured) -> View {
    let mut tables = Vec::new();
    if !run.thresholds.is_empty() {
        tables.push(thresholds(&run.thresholds));
    }
    tables.extend([steady(run), quantiles(run), totals(run)]);
    if !run.failures.is_empty() {
        tables.push(failures(run));
    }
    View {
        title: title(run),
        verdict: verdict(run),
        facts: facts(run),
        tables,
        charts: charts(&run.timeline),
        notes: notes(run),
    }
}

fn title(run: &Measured) -> String {
    let target = match run.target {
        TargetName::Conclave => "Conclave",
        TargetName::Janus => "Janus",
    };
    let played = play(&run.scenario);
    match &run.label {
        Some(label) => format!("{label}: {played}"),
        None => format!("{target}: {played}"),
    }
}

fn play(scenario: &Scenario) -> String {
    let (all, senders) = (scenario.participants, scenario.publishers);
    let viewers = all.saturating_sub(senders);
    match scenario.kind {
        ScenarioKind::Meeting if viewers == 0 => format!("meeting of {}", count(all as u64)),
        ScenarioKind::Meeting => format!("meeting of {all}, {senders} sending"),
        ScenarioKind::Webinar => format!("webinar, {senders} → {}", count(viewers as u64)),
        ScenarioKind::Churn => format!("churn, {senders} sending, {viewers} coming and going"),
        ScenarioKind::Audio => format!("sound of {senders} for {}", count(all as u64)),
    }
}

fn verdict(run: &Measured) -> Option<(Mood, String)> {
    let missed = run.thresholds.iter().filter(|one| !one.passed).count();
    let all = run.thresholds.len();
    match run.ended {
        Ended::NobodyJoined => Some((Mood::Bad, "Nobody could come in".to_owned())),
        Ended::Interrupted if missed == 0 => {
            Some((Mood::Plain, "Interrupted before its time".to_owned()))
        }
        _ if missed > 0 => Some((Mood::Bad, format!("{missed} of {all} thresholds missed"))),
        _ if all > 0 => Some((Mood::Good, format!("All {all} thresholds met"))),
        _ => None,
    }
}

fn facts(run: &Measured) -> Vec<(String, String)> {
    let scenario = &run.scenario;
    let picture = if scenario.video_bps == 0 {
        "none".to_owned()
    } else {
        let encodings = if scenario.simulcast {
            "three encodings"
        } else {
            "one encoding"
        };
        format!(
            "{} Mbit/s, {} frames/s, {encodings}",
            figure(scenario.video_bps as f64 / 1e6),
            scenario.video_fps
        )
    };
    let sample = match scenario.sample {
        0 | 1 => "everybody decrypts and checks".to_owned(),
        share => {
            let looking = scenario.decrypting();
            format!(
                "{} decrypt and check (one viewer of {share}, publishers among them), {} only count",
                count(looking as u64),
                count(scenario.participants.saturating_sub(looking) as u64)
            )
        }
    };
    let environment = &run.environment;
    let mut facts = vec![
        ("Date", environment.date.clone()),
        (
            "Participants",
            format!(
                "{} (publishers: {}), {} joining per second",
                count(scenario.participants as u64),
                scenario.publishers,
                figure(scenario.ramp_per_s)
            ),
        ),
        (
            "Window",
            format!(
                "{} s, from second {}",
                figure(run.window.seconds()),
                figure(run.window.from_s)
            ),
        ),
        ("Picture of each publisher", picture),
        (
            "Pictures that each watches",
            format!("of {} others at most", scenario.watched_max),
        ),
        ("Line of each participant", line(&scenario.line)),
        ("Receivers", sample),
        (
            "Generator",
            format!(
                "{}, {} threads on {} cores",
                run.tool, scenario.threads, environment.cores
            ),
        ),
    ];
    if let Some(processor) = &environment.processor {
        facts.push(("Processor", processor.clone()));
    }
    if let Some(kernel) = &environment.kernel {
        facts.push(("Kernel", kernel.clone()));
    }
    if let Some(server) = &run.server {
        facts.push(("Server watched by", server.source.clone()));
    }
    let owned = facts.into_iter();
    owned
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn line(line: &Line) -> String {
    if line.is_clear() {
        return "as the network is".to_owned();
    }
    let mut parts = Vec::new();
    if line.loss > 0.0 {
        parts.push(format!("{} % lost", figure(line.loss * 100.0)));
    }
    if line.delay_ms > 0.0 || line.jitter_ms > 0.0 {
        let (delay, jitter) = (figure(line.delay_ms), figure(line.jitter_ms));
        parts.push(format!("{delay} ms and up to {jitter} ms more"));
    }
    if let Some(rate) = line.rate_bps {
        parts.push(format!("{} Mbit/s", figure(rate as f64 / 1e6)));
    }
    format!("{}, each way (seed {})", parts.join(", "), line.seed)
}

fn thresholds(all: &[Threshold]) -> Table {
    let mut table = Table::new("Thresholds", &["Demand", "At most", "Measured", "Result"]);
    for one in all {
        let with_unit = |text: String| match (&*text, &*one.unit) {
            (NOTHING, _) | (_, "") => text,
            (_, unit) => format!("{text} {unit}"),
        };
        let (mood, word) = if one.passed {
            (Mood::Good, "met")
        } else {
            (Mood::Bad, "missed")
        };
        table.push([
            Cell::plain(&*one.option),
            Cell::plain(with_unit(figure(one.limit))),
            Cell::plain(with_unit(figure_or_dash(one.actual))),
            Cell {
                text: word.to_owned(),
                mood,
            },
        ]);
    }
    table
}

fn steady(run: &Measured) -> Table {
    let mut table = Table::new("Within the window", &["Figure", "Value", "Unit"]);
    let mut add = |name: &str, value: f64, unit: &str| {
        table.push([name, &figure(value), unit].map(Cell::plain));
    };
    let steady = &run.steady;
    add("Packets received", steady.received_per_s, "packets/s");
    add("Packets sent", steady.sent_per_s, "packets/s");
    add("Received", steady.received_bps / 1e6, "Mbit/s");
    add("Sent", steady.sent_bps / 1e6, "Mbit/s");
    add("Loss after resending", steady.loss * 100.0, "%");
    if let Some(server) = &run.server {
        let peak = server.memory_peak_bytes as f64;
        let each = server.memory_per_participant_bytes as f64;
        add("CPU of the server", server.cores * 100.0, "% of a core");
        add("CPU per packet received", server.us_per_packet, "µs");
        add("Memory of the server, peak", peak / MIB, "MiB");
        add("Memory per participant", each / 1024.0, "KiB");
    }
    let generator = &run.generator;
    add(
        "CPU of the generator",
        generator.cores * 100.0,
        "% of a core",
    );
    add("Generator's CPU per packet", generator.us_per_packet, "µs");
    if let Some(bytes) = generator.memory_bytes {
        add("Memory of the generator", bytes as f64 / MIB, "MiB");
    }
    table
}

fn quantiles(run: &Measured) -> Table {
    let mut table = Table::new(
        "Spread, in milliseconds",
        &[
            "", "Count", "Min", "Mean", "p50", "p90", "p99", "p99.9", "Max",
        ],
    );
    let mut add = |name: &str, of: &Quantiles| {
        let values = [of.min, of.mean, of.p50, of.p90, of.p99, of.p999, of.max];
        let told = values.map(|value| {
            let nothing = of.count == 0;
            Cell::plain(figure_or_dash((!nothing).then_some(value)))
        });
        let head = [Cell::plain(name), Cell::plain(count(of.count))];
        table.push(head.into_iter().chain(told));
    };
    add("Delay of packets", &run.latency_ms);
    add("Time to join", &run.join_ms);
    add("Freezes", &run.freeze_ms);
    add("Generator: timers late", &run.generator.timer_lateness_ms);
    add("Generator: sockets late", &run.generator.socket_lateness_ms);
    table
}

fn totals(run: &Measured) -> Table {
    let mut table = Table::new("Whole run", &["Figure", "Count"]);
    let totals = &run.totals;
    let never = |value: u64| {
        let mood = if value > 0 { Mood::Bad } else { Mood::Plain };
        (value, mood)
    };
    let plain = |value: u64| (value, Mood::Plain);
    for (name, (value, mood)) in [
        ("Joins begun", plain(totals.joins_begun)),
        ("Joins done", plain(totals.joins_done)),
        ("Joins failed, or fallen out", never(totals.failed)),
        ("RTP packets received", plain(totals.received)),
        ("RTP packets sent", plain(totals.sent)),
        ("Pictures: packets lost", plain(totals.video_lost)),
        ("Sound: packets lost", plain(totals.audio_lost)),
        ("Packets too late", plain(totals.late)),
        ("Packets corrupt", never(totals.corrupt)),
        ("Frames shown", plain(totals.frames)),
        ("Frames of no use", plain(totals.undecodable)),
        ("Freezes", plain(totals.freezes)),
        ("Keyframes asked for", plain(totals.keyframe_requests)),
        ("Violations of the protocol", never(totals.violations)),
        (
            "Datagrams lost on the made-up line",
            plain(totals.shaped_away),
        ),
        ("Datagrams that could not be sent", plain(totals.unsent)),
    ] {
        let text = count(value);
        table.push([Cell::plain(name), Cell { text, mood }]);
    }
    table
}

fn failures(run: &Measured) -> Table {
    let mut table = Table::new("Who failed", &["Participant", "At, s", "Why"]);
    for failure in run.failures.iter().take(FAILURES_MAX) {
        table.push([
            Cell::plain(count(failure.participant)),
            Cell::plain(figure(failure.at_s)),
            Cell::plain(&*failure.reason),
        ]);
    }
    let rest = run.failures.len().saturating_sub(FAILURES_MAX);
    if rest > 0 {
        table.push([Cell::plain(format!("and {rest} more"))]);
    }
    table
}

fn notes(run: &Measured) -> Vec<String> {
    let mut notes = Vec::new();
    let generator = &run.generator;
    let late = generator.timer_lateness_ms.p99;
    if late > LATENESS_MS {
        notes.push(format!(
            "The generator was late itself (p99 {} ms): delays of the server are overstated by up to as much.",
            figure(late)
        ));
    }
    let most = run.environment.cores.min(run.scenario.threads.max(1));
    if generator.cores > BUSY_SHARE * most as f64 {
        notes.push(
            "The generator used nearly all of its processors: loss and delay may be its own. \
             Give it more threads, fewer participants or a sample."
                .to_owned(),
        );
    }
    if !generator.kernel_stamps && run.latency_ms.count > 0 {
        notes.push(
            "The kernel stamped no arrivals: the time until the generator took a packet is part of its delay."
                .to_owned(),
        );
    }
    if run.scenario.sample > 1 {
        notes.push(format!(
            "Only {} of {} participants decrypt; the others count packets. Delay, frames, freezes and checks are those of the \
             sample, loss and rates those of all. For who only counts, the first packet counts as joined.",
            run.scenario.decrypting(),
            run.scenario.participants
        ));
    }
    notes
}

/// What a line of a chart shows of a second.
type Reading = fn(&Second) -> Option<f64>;

fn charts(timeline: &[Second]) -> Vec<Chart> {
    let one = |title: &str, unit, of: Reading| chart(title, unit, timeline, &[("all", of)]);
    let all = [
        chart(
            "Packets",
            "packets/s",
            timeline,
            &[
                ("received", |second| rate(second, second.received)),
                ("sent", |second| rate(second, second.sent)),
            ],
        ),
        one("Loss after resending", "%", |second| {
            let all = second.lost + second.received;
            (all > 0).then(|| second.lost as f64 / all as f64 * 100.0)
        }),
        chart(
            "Delay of packets",
            "ms",
            timeline,
            &[
                ("p99", |second| second.latency_p99_ms),
                ("p50", |second| second.latency_p50_ms),
            ],
        ),
        chart(
            "CPU",
            "cores",
            timeline,
            &[
                ("server", |second| second.server_cores),
                ("generator", |second| second.generator_cores),
            ],
        ),
        one("Memory of the server", "MiB", |second| {
            second.server_memory_bytes.map(|bytes| bytes as f64 / MIB)
        }),
        one("Lateness of the generator, p99", "ms", |second| {
            second.lateness_p99_ms
        }),
        chart(
            "Participants",
            "people",
            timeline,
            &[
                ("connected", |second| Some(second.connected as f64)),
                ("failed until then", |second| Some(second.failed as f64)),
            ],
        ),
        chart(
            "Freezes that ended",
            "per second",
            timeline,
            &[("freezes", |second| rate(second, second.freezes))],
        ),
    ];
    all.into_iter().filter(|chart| !chart.is_empty()).collect()
}

fn rate(second: &Second, amount: u64) -> Option<f64> {
    (second.length_s > 0.0).then(|| amount as f64 / second.length_s)
}

fn chart(title: &str, unit: &'static str, timeline: &[Second], lines: &[(&str, Reading)]) -> Chart {
    let series = lines.iter().map(|(name, of)| Series {
        name: (*name).to_owned(),
        points: timeline
            .iter()
            .map(|second| (second.at_s, of(second)))
            .collect(),
    });
    Chart {
        title: title.to_owned(),
        unit,
        // A line that was not measured needs no name in the legend.
        series: series
            .filter(|series| series.points.iter().any(|(_, value)| value.is_some()))
            .collect(),
    }
}
