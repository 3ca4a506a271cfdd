//! The three renderings of one made-up run.

use super::*;
use crate::measured::{
    Ended, Environment, FORMAT, Failure, Generator, Line, Quantiles, Scenario, ScenarioKind,
    Second, ServerUse, Steady, TargetName, Threshold, Totals, Window,
};

#[test]
fn json_reads_back_and_keeps_its_names() {
    let run = run();
    let text = json(&run).unwrap();
    assert!(serde_json::from_str::<Measured>(&text).unwrap() == run);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Whoever compares runs by script depends on these.
    assert_eq!(value["format"], FORMAT);
    assert_eq!(value["target"], "janus");
    assert_eq!(value["scenario"]["kind"], "webinar");
    assert_eq!(value["ended"], "complete");
    assert_eq!(value["steady"]["received_per_s"], 22_000.0);
    assert_eq!(value["server"]["us_per_packet"], 7.5);
    assert_eq!(value["latency_ms"]["p99"], 3.75);
    assert_eq!(value["timeline"][3]["latency_p50_ms"], 1.25);
    assert_eq!(
        value["timeline"][0]["latency_p50_ms"],
        serde_json::Value::Null
    );
}

#[test]
fn the_text_says_what_was_missed_and_lines_up() {
    let text = text(&run());
    assert!(text.starts_with("quiet night: webinar, 1 → 100\n1 of 2 thresholds missed\n"));
    let of = |start: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(start));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        words.join(" ")
    };
    assert_eq!(of("--max-loss"), "--max-loss 0.50 % 0 % met");
    assert_eq!(of("--max-join"), "--max-join 2.00 s – missed");
    assert_eq!(of("CPU per packet"), "CPU per packet received 7.50 µs");
    assert_eq!(
        of("Delay of"),
        "Delay of packets 1,000 0.50 1.50 1.25 2.50 3.75 5.00 6.00"
    );
    let starts: Vec<usize> = text
        .lines()
        .filter(|line| line.ends_with("packets/s"))
        .map(|line| line.find("packets/s").unwrap())
        .collect();
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[0], starts[1]);
}

#[test]
fn the_page_is_one_file_without_script() {
    let page = html(&run());
    for foreign in [
        "<script", "<link", "<img", "src=", "href=", "url(", "@import", "http://",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("https://").count(), 0);
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    let titles = [
        "Packets",
        "Loss after resending",
        "Delay of packets",
        "CPU",
        "Memory of the server",
        "Lateness of the generator, p99",
    ];
    for title in titles {
        assert!(
            page.contains(&format!("<figcaption><b>{title}</b>")),
            "{title}"
        );
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(balanced(&page), "tags do not nest");
}

#[test]
fn what_others_named_cannot_leave_its_place() {
    let mut run = run();
    let evil = "\"><script>alert(1)</script>\u{1b}[2J";
    run.label = Some(evil.to_owned());
    run.tool = evil.to_owned();
    run.environment.processor = Some(evil.to_owned());
    run.failures[0].reason = evil.to_owned();
    run.thresholds[0].option = evil.to_owned();
    run.thresholds[0].unit = evil.to_owned();
    run.server.as_mut().unwrap().source = evil.to_owned();
    let page = html(&run);
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    assert!(page.contains("&quot;&gt;&lt;script&gt;"));
    assert!(balanced(&page));
    assert!(!text(&run).contains('\u{1b}'));
}

#[test]
fn a_run_in_which_nothing_happened_is_told_too() {
    let mut run = run();
    run.ended = Ended::NobodyJoined;
    run.timeline.clear();
    run.server = None;
    run.latency_ms = Quantiles::default();
    run.thresholds.clear();
    let page = html(&run);
    assert!(page.contains("Nobody could come in") && !page.contains("<svg"));
    assert!(balanced(&page));
    let text = text(&run);
    assert!(text.contains("Nobody could come in"));
    assert!(text.contains("Delay of packets") && !text.contains("NaN"));
}

/// Leaves the page on disk, for whoever wants to look at it.
#[test]
#[ignore = "writes a file"]
fn the_page_to_look_at() {
    let path = std::env::var("CONCLAVE_REPORT_PAGE").unwrap();
    std::fs::write(path, html(&run())).unwrap();
    println!("{}", text(&run()));
}

/// Whether every tag that opens is closed, in order.
fn balanced(page: &str) -> bool {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let Some((inside, _)) = tag.split_once('>') else {
            return false;
        };
        let name = inside.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !inside.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    open.is_empty()
}

fn run() -> Measured {
    let late = Quantiles {
        count: 90,
        mean: 0.25,
        min: 0.0,
        p50: 0.25,
        p90: 0.5,
        p99: 6.5,
        p999: 7.0,
        max: 8.0,
    };
    Measured {
        format: FORMAT,
        tool: "conclave-loadtest/0.1.0".to_owned(),
        target: TargetName::Janus,
        label: Some("quiet night".to_owned()),
        environment: Environment {
            cores: 1,
            processor: Some("A Processor".to_owned()),
            kernel: Some("6.1".to_owned()),
            date: "2026-11-22T23:15:51Z".to_owned(),
        },
        scenario: Scenario {
            kind: ScenarioKind::Webinar,
            participants: 101,
            publishers: 1,
            duration_s: 30.0,
            ramp_per_s: 20.0,
            watched_max: 12,
            video_bps: 1_500_000,
            video_fps: 30,
            simulcast: false,
            line: Line {
                loss: 0.0625,
                delay_ms: 20.0,
                ..Line::default()
            },
            sample: 4,
            threads: 1,
        },
        ended: Ended::Complete,
        timeline: (0..40).map(second).collect(),
        window: Window {
            from_s: 6.0,
            to_s: 36.0,
        },
        totals: Totals {
            joins_begun: 101,
            joins_done: 100,
            failed: 1,
            received: 660_000,
            ..Totals::default()
        },
        steady: Steady {
            received_per_s: 22_000.0,
            sent_per_s: 220.0,
            received_bps: 161e6,
            sent_bps: 1.6e6,
            loss: 0.0,
        },
        latency_ms: Quantiles {
            count: 1_000,
            mean: 1.5,
            min: 0.5,
            p50: 1.25,
            p90: 2.5,
            p99: 3.75,
            p999: 5.0,
            max: 6.0,
        },
        join_ms: Quantiles::default(),
        freeze_ms: Quantiles::default(),
        generator: Generator {
            timer_lateness_ms: late,
            socket_lateness_ms: Quantiles::default(),
            kernel_stamps: true,
            cores: 0.5,
            us_per_packet: 11.0,
            memory_bytes: Some(200 << 20),
        },
        server: Some(ServerUse {
            source: "pid 4711".to_owned(),
            cores: 0.1875,
            us_per_packet: 7.5,
            memory_before_bytes: 20 << 20,
            memory_peak_bytes: 40 << 20,
            memory_per_participant_bytes: 200 << 10,
        }),
        failures: vec![Failure {
            at_s: 3.5,
            participant: 17,
            reason: "refused: the room is full".to_owned(),
        }],
        thresholds: vec![
            Threshold {
                option: "--max-loss".to_owned(),
                limit: 0.5,
                actual: Some(0.0),
                unit: "%".to_owned(),
                passed: true,
            },
            Threshold {
                option: "--max-join".to_owned(),
                limit: 2.0,
                actual: None,
                unit: "s".to_owned(),
                passed: false,
            },
        ],
    }
}

/// Ramps up for five seconds; one second was not measured. All figures are
/// sums of powers of two, so that JSON gives them back to the bit.
fn second(index: u32) -> Second {
    let connected = (20 * index as usize).min(100);
    let wave = f64::from(index * 7 % 5) / 8.0;
    let known = index > 1 && index != 20;
    Second {
        at_s: f64::from(index + 1),
        length_s: 1.0,
        connected,
        received: 220 * connected as u64,
        sent: 220,
        lost: u64::from(index % 11 == 10) * 40,
        freezes: u64::from(index == 22) * 3,
        latency_p50_ms: known.then_some(1.25),
        latency_p99_ms: known.then_some(3.0 + wave),
        lateness_p99_ms: Some(0.5 + wave / 2.0),
        server_cores: Some(connected as f64 / 512.0),
        server_memory_bytes: Some((20 << 20) + connected as u64 * (200 << 10)),
        generator_cores: Some(connected as f64 / 256.0 + 0.0625),
        ..Second::default()
    }
}
