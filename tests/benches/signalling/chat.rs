//! How long a message takes to fifty people, and how many a second are kept.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use conclave_signalling_node::Node;
use conclave_signalling_wire::chat::{ChatKeep, ChatUpdate};
use conclave_signalling_wire::room::RoomUpdate;

use crate::client::Client;
use crate::{join, make_room, report};

/// People in the room that listens.
const PEOPLE: u32 = 50;
/// Messages of each of them: fewer than anybody may write at once.
const MESSAGES: u32 = 8;
/// Between two messages: forty a second make a lively room, not a queue.
const PACE: Duration = Duration::from_millis(25);
/// Rooms of two that write at once for the figure of the disk.
const WRITING_ROOMS: u32 = 100;
/// The first address and device of this part; each other part has its own.
const FIRST: u32 = 8 << 24;

pub(crate) async fn make_rooms(node: &Node) {
    make_room(node, "chat-in-memory", kept(ChatKeep::None)).await;
    make_room(node, "chat-on-disk", kept(ChatKeep::Session)).await;
    for room in 0..WRITING_ROOMS {
        make_room(node, &writing_room(room), kept(ChatKeep::Session)).await;
    }
}

fn kept(keep: ChatKeep) -> RoomUpdate {
    RoomUpdate {
        chat: Some(ChatUpdate {
            keep: Some(keep),
            ..ChatUpdate::default()
        }),
        ..RoomUpdate::default()
    }
}

fn writing_room(room: u32) -> String {
    format!("writing-{room}")
}

pub(crate) fn run(address: SocketAddr) {
    latency(address, "chat-in-memory", "chat to 50", FIRST);
    latency(
        address,
        "chat-on-disk",
        "the same, kept FULL",
        FIRST + PEOPLE,
    );
    writes(address, FIRST + 2 * PEOPLE);
}

/// Everybody writes in turn; each arrival anywhere is one measurement.
fn latency(address: SocketAddr, room: &str, what: &str, first: u32) {
    let people: Vec<Client> = (first..first + PEOPLE)
        .map(|source| enter(address, source, room))
        .collect();
    let began = Instant::now();
    let mut times = Vec::new();
    thread::scope(|scope| {
        let mut talkers = Vec::new();
        let listeners: Vec<_> = people
            .into_iter()
            .map(|client| {
                talkers.push(client.talker().unwrap());
                scope.spawn(move || listen(client, began))
            })
            .collect();
        for round in 0..MESSAGES {
            for talker in &mut talkers {
                let sent_us = began.elapsed().as_micros();
                talker.say("chat.send", &message(round, sent_us)).unwrap();
                thread::sleep(PACE);
            }
        }
        for listener in listeners {
            times.extend(listener.join().unwrap());
        }
    });
    report(what, times);
}

fn enter(address: SocketAddr, source: u32, room: &str) -> Client {
    let mut client = Client::open(address, source).unwrap();
    let reply = join(&mut client, room, source, None);
    assert!(reply.contains(r#""outcome":"joined""#), "{reply}");
    client
}

fn message(number: u32, sent_us: u128) -> String {
    format!(r#"{{"client_id":"m{number}","to":{{"kind":"all"}},"text":"sent at {sent_us} us"}}"#)
}

/// Hears every message of everybody, its own included.
fn listen(mut client: Client, began: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while times.len() < (PEOPLE * MESSAGES) as usize {
        let text = client.read().unwrap();
        assert!(!text.contains(r#""error""#), "{text}");
        let Some((_, rest)) = text.split_once("sent at ") else {
            continue;
        };
        let (sent_us, _) = rest.split_once(' ').unwrap();
        let sent = Duration::from_micros(sent_us.parse().unwrap());
        times.push(began.elapsed() - sent);
    }
    times
}

/// Everybody writes as much as anybody may at once; each reply says that it is on disk.
fn writes(address: SocketAddr, first: u32) {
    let mut people: Vec<Client> = (0..2 * WRITING_ROOMS)
        .map(|place| enter(address, first + place, &writing_room(place / 2)))
        .collect();
    let began = Instant::now();
    thread::scope(|scope| {
        for client in &mut people {
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let reply = client.ask("chat.send", &message(number, 0)).unwrap();
                    assert!(reply.contains(r#""ok""#), "{reply}");
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let messages = 2 * WRITING_ROOMS * MESSAGES;
    println!(
        "messages kept       {:.0} a second, FULL, {WRITING_ROOMS} rooms of two, each writer waiting for its reply",
        f64::from(messages) / took
    );
}
