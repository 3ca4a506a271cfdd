//! One room as a task: its inbox, its timer, and what its core wants done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_sfu_wire::control::{Command, Event, MemberKey, RoomKey};
use conclave_signalling_core::output::{LinkId, Output, error_frame};
use conclave_signalling_core::room::{Entrant, Returning, Room, RoomConfig};
use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::secret::ResumeToken;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep_until};
use tracing::{error, info, warn};

use crate::outbox::Outbox;
use crate::registry::{Registry, RoomInbox};

/// Messages that may wait for a room: some seconds of the busiest meeting.
const INBOX: usize = 1024;
/// How soon a command is offered to a busy shard again.
const RETRY_AFTER: Duration = Duration::from_millis(5);
/// Commands that may wait for a busy shard, and for how long. A shard so far
/// behind is lost, and the room with it.
const BACKLOG: usize = 4096;
const LOST_AFTER: Duration = Duration::from_secs(10);

/// What a room is told.
pub(crate) enum ToRoom {
    /// Somebody whose credential was accepted.
    Join {
        entrant: Box<Entrant>,
        outbox: Outbox,
        /// Told whether the link is in the room.
        done: oneshot::Sender<bool>,
    },
    /// A link that asks for its old place.
    Resume {
        returning: Box<Returning>,
        outbox: Outbox,
        /// Told whether the link is in the room.
        done: oneshot::Sender<bool>,
    },
    /// A message of a link in the room.
    Message {
        link: LinkId,
        message: Result<RequestFrame, Malformed>,
    },
    /// A link ended.
    LinkLost { link: LinkId, page_gone: bool },
    /// A shard reports.
    Media(Event),
    /// The server will stop.
    Draining,
}

/// Begins a room.
pub(crate) fn spawn(registry: Arc<Registry>, config: RoomConfig) -> RoomInbox {
    let (sender, receiver) = mpsc::channel(INBOX);
    let room = new_room(&registry, &config);
    let actor = Actor {
        room,
        config,
        own: sender.clone(),
        registry,
        shard: 0,
        links: BTreeMap::new(),
        members: BTreeSet::new(),
        tokens: Vec::new(),
        backlog: VecDeque::new(),
        busy_since: None,
    };
    tokio::spawn(actor.run(receiver));
    sender
}

fn new_room(registry: &Registry, config: &RoomConfig) -> Room {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    Room::new(
        config.clone(),
        registry.draw_room(),
        registry.clock,
        StdRng::from_seed(seed),
    )
}

struct Actor {
    room: Room,
    config: RoomConfig,
    own: RoomInbox,
    registry: Arc<Registry>,
    shard: usize,
    links: BTreeMap<LinkId, Outbox>,
    members: BTreeSet<MemberKey>,
    tokens: Vec<ResumeToken>,
    backlog: VecDeque<(usize, Command)>,
    /// Since when the shard takes nothing; `None` without a backlog.
    busy_since: Option<Instant>,
}

impl Actor {
    async fn run(mut self, mut inbox: mpsc::Receiver<ToRoom>) {
        loop {
            let due = self.due();
            let message = tokio::select! {
                message = inbox.recv() => message,
                () = wait(due) => None,
            };
            let now = Instant::now();
            // Only the core and the encoding of its outputs run in here, and
            // after a panic neither is used again.
            let stepped = catch_unwind(AssertUnwindSafe(|| self.step(now, message)));
            if stepped.is_err() {
                self.registry.panics.fetch_add(1, Ordering::Relaxed);
                error!(room = %self.config.id, "a room panicked and was ended");
                self.fail();
            }
            if self.room.participants() == 0 && self.backlog.is_empty() {
                if self.registry.end(&self.config.slug, || inbox.is_empty()) {
                    return;
                }
                // The media plane must not meet the old key again.
                self.room = new_room(&self.registry, &self.config);
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        let retry = (!self.backlog.is_empty()).then(|| Instant::now() + RETRY_AFTER);
        let room = self.room.poll_timeout().map(Instant::from_std);
        [retry, room].into_iter().flatten().min()
    }

    fn step(&mut self, now: Instant, message: Option<ToRoom>) {
        self.flush_backlog(now);
        let now = now.into_std();
        match message {
            Some(ToRoom::Join {
                entrant,
                outbox,
                done,
            }) => {
                let link = entrant.link;
                let prefix = entrant.prefix;
                self.links.insert(link, outbox);
                let is_in = self.room.handle_join(now, *entrant);
                self.settle(link, is_in, done);
                if let Some(face) = self.room.participant_of(link) {
                    info!(room = %self.config.id, participant = %face.id, %prefix, "joined");
                }
            }
            Some(ToRoom::Resume {
                returning,
                outbox,
                done,
            }) => {
                let link = returning.link;
                self.links.insert(link, outbox);
                let is_in = self.room.handle_resume(&returning);
                self.settle(link, is_in, done);
            }
            Some(ToRoom::Message { link, message }) => self.room.handle_message(now, link, message),
            Some(ToRoom::LinkLost { link, page_gone }) => {
                self.links.remove(&link);
                if page_gone {
                    self.room.handle_page_gone(now, link);
                } else {
                    self.room.handle_link_lost(now, link);
                }
            }
            Some(ToRoom::Media(event)) => self.room.handle_media(now, event),
            Some(ToRoom::Draining) => {
                let config = &self.registry.config;
                self.room
                    .announce_draining(config.drain, config.retry_after);
            }
            None => {}
        }
        if self.room.poll_timeout().is_some_and(|due| due <= now) {
            self.room.handle_timeout(now);
        }
        self.perform();
    }

    /// Answers a link, and keeps it if it is in the room.
    fn settle(&mut self, link: LinkId, is_in: bool, done: oneshot::Sender<bool>) {
        self.perform();
        if !is_in {
            self.links.remove(&link);
        }
        // A link that no longer waits reports its end, or has none to report.
        let _ = done.send(is_in);
    }

    fn perform(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Reply { link, id, ok } => self.send(link, || ok.frame(id)),
                Output::Refuse { link, id, error } => self.send(link, || error_frame(id, &error)),
                Output::Push { link, seq, notice } => self.send(link, || notice.frame(seq)),
                Output::Close { link, code } => {
                    if let Some(outbox) = self.links.remove(&link) {
                        outbox.close(code);
                    }
                }
                Output::Media(command) => self.command(command),
                Output::TokenIssued(token) => {
                    self.registry.add_token(&token, self.own.clone());
                    self.tokens.push(token);
                }
                Output::TokenRevoked(token) => {
                    self.registry.remove_token(&token);
                    self.tokens.retain(|known| *known != token);
                }
            }
        }
    }

    fn send(&self, link: LinkId, text: impl FnOnce() -> String) {
        if let Some(outbox) = self.links.get(&link) {
            outbox.send(text());
        }
    }

    fn command(&mut self, command: Command) {
        match &command {
            Command::OpenRoom { room, .. } => {
                self.shard = self.registry.open(*room, self.own.clone())
            }
            Command::Admit { member, .. } => {
                self.members.insert(*member);
                self.registry
                    .add_member(*member, self.shard, self.own.clone());
            }
            Command::Drop { member } => {
                self.members.remove(member);
                self.registry.remove_member(*member, self.shard);
            }
            Command::CloseRoom { room } => self.forget_media(*room),
            _ => {}
        }
        // The order of commands is part of their meaning.
        let busy = !self.backlog.is_empty()
            || self
                .registry
                .media
                .send(self.shard, command.clone())
                .is_err();
        if busy {
            self.busy_since.get_or_insert_with(Instant::now);
            self.backlog.push_back((self.shard, command));
        }
    }

    fn flush_backlog(&mut self, now: Instant) {
        while let Some((shard, command)) = self.backlog.front() {
            if self.registry.media.send(*shard, command.clone()).is_err() {
                break;
            }
            self.backlog.pop_front();
            self.busy_since = Some(now);
        }
        if self.backlog.is_empty() {
            self.busy_since = None;
            return;
        }
        let is_late = self
            .busy_since
            .is_some_and(|since| now.duration_since(since) >= LOST_AFTER);
        if is_late || self.backlog.len() > BACKLOG {
            warn!(room = %self.config.id, shard = self.shard, "a shard takes no commands; its room ends");
            self.backlog.clear();
            self.busy_since = None;
            let room = self.room.key();
            if self.room.participants() > 0 {
                self.room
                    .handle_media(now.into_std(), Event::RoomFailed { room });
            }
        }
    }

    fn forget_media(&mut self, room: RoomKey) {
        for member in std::mem::take(&mut self.members) {
            self.registry.remove_member(member, self.shard);
        }
        self.registry.close(room);
    }

    /// Ends the room for everybody without asking its core.
    fn fail(&mut self) {
        for outbox in std::mem::take(&mut self.links).into_values() {
            outbox.close(CloseCode::Ended);
        }
        for token in std::mem::take(&mut self.tokens) {
            self.registry.remove_token(&token);
        }
        let room = self.room.key();
        self.forget_media(room);
        self.backlog.clear();
        self.busy_since = None;
        let close = Command::CloseRoom { room };
        if !matches!(
            catch_unwind(AssertUnwindSafe(|| self
                .registry
                .media
                .send(self.shard, close))),
            Ok(Ok(()))
        ) {
            warn!(room = %self.config.id, shard = self.shard, "a shard was not told that a room ended");
        }
        self.room = new_room(&self.registry, &self.config);
    }
}

async fn wait(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
