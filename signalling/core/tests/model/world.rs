//! The room and the model side by side, with clients, a shard and a store
//! around them. Each step is done to both, and what comes of it is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Event, MemberKey, RoomKey};
use conclave_signalling_core::clock::ClockAnchor;
use conclave_signalling_core::digest::{
    DeviceHash, InviteHash, NetworkTag, TokenHash, consent_hash,
};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::output::{LinkId, Output};
use conclave_signalling_core::record::{Actor, RoomRecord};
use conclave_signalling_core::relay::Relay;
use conclave_signalling_core::room::{
    Claim, Entrant, Managing, OperatorRequest, Returning, Room, RoomConfig,
};
use conclave_signalling_core::settings::PasswordHash;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::ids::{InviteId, ParticipantId, RequestId};
use conclave_signalling_wire::objects::IceServer;
use conclave_signalling_wire::request::{DuplicateChoice, Request};
use conclave_signalling_wire::secret::{DeviceKey, InviteSecret, ResumeToken};
use conclave_signalling_wire::text::DisplayName;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::client::{Client, Seat};
use crate::history::{Act, Join, Resume, Step, Verb};
use crate::model::{Lead, Model};
use crate::scene;
use crate::seen::{Expected, Seen};
use crate::shard::Shard;
use crate::store::Store;
use crate::telling::Told;

/// 2026-11-22T10:00:00Z.
pub(crate) const START_MS: u64 = 1_795_341_600_000;
/// Names that people type.
pub(crate) const NAMES: [&str; 6] = ["Ada", "Bob", "Carl", "Dora", "Eve", "Frida"];

/// A token, whose it is, and whether it is the newest.
pub(crate) struct Token {
    pub(crate) token: ResumeToken,
    pub(crate) of: ParticipantId,
    pub(crate) link: LinkId,
    pub(crate) is_live: bool,
}

/// A relay whose credentials say whose they are.
#[derive(Debug)]
struct NamingRelay;

impl Relay for NamingRelay {
    fn member(&self, member: MemberKey, _: &str, _: u64, _: [u8; 8]) -> Vec<IceServer> {
        vec![IceServer {
            urls: Vec::new(),
            username: member.0.to_string(),
            credential: String::new(),
            ttl_s: 600,
        }]
    }

    fn test(&self, _: &str, _: u64, _: [u8; 8]) -> Option<IceServer> {
        None
    }
}

pub(crate) struct World {
    pub(crate) room: Room,
    pub(crate) model: Model,
    pub(crate) clients: BTreeMap<LinkId, Client>,
    pub(crate) store: Store,
    pub(crate) told: Told,
    pub(crate) shard: Shard,
    pub(crate) tokens: Vec<Token>,
    /// Of which the room says that they lead somewhere.
    pub(crate) live_tokens: BTreeSet<TokenHash>,
    pub(crate) secrets: Vec<InviteHash>,
    pub(crate) people: Vec<ParticipantId>,
    pub(crate) knocks: Vec<KnockId>,
    pub(crate) requests: Vec<RequestId>,
    pub(crate) crashed_at: u64,
    /// How many came in in this step.
    pub(crate) arrivals: usize,
    /// Who speaks in this step, and under which number.
    pub(crate) speaker: Option<(LinkId, u32)>,
    config: RoomConfig,
    start: Instant,
    tickets: Vec<u64>,
    rng: StdRng,
    numbers: u64,
}

#[allow(
    clippy::disallowed_methods,
    reason = "an instant cannot be made from a number"
)]
fn epoch() -> Instant {
    Instant::now()
}

pub(crate) fn device(number: u8) -> DeviceHash {
    DeviceHash::from(&DeviceKey::new([number + 1; 16]))
}

/// Under two keys, the newest first.
fn networks(net: u8) -> Vec<NetworkTag> {
    let tag = |key| NetworkTag {
        key,
        tag: [net + 1; 16],
    };
    vec![tag(2), tag(1)]
}

fn address(net: u8) -> IpAddr {
    IpAddr::from([10, 0, net, 7])
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = epoch();
        let (record, model) = scene::set(&mut rng);
        let config = RoomConfig {
            participants_max: model.participants_max,
            relay: Some(Arc::new(NamingRelay)),
            ..RoomConfig::default()
        };
        let secrets = record.invites.iter().map(|invite| invite.hash).collect();
        let room = open(&config, record.clone(), 1, start, start, seed);
        World {
            room,
            model,
            clients: BTreeMap::new(),
            store: Store::new(record),
            told: Told::default(),
            shard: Shard::default(),
            tokens: Vec::new(),
            live_tokens: BTreeSet::new(),
            secrets,
            people: Vec::new(),
            knocks: Vec::new(),
            requests: Vec::new(),
            crashed_at: 0,
            arrivals: 0,
            speaker: None,
            config,
            start,
            tickets: Vec::new(),
            rng,
            numbers: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// A number that was not said before.
    pub(crate) fn said(&self) -> u64 {
        self.numbers
    }

    fn instant(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms - START_MS)
    }

    fn now(&self) -> Instant {
        self.instant(self.model.now)
    }

    /// Takes one step.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), String> {
        self.pass(step.after_ms)?;
        match &step.act {
            Act::Join(join) => self.join(join),
            Act::Manage {
                device,
                net,
                secret,
            } => self.manage(*device, *net, *secret),
            Act::Lose { who } => self.lose(*who, 30_000),
            Act::PageGone { who } => self.lose(*who, 10_000),
            Act::Resume(resume) => self.resume(resume),
            Act::Say { who, by_host, verb } => self.say(*who, *by_host, verb),
            Act::Garbage { who, is_readable } => self.mumble(*who, *is_readable),
            Act::Again { who } => self.say_again(*who),
            Act::Answer { which, stays } => self.answer(*which, *stays),
            Act::Refusal => {
                self.shard.refuses_next = true;
                Ok(())
            }
            Act::Hashed { is_good } => self.hashed(*is_good),
            Act::Operate { verb } => self.operate(verb),
            Act::Delete => self.obey(OperatorRequest::Delete),
            Act::Crash => self.crash(),
        }
    }

    /// Lets time pass, and what becomes due on the way happen when it does.
    fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.model.now + ms;
        let mut stalled = 0;
        while let Some(due) = self.room.poll_timeout() {
            let since = due.saturating_duration_since(self.start);
            let due_ms = START_MS + since.as_nanos().div_ceil(1_000_000) as u64;
            if due_ms > until {
                break;
            }
            stalled = if due_ms > self.model.now {
                0
            } else {
                stalled + 1
            };
            if stalled > 3 {
                return Err("the same is due again and again".to_owned());
            }
            self.model.now = self.model.now.max(due_ms);
            let now = self.now();
            self.room.handle_timeout(now);
            self.observe(None, |model, seen| model.tick(seen))?;
        }
        self.model.now = until;
        match self.model.next_due() {
            Some(due) if due <= until => Err(format!(
                "something was due {} ms ago of which the room did not say so",
                until - due
            )),
            _ => Ok(()),
        }
    }

    /// Takes what the room says about a step, and compares it with what the
    /// model says about the same step.
    fn observe(
        &mut self,
        speaker: Option<(LinkId, u32)>,
        model: impl FnOnce(&mut Model, &mut Seen),
    ) -> Result<(), String> {
        self.speaker = speaker;
        let mut outputs = Vec::new();
        let mut drawn = Vec::new();
        while let Some(output) = self.room.poll_output() {
            if let Output::DrawKey { knock } = output {
                let key = MemberKey(self.number());
                self.room.handle_key(knock, key);
                drawn.push((knock, key));
            }
            outputs.push(output);
        }
        let mut seen = Seen::of(&outputs, drawn);
        self.arrivals = seen.joined.len();
        self.knocks.extend(seen.knocks.values());
        self.knocks
            .extend(seen.drawn.iter().map(|(knock, _)| *knock));
        self.requests.extend(&seen.requests);
        self.requests.extend(&seen.prompts);
        self.tickets.extend(&seen.tickets);
        self.secrets
            .extend(seen.secrets.iter().map(InviteHash::from));
        for invite in &seen.invites {
            if !self.secrets.contains(&invite.hash) {
                self.secrets.push(invite.hash);
            }
        }
        self.model.step += 1;
        self.model.expected = Expected::default();
        let before = self.links();
        model(&mut self.model, &mut seen);
        self.compare(&outputs, &before)?;
        self.check()?;
        let faces = self.room.roster().map(|face| (face.id, face.rev));
        self.model.revs = faces.collect();
        Ok(())
    }

    /// Who has which link.
    fn links(&self) -> BTreeMap<LinkId, MemberKey> {
        let people = self.model.people.iter();
        let links = people.filter_map(|(key, person)| Some((person.link?, *key)));
        links.collect()
    }

    // --- at the door

    fn claim(&self, credential: u8, secret: u8) -> Claim {
        match credential {
            0..96 if self.model.room.password_set => Claim::Password {
                rev: self.model.password_rev - u32::from(credential < 6),
            },
            0..110 => Claim::Open,
            110..114 => Claim::Invite(InviteHash::from(&InviteSecret::new([255; 16]))),
            // The first is the host's.
            114..150 => Claim::Invite(self.secrets[0]),
            _ => {
                let place = usize::from(secret) % self.secrets.len();
                Claim::Invite(self.secrets[place])
            }
        }
    }

    fn join(&mut self, join: &Join) -> Result<(), String> {
        let link = LinkId(self.number());
        let member = MemberKey(self.number());
        let text = self.model.room.consent_text.as_deref();
        let entrant = Entrant {
            link,
            member,
            prefix: Prefix::from(address(join.net)),
            address: address(join.net),
            networks: networks(join.net),
            id: 2,
            name: DisplayName::new(NAMES[usize::from(join.name)]).expect("a name"),
            device: device(join.device),
            claim: self.claim(join.credential, join.secret),
            to_lobby: join.is_doubtful,
            consent_hash: text.filter(|_| join.agrees).map(consent_hash),
            duplicate: match join.choice {
                0 | 1 => Some(DuplicateChoice::TakeOver),
                2 | 3 => Some(DuplicateChoice::JoinAsSecond),
                _ => None,
            },
            relay_host: Arc::from("meet.example.org"),
        };
        self.clients.insert(link, Client::new());
        let is_in = self.room.handle_join(self.now(), entrant.clone());
        self.observe(Some((link, 2)), |model, seen| model.join(seen, &entrant))?;
        self.belongs(link, is_in)
    }

    fn belongs(&self, link: LinkId, is_in: bool) -> Result<(), String> {
        if is_in != self.model.knows_link(link) && !self.was_closed(link) {
            return Err(format!("{link:?} belongs to the room: {is_in}"));
        }
        Ok(())
    }

    fn was_closed(&self, link: LinkId) -> bool {
        let client = self.clients.get(&link);
        client.is_none_or(|client| client.seat == Seat::Closed)
    }

    fn manage(&mut self, of: u8, net: u8, secret: u8) -> Result<(), String> {
        let link = LinkId(self.number());
        let place = if secret < 128 {
            0
        } else {
            usize::from(secret) % self.secrets.len()
        };
        let managing = Managing {
            link,
            id: 2,
            invite: self.secrets[place],
            device: device(of),
            prefix: Prefix::from(address(net)),
            networks: networks(net),
            address: address(net),
        };
        self.clients.insert(link, Client::new());
        let is_in = self.room.handle_manage(self.now(), managing.clone());
        self.observe(Some((link, 2)), |model, seen| model.manage(seen, &managing))?;
        self.belongs(link, is_in)
    }

    fn resume(&mut self, resume: &Resume) -> Result<(), String> {
        let candidates: Vec<usize> = (0..self.tokens.len())
            .rev()
            .filter(|place| self.tokens[*place].is_live == resume.is_newest)
            .take(12)
            .collect();
        let place = pick(&candidates, resume.who).copied();
        let link = LinkId(self.number());
        let mut client = Client::new();
        let mut token = ResumeToken::new([254; 32]);
        let mut who = None;
        let mut last_seq = 0;
        if let Some(place) = place.filter(|_| !resume.is_invented) {
            let known = &self.tokens[place];
            token = known.token;
            who = known.is_live.then_some(known.of);
            if let Some(old) = self.clients.get(&known.link) {
                client = old.clone();
                client.seat = Seat::Gate;
            }
            last_seq = match resume.forgotten {
                255 => u32::MAX,
                count => client.forget(usize::from(count)),
            };
        }
        let returning = Returning {
            link,
            prefix: Prefix::from(address(resume.net)),
            address: address(resume.net),
            networks: networks(resume.net),
            id: 1,
            token: TokenHash::from(&token),
            last_seq,
            relay_host: Arc::from("meet.example.org"),
        };
        self.clients.insert(link, client);
        let is_in = self.room.handle_resume(self.now(), &returning);
        self.observe(Some((link, 1)), |model, seen| {
            model.resume(seen, &returning, who);
        })?;
        self.belongs(link, is_in)
    }

    fn lose(&mut self, who: u16, window_ms: u64) -> Result<(), String> {
        let Some(link) = self.any_link(who) else {
            return Ok(());
        };
        if let Some(client) = self.clients.get_mut(&link) {
            client.seat = Seat::Closed;
        }
        match window_ms {
            10_000 => self.room.handle_page_gone(self.now(), link),
            _ => self.room.handle_link_lost(self.now(), link),
        }
        self.observe(None, |model, seen| {
            model.drop_link(link, window_ms);
            model.settle(seen);
        })
    }

    fn any_link(&self, who: u16) -> Option<LinkId> {
        let links = self
            .clients
            .iter()
            .filter(|(link, _)| self.model.knows_link(**link));
        let links: Vec<LinkId> = links.map(|(link, _)| *link).collect();
        pick(&links, who).copied()
    }

    // --- what is said

    fn say(&mut self, who: u16, by_host: bool, verb: &Verb) -> Result<(), String> {
        let mut links: Vec<LinkId> = Vec::new();
        if by_host && scene::is_of_hosts(verb) {
            let people = self.model.people.values();
            let hosts = people.filter(|person| crate::rules::rank(person.role) <= 1);
            links.extend(hosts.filter_map(|person| person.link));
            links.extend(self.model.stewards.keys().filter(|_| who % 4 == 0));
        }
        // Mostly who was asked answers.
        if matches!(verb, Verb::AnswerOffer { .. }) && who % 8 > 0 {
            let asked = self.model.offers.iter().map(|offer| offer.asked);
            let asked = asked.filter_map(|key| self.model.people.get(&key));
            links.extend(asked.filter_map(|person| person.link));
        }
        if matches!(verb, Verb::AnswerTakeover { .. }) && who % 8 > 0 {
            let asked = self.model.takeovers.iter().map(|one| one.asked);
            let asked = asked.filter_map(|key| self.model.people.get(&key));
            links.extend(asked.filter_map(|person| person.link));
        }
        let link = match pick(&links, who) {
            Some(link) => Some(*link),
            None => self.any_link(who),
        };
        let Some(link) = link else {
            return Ok(());
        };
        let is_waiting = self.model.waiter_of(link).is_some();
        let request = match verb {
            _ if is_waiting && who % 5 > 0 => crate::resolve::ping(),
            verb => crate::resolve::request(self, link, verb),
        };
        self.ask(link, request)
    }

    pub(crate) fn ask(&mut self, link: LinkId, request: Request) -> Result<(), String> {
        let id = 100 + self.number() as u32;
        self.ask_as(link, id, request)
    }

    fn ask_as(&mut self, link: LinkId, id: u32, request: Request) -> Result<(), String> {
        let frame = Ok(RequestFrame { id, request });
        self.room.handle_message(self.now(), link, frame.clone());
        self.observe(Some((link, id)), |model, seen| {
            model.message(seen, link, &frame);
        })
    }

    /// The same number again, while the first still waits.
    fn say_again(&mut self, who: u16) -> Result<(), String> {
        let mut waiting = Vec::new();
        for (to, _, _) in self.model.held.values() {
            if let crate::model::To::Link(link, id) = to {
                waiting.push((*link, *id));
            }
        }
        for person in self.model.people.values() {
            waiting.extend(person.asked.values().map(|asked| (asked.link, asked.id)));
        }
        waiting.retain(|(link, _)| self.model.knows_link(*link));
        let Some((link, id)) = pick(&waiting, who).copied() else {
            return Ok(());
        };
        self.ask_as(link, id, crate::resolve::reading())
    }

    fn mumble(&mut self, who: u16, is_readable: bool) -> Result<(), String> {
        let Some(link) = self.any_link(who) else {
            return Ok(());
        };
        let id = 100 + self.number() as u32;
        let message = Err(match is_readable {
            false => Malformed::Unreadable,
            true => Malformed::Refused {
                id,
                error: Box::new(ErrorCode::UnknownType.into()),
            },
        });
        self.room.handle_message(self.now(), link, message.clone());
        self.observe(Some((link, id)), |model, seen| {
            model.message(seen, link, &message);
        })
    }

    fn operate(&mut self, verb: &Verb) -> Result<(), String> {
        match crate::resolve::order(self, verb) {
            None => Ok(()),
            Some(order) => self.obey(order),
        }
    }

    fn obey(&mut self, order: OperatorRequest) -> Result<(), String> {
        let ticket = self.number();
        let now = self.now();
        self.room
            .handle_operator(now, ticket, Actor::Operator, order.clone());
        self.observe(None, |model, seen| model.operator(seen, ticket, &order))
    }

    // --- what answers late

    fn answer(&mut self, which: u16, stays: bool) -> Result<(), String> {
        let count = self.shard.answers.len();
        if count == 0 {
            return Ok(());
        }
        // Mostly what was asked last: the media plane is quick.
        let place = match which % 4 {
            0 => usize::from(which) % count,
            _ => count - 1,
        };
        let event: Event = match stays {
            true => self.shard.answers[place].clone(),
            false => self.shard.answers.remove(place),
        };
        self.room.handle_media(self.now(), event.clone());
        self.observe(None, |model, seen| model.media(seen, &event))
    }

    fn hashed(&mut self, is_good: bool) -> Result<(), String> {
        let Some(ticket) = self.tickets.pop() else {
            return Ok(());
        };
        let hash = PasswordHash(format!("$argon2id${}", self.rng.random::<u32>()));
        let (hashed, error) = match is_good {
            true => (Ok(hash), None),
            false => (Err(ErrorBody::from(ErrorCode::Busy)), Some(ErrorCode::Busy)),
        };
        self.room.handle_hashed(self.now(), ticket, hashed);
        self.observe(None, |model, seen| model.hashed(seen, ticket, error))
    }

    /// The process is killed between two commits and starts again.
    fn crash(&mut self) -> Result<(), String> {
        let now = self.model.now;
        let key = self.number();
        let seed = self.rng.random();
        let record = self.store.record();
        let at = self.now();
        self.room = open(&self.config, record, key, self.start, at, seed);
        self.told.crash();
        self.shard = Shard::default();
        self.live_tokens.clear();
        self.tickets.clear();
        for token in &mut self.tokens {
            token.is_live = false;
        }
        for client in self.clients.values_mut() {
            client.seat = Seat::Closed;
        }
        self.crashed_at = now;
        self.observe(None, |model, _| model.crash())
    }
}

impl Model {
    /// Only what was kept is left.
    fn crash(&mut self) {
        let now = crate::model::at(self.now);
        self.people.clear();
        self.waiting.clear();
        self.handled.clear();
        self.lists.clear();
        self.recent_knocks.clear();
        self.flood_until = 0;
        self.stewards.clear();
        self.session_since = None;
        self.lead = Lead::NotBegun;
        self.shares.clear();
        self.takeovers.clear();
        self.taken.clear();
        self.late.clear();
        self.prompts.clear();
        self.prompted.clear();
        self.held.clear();
        self.hashing.clear();
        self.door = crate::model::refusals();
        self.is_deleted = false;
        self.chat = Default::default();
        // What a call gave is not kept.
        if let Some(call) = self.hands.called.take().filter(|call| call.is_exempt) {
            self.locks[0].allow.remove(&call.device);
        }
        self.hands = Default::default();
        self.offers.clear();
        self.offered.clear();
        self.countdown = None;
        for standing in self.standings.values_mut() {
            standing.left_at.get_or_insert(now);
        }
    }
}

fn open(
    config: &RoomConfig,
    record: RoomRecord,
    key: u64,
    start: Instant,
    now: Instant,
    seed: u64,
) -> Room {
    let clock = ClockAnchor::new(start, START_MS);
    let rng = StdRng::seed_from_u64(seed);
    Room::new(config.clone(), record, RoomKey(key), now, clock, rng)
}

/// Takes a place in a list, counted round and round.
pub(crate) fn pick<T>(list: &[T], place: u16) -> Option<&T> {
    list.get(usize::from(place).checked_rem(list.len())?)
}

pub(crate) fn invite_id(number: u8) -> InviteId {
    InviteId::new(START_MS - 1000 + u64::from(number), [number; 10])
}
