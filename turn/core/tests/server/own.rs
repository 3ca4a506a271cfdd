//! A client of our own, as plain as can be: one request at a time, sent again until it is answered.

use std::collections::BTreeMap;

use conclave_turn_core::auth::Credential;
use conclave_turn_wire::FiveTuple;
use conclave_turn_wire::fast::{Kind, channel_data as parse_channel_data};
use conclave_turn_wire::integrity::{Algorithm, Key};
use conclave_turn_wire::message::{Builder, Class, EvenPort, Method, Reply, TransactionId};

use crate::support::*;

/// How often each thing is renewed: some time before it ends.
const REFRESH_MS: u64 = 500_000;
const PERMIT_MS: u64 = 240_000;
const BIND_MS: u64 = 540_000;
/// How often a request is sent, each time after twice as long (RFC 8489, section 6.2.1).
const TRIES: u32 = 7;
const AGAIN_MS: u64 = 500;
const CHANNEL: u16 = 0x4000;

/// What it allocates for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    Media,
    /// Keeps a second port, for which it never comes.
    Reserve,
    /// A connection test: allocates and does nothing.
    Test,
}

/// What is to be asked, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Leave,
    Allocate,
    Refresh,
    Permit,
    Bind,
}

struct Asked {
    step: Step,
    transaction: TransactionId,
    bytes: Vec<u8>,
    tries: u32,
    again_ms: u64,
}

pub struct Own {
    client: Client,
    purpose: Purpose,
    word: u8,
    send_every_ms: u64,
    next_send_ms: u64,
    /// When each step is to be taken.
    due: BTreeMap<Step, u64>,
    asked: Option<Asked>,
    transactions: u64,
    pub is_allocated: bool,
    pub is_bound: bool,
    pub has_left: bool,
    /// The code of the error that ended it; 0 if nobody answered.
    pub refused: Option<u16>,
    pub sent: u32,
    pub echoed: u32,
}

impl Own {
    pub fn new(
        tuple: FiveTuple,
        credential: &Credential,
        purpose: Purpose,
        word: u8,
        send_every_ms: u64,
    ) -> Own {
        Own {
            client: Client {
                tuple,
                username: credential.username.clone(),
                key: key(credential),
                nonce: Vec::new(),
            },
            purpose,
            word,
            send_every_ms,
            next_send_ms: 0,
            due: BTreeMap::from([(Step::Allocate, 0)]),
            asked: None,
            transactions: 0,
            is_allocated: false,
            is_bound: false,
            has_left: false,
            refused: None,
            sent: 0,
            echoed: 0,
        }
    }

    pub fn tuple(&self) -> FiveTuple {
        self.client.tuple
    }

    /// Whether it has what it wants without more.
    pub fn is_test(&self) -> bool {
        self.purpose == Purpose::Test && self.is_allocated
    }

    /// Takes other credentials of the same session from the next request on.
    pub fn renew(&mut self, credential: &Credential) {
        self.client.username = credential.username.clone();
        self.client.key = key(credential);
    }

    /// Lets it end its allocation at the next word.
    pub fn leave(&mut self) {
        self.due = BTreeMap::from([(Step::Leave, 0)]);
    }

    /// When [`Own::speak`] is next due.
    pub fn due_ms(&self) -> u64 {
        let words = if self.is_bound && !self.has_left {
            self.next_send_ms
        } else {
            u64::MAX
        };
        let request = match &self.asked {
            Some(asked) => asked.again_ms,
            None => self.due.values().copied().min().unwrap_or(u64::MAX),
        };
        words.min(request)
    }

    pub fn speak(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        if self.asked.is_none()
            && let Some((step, _)) = self.due.iter().find(|(_, due)| **due <= now_ms)
        {
            self.ask(*step, now_ms);
        }
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.again_ms <= now_ms) {
            if asked.tries == TRIES {
                self.end(0);
            } else {
                asked.again_ms = now_ms + (AGAIN_MS << asked.tries);
                asked.tries += 1;
                sent.push(asked.bytes.clone());
            }
        }
        // Whoever was refused goes on talking: nobody shall hear it.
        if self.is_bound && !self.has_left && self.next_send_ms <= now_ms {
            self.next_send_ms = now_ms + self.send_every_ms;
            self.sent += 1;
            let text = vec![self.word; 1 + self.sent as usize % 9];
            sent.push(match self.sent % 2 {
                0 => channel_data(CHANNEL, &text),
                _ => self.client.send_indication(SHARD_0, &text),
            });
        }
        sent
    }

    pub fn receive(&mut self, bytes: &[u8], now_ms: u64) {
        if Kind::of(bytes) == Some(Kind::ChannelData) {
            let (channel, text) = parse_channel_data(bytes).unwrap();
            assert_eq!(channel, CHANNEL);
            return self.hear(text);
        }
        let reply = Reply::parse(bytes).unwrap();
        if reply.class == Class::Indication {
            return self.hear(reply.data.unwrap());
        }
        let is_asked = |asked: &Asked| asked.transaction == reply.transaction;
        if !self.asked.as_ref().is_some_and(is_asked) {
            return;
        }
        let step = self.asked.take().expect("it was looked at").step;
        match (reply.error, reply.nonce) {
            (None, _) => self.succeed(step, now_ms),
            (Some(401), Some(nonce)) if self.client.nonce.is_empty() => {
                self.client.nonce = nonce.to_vec();
                self.ask(step, now_ms);
            }
            (Some(438), Some(nonce)) => {
                self.client.nonce = nonce.to_vec();
                self.ask(step, now_ms);
            }
            // What was asked before was done (RFC 8656, section 8.3).
            (Some(437), _) if step == Step::Leave => self.succeed(step, now_ms),
            (Some(code), _) => self.end(code),
        }
    }

    fn hear(&mut self, text: &[u8]) {
        let is_own = text.iter().all(|byte| *byte == self.word);
        assert!(is_own, "its own words only");
        self.echoed += 1;
    }

    fn succeed(&mut self, step: Step, now_ms: u64) {
        self.due.remove(&step);
        let next = match step {
            Step::Leave => {
                self.has_left = true;
                return;
            }
            Step::Allocate if self.purpose == Purpose::Test => {
                self.is_allocated = true;
                return;
            }
            Step::Allocate => {
                self.is_allocated = true;
                self.due.entry(Step::Permit).or_insert(now_ms);
                (Step::Refresh, REFRESH_MS)
            }
            Step::Refresh => (Step::Refresh, REFRESH_MS),
            Step::Permit => {
                if !self.is_bound {
                    self.due.insert(Step::Bind, now_ms);
                }
                (Step::Permit, PERMIT_MS)
            }
            Step::Bind => {
                self.is_bound = true;
                (Step::Bind, BIND_MS)
            }
        };
        // Whoever is leaving renews nothing.
        if !self.due.contains_key(&Step::Leave) {
            self.due.insert(next.0, now_ms + next.1);
        }
    }

    fn end(&mut self, code: u16) {
        self.refused = Some(code);
        self.asked = None;
        self.due.clear();
    }

    fn ask(&mut self, step: Step, now_ms: u64) {
        self.transactions += 1;
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let reserves = self.purpose == Purpose::Reserve;
        let method = match step {
            Step::Allocate => Method::Allocate,
            Step::Leave | Step::Refresh => Method::Refresh,
            Step::Permit => Method::CreatePermission,
            Step::Bind => Method::ChannelBind,
        };
        let bytes = if self.client.nonce.is_empty() {
            bare(method, transaction, |request| fill(step, reserves, request))
        } else {
            self.client
                .request(method, transaction, |request| fill(step, reserves, request))
        };
        self.asked = Some(Asked {
            step,
            transaction,
            bytes,
            tries: 0,
            again_ms: now_ms,
        });
    }
}

fn fill<'o>(step: Step, reserves: bool, request: Builder<'o>) -> Builder<'o> {
    match step {
        Step::Leave => request.lifetime(0),
        Step::Allocate if reserves => udp(request).even_port(EvenPort::EvenAndReserveNext),
        Step::Allocate => udp(request),
        Step::Refresh => request.lifetime(600),
        Step::Permit => request.peer(peer(SHARD_0)),
        Step::Bind => request.channel(CHANNEL).peer(peer(SHARD_0)),
    }
}

fn key(credential: &Credential) -> Key {
    let Credential { username, password } = credential;
    Key::long_term(Algorithm::Md5, username, REALM, password)
}
