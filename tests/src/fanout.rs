//! One publisher and many viewers on one shard, without a control plane and in
//! windows: what the shard costs by itself can be told from what they cost.
//!
//! Datagrams take exactly one [`WINDOW`] either way. So everything that reaches
//! the shard in a window was made before it, and in the window nobody works but
//! the shard: a [`Meter`] sees that work, and only that. After it the people
//! live through the same window with what the shard sent in the one before.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_loadtest::{Participant, ParticipantConfig, Record};
use conclave_sfu_core::arena::{Batch, DatagramSink};
use conclave_sfu_core::{Counters, EstimatorKind, SenderKind, Shard, ShardConfig};
use conclave_sfu_wire::control::{
    Command, Event, MemberKey, Priority, RoomKey, RoomPolicy, Source, View,
};
use conclave_sfu_wire::demux::Class;
use conclave_sfu_wire::ufrag::UfragKey;

/// How long a datagram is under way, either way: half of a common round trip
/// between continents, and long enough for a shard to work undisturbed.
pub const WINDOW: Duration = Duration::from_millis(100);

/// What the shard may send in one window before what keeps it has to grow.
const KEPT_BYTES: usize = 32 << 20;

/// Longest that joining may take, in windows.
const PATIENCE: usize = 100;

const ROOM: RoomKey = RoomKey(1);

/// Sees the work of the shard. Each method is to call what it is given, once.
pub trait Meter {
    /// The shard takes the datagrams of one turn that came from viewers.
    fn feedback(&self, work: &mut dyn FnMut());

    /// The shard takes those of the publisher, and hands over what it sends.
    fn forward(&self, work: &mut dyn FnMut());

    /// The shard does what is due before that, and hands over what it sends.
    fn upkeep(&self, work: &mut dyn FnMut());

    /// What is sent is laid aside, in the midst of `forward` or `upkeep`: not the shard's work.
    fn aside(&self, work: &mut dyn FnMut());
}

/// Looks away.
struct Unmetered;

impl Meter for Unmetered {
    fn feedback(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn forward(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn upkeep(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn aside(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// What went through the shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets of media that came from the publisher.
    pub received: u64,
    /// Packets of media that were handed to viewers' senders.
    pub forwarded: u64,
    /// RTP packets that left: those sent again and padding among them.
    pub sent: u64,
    /// Datagrams that came from viewers.
    pub feedback: u64,
}

impl Traffic {
    /// Returns what was added since `earlier`.
    pub fn since(self, earlier: Traffic) -> Traffic {
        Traffic {
            received: self.received - earlier.received,
            forwarded: self.forwarded - earlier.forwarded,
            sent: self.sent - earlier.sent,
            feedback: self.feedback - earlier.feedback,
        }
    }
}

/// The shard, and everybody on it.
pub struct Fanout {
    shard: Shard,
    now: Instant,
    /// The publisher is the first.
    people: Vec<Person>,
    /// What the publisher and what viewers have sent, in the order in which it comes.
    media: VecDeque<Arrival>,
    feedback: VecDeque<Arrival>,
    kept: Kept,
    traffic: Traffic,
}

struct Person {
    participant: Participant,
    /// On their way to it.
    inbox: VecDeque<(Instant, Vec<u8>)>,
}

struct Arrival {
    at: Instant,
    source: SocketAddr,
    payload: Vec<u8>,
}

/// What the shard sent in this window.
struct Kept {
    bytes: Vec<u8>,
    datagrams: Vec<(Instant, SocketAddr, usize)>,
}

impl Fanout {
    /// Lets one publisher of a camera (VP8, one encoding, 1.5 Mbit/s, 30 frames/s)
    /// and a microphone join with `viewers` who see and hear it, and waits until all do.
    ///
    /// # Panics
    ///
    /// If somebody does not within ten seconds of virtual time.
    pub fn new(viewers: usize, sender: SenderKind, estimator: EstimatorKind) -> Fanout {
        let now = Instant::now();
        let config = ShardConfig {
            index: 0,
            candidates: vec![shard_address()],
            ufrag_key: UfragKey([7; 16]),
            seed: [11; 32],
            sender,
            estimator,
            ntp_at_start: 0,
        };
        let mut fanout = Fanout {
            shard: Shard::new(now, config),
            now,
            people: Vec::new(),
            media: VecDeque::new(),
            feedback: VecDeque::new(),
            kept: Kept {
                bytes: Vec::with_capacity(KEPT_BYTES),
                datagrams: Vec::with_capacity(KEPT_BYTES / 64),
            },
            traffic: Traffic::default(),
        };
        let policy = RoomPolicy::default();
        fanout.command(Command::OpenRoom { room: ROOM, policy });
        for index in 0..=viewers {
            fanout.join(index);
        }
        fanout.wait("everybody is connected", |fanout| {
            fanout
                .people
                .iter()
                .all(|person| person.participant.has_connected())
        });
        fanout.publish();
        fanout.wait("everybody sees and hears", |fanout| {
            fanout.people[1..].iter().all(|person| {
                let participant = &person.participant;
                participant.first_frame().is_some() && participant.first_sound().is_some()
            })
        });
        fanout
    }

    /// Lets `windows` pass under the eyes of `meter`.
    pub fn run(&mut self, windows: usize, meter: &dyn Meter) {
        for _ in 0..windows {
            self.run_window(meter);
        }
    }

    /// Returns what went through the shard so far.
    pub fn traffic(&self) -> Traffic {
        let Counters {
            received,
            forwarded,
            ..
        } = self.shard.counters();
        Traffic {
            received,
            forwarded,
            ..self.traffic
        }
    }

    fn join(&mut self, index: usize) {
        let id = index as u64 + 1;
        let mut config = ParticipantConfig::new(id, address_of(index));
        config.simulcast = false;
        config.pictures.camera[2].bitrate_bps = 1_500_000;
        config.pictures.camera_fps = 30;
        config.record = Record::Figures;
        let mut participant = Participant::new(self.now, config);
        let sdp = match index {
            0 => participant.offer(self.now),
            _ => participant.offer_to_watch(self.now),
        };
        self.people.push(Person {
            participant,
            inbox: VecDeque::new(),
        });
        let member = MemberKey(id);
        self.command(Command::Admit { room: ROOM, member });
        self.command(Command::Offer {
            member,
            generation: 1,
            sdp,
            relay_only: false,
        });
        if index > 0 {
            let camera = View {
                member: MemberKey(1),
                source: Source::Camera,
                max_height_px: 720,
                priority: Priority::Gallery,
            };
            let views = vec![camera];
            self.command(Command::Wish { member, views });
        }
    }

    fn publish(&mut self) {
        for source in [Source::Microphone, Source::Camera] {
            let mid = self.people[0].participant.sending_mid(source);
            self.command(Command::Publish {
                member: MemberKey(1),
                attempt: 1,
                mid: mid.expect("it has offered"),
                source,
                muted: false,
            });
        }
    }

    fn wait(&mut self, what: &str, holds: impl Fn(&Fanout) -> bool) {
        for _ in 0..PATIENCE {
            if holds(self) {
                return;
            }
            self.run_window(&Unmetered);
        }
        panic!("not in time: {what}");
    }

    fn command(&mut self, command: Command) {
        self.shard.handle_command(self.now, command);
    }

    fn run_window(&mut self, meter: &dyn Meter) {
        let begin = self.now;
        let end = begin + WINDOW;
        // What commands have left undone.
        self.shard_turn(meter);
        while let Some(next) = self.next_turn().filter(|next| *next < end) {
            self.now = self.now.max(next);
            self.shard_turn(meter);
        }
        while let Some(event) = self.shard.poll_event() {
            self.handle_event(event);
        }
        for (index, person) in self.people.iter_mut().enumerate() {
            let queue = match index {
                0 => &mut self.media,
                _ => &mut self.feedback,
            };
            person.live(begin, end, queue);
        }
        self.feedback
            .make_contiguous()
            .sort_by_key(|arrival| arrival.at);
        self.deliver_kept();
        self.now = end;
    }

    fn next_turn(&self) -> Option<Instant> {
        let due = [
            self.media.front().map(|arrival| arrival.at),
            self.feedback.front().map(|arrival| arrival.at),
            self.shard.poll_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    /// One turn of the shard's loop.
    fn shard_turn(&mut self, meter: &dyn Meter) {
        let now = self.now;
        let feedback = due(&self.feedback, now);
        let media = due(&self.media, now);
        let (shard, kept) = (&mut self.shard, &mut self.kept);
        if feedback > 0 {
            meter.feedback(&mut || {
                for arrival in self.feedback.iter_mut().take(feedback) {
                    take(shard, now, arrival);
                }
            });
        }
        if shard.poll_timeout().is_some_and(|due| due <= now) {
            meter.upkeep(&mut || {
                shard.handle_timeout(now);
                shard.flush(&mut Aside { now, kept, meter });
            });
        }
        meter.forward(&mut || {
            for arrival in self.media.iter_mut().take(media) {
                take(shard, now, arrival);
            }
            shard.handle_timeout(now);
            shard.flush(&mut Aside { now, kept, meter });
        });
        self.feedback.drain(..feedback);
        self.media.drain(..media);
        self.traffic.feedback += feedback as u64;
    }

    /// The least control plane.
    fn handle_event(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Answer { member, sdp, .. } => {
                let accepted = self.participant(member).accept_answer(now, &sdp);
                accepted.expect("a good answer");
            }
            Event::Published { member, source, .. } => {
                self.participant(member).publish(now, source, true);
            }
            Event::Layers {
                member,
                source,
                active,
                ..
            } => self.participant(member).set_active(source, &active),
            Event::Slots { member, rev, .. } => self.command(Command::AckSlots { member, rev }),
            Event::OfferRefused { .. } | Event::PublishRefused { .. } => panic!("refused"),
            Event::TransportFailed { .. } | Event::RoomFailed { .. } => panic!("failed"),
            _ => {}
        }
    }

    fn participant(&mut self, member: MemberKey) -> &mut Participant {
        &mut self.people[member.0 as usize - 1].participant
    }

    /// Puts what the shard has sent on the network.
    fn deliver_kept(&mut self) {
        let mut rest = self.kept.bytes.as_slice();
        for (at, destination, len) in self.kept.datagrams.drain(..) {
            let (payload, behind) = rest.split_at(len);
            rest = behind;
            let index = index_of(destination);
            if index > 0 && Class::of(payload) == Some(Class::Rtp) {
                self.traffic.sent += 1;
            }
            let inbox = &mut self.people[index].inbox;
            inbox.push_back((at + WINDOW, payload.to_vec()));
        }
        self.kept.bytes.clear();
    }
}

impl Person {
    /// Lets it live through a window; what it sends goes to `queue`.
    fn live(&mut self, begin: Instant, end: Instant, queue: &mut VecDeque<Arrival>) {
        let mut now = begin;
        loop {
            while let Some(outgoing) = self.participant.poll_outgoing() {
                queue.push_back(Arrival {
                    at: now + WINDOW,
                    source: outgoing.source,
                    payload: outgoing.payload,
                });
            }
            let came = self.inbox.front().map(|(at, _)| *at);
            let due = [came, self.participant.poll_timeout()];
            let Some(next) = due.into_iter().flatten().min().filter(|next| *next < end) else {
                return;
            };
            now = now.max(next);
            if came.is_some_and(|at| at <= now)
                && let Some((_, payload)) = self.inbox.pop_front()
            {
                let own = self.participant.address();
                self.participant
                    .handle_datagram(now, shard_address(), own, &payload);
            } else {
                self.participant.handle_timeout(now);
            }
        }
    }
}

/// Keeps what is sent, without a new allocation and beside what is measured.
struct Aside<'a> {
    now: Instant,
    kept: &'a mut Kept,
    meter: &'a dyn Meter,
}

impl DatagramSink for Aside<'_> {
    fn send(&mut self, batch: Batch<'_>) {
        self.meter.aside(&mut || {
            self.kept.bytes.extend_from_slice(batch.payload);
            for datagram in batch.payload.chunks(batch.segment) {
                let entry = (self.now, batch.destination, datagram.len());
                self.kept.datagrams.push(entry);
            }
        });
    }
}

/// Returns how many of a queue have come by `now`.
fn due(queue: &VecDeque<Arrival>, now: Instant) -> usize {
    queue.iter().take_while(|next| next.at <= now).count()
}

fn take(shard: &mut Shard, now: Instant, arrival: &mut Arrival) {
    shard.handle_datagram(now, arrival.source, shard_address(), &mut arrival.payload);
}

fn shard_address() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 1], 10_000))
}

/// People sit in 10.0.0.0/16.
fn address_of(index: usize) -> SocketAddr {
    let [high, low] = (index as u16 + 1).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 40_000))
}

fn index_of(address: SocketAddr) -> usize {
    match address.ip() {
        IpAddr::V4(ip) => (ip.to_bits() as usize & 0xffff) - 1,
        IpAddr::V6(_) => unreachable!("nobody has such an address"),
    }
}
