//! `Idempotency-Key`: whoever asks again, at once or after a crash, gets one room.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::caller::{Answer, Caller};
use crate::server::{Server, folder};

/// Callers at once, each with a key of its own: each has a quota.
const CALLERS: usize = 8;

#[test]
fn a_room_that_is_asked_for_twice_is_made_once() {
    let server = Server::start("idempotent");
    let admin = Caller::new(&server, "admin", &[]);
    let body = json!({"title": "Twice"});
    let post = |body: &Value, name: &str| {
        admin
            .send("POST", "/rooms", Some(body), Some(name))
            .unwrap()
    };

    let first = post(&body, "one");
    assert_eq!(first.status, 201, "{first:?}");
    let again = post(&body, "one");
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert!(first.body["host_link"].as_str().unwrap().contains("#i="));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));

    let other = post(&json!({"title": "Another"}), "one");
    assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
    // What is refused is not done, so it may come again and be done.
    let refused = post(&json!({"title": "Taken", "slug": "no such slug"}), "two");
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(post(&json!({"title": "Taken"}), "two").status, 201);
    // Names of others are others'.
    let stranger = Caller::new(&server, "admin", &[]);
    let strangers = stranger.send("POST", "/rooms", Some(&body), Some("one"));
    let strangers = strangers.unwrap();
    assert_eq!(strangers.status, 201);
    assert_ne!(strangers.body["id"], first.body["id"]);
    assert_eq!(rooms_by_title(&admin)["Twice"].len(), 2);
}

#[test]
fn of_two_requests_at_once_one_makes_the_room() {
    let server = Server::start("idempotent-at-once");
    let callers: Vec<Caller> = (0..2).map(|_| Caller::new(&server, "admin", &[])).collect();
    let (mut waited, mut sent_away) = (0, 0);
    for round in 0..40 {
        let caller = &callers[round % callers.len()];
        let (title, name) = (format!("At once {round}"), format!("round-{round}"));
        let body = json!({"title": title, "password": "correct horse"});
        let barrier = Barrier::new(2);
        let post = || {
            barrier.wait();
            let answer = caller.send("POST", "/rooms", Some(&body), Some(&name));
            answer.unwrap()
        };
        let (one, other) = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(post), scope.spawn(post));
            (one.join().unwrap(), other.join().unwrap())
        });
        let (made, second) = match one.header("idempotent-replayed").is_some() || one.status == 409
        {
            true => (other, one),
            false => (one, other),
        };
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.header("idempotent-replayed"), None);
        match second.status {
            201 => {
                assert_eq!(second.header("idempotent-replayed"), Some("true"));
                assert_eq!(second.body, made.body);
                waited += 1;
            }
            409 => {
                assert_eq!(second.code(), "idempotency_in_progress", "{second:?}");
                assert_eq!(second.header("retry-after"), Some("1"), "{second:?}");
                sent_away += 1;
            }
            _ => panic!("{second:?}"),
        }
        let later = caller.send("POST", "/rooms", Some(&body), Some(&name));
        assert_eq!(later.unwrap().body, made.body);
    }
    let rooms = rooms_by_title(&callers[0]);
    let made = rooms
        .iter()
        .filter(|(title, _)| title.starts_with("At once"));
    let made: Vec<_> = made.map(|(_, slugs)| slugs.len()).collect();
    assert_eq!(made, vec![1; 40]);
    println!("40 rooms asked for twice at once: {waited} told the same, {sent_away} sent away");
}

#[test]
fn a_crash_makes_no_room_twice() {
    let folder = folder("idempotent-crash");
    let mut server = Server::start_in(folder.clone());
    let callers: Vec<Caller> = (0..CALLERS)
        .map(|_| Caller::new(&server, "admin", &[]))
        .collect();
    let mut tally = Tally::default();
    for (round, kill_after) in [3, 17, 40, 64, 90].into_iter().enumerate() {
        let sent = send_until_killed(&mut server, &callers, (round, kill_after));
        std::mem::forget(std::mem::replace(
            &mut server,
            Server::start_in(folder.clone()),
        ));
        let mut asked = Vec::new();
        for (caller, titles) in callers.iter().zip(sent) {
            let caller = caller.at(&server);
            for (title, before) in titles {
                let body = json!({"title": title});
                let answer = caller.send("POST", "/rooms", Some(&body), Some(&title));
                let answer = answer.unwrap();
                tally.count(&title, before.as_ref(), &answer);
                asked.push((title, answer));
            }
        }
        let rooms = rooms_by_title(&callers[0].at(&server));
        for (title, answer) in asked {
            let made = rooms.get(&title).map_or(&[][..], Vec::as_slice);
            match answer.status {
                201 => assert_eq!(made, [answer.body["slug"].as_str().unwrap()], "{title}"),
                _ => {
                    assert!(made.len() <= 1, "{title}: {made:?}");
                    tally.in_doubt_made += made.len();
                }
            }
        }
    }
    assert!(tally.answered > 100 && tally.broken_off > 0, "{tally:?}");
    println!("five kills: {tally:?}");
}

/// What became of requests that were sent again after a crash.
#[derive(Debug, Default)]
struct Tally {
    /// Answered before the crash, and told the same after it.
    answered: usize,
    /// Not answered before the crash.
    broken_off: usize,
    /// Of those: had been done, and are told what.
    told: usize,
    /// Of those: never came, and are done.
    done: usize,
    /// Of those: nobody knows.
    in_doubt: usize,
    /// Of those in doubt: had been done.
    in_doubt_made: usize,
}

impl Tally {
    fn count(&mut self, title: &str, before: Option<&Answer>, after: &Answer) {
        let is_replayed = after.header("idempotent-replayed").is_some();
        if let Some(before) = before {
            assert!(is_replayed, "{title}: {after:?}");
            assert_eq!((before.status, &before.body), (after.status, &after.body));
            self.answered += 1;
            return;
        }
        self.broken_off += 1;
        match (after.status, is_replayed) {
            (201, true) => self.told += 1,
            (201, false) => self.done += 1,
            (409, _) => {
                assert_eq!(after.code(), "idempotency_in_doubt", "{title}: {after:?}");
                self.in_doubt += 1;
            }
            _ => panic!("{title}: {after:?}"),
        }
    }
}

/// Has all callers make rooms until the server is killed, after so many answers.
/// Returns what each asked for, and what it was answered.
fn send_until_killed(
    server: &mut Server,
    callers: &[Caller],
    (round, kill_after): (usize, usize),
) -> Vec<Vec<(String, Option<Answer>)>> {
    let callers: Vec<Caller> = callers.iter().map(|caller| caller.at(server)).collect();
    let answers = AtomicUsize::new(0);
    let ask = |number: usize, caller: &Caller| {
        let mut asked = Vec::new();
        for count in 0.. {
            let title = format!("{round}-{number}-{count}");
            let body = json!({"title": title});
            let answer = caller
                .send("POST", "/rooms", Some(&body), Some(&title))
                .ok();
            let is_over = answer.is_none();
            if let Some(answer) = &answer {
                assert_eq!(answer.status, 201, "{answer:?}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
            asked.push((title, answer));
            if is_over {
                break;
            }
        }
        asked
    };
    std::thread::scope(|scope| {
        let ask = &ask;
        let asking = callers.iter().enumerate();
        let asking: Vec<_> = asking
            .map(|(number, caller)| scope.spawn(move || ask(number, caller)))
            .collect();
        while answers.load(Ordering::Relaxed) < kill_after {
            std::thread::yield_now();
        }
        server.process.kill().unwrap();
        server.process.wait().unwrap();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    })
}

/// Returns the names in links of all rooms, by their titles.
fn rooms_by_title(caller: &Caller) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut path = "/rooms?limit=100".to_owned();
    loop {
        let page = caller.get(&path);
        assert_eq!(page.status, 200, "{page:?}");
        for room in page.body["data"].as_array().unwrap() {
            let text = |name: &str| room[name].as_str().unwrap().to_owned();
            rooms.entry(text("title")).or_default().push(text("slug"));
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/rooms?limit=100&cursor={cursor}"),
            None => return rooms,
        }
    }
}
