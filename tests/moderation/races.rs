//! Everybody at once: promotions, removals, departures, returns and mutes cross
//! on the way, in an order that a seed gives. When it is quiet again the room is
//! the same for all, and nobody has what it may not have.
//!
//! `SEED=7` plays one seed, `CONCLAVE_SOAK=1` many.

#[path = "races/cast.rs"]
mod cast;
#[path = "races/check.rs"]
mod check;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::link::Link;
use crate::person::Person;
use crate::stage::Stage;
use cast::{Cast, Place};

/// Rounds of one seed; each costs everybody three messages of sixty.
const ROUNDS: usize = 9;
/// Sources that are published and muted. Shares are one at a time, which is another matter.
const SOURCES: [&str; 2] = ["microphone", "camera"];
const GIVEN: [&str; 4] = ["co_host", "presenter", "attendee", "viewer"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_everything_has_crossed_the_room_is_the_same_for_all_and_nobody_has_too_much() {
    let seeds: Vec<u64> = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) if std::env::var_os("CONCLAVE_SOAK").is_some() => (1..=1_000).collect(),
        Err(_) => (1..=25).collect(),
    };
    let mut acts = Acts::default();
    for seed in &seeds {
        play(Stage::start().await, *seed, &mut acts).await;
    }
    println!(
        "races: {} seeds, {} acts done, {} refused, {} cut off",
        seeds.len(),
        acts.done,
        acts.refused,
        acts.cut_off
    );
    assert!(
        seeds.len() == 1 || acts.done > acts.refused / 10,
        "{acts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_same_where_everybody_is_on_another_shard() {
    let mut acts = Acts::default();
    for seed in 101..=106 {
        let stage = play(Stage::spread(4).await, seed, &mut acts).await;
        assert_eq!(stage.shard.as_ref().unwrap().used(), 4);
    }
    assert!(acts.done > acts.refused / 10, "{acts:?}");
}

/// What came of what was tried.
#[derive(Debug, Default)]
struct Acts {
    done: usize,
    refused: usize,
    cut_off: usize,
}

/// Names the seed when a test fails in the middle of it.
struct Playing(u64);

impl Drop for Playing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("play it again by SEED={}", self.0);
        }
    }
}

/// Plays a seed on a new stage, and returns that.
async fn play(stage: Stage, seed: u64, acts: &mut Acts) -> Stage {
    let _playing = Playing(seed);
    let mut random = StdRng::seed_from_u64(seed);
    let mut cast = Cast::gather(&stage).await;
    for round in 0..ROUNDS {
        let mut plans = plan(&mut cast, &stage, &mut random).await;
        plans.shuffle(&mut random);
        // Nobody waits for anybody: all of it is under way at once.
        let mut asked = Vec::new();
        for (who, mut errands) in plans {
            for errand in &mut errands {
                errand.id = cast.send(who, errand).await;
            }
            asked.push((who, errands));
        }
        for (who, errands) in asked {
            let is_resume = errands.iter().any(|errand| errand.verb == "hello");
            for errand in errands {
                match cast.receive(who, errand).await {
                    Some(reply) if reply.get("ok").is_some() => acts.done += 1,
                    Some(_) => acts.refused += 1,
                    None => acts.cut_off += 1,
                }
            }
            if is_resume {
                cast.give_up(who);
            }
        }
        cast.quiet().await;
        check::check(&cast, stage.shard.as_ref().unwrap())
            .unwrap_or_else(|what| panic!("seed {seed}, round {round}: {what}"));
    }
    stage
}

/// One message that is under way.
struct Errand {
    verb: &'static str,
    data: Value,
    /// A link of its own; `None` for that of its sender.
    link: Option<Link>,
    id: u32,
}

impl Errand {
    fn new(verb: &'static str, data: Value) -> Self {
        Errand {
            verb,
            data,
            link: None,
            id: 0,
        }
    }
}

/// Lets everybody think of something.
async fn plan(cast: &mut Cast, stage: &Stage, random: &mut StdRng) -> Vec<(usize, Vec<Errand>)> {
    let targets = cast.ids();
    let revs = cast.revs();
    let knocks = cast.knocks();
    let mut plans = Vec::new();
    for who in 0..cast.places.len() {
        if random.random_bool(0.3) {
            continue;
        }
        let is_observer = who == 0;
        let errands = match &mut cast.places[who] {
            Place::In(person) => {
                let at = random.random_range(0..targets.len());
                let (target, rev) = (&targets[at], revs[at]);
                match random.random_range(0..20) {
                    0 if !is_observer => vec![Errand::new("leave", json!({}))],
                    1 | 2 if !is_observer => {
                        // Answers to nobody: the link breaks.
                        cast.drop_link(who);
                        continue;
                    }
                    3 if is_observer && !knocks.is_empty() => admit(&knocks),
                    4 if is_observer && !knocks.is_empty() => admit(&knocks),
                    _ => act(person, target, rev, &knocks, random),
                }
            }
            Place::Dropped(place) => {
                // Sometimes two tabs have the same token.
                let tabs = random.random_range(1..=2);
                let mut errands = Vec::new();
                for _ in 0..tabs {
                    errands.push(place.resume(stage).await);
                }
                errands
            }
            Place::Out(entry) => {
                let mut link = stage.open(entry.from).await;
                link.ok("hello", crate::stage::hello()).await;
                let mut errand = Errand::new("join", entry.data());
                errand.link = Some(link);
                vec![errand]
            }
            Place::Waiting { .. } => continue,
        };
        plans.push((who, errands));
    }
    plans
}

fn admit(knocks: &[String]) -> Vec<Errand> {
    vec![Errand::new("lobby.admit", json!({"knocks": knocks}))]
}

/// Chooses something to do to somebody, allowed or not.
fn act(
    person: &Person,
    target: &str,
    rev: u64,
    knocks: &[String],
    random: &mut StdRng,
) -> Vec<Errand> {
    let source = SOURCES[random.random_range(0..SOURCES.len())];
    let role = GIVEN[random.random_range(0..GIVEN.len())];
    let on = random.random_bool(0.5);
    let mid = crate::person::mid_of(source);
    let one = match random.random_range(0..22) {
        0 | 1 => Errand::new(
            "role.set",
            json!({"participant": target, "role": role, "rev": rev}),
        ),
        2 | 3 => Errand::new(
            "media.publish",
            json!({"mid": mid, "source": source, "muted": on}),
        ),
        4 | 5 => Errand::new("track.state", json!({"source": source, "muted": on})),
        6 => Errand::new("media.unpublish", json!({"source": source})),
        7 => {
            let target = json!({"kind": "participant", "participant": target});
            Errand::new("media.mute", json!({"target": target, "sources": SOURCES}))
        }
        8 => {
            let target = json!({"kind": "all_except", "participants": [person.id]});
            Errand::new("media.mute", json!({"target": target, "sources": [source]}))
        }
        9 => Errand::new("media.lock", json!({"sources": [source], "on": on})),
        10 => Errand::new(
            "media.grant",
            json!({"participant": target, "source": source, "on": on}),
        ),
        11 if random.random_bool(0.5) => {
            Errand::new("participant.remove", json!({"participant": target}))
        }
        11 => Errand::new("participant.to_lobby", json!({"participant": target})),
        12 if !knocks.is_empty() => return admit(knocks),
        12 => Errand::new(
            "participant.rename",
            json!({"participant": target, "name": format!("Name {}", random.random::<u16>())}),
        ),
        13 => Errand::new(
            "perm.override",
            json!({"participant": target, "key": "publish.audio", "effect": if on { "allow" } else { "clear" }, "rev": rev}),
        ),
        _ => return life(person, target, random),
    };
    // A hasty client says the opposite at once.
    if one.verb == "track.state" && random.random_bool(0.5) {
        let again = Errand::new("track.state", json!({"source": source, "muted": !on}));
        return vec![one, again];
    }
    vec![one]
}

/// The same with the verbs of a meeting that goes on.
fn life(person: &Person, target: &str, random: &mut StdRng) -> Vec<Errand> {
    let on = random.random_bool(0.5);
    let written: Vec<&Value> = person.mirror.chat.values().collect();
    let id = match written.len() {
        0 => json!("msg_01m81b7bv0fr78w3ge1r70w3ge"),
        count => written[random.random_range(0..count)]["id"].clone(),
    };
    let one = match random.random_range(0..9) {
        0 | 1 => {
            let to = match random.random_range(0..3) {
                0 => json!({"kind": "hosts"}),
                1 => json!({"kind": "participant", "participant": target}),
                _ => json!({"kind": "all"}),
            };
            let client_id = format!("c-{}", random.random::<u64>());
            let send = json!({"client_id": client_id, "to": to, "text": "Hello"});
            // As after a lost link.
            let again = Errand::new("chat.send", send.clone());
            return vec![Errand::new("chat.send", send), again];
        }
        2 => Errand::new("chat.delete", json!({"id": id})),
        3 => Errand::new("chat.react", json!({"id": id, "emoji": "👍", "on": on})),
        4 => Errand::new("chat.pin", json!({"id": id, "on": on})),
        5 if on => Errand::new("hand.lower", json!({"participant": target})),
        5 | 6 => Errand::new("hand.raise", json!({})),
        7 if on => Errand::new("spotlight.set", json!({"participants": [target]})),
        7 => {
            let on = random.random_bool(0.3);
            Errand::new("panic.suspend", json!({"on": on}))
        }
        _ => Errand::new("hand.next", json!({})),
    };
    vec![one]
}
