//! A room while somebody is in it: its core, and what its core wants done.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_sfu_wire::control::Event;
use conclave_signalling_core::digest::TokenHash;
use conclave_signalling_core::output::{LinkId, Output};
use conclave_signalling_core::record::{Actor as Who, Change, RoomRecord};
use conclave_signalling_core::room::{OperatorRequest, Room};
use conclave_signalling_core::settings::PasswordHash;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::Slug;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::actor::keeping::{Keeping, Progress};
use crate::actor::shard::ShardLink;
use crate::actor::voices::{Held, Voices};
use crate::actor::way::RETRY_AFTER;
use crate::actor::{Deletion, End, Later, turn_away_all};
use crate::hashing::{Busy, busy};
use crate::inbox::{Inbox, Queues, Seat, ToRoom};
use crate::registry::Registry;
use crate::rooms::Origin;

pub(super) struct Meeting {
    id: RoomId,
    room: Room,
    registry: Arc<Registry>,
    own: Arc<Inbox>,
    shard: ShardLink,
    voices: Voices,
    tokens: BTreeSet<TokenHash>,
    /// The meeting that goes on, as others find it.
    session: Option<SessionId>,
    next_ticket: u64,
    /// Who deletes the room, and waits for it.
    deleting: Option<Deletion>,
    /// Whose act is being done, and how it was asked for: it is written down with that.
    asked: Option<Asked>,
    keeping: Keeping,
    /// Whether it has taken anything yet.
    has_begun: bool,
    /// The new password that is being hashed.
    hashing: Option<(u64, Later<Result<PasswordHash, Busy>>)>,
    /// Who asked for that password, if that was by an order.
    hashing_for: Option<Asked>,
}

/// An act of an operator or a key.
#[derive(Clone)]
struct Asked {
    by: Who,
    origin: Origin,
}

/// What woke the room.
enum Woken {
    Message(ToRoom),
    Media(Event),
    Kept(Result<(), StoreError>),
    Hashed(u64, Result<PasswordHash, Busy>),
    Due,
}

/// What a room waits for.
struct Wish {
    due: Option<Instant>,
    /// Whether it takes what links and the operator say.
    is_open: bool,
    /// Whether it takes what its shard reports.
    has_space: bool,
}

impl Meeting {
    pub(super) fn new(
        registry: Arc<Registry>,
        slug: Slug,
        own: Arc<Inbox>,
        record: RoomRecord,
    ) -> Self {
        let id = record.id;
        let key = registry.draw_room();
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        let room = Room::new(
            registry.room_config(),
            record,
            key,
            Instant::now().into_std(),
            registry.clock(),
            StdRng::from_seed(seed),
        );
        Meeting {
            id,
            room,
            keeping: Keeping::new(Arc::clone(&registry), id, slug),
            shard: ShardLink::new(Arc::clone(&registry), Arc::clone(&own), key),
            registry,
            own,
            voices: Voices::new(),
            tokens: BTreeSet::new(),
            session: None,
            next_ticket: 0,
            deleting: None,
            asked: None,
            has_begun: false,
            hashing: None,
            hashing_for: None,
        }
    }

    /// Serves the room until it is over.
    pub(super) async fn run(&mut self, queues: &mut Queues) -> End {
        let mut next = self.guard(Meeting::wish);
        loop {
            let wish = match next {
                Some(wish) => wish,
                None => return End::Failed,
            };
            let woken = tokio::select! {
                Some(message) = queues.messages.recv(), if wish.is_open => Woken::Message(message),
                Some(event) = queues.events.recv(), if wish.has_space => Woken::Media(event),
                kept = self.keeping.answer() => Woken::Kept(kept),
                (ticket, hash) = hashed(&mut self.hashing) => {
                    self.hashing = None;
                    Woken::Hashed(ticket, hash)
                }
                () = wait(wish.due) => Woken::Due,
            };
            let now = Instant::now();
            next = match self.guard(|meeting| meeting.step(now, woken)) {
                Some(ControlFlow::Continue(wish)) => Some(wish),
                Some(ControlFlow::Break(end)) => return end,
                None => None,
            };
        }
    }

    /// Runs the core and the encoding of its outputs. After a panic neither is used again.
    fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| work(self))).ok();
        if done.is_none() {
            self.registry.panics.fetch_add(1, Ordering::Relaxed);
            error!(room = %self.id, "a room panicked and was ended");
        }
        done
    }

    /// Ends the meeting for everybody who is still in it, without asking its
    /// core. Returns when nothing that was given to the store can take effect
    /// any more; what asks for the room until then is turned away.
    pub(super) async fn end(mut self, end: &End, queues: &mut Queues) {
        // It may be kept just in time to be answered truly.
        if self.keeping.last_chance().await {
            self.voices.handle_committed();
        }
        self.voices.end(end.code());
        for token in std::mem::take(&mut self.tokens) {
            self.registry.remove_token(&token);
        }
        // A media plane that panics has been heard of already.
        let _ = catch_unwind(AssertUnwindSafe(|| self.shard.end()));
        self.keeping.calm(turn_away_all(queues)).await;
        // The session of a room that failed is ended by others.
        if matches!(end, End::Idle) {
            self.keeping.leave_behind();
        }
    }

    fn is_idle(&self) -> bool {
        self.room.is_idle()
            && !self.shard.is_busy()
            && self.voices.are_settled()
            && self.hashing.is_none()
    }

    fn wish(&mut self) -> Wish {
        // Nothing is taken that could not be answered, and nobody enters a
        // room whose end in the media plane was ordered: it is made anew first.
        let has_space = !self.voices.are_full();
        let retry = self.shard.is_busy().then(|| Instant::now() + RETRY_AFTER);
        let room = self.room.poll_timeout().map(Instant::from_std);
        let room = room.filter(|_| has_space);
        let due = [retry, room, self.keeping.poll_timeout()];
        Wish {
            due: due.into_iter().flatten().min(),
            is_open: has_space && !(self.has_begun && self.room.is_idle()),
            has_space,
        }
    }

    /// Takes one step. Returns what the room waits for next, or why it is over.
    fn step(&mut self, now: Instant, woken: Woken) -> ControlFlow<End, Wish> {
        if !self.shard.flush(now) && !self.room.is_idle() {
            let room = self.room.key();
            self.room
                .handle_media(now.into_std(), Event::RoomFailed { room });
        }
        self.has_begun = true;
        let mut progress = Progress::Waits;
        match woken {
            Woken::Message(message) => self.take(now, message),
            Woken::Media(event) => {
                if let Some(event) = self.shard.take(now, event) {
                    self.room.handle_media(now.into_std(), event);
                }
            }
            Woken::Hashed(ticket, hash) => {
                self.asked = self.hashing_for.take();
                self.hashed(now, ticket, hash);
            }
            Woken::Kept(answer) => progress = self.keeping.handle_answer(now, answer),
            Woken::Due => {}
        }
        if progress == Progress::Waits {
            progress = self.keeping.handle_timeout(now);
        }
        match progress {
            Progress::Waits => {}
            Progress::Done => self.voices.handle_committed(),
            Progress::Failed => return ControlFlow::Break(End::NotKept),
        }
        let is_due = self
            .room
            .poll_timeout()
            .is_some_and(|due| due <= now.into_std());
        if is_due {
            self.room.handle_timeout(now.into_std());
        }
        self.perform(now);
        self.asked = None;
        if let Some(changes) = self.voices.begin_commit() {
            self.keeping.begin(now, changes);
        } else if self.keeping.is_due_again(now) && self.voices.begin_again() {
            self.keeping.begin(now, Vec::new());
        }
        self.what_next()
    }

    fn what_next(&mut self) -> ControlFlow<End, Wish> {
        if let Some(deletion) = self.deleting.take() {
            return ControlFlow::Break(End::Deleted(deletion));
        }
        if self.own.was_overrun() {
            warn!(room = %self.id, "a room did not keep up with its shard and was ended");
            return ControlFlow::Break(End::Failed);
        }
        if self.is_idle() {
            return ControlFlow::Break(End::Idle);
        }
        ControlFlow::Continue(self.wish())
    }

    fn take(&mut self, now: Instant, message: ToRoom) {
        let then = now.into_std();
        match message {
            // Whoever asks may be gone.
            ToRoom::Join { done, .. } if !self.shard.admits() => {
                let _ = done.send(Seat::Unavailable);
            }
            ToRoom::Join {
                entrant,
                outbox,
                done,
            } => {
                let (link, prefix) = (entrant.link, entrant.prefix);
                self.voices.seat(link, outbox);
                let is_in = self.room.handle_join(then, *entrant);
                self.settle(now, link, is_in, done);
                if let Some(face) = self.room.participant_of(link) {
                    info!(room = %self.id, participant = %face.id, %prefix, "joined");
                }
            }
            ToRoom::Manage {
                managing,
                outbox,
                done,
            } => {
                let link = managing.link;
                self.voices.seat(link, outbox);
                let is_in = self.room.handle_manage(then, *managing);
                self.settle(now, link, is_in, done);
            }
            ToRoom::Resume {
                returning,
                outbox,
                done,
            } => {
                let link = returning.link;
                self.voices.seat(link, outbox);
                let is_in = self.room.handle_resume(then, &returning);
                self.settle(now, link, is_in, done);
            }
            ToRoom::Message { link, message } => self.room.handle_message(then, link, *message),
            ToRoom::LinkLost { link, page_gone } => {
                self.voices.forget(link);
                if page_gone {
                    self.room.handle_page_gone(then, link);
                } else {
                    self.room.handle_link_lost(then, link);
                }
            }
            ToRoom::Order {
                request,
                by,
                origin,
                done,
            } => {
                self.asked = Some(Asked { by, origin });
                let ticket = self.draw_ticket();
                self.voices.expect(ticket, done);
                self.room.handle_operator(then, ticket, by, *request);
            }
            ToRoom::Delete { by, origin, done } => {
                self.asked = Some(Asked {
                    by,
                    origin: origin.clone(),
                });
                let ticket = self.draw_ticket();
                self.room
                    .handle_operator(then, ticket, by, OperatorRequest::Delete);
                self.deleting = Some(Deletion { by, origin, done });
            }
            ToRoom::Settle { done } => {
                // What this step is to keep comes before it.
                self.perform(now);
                self.voices.say(Held::Settled(done));
            }
            ToRoom::Draining => {
                let retry_after = self.registry.config.retry_after;
                let drain = self.registry.tuning().drain;
                self.room.announce_draining(drain, retry_after);
            }
        }
    }

    fn draw_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Lets a link know whether it is in the room, after its answer was queued.
    fn settle(&mut self, now: Instant, link: LinkId, is_in: bool, done: oneshot::Sender<Seat>) {
        self.perform(now);
        if is_in {
            // A link that no longer waits reports its end.
            let _ = done.send(Seat::Taken);
        } else {
            self.voices.say(Held::Refused(link, done));
        }
    }

    fn perform(&mut self, now: Instant) {
        let mut ahead = None;
        while let Some(output) = ahead.take().or_else(|| self.room.poll_output()) {
            match output {
                Output::Push { link, seq, notice } => {
                    ahead = self.room.poll_output();
                    let is_last =
                        matches!(ahead, Some(Output::Release { link: next }) if next == link);
                    self.voices.say(if is_last && seq.is_none() {
                        ahead = None;
                        Held::Farewell(link, notice)
                    } else {
                        Held::Output(Output::Push { link, seq, notice })
                    });
                }
                Output::Media(command) => self.shard.send(now, command),
                Output::Persist(change) => {
                    let change = self.signed(change);
                    self.voices.keep_first(change);
                }
                Output::Hash { ticket, password } => self.hash(now, ticket, password),
                Output::DrawKey { knock } => {
                    let key = self.registry.draw_member();
                    self.room.handle_key(knock, key);
                }
                Output::TokenIssued(token) => {
                    self.registry.add_token(token, Arc::clone(&self.own));
                    self.tokens.insert(token);
                }
                Output::TokenRevoked(token) => {
                    self.registry.remove_token(&token);
                    self.tokens.remove(&token);
                }
                output => self.voices.say(Held::Output(output)),
            }
        }
        self.publish_session();
    }

    /// Completes the record of an act that somebody outside the room asked for.
    fn signed(&self, change: Change) -> Change {
        match (change, &self.asked) {
            (Change::Audit(entry), Some(asked)) if entry.actor == asked.by => {
                Change::Audit(Box::new(asked.origin.sign(*entry)))
            }
            (change, _) => change,
        }
    }

    /// Lets others find the meeting that goes on, and no other.
    fn publish_session(&mut self) {
        let session = self.room.session();
        if session == self.session {
            return;
        }
        if let Some(over) = std::mem::replace(&mut self.session, session) {
            self.registry.remove_session(over);
        }
        if let Some(begun) = session {
            self.registry.add_session(begun, self.id);
        }
    }

    /// Begins to hash a new password, one at a time: the pool is for those at the door.
    fn hash(&mut self, now: Instant, ticket: u64, password: SecretText) {
        if self.hashing.is_some() {
            return self.hashed(now, ticket, Err(Busy));
        }
        self.hashing_for = self.asked.clone();
        let pool = self.registry.pool.clone();
        self.hashing = Some((
            ticket,
            Box::pin(async move { pool.turn().await?.hash(password).await }),
        ));
    }

    fn hashed(&mut self, now: Instant, ticket: u64, hash: Result<PasswordHash, Busy>) {
        let hash = hash.map_err(|Busy| busy());
        self.room.handle_hashed(now.into_std(), ticket, hash);
    }
}

/// However it ends, nobody finds its session afterwards.
impl Drop for Meeting {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.registry.remove_session(session);
        }
    }
}

/// Waits until a password is hashed. Never, without one.
async fn hashed(
    hashing: &mut Option<(u64, Later<Result<PasswordHash, Busy>>)>,
) -> (u64, Result<PasswordHash, Busy>) {
    match hashing {
        Some((ticket, hash)) => (*ticket, hash.await),
        None => std::future::pending().await,
    }
}

async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
