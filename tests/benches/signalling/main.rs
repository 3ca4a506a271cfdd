//! What the control plane costs: memory of an idle link, joins a second on open
//! links, a meeting beside a storm of wrong passwords, and chat.
//!
//! `cargo bench -p conclave-tests --bench signalling`. Server and clients share
//! the process and the machine, and there is no TLS: the joins are a lower
//! bound, the memory has the clients' ends in it.

#![allow(clippy::unwrap_used, reason = "a measurement has nobody to report to")]

mod chat;
mod client;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use conclave_sfu_wire::control::Command;
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{ClientAddr, Config, Media, MediaBusy, NewRoom, Node};
use conclave_signalling_store::{MasterKey, Store};
use conclave_signalling_wire::objects::{LobbyMode, Preset};
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::secret::{DeviceKey, SecretText};
use conclave_signalling_wire::text::Slug;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use client::{Client, SOURCE};

const LINKS: usize = 5000;
const ROOM_OF: usize = 10;
const JOINERS: usize = 4;
const GUESSERS: u32 = 200;
const PINGS: usize = 300;

fn main() {
    let runtime = Runtime::new().unwrap();
    let (node, address) = runtime.block_on(serve());
    make_rooms(&runtime, &node);
    let links = idle(&node, address);
    joins(links);
    storm(&node, address);
    chat::run(address);
    std::fs::remove_dir_all(data_folder()).unwrap();
}

/// A media plane that takes everything and says nothing.
struct Silent;

impl Media for Silent {
    fn shards(&self) -> usize {
        1
    }

    fn send(&self, _: usize, _: Command) -> Result<(), MediaBusy> {
        Ok(())
    }
}

async fn serve() -> (Node, SocketAddr) {
    let config = Config {
        origin_allowed: Arc::new(|_| true),
        links_per_source: u32::MAX,
        ..Config::default()
    };
    // Commits wait for the disk, as they do where people meet.
    let store = Store::open(&data_folder(), MasterKey::new([1; 32]))
        .await
        .unwrap();
    // Open as long as the node is: its end would end all media.
    let (events, reports) = mpsc::channel(1);
    std::mem::forget(events);
    let node = Node::start(config, store, Arc::new(Silent), reports)
        .await
        .unwrap();
    let router = node.router().layer(from_fn(place));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (node, address)
}

fn data_folder() -> PathBuf {
    std::env::temp_dir().join(format!("conclave-bench-{}", std::process::id()))
}

/// Gives each request the address that it names.
async fn place(mut request: Request, next: Next) -> axum::response::Response {
    let source = request.headers().get(SOURCE).unwrap().to_str().unwrap();
    let source: u32 = source.parse().unwrap();
    let address = SocketAddr::from((source.to_be_bytes(), 1));
    request.extensions_mut().insert(ClientAddr(address));
    next.run(request).await
}

fn make_rooms(runtime: &Runtime, node: &Node) {
    let rooms = LINKS / ROOM_OF;
    runtime.block_on(async {
        for room in 0..rooms {
            make_room(node, &format!("room-{room}"), RoomUpdate::default()).await;
        }
        let password = Patch::Set(SecretText::new("the right one"));
        let besieged = RoomUpdate {
            password,
            ..RoomUpdate::default()
        };
        make_room(node, "besieged", besieged).await;
        chat::make_rooms(node).await;
    });
}

async fn make_room(node: &Node, slug: &str, update: RoomUpdate) {
    let update = RoomUpdate {
        lobby: Some(LobbyMode::Off),
        start_without_host: Some(true),
        ..update
    };
    let room = NewRoom {
        slug: Some(Slug::new(slug).unwrap()),
        preset: Preset::Meeting,
        update,
    };
    node.rooms().create(room, Actor::Operator).await.unwrap();
}

fn idle(node: &Node, address: SocketAddr) -> Vec<Client> {
    // The first one pays for what all share.
    let first = Client::open(address, 0).unwrap();
    let before = resident_bytes();
    let source = |link: usize| u32::try_from(link + 1).unwrap();
    let links: Vec<Client> = (0..LINKS)
        .map(|link| Client::open(address, source(link)).unwrap())
        .collect();
    let grown = resident_bytes() - before;
    assert_eq!(node.stats().links, LINKS + 1);
    println!(
        "idle links          {LINKS}: {:.1} kB each, both ends",
        grown as f64 / LINKS as f64 / 1000.0
    );
    drop(first);
    links
}

fn join(client: &mut Client, room: &str, device: u32, password: Option<&str>) -> String {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&device.to_be_bytes());
    let key = DeviceKey::new(key).reveal();
    let credential = match password {
        None => r#"{"kind":"none"}"#.to_owned(),
        Some(password) => format!(r#"{{"kind":"password","password":"{password}"}}"#),
    };
    let data = format!(
        r#"{{"room":"{room}","credential":{credential},"name":"Ada","device_key":"{key}","consent_hash":null}}"#
    );
    client.ask("join", &data).unwrap()
}

fn joins(mut links: Vec<Client>) {
    let began = Instant::now();
    thread::scope(|scope| {
        for (part, links) in links.chunks_mut(LINKS / JOINERS).enumerate() {
            scope.spawn(move || {
                for (place, client) in links.iter_mut().enumerate() {
                    let number = part * (LINKS / JOINERS) + place;
                    let room = format!("room-{}", number % (LINKS / ROOM_OF));
                    let reply = join(client, &room, u32::try_from(number).unwrap(), None);
                    assert!(reply.contains(r#""outcome":"joined""#), "{reply}");
                }
            });
        }
    });
    let took = began.elapsed();
    println!(
        "joins               {:.0} a second on open links, meetings of {ROOM_OF}",
        LINKS as f64 / took.as_secs_f64()
    );
}

fn storm(node: &Node, address: SocketAddr) {
    let mut member = Client::open(address, 1 << 24).unwrap();
    let reply = join(&mut member, "besieged", 1 << 24, Some("the right one"));
    assert!(reply.contains(r#""outcome":"joined""#), "{reply}");
    let before = round_trips(&mut member);
    let hashes_before = node.stats().hashes_total;
    let is_over = AtomicBool::new(false);
    let mut during = Vec::new();
    let mut answers = [0u32; 3];
    let began = Instant::now();
    thread::scope(|scope| {
        let guessers: Vec<_> = (0..GUESSERS)
            .map(|guesser| scope.spawn(move || guess(address, (2 << 24) + guesser)))
            .collect();
        let pinger = scope.spawn(|| {
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                times.extend(round_trips(&mut member));
            }
            times
        });
        for guesser in guessers {
            for (sum, count) in answers.iter_mut().zip(guesser.join().unwrap()) {
                *sum += count;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        during = pinger.join().unwrap();
    });
    let took = began.elapsed();
    let stats = node.stats();
    println!(
        "login storm         {GUESSERS} sources, 3 wrong passwords each, {:.1} s: {} hashes, at most {} at once; \
         answered bad_credentials {}, not_available {}, rate_limited {}",
        took.as_secs_f64(),
        stats.hashes_total - hashes_before,
        stats.hashes_at_once_max,
        answers[0],
        answers[1],
        answers[2],
    );
    report("a meeting before it, round trips", before);
    report("a meeting during it, round trips", during);
}

/// Tries three wrong passwords; returns how often each answer came.
fn guess(address: SocketAddr, source: u32) -> [u32; 3] {
    let mut client = Client::open(address, source).unwrap();
    let mut answers = [0; 3];
    for attempt in 0..3 {
        let wrong = format!("wrong one {attempt}");
        let reply = join(&mut client, "besieged", source, Some(&wrong));
        let codes = ["bad_credentials", "not_available", "rate_limited"];
        let code = codes.iter().position(|code| reply.contains(code));
        answers[code.unwrap_or_else(|| panic!("{reply}"))] += 1;
    }
    answers
}

/// Asks for something small again and again, as fast as a participant may.
fn round_trips(client: &mut Client) -> Vec<Duration> {
    let mut times = Vec::with_capacity(PINGS / 10);
    for _ in 0..PINGS / 10 {
        let began = Instant::now();
        client.ask("media.wish", r#"{"rev":1,"views":[]}"#).unwrap();
        times.push(began.elapsed());
        thread::sleep(Duration::from_millis(40));
    }
    times
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "{what} p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

/// Reads the second number of `/proc/self/statm`: resident pages of 4 KiB.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
