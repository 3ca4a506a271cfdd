//! One run: everybody comes in, stays, and is measured.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::Source;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::book::{Book, Title, Usage};
use crate::engine::{Engine, EngineConfig, now};
use crate::measured::{Ended, Measured, Scenario, ScenarioKind, Second};
use crate::source::PictureShape;
use crate::target::{Part, Target, TargetError};
use crate::watched::{Watched, own};

/// Pictures that a page shows at once, and slots that it offers for them, unless a run says otherwise.
pub const WATCHED_MAX: usize = 12;
/// How long after the last one began the rest is waited for; then the window opens without them.
const SETTLE: Duration = Duration::from_secs(20);
/// How long a viewer stays in churn on average; between half and one and a half of it.
const STAY: Duration = Duration::from_secs(10);
/// How long it stays away.
const AWAY: Duration = Duration::from_secs(1);
/// How long those who leave are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(5);
/// Ends of stays that nobody has taken note of yet; who cannot leave word waits.
const WORDS: usize = 1_024;

/// What is asked of a run.
pub struct Plan {
    /// What reports say of it; the scenario in it is what is played.
    pub title: Title,
    /// Where the server's use is to be read.
    pub watched: Option<Watched>,
    /// How long after everybody is there the window opens: estimates of bandwidth need some
    /// seconds.
    pub settle: Duration,
}

/// What a run says of itself while it goes on.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The second that has just ended.
    pub second: &'a Second,
    /// Whether everybody is there: this second counts for the steady figures.
    pub is_steady: bool,
}

/// Word of one participant.
enum Word {
    Begun,
    Ended { number: u64, reason: String },
}

/// Plays a scenario against a target until its time is over, or `interrupt` says so.
///
/// # Errors
/// The system's, for want of threads or descriptors.
pub async fn run(
    target: Arc<dyn Target>,
    plan: Plan,
    interrupt: &mut watch::Receiver<bool>,
    mut progress: impl FnMut(Progress<'_>),
) -> io::Result<Measured> {
    let epoch = now();
    let scenario = plan.title.scenario.clone();
    let engine = Arc::new(Engine::start(epoch, &engine_config(&scenario))?);
    let mut book = Book::new(plan.title, usage(plan.watched.as_ref()).await);
    let (leave, leaves) = watch::channel(false);
    let (words, mut heard) = mpsc::channel(WORDS);
    let mut crowd = JoinSet::new();
    crowd.spawn(ramp(
        target,
        Arc::clone(&engine),
        scenario.clone(),
        leaves,
        words,
    ));
    let ramp_time = Duration::from_secs_f64(scenario.participants as f64 / scenario.ramp_per_s);
    let duration = Duration::from_secs_f64(scenario.duration_s);
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut begun = 0;
    let mut steady_since = None;
    let mut complete_since = None;
    let ended = loop {
        let end = steady_since.map(|since: Instant| since + duration);
        tokio::select! {
            biased;
            _ = interrupt.wait_for(|interrupted| *interrupted) => break Ended::Interrupted,
            Some(word) = heard.recv() => match word {
                Word::Begun => {
                    begun += 1;
                    book.note_begun();
                }
                Word::Ended { number, reason } => book.note_failure(now() - epoch, number, reason),
            },
            () = sleep_until(end), if end.is_some() => break Ended::Complete,
            _ = ticks.tick() => {
                let tally = engine.take(false).await;
                let usage = usage(plan.watched.as_ref()).await;
                let at = now() - epoch;
                let is_steady = book.window_is_open();
                let second = book.note_second(at, &tally, usage);
                progress(Progress { second, is_steady });
                let all_began = begun >= scenario.participants;
                let settled = book.joins_open() == 0 || at > ramp_time + SETTLE;
                if !is_steady && all_began && settled {
                    if book.joins_done() == 0 {
                        break Ended::NobodyJoined;
                    }
                    let since = *complete_since.get_or_insert_with(now);
                    if now() - since >= plan.settle {
                        book.open_window();
                        steady_since = Some(now());
                    }
                }
            }
        }
    };
    let tally = engine.take(true).await;
    let usage = usage(plan.watched.as_ref()).await;
    book.note_second(now() - epoch, &tally, usage);
    leave.send_replace(true);
    let all_gone = async { while crowd.join_next().await.is_some() {} };
    // Who does not get away by then is cut off; the server will notice.
    let _ = timeout(FAREWELL, all_gone).await;
    crowd.shutdown().await;
    Ok(book.close(ended))
}

async fn sleep_until(at: Option<Instant>) {
    let left = at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now()));
    sleep(left).await;
}

async fn usage(watched: Option<&Watched>) -> Usage {
    let server = match watched {
        // A second without figures is a gap in a plot, no reason to end.
        Some(watched) => watched.read().await.ok(),
        None => None,
    };
    Usage {
        server,
        own: own().ok(),
    }
}

fn engine_config(scenario: &Scenario) -> EngineConfig {
    let mut pictures = PictureShape {
        camera_fps: scenario.video_fps,
        ..PictureShape::default()
    };
    let top = u32::try_from(scenario.video_bps).unwrap_or(u32::MAX);
    // The lower encodings of a camera keep their share of the highest.
    let of = |bps: u32| (u64::from(bps) * u64::from(top) / 1_700_000) as u32;
    for encoding in &mut pictures.camera {
        encoding.bitrate_bps = of(encoding.bitrate_bps);
    }
    EngineConfig {
        threads: scenario.threads,
        pictures,
        simulcast: scenario.simulcast,
        line: scenario.line,
    }
}

/// Says what participant `number` (from 1) of a scenario does.
fn part(scenario: &Scenario, number: u64) -> Part {
    let is_publisher = number <= scenario.publishers as u64;
    let has_pictures = scenario.kind != ScenarioKind::Audio;
    let sends = match (is_publisher, has_pictures) {
        (false, _) => Vec::new(),
        (true, true) => vec![Source::Microphone, Source::Camera],
        (true, false) => vec![Source::Microphone],
    };
    let others = scenario.publishers - usize::from(is_publisher);
    Part {
        number,
        sends,
        watches: if has_pictures {
            others.min(scenario.watched_max)
        } else {
            0
        },
        publishers: scenario.publishers,
        only_counts: scenario.only_counts(number),
    }
}

/// Lets participants come in at the pace of the scenario.
async fn ramp(
    target: Arc<dyn Target>,
    engine: Arc<Engine>,
    scenario: Scenario,
    leaves: watch::Receiver<bool>,
    words: mpsc::Sender<Word>,
) {
    let mut crowd = JoinSet::new();
    let mut pace = interval(Duration::from_secs_f64(1.0 / scenario.ramp_per_s));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 1..=scenario.participants as u64 {
        let mut over = leaves.clone();
        tokio::select! {
            biased;
            _ = over.wait_for(|leave| *leave) => break,
            _ = pace.tick() => {}
        }
        let part = part(&scenario, number);
        let stays = (scenario.kind == ScenarioKind::Churn && !part.is_publisher())
            .then(|| StdRng::seed_from_u64(scenario.line.seed ^ number));
        crowd.spawn(attend(
            Arc::clone(&target),
            Arc::clone(&engine),
            part,
            stays,
            leaves.clone(),
            words.clone(),
        ));
    }
    while crowd.join_next().await.is_some() {}
}

/// Lets one participant come in and stay; with random stays, again and again.
async fn attend(
    target: Arc<dyn Target>,
    engine: Arc<Engine>,
    part: Part,
    mut stays: Option<StdRng>,
    mut over: watch::Receiver<bool>,
    words: mpsc::Sender<Word>,
) {
    let number = part.number;
    loop {
        let (leave, told) = watch::channel(false);
        let seat = engine.seat(part.clone(), now(), told);
        // Nobody listens any more only at the very end.
        let _ = words.send(Word::Begun).await;
        let stay = stays
            .as_mut()
            .map(|random| STAY.mul_f64(random.random_range(0.5..1.5)));
        let mut attendance = target.attend(seat);
        let early = tokio::select! {
            outcome = &mut attendance => Some(outcome),
            _ = over.wait_for(|leave| *leave) => None,
            () = sleep(stay.unwrap_or_default()), if stay.is_some() => None,
        };
        let outcome = match early {
            Some(Ok(())) => Err(TargetError::Link("ended too early".to_owned())),
            Some(Err(error)) => Err(error),
            None => {
                leave.send_replace(true);
                attendance.await
            }
        };
        if let Err(error) = outcome
            && !matches!(error, TargetError::Over)
        {
            let reason = error.to_string();
            let _ = words.send(Word::Ended { number, reason }).await;
            // One that fails has told what is wrong; it would tell the same again.
            return;
        }
        if stays.is_none() {
            return;
        }
        tokio::select! {
            _ = over.wait_for(|leave| *leave) => return,
            () = sleep(AWAY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::Line;

    fn scenario(kind: ScenarioKind, participants: usize, publishers: usize) -> Scenario {
        Scenario {
            kind,
            participants,
            publishers,
            duration_s: 1.0,
            ramp_per_s: 10.0,
            watched_max: WATCHED_MAX,
            video_bps: 850_000,
            video_fps: 30,
            simulcast: true,
            line: Line::default(),
            sample: 1,
            threads: 1,
        }
    }

    #[test]
    fn publishers_come_first_and_watch_the_others() {
        let meeting = scenario(ScenarioKind::Meeting, 20, 20);
        assert_eq!(part(&meeting, 20).watches, WATCHED_MAX);
        let webinar = scenario(ScenarioKind::Webinar, 10, 1);
        assert_eq!(
            (part(&webinar, 1).watches, part(&webinar, 2).watches),
            (0, 1)
        );
        assert!(part(&webinar, 1).is_publisher() && !part(&webinar, 2).is_publisher());
        let audio = scenario(ScenarioKind::Audio, 3, 3);
        assert_eq!(part(&audio, 1).sends, [Source::Microphone]);
        assert_eq!(part(&audio, 1).watches, 0);
    }

    #[test]
    fn lower_encodings_keep_their_share() {
        let config = engine_config(&scenario(ScenarioKind::Meeting, 2, 2));
        let rates = config.pictures.camera.map(|encoding| encoding.bitrate_bps);
        assert_eq!(rates, [75_000, 250_000, 850_000]);
    }
}
