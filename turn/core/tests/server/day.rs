//! A day of a relay on a virtual clock: participants come, stay for minutes or for most of the day and go in every way
//! there is, over a network that loses, doubles and reorders, while secrets rotate and somebody sets the clock back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use conclave_turn_core::auth::{Credential, Secret, SessionKey};
use conclave_turn_core::{PortWish, TableSizes};
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::{ClientAddr, ClientTransport, Family, FiveTuple, RelayedAddr};
use rand::RngExt;

use crate::actor::{Actor, Part, Proof, SERVER};
use crate::ledger::Ledger;
use crate::network::{Network, Packet};
use crate::own::{Own, Purpose};
use crate::support::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Participants, each with one to three clients.
const STAYS: usize = 170;
const LOSS: f64 = 0.05;
/// Ports that there are of each family: few, so that they are given out again.
const FREE_PORTS: u16 = 240;
const FIRST_FREE_PORT: u16 = 40_000;
/// How often signalling gives out other credentials.
const RENEW_MS: u64 = 5 * MINUTE_MS;
const CHECK_MS: u64 = 5 * MINUTE_MS;
/// What is asked last is asked again for less than this.
const LAST_WORDS_MS: u64 = 45_000;
/// Whose clients want more than they may have.
const GREEDY: usize = 3;
/// Its ticket is good for two days, and the secret of it for less.
const LASTING: SessionKey = SessionKey(1 << 40);

/// `SEED=7` runs one, `CONCLAVE_SOAK=1` many.
#[test]
fn a_day_of_coming_and_going_leaves_nothing_behind() {
    for seed in seeds(2, 200) {
        Day::new(seed).run();
    }
}

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Leaves,
    Vanishes,
    /// Its stream breaks.
    Breaks,
    /// Its session is revoked, and it does not take that in.
    IsThrownOut,
}

enum Make {
    /// Of another make.
    Other(Box<Actor>),
    Own(Box<Own>),
}

struct Guest {
    make: Make,
    session: Option<SessionKey>,
    ending: Ending,
    /// When it next says something, by itself.
    due_ms: u64,
    is_gone: bool,
}

/// The stay of a participant.
struct Stay {
    ends_ms: u64,
    ending: Ending,
    clients: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Arrive(usize),
    Speak(usize),
    Renew(usize),
    End(usize),
    Forget(usize),
    Revoke(SessionKey),
    Test,
    Ask(usize),
    RotateAtRelay(u8),
    RotateAtSignalling(u8),
    SetClockBack,
    Check,
}

struct Day {
    seed: u64,
    world: World,
    network: Network,
    ledger: Ledger,
    now_ms: u64,
    agenda: BTreeSet<(u64, Task)>,
    stays: Vec<Stay>,
    guests: Vec<Guest>,
    /// Good for two days, but for its secret.
    lasting: Credential,
    /// What there is to say about each of [`Task::Ask`].
    asked: Vec<usize>,
    most: usize,
}

impl Day {
    fn new(seed: u64) -> Day {
        let mut config = config();
        config.seed[..8].copy_from_slice(&seed.to_be_bytes());
        let mut world = World::with(config);
        // Each ticket is registered.
        world.server.offer_anonymity();
        leave_few_ports(&mut world);
        let (now, expiry) = (world.now, world.now.unix_s + 2 * 86_400);
        for session in [ADA, BOB] {
            world.revoke(session);
        }
        world.server.admit(now, LASTING);
        let mut day = Day {
            seed,
            lasting: world.mint.mint(LASTING, expiry, [1; 8]),
            world,
            network: Network::new(seed, LOSS),
            ledger: Ledger::default(),
            now_ms: 0,
            agenda: BTreeSet::new(),
            stays: Vec::new(),
            guests: Vec::new(),
            asked: Vec::new(),
            most: 0,
        };
        day.plan();
        day
    }

    fn plan(&mut self) {
        for number in 0..STAYS {
            let rng = &mut self.network.rng;
            let stays_ms = match number % 10 {
                0 => rng.random_range(8 * HOUR_MS..22 * HOUR_MS),
                1 | 2 => rng.random_range(2 * HOUR_MS..5 * HOUR_MS),
                _ => rng.random_range(10 * MINUTE_MS..90 * MINUTE_MS),
            };
            let latest_ms = DAY_MS - stays_ms - 30 * MINUTE_MS;
            let arrives_ms = rng.random_range(0..latest_ms);
            let ends_ms = arrives_ms + stays_ms;
            let ending = [
                Ending::Leaves,
                Ending::Vanishes,
                Ending::Breaks,
                Ending::IsThrownOut,
            ][rng.random_range(0..4)];
            let clients = match number {
                GREEDY => 14,
                _ => rng.random_range(1..4),
            };
            // Signalling says that a session is over: in time, or when the relay has found out by itself.
            let revoked_ms = match ending {
                Ending::IsThrownOut => ends_ms - 3 * MINUTE_MS,
                _ if number % 2 == 0 => ends_ms + MINUTE_MS,
                _ => ends_ms + 15 * MINUTE_MS,
            };
            self.stays.push(Stay {
                ends_ms,
                ending,
                clients,
            });
            self.agenda.insert((arrives_ms, Task::Arrive(number)));
            self.agenda
                .insert((revoked_ms, Task::Revoke(session_of(number))));
        }
        for time_ms in (0..DAY_MS).step_by(37 * MINUTE_MS as usize) {
            self.agenda.insert((time_ms, Task::Test));
        }
        for time_ms in (0..DAY_MS).step_by(CHECK_MS as usize) {
            // Where allocations expire there is a tick in which they still are there.
            self.agenda.insert((time_ms + 1, Task::Check));
        }
        for (round, hour) in [(1, 6), (2, 18)] {
            let time_ms = hour * HOUR_MS;
            self.agenda.insert((time_ms, Task::RotateAtRelay(round)));
            self.agenda
                .insert((time_ms + 3_000, Task::RotateAtSignalling(round)));
        }
        self.agenda.insert((11 * HOUR_MS, Task::SetClockBack));
        self.agenda.insert((12 * HOUR_MS, Task::Ask(0)));
        self.agenda.insert((19 * HOUR_MS, Task::Ask(1)));
        self.agenda
            .insert((DAY_MS - 30 * MINUTE_MS, Task::Revoke(LASTING)));
    }

    fn run(mut self) {
        loop {
            let planned = self.agenda.first().map(|(at, _)| *at);
            let Some(next_ms) = planned.into_iter().chain(self.network.due_ms()).min() else {
                break;
            };
            self.pass_until(next_ms);
            while let Some(packet) = self.network.arrived(self.now_ms) {
                match packet {
                    Packet::ToServer(who, bytes) => self.arrive_at_server(who, &bytes),
                    Packet::ToClient(who, bytes) => self.arrive_at_client(who, bytes),
                }
            }
            while let Some((_, task)) = self
                .agenda
                .first()
                .copied()
                .filter(|(at, _)| *at <= self.now_ms)
            {
                self.agenda.pop_first();
                self.perform(task);
            }
        }
        self.pass_until(DAY_MS);
        self.judge();
    }

    fn pass_until(&mut self, time_ms: u64) {
        let time = Duration::from_millis(time_ms - self.now_ms);
        self.world.pass_until_due(time);
        self.now_ms = time_ms;
        self.ledger.expire(self.world.now.instant);
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Arrive(number) => self.arrive(number),
            Task::Speak(who) => self.speak(who),
            Task::Renew(who) => self.renew(who),
            Task::End(who) => self.end(who),
            Task::Forget(who) => self.guests[who].is_gone = true,
            Task::Revoke(session) => self.revoke(session),
            Task::Test => self.test_connection(),
            Task::Ask(number) => self.ask_with_lasting_ticket(number),
            Task::RotateAtRelay(round) => self.world.server.rotate(secret(round)),
            Task::RotateAtSignalling(round) => self.world.mint.rotate(secret(round)),
            Task::SetClockBack => self.world.clock_step_s = -240,
            Task::Check => self.check(),
        }
    }

    fn arrive(&mut self, number: usize) {
        let session = session_of(number);
        let now = self.world.now;
        self.world.server.admit(now, session);
        let Stay {
            ends_ms,
            ending,
            clients,
        } = self.stays[number];
        for client in 0..clients {
            let who = self.guests.len();
            let credential = self.ticket(session);
            let address =
                SocketAddr::new([10, 2, 0, (number % 40) as u8].into(), 20_000 + who as u16);
            let (word, send_every_ms) = (who as u8, 20_000 + (who as u64 % 7) * 5_000);
            let is_own = number == GREEDY || (number + client).is_multiple_of(2);
            let make = if is_own {
                let purpose = match who % 5 {
                    0 if number != GREEDY => Purpose::Reserve,
                    _ => Purpose::Media,
                };
                let tuple = udp_of(address);
                Make::Own(Box::new(Own::new(
                    tuple,
                    &credential,
                    purpose,
                    word,
                    send_every_ms,
                )))
            } else {
                let proofs = [Proof::Sha1, Proof::Sha256, Proof::Anonymous];
                Make::Other(Box::new(Actor::new(&Part {
                    address,
                    is_stream: ending == Ending::Breaks || who.is_multiple_of(2),
                    is_dual: who.is_multiple_of(3),
                    credential: &credential,
                    proof: proofs[who % 3],
                    word,
                    send_every_ms,
                })))
            };
            self.enter(make, Some(session), ending);
            self.agenda.insert((ends_ms, Task::End(who)));
            self.agenda
                .insert((ends_ms + LAST_WORDS_MS, Task::Forget(who)));
            if is_own {
                self.agenda
                    .insert((self.now_ms + RENEW_MS, Task::Renew(who)));
            }
        }
    }

    fn test_connection(&mut self) {
        let random = (self.now_ms + 1).to_be_bytes();
        let expiry = self.world.now.unix_s + 60;
        let credential = self.world.mint.mint_test(expiry, random);
        let who = self.guests.len();
        let tuple = udp_of(SocketAddr::new([10, 3, 0, 1].into(), 20_000 + who as u16));
        let own = Own::new(tuple, &credential, Purpose::Test, 0, MINUTE_MS);
        self.enter(Make::Own(Box::new(own)), None, Ending::Vanishes);
        self.agenda
            .insert((self.now_ms + LAST_WORDS_MS, Task::Forget(who)));
    }

    fn ask_with_lasting_ticket(&mut self, number: usize) {
        let who = self.guests.len();
        let tuple = udp_of(SocketAddr::new(
            [10, 4, 0, 1].into(),
            20_000 + number as u16,
        ));
        let own = Own::new(tuple, &self.lasting, Purpose::Media, 0, MINUTE_MS);
        self.asked.push(who);
        self.enter(Make::Own(Box::new(own)), Some(LASTING), Ending::Vanishes);
        self.agenda
            .insert((self.now_ms + LAST_WORDS_MS, Task::Forget(who)));
    }

    fn enter(&mut self, make: Make, session: Option<SessionKey>, ending: Ending) {
        self.guests.push(Guest {
            make,
            session,
            ending,
            due_ms: u64::MAX,
            is_gone: false,
        });
        self.speak(self.guests.len() - 1);
    }

    /// Lets a client say what is due, and notes when it next has something to say.
    fn speak(&mut self, who: usize) {
        let (now_ms, guest) = (self.now_ms, &mut self.guests[who]);
        self.agenda.remove(&(guest.due_ms, Task::Speak(who)));
        if guest.is_gone {
            return;
        }
        let (bytes, due_ms) = match &mut guest.make {
            Make::Other(actor) => (actor.speak(now_ms), actor.due_ms(now_ms)),
            Make::Own(own) => (own.speak(now_ms), own.due_ms()),
        };
        guest.due_ms = due_ms.max(now_ms + 1);
        if due_ms != u64::MAX {
            self.agenda.insert((guest.due_ms, Task::Speak(who)));
        }
        let is_stream = guest.tuple().transport.is_stream();
        for bytes in bytes {
            let packet = Packet::ToServer(who, bytes);
            self.network.send(now_ms, is_stream, packet);
        }
    }

    fn renew(&mut self, who: usize) {
        let Guest {
            session, is_gone, ..
        } = self.guests[who];
        let Some(session) = session.filter(|_| !is_gone) else {
            return;
        };
        let credential = self.ticket(session);
        if let Make::Own(own) = &mut self.guests[who].make {
            own.renew(&credential);
        }
        self.agenda
            .insert((self.now_ms + RENEW_MS, Task::Renew(who)));
    }

    fn end(&mut self, who: usize) {
        let guest = &mut self.guests[who];
        match (guest.ending, &mut guest.make) {
            (Ending::Leaves, Make::Own(own)) => own.leave(),
            (Ending::Leaves, Make::Other(actor)) => actor.delete(self.now_ms),
            (Ending::Breaks, Make::Other(_)) => {
                let tuple = guest.tuple();
                guest.is_gone = true;
                self.close(&tuple);
            }
            _ => guest.is_gone = true,
        }
        self.speak(who);
    }

    fn close(&mut self, tuple: &FiveTuple) {
        self.world
            .with_io(|server, now, io| server.handle_client_closed(now, tuple, io));
        self.ledger.close(self.world.now.instant, tuple);
    }

    fn revoke(&mut self, session: SessionKey) {
        self.world.revoke(session);
        self.ledger.revoke(self.world.now.instant, session);
        for tuple in std::mem::take(&mut self.world.clients.closed) {
            let guest = self.guests.iter_mut().find(|guest| guest.tuple() == tuple);
            guest.unwrap().is_gone = true;
            self.close(&tuple);
        }
    }

    fn arrive_at_server(&mut self, who: usize, bytes: &[u8]) {
        let guest = &mut self.guests[who];
        let tuple = guest.tuple();
        let frames = match &mut guest.make {
            Make::Other(_) if guest.is_gone && tuple.transport.is_stream() => return,
            Make::Other(actor) => actor.frames(bytes),
            Make::Own(_) => vec![bytes.to_vec()],
        };
        let session = guest.session;
        for frame in frames {
            let now = self.world.now.instant;
            let expected = self.ledger.relays(now, &tuple, &frame);
            let mut sent = self.world.input(&tuple, &frame);
            self.ledger.note(now, session, &tuple, &frame, &sent);
            let relayed = self.world.relayed();
            let went: Vec<_> = relayed.iter().map(|sent| (sent.from, sent.to)).collect();
            assert_eq!(went, Vec::from_iter(expected), "{}", self.context(who));
            for datagram in relayed {
                self.ledger.note_use(datagram.from);
                // The shard sends back what it gets.
                let echo = self.peer_says(datagram.from, SHARD_0, &datagram.payload);
                sent.extend(echo);
            }
            for message in sent {
                assert_eq!(message.to, tuple, "{}", self.context(who));
                let packet = Packet::ToClient(who, message.bytes);
                let is_stream = tuple.transport.is_stream();
                self.network.send(self.now_ms, is_stream, packet);
            }
        }
    }

    fn arrive_at_client(&mut self, who: usize, bytes: Vec<u8>) {
        let (now_ms, guest) = (self.now_ms, &mut self.guests[who]);
        if guest.is_gone {
            return;
        }
        match &mut guest.make {
            Make::Other(actor) => actor.receive(bytes, now_ms),
            Make::Own(own) => own.receive(&bytes, now_ms),
        }
        self.speak(who);
    }

    /// Lets a peer send, and compares who hears it with who must.
    fn peer_says(&mut self, relayed: SocketAddr, from: &str, payload: &[u8]) -> Vec<Sent> {
        let expected = self.ledger.hears(self.world.now.instant, relayed, at(from));
        let sent = self.world.peer_sends(relayed, from, payload);
        let heard: Vec<_> = sent.iter().map(|sent| sent.to).collect();
        let context = format!("seed {}, from {from} to {relayed}", self.seed);
        assert_eq!(heard, Vec::from_iter(expected), "{context}");
        sent
    }

    /// All tables agree, and whoever sends to any address that there ever was reaches whom it may.
    fn check(&mut self) {
        let context = format!("seed {}, minute {}", self.seed, self.now_ms / MINUTE_MS);
        assert_eq!(self.world.server.audit(), Ok(()), "{context}");
        let sizes = self.world.server.table_sizes();
        assert_eq!(sizes.allocations, self.ledger.len(), "{context}");
        self.most = self.most.max(sizes.allocations);
        for relayed in self.ledger.addresses() {
            let shards = match Family::of(relayed) {
                Family::V4 => [SHARD_0, SHARD_2].as_slice(),
                Family::V6 => &[SHARD_0_V6],
            };
            for from in shards {
                self.peer_says(relayed, from, b"");
            }
        }
    }

    fn ticket(&mut self, session: SessionKey) -> Credential {
        let random = self.network.rng.random();
        let expiry = self.world.now.unix_s + 600;
        let credential = self.world.mint.mint(session, expiry, random);
        // Somebody who was thrown out may be given another one: nothing comes of it.
        self.world.server.register(&credential.username);
        credential
    }

    fn judge(&mut self) {
        for (who, guest) in self.guests.iter().enumerate() {
            guest.judge(&self.context(who));
        }
        let seed = self.seed;
        let answers: Vec<_> = self
            .asked
            .iter()
            .filter_map(|who| match &self.guests[*who].make {
                Make::Own(own) => Some((own.is_bound, own.refused)),
                Make::Other(_) => None,
            })
            .collect();
        // The secret before the present one is good, the one before that is not.
        assert_eq!(answers, [(true, None), (false, Some(401))], "seed {seed}");
        let server = &self.world.server;
        assert_eq!(server.table_sizes(), TableSizes::default(), "seed {seed}");
        assert_eq!(server.poll_timeout(), None, "seed {seed}");
        let ports = 2 * (usize::from(u16::MAX) + 1 - 1024);
        let free = ports - self.world.open_count();
        assert_eq!(free, 2 * usize::from(FREE_PORTS), "seed {seed}");

        let counters = server.counters();
        let made = counters.made_udp + counters.made_tcp;
        let ended = [
            counters.ended_by_client,
            counters.ended_expired,
            counters.ended_revoked,
            counters.ended_with_stream,
        ];
        let context = format!(
            "seed {seed}: {made} made for {} s, at most {} at a time, {} wake-ups, {} addresses again, {counters:?}",
            self.ledger.held_s, self.most, self.world.wakeups, self.ledger.reused,
        );
        assert_eq!(ended.iter().sum::<u64>(), made, "{context}");
        assert!(ended.iter().all(|count| *count > 5), "{context}");
        assert!(made > 300 && self.most > 25, "{context}");
        assert!(self.ledger.reused > 20, "{context}");
        let refused = counters.errors(ErrorCode::AllocationQuotaReached);
        assert!(refused >= 2, "{context}");
        // An allocation's timer fires where its lifetime would have ended, and is sorted twice before, together with others.
        let timers = made + self.ledger.held_s / 400;
        assert!(self.world.wakeups < 2 * timers, "{context}");
    }

    fn context(&self, who: usize) -> String {
        let ending = self.guests[who].ending;
        let minute = self.now_ms / MINUTE_MS;
        format!(
            "seed {}, client {who} that {ending:?}, minute {minute}",
            self.seed
        )
    }
}

impl Guest {
    fn tuple(&self) -> FiveTuple {
        match &self.make {
            Make::Other(actor) => actor.tuple,
            Make::Own(own) => own.tuple(),
        }
    }

    /// Everybody was served as long as there was a right to it.
    fn judge(&self, context: &str) {
        let (is_served, has_left, refused, sent, echoed) = match &self.make {
            Make::Other(actor) => {
                let refused = actor.has_failed.then_some(0);
                let has_left = actor.is_deleted;
                (actor.is_bound, has_left, refused, actor.sent, actor.echoed)
            }
            Make::Own(own) => {
                let is_served = own.is_bound || own.is_test();
                (is_served, own.has_left, own.refused, own.sent, own.echoed)
            }
        };
        if self.session == Some(LASTING) {
            return;
        }
        let is_greedy = self.session == Some(session_of(GREEDY)) && refused == Some(486);
        assert!(is_served || is_greedy, "{context}: {refused:?}");
        if self.ending == Ending::IsThrownOut {
            return;
        }
        assert!(refused.is_none() || is_greedy, "{context}: {refused:?}");
        assert!(
            has_left == (self.ending == Ending::Leaves) || is_greedy,
            "{context}"
        );
        assert!(
            (echoed + 3) * 10 >= sent * 8,
            "{context}: {echoed} of {sent}"
        );
    }
}

/// The participants' sessions, away from those of the other tests.
fn session_of(number: usize) -> SessionKey {
    SessionKey(1_000 + number as u64)
}

fn secret(round: u8) -> Secret {
    Secret::random([round; 32])
}

fn udp_of(address: SocketAddr) -> FiveTuple {
    FiveTuple {
        transport: ClientTransport::Udp,
        client: ClientAddr(address),
        server: at(SERVER),
    }
}

/// Takes all ports but a few in a row, in both families.
fn leave_few_ports(world: &mut World) {
    world.with_io(|_, _, io| {
        for (family, ip) in [
            (Family::V4, RELAYED_V4.into()),
            (Family::V6, RELAYED_V6.into()),
        ] {
            while io.backend.open(u32::MAX, family, PortWish::Any).is_ok() {}
            for port in FIRST_FREE_PORT..FIRST_FREE_PORT + FREE_PORTS {
                io.backend.close(RelayedAddr(SocketAddr::new(ip, port)));
            }
        }
    });
}
