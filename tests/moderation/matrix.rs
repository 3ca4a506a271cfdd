//! Each role, each verb that may be refused, each role as its target: what the server
//! answers over the socket and what it does to the target, held against
//! [`crate::rules`].

#[path = "matrix/doors.rs"]
mod doors;
#[path = "matrix/effects.rs"]
mod effects;
#[path = "matrix/life.rs"]
mod life;
#[path = "matrix/marks.rs"]
mod marks;
#[path = "matrix/rows.rs"]
mod rows;
#[path = "matrix/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::rules::{Actor, Outcome, PRESETS, ROLES, Target, outcome};
use crate::stage::Stage;
use rows::{Row, rows};
use scene::Scene;

/// Cells of one scene: each costs the asker two messages, of which it has sixty at once.
const CELLS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_do_what_the_specification_does_not_allow_and_everybody_can_do_the_rest() {
    let stage = Arc::new(Stage::start().await);
    let mut runs = tokio::task::JoinSet::new();
    for preset in PRESETS {
        for actor in actors() {
            let stage = Arc::clone(&stage);
            runs.spawn(async move { run(&stage, preset, actor).await });
        }
    }
    let mut tally = Tally::default();
    while let Some(run) = runs.join_next().await {
        tally.add(run.unwrap());
    }
    // All of it stands in one log, whose chain is whole.
    let verified = stage.node.rooms().audit_verify(&[]).await.unwrap();
    println!(
        "matrix: {} cells in {} meetings; {} done, {} refused ({:?}); {} audit records",
        tally.done + tally.refused.values().sum::<usize>(),
        tally.scenes,
        tally.done,
        tally.refused.values().sum::<usize>(),
        tally.refused,
        verified.records,
    );
    let wrong = &tally.wrong;
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn actors() -> Vec<Actor> {
    let mut actors: Vec<Actor> = ROLES.into_iter().map(Actor::In).collect();
    actors.extend([
        Actor::Waiting,
        Actor::Removed,
        Actor::Steward("host"),
        Actor::Steward("co_host"),
    ]);
    actors
}

/// Whom an actor tries its verbs on.
fn targets(actor: Actor) -> Vec<Target> {
    let mut targets: Vec<Target> = ROLES.into_iter().map(Target::Other).collect();
    targets.extend([Target::Unknown, Target::Gone]);
    if let Actor::In(_) = actor {
        targets.push(Target::Itself);
    }
    targets
}

/// What was tried.
#[derive(Debug, Default)]
struct Tally {
    scenes: usize,
    done: usize,
    /// By code.
    refused: BTreeMap<String, usize>,
    /// What was not as it has to be.
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.scenes += other.scenes;
        self.done += other.done;
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }
}

/// Tries everything that one actor can try.
async fn run(stage: &Stage, preset: &'static str, actor: Actor) -> Tally {
    let mut tally = Tally::default();
    let rows = rows();
    for target in targets(actor) {
        let targeted = rows.iter().filter(|row| row.is_targeted);
        play(stage, preset, actor, target, targeted, &mut tally).await;
    }
    // Those about the room are shown on somebody below whom they concern.
    let others = rows.iter().filter(|row| !row.is_targeted);
    play(stage, preset, actor, Target::None, others, &mut tally).await;
    tally
}

async fn play<'a>(
    stage: &Stage,
    preset: &'static str,
    actor: Actor,
    target: Target,
    rows: impl Iterator<Item = &'a Row>,
    tally: &mut Tally,
) {
    let mut scene: Option<Scene<'_>> = None;
    let mut cells = 0;
    for row in rows {
        // The one thing that who waits may say.
        if row.verb == "lobby.ping" && actor == Actor::Waiting {
            continue;
        }
        let mut current = match scene.take() {
            Some(scene) if cells < CELLS => scene,
            old => {
                if let Some(old) = old {
                    old.inspect(&mut tally.wrong).await;
                }
                cells = 0;
                tally.scenes += 1;
                Scene::build(stage, preset, actor, target).await
            }
        };
        cells += 1;
        let expected = outcome(preset, actor, row.verb, row.rule, target);
        let place = format!("{preset}: {actor:?} {} ({}) {target:?}", row.verb, row.name);
        let reply = current.ask(row, expected).await;
        match reply.get("ok") {
            Some(ok) => {
                tally.done += 1;
                if expected != Outcome::Done {
                    tally.wrong.push(format!("{place}: done, but {expected:?}"));
                } else if let Err(what) = current.see(row, ok).await {
                    tally.wrong.push(format!("{place}: done, but {what}"));
                }
                // Whatever it changed: the next one finds a fresh meeting.
            }
            None => {
                let code = code_of(&reply);
                let is_right =
                    matches!(expected, Outcome::Refused(codes) if codes.contains(&code.as_str()));
                if !is_right {
                    tally
                        .wrong
                        .push(format!("{place}: {code}, but {expected:?}"));
                }
                *tally.refused.entry(code).or_default() += 1;
                let traces = current.traces().await;
                if traces.is_empty() {
                    scene = Some(current);
                } else {
                    tally
                        .wrong
                        .push(format!("{place}: refused, but {traces:?}"));
                }
            }
        }
    }
    if let Some(scene) = scene {
        scene.inspect(&mut tally.wrong).await;
    }
}

fn code_of(reply: &Value) -> String {
    let code = reply["error"]["code"].as_str();
    code.unwrap_or("no answer").to_owned()
}
