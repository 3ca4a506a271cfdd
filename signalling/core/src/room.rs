//! One room from its first join to its last leave.
//!
//! The shell draws [`LinkId`]s and [`MemberKey`]s, calls `handle_*`, and does
//! what [`Room::poll_output`] says until it says nothing more.

mod arrive;
mod attending;
mod audit;
mod barrier;
mod calling;
mod chatting;
mod config;
mod deeds;
mod describe;
mod door;
mod ending;
mod enforce;
mod events;
mod hosts;
mod inviting;
mod moderate;
mod operator;
mod policy;
mod queue;
mod relaying;
mod requests;
mod rights;
mod roster;
mod seats;
mod sharing;
mod showing;
mod standing;
mod steward;
mod suspending;
mod telling;
mod transfer;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Command, MemberKey, RoomKey};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{ParticipantId, RoomId, SessionId, TrackId};
use conclave_signalling_wire::objects::{Participant, Source};
use conclave_signalling_wire::push::{LeftReason, Push, ServerDraining};
use conclave_signalling_wire::reply::Joined;
use conclave_signalling_wire::secret::ResumeToken;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;

use crate::attendance::Attendances;
use crate::bans::BanList;
use crate::chat::Chat;
use crate::clock::ClockAnchor;
use crate::handover::Offers;
use crate::hands::Hands;
use crate::invites::InviteList;
use crate::lobby::Lobby;
use crate::member::{Member, Presence};
use crate::output::{LinkId, Notice, Output, Reply};
use crate::prompts::Prompts;
use crate::rate::seconds;
use crate::record::{Actor, Change, EndReason, RoomRecord};
use crate::screen::Screens;
use crate::settings::Settings;
use crate::standings::Standings;

use audit::Deeds;
use barrier::Barriers;
use ending::Endings;
use hosts::Hosts;
use policy::Hashings;
use seats::Seat;
use steward::Steward;
use transfer::Transfer;

pub use arrive::{Claim, Entrant, Returning, SiteClaim, resume_failed};
pub(crate) use audit::Refusals;
pub use config::RoomConfig;
pub use operator::{
    BanOn, ChatPage, InvitePatch, LiveParticipant, LiveSession, NewBan, OperatorRequest,
};
pub use steward::Managing;

/// See the module.
pub struct Room {
    config: RoomConfig,
    id: RoomId,
    slug: Slug,
    settings: Settings,
    invites: InviteList,
    bans: BanList,
    standings: Standings,
    chat: Chat,
    lobby: Lobby,
    /// What those in the lobby were told that the hosts say.
    told_message: Option<String>,
    hosts: Hosts,
    /// Whether those in the room were told that newcomers wait for a host.
    told_waiting: bool,
    key: RoomKey,
    clock: ClockAnchor,
    rng: StdRng,
    /// What the step that is being taken was told. Each `handle_*` sets it first.
    now: Instant,
    /// The meeting that goes on: from the first participant to the last.
    session: Option<SessionId>,
    /// Since when.
    session_since: Option<Timestamp>,
    /// Whether the media plane has the room.
    is_open: bool,
    /// Whether it was deleted: nobody comes in any more.
    is_deleted: bool,
    members: BTreeMap<MemberKey, Member>,
    /// How many came in, ever: keys are drawn at the door, and who waits there
    /// comes in after those who knocked later.
    arrivals: u64,
    /// How the last of those went who are gone.
    last_gone: Option<LeftReason>,
    /// Why the meeting ends, and who ends it, where it does not end by itself.
    over: Option<(EndReason, Option<Actor>)>,
    links: BTreeMap<LinkId, Seat>,
    stewards: BTreeMap<LinkId, Steward>,
    door_refusals: Refusals,
    ids: BTreeMap<ParticipantId, MemberKey>,
    screens: Screens,
    hands: Hands,
    /// Whether the queue, or who sees whose hand, has changed since it was told.
    hands_stale: bool,
    /// Who is shown large to everybody.
    spotlight: Vec<MemberKey>,
    /// Whether somebody sees another spotlight than it was told.
    spotlight_stale: bool,
    attendances: Attendances,
    /// Who wants to take a share over, and was not answered.
    takeovers: Offers<TrackId>,
    /// Who offers the meeting to whom, and was not answered.
    transfers: Offers<Transfer>,
    endings: Endings,
    speakers: Option<Arc<Notice>>,
    quality: Option<Arc<Notice>>,
    prompts: Prompts,
    barriers: Barriers,
    hashings: Hashings,
    deeds: Deeds,
    outputs: VecDeque<Output>,
}

impl Room {
    /// Makes a room without participants, as it was kept. `key` is drawn anew
    /// each time. It may have something to be kept at once.
    pub fn new(
        config: RoomConfig,
        record: RoomRecord,
        key: RoomKey,
        now: Instant,
        clock: ClockAnchor,
        rng: StdRng,
    ) -> Self {
        let RoomRecord {
            id,
            slug,
            settings,
            invites,
            bans,
            standings,
            chat,
        } = record;
        let (standings, changed) = Standings::new(standings, clock.at(now));
        let (chat, gone) = Chat::new(chat, &settings.chat, clock.at(now));
        let outputs = changed
            .into_iter()
            .map(|standing| Change::Standing(Box::new(standing)))
            .chain(gone)
            .map(Output::Persist);
        Room {
            config,
            id,
            slug,
            told_message: settings.lobby_message.clone(),
            told_waiting: !settings.start_without_host,
            invites: InviteList::new(invites),
            bans: BanList::new(bans),
            standings,
            chat,
            lobby: Lobby::new(),
            hosts: Hosts::NotBegun,
            settings,
            key,
            clock,
            rng,
            now,
            session: None,
            session_since: None,
            is_open: false,
            is_deleted: false,
            members: BTreeMap::new(),
            arrivals: 0,
            last_gone: None,
            over: None,
            links: BTreeMap::new(),
            stewards: BTreeMap::new(),
            door_refusals: Refusals::default(),
            ids: BTreeMap::new(),
            screens: Screens::default(),
            hands: Hands::default(),
            hands_stale: false,
            spotlight: Vec::new(),
            spotlight_stale: false,
            attendances: Attendances::default(),
            takeovers: Offers::default(),
            transfers: Offers::default(),
            endings: Endings::default(),
            speakers: None,
            quality: None,
            prompts: Prompts::default(),
            barriers: Barriers::default(),
            hashings: Hashings::default(),
            deeds: Deeds::default(),
            outputs: outputs.collect(),
        }
    }

    /// Tells everybody that the server will stop.
    pub fn announce_draining(&mut self, deadline: Duration, retry_after: Duration) {
        let draining = ServerDraining {
            deadline_s: seconds(deadline),
            retry_after_s: seconds(retry_after),
        };
        self.broadcast(&Notice::new(draining), None);
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.begin_step();
        let expired: Vec<MemberKey> = self
            .members
            .iter()
            .filter(|(_, member)| dropped_until(member).is_some_and(|until| until <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in expired {
            self.remove(key, LeftReason::ConnectionLost);
        }
        for holder in self.screens.overdue(now) {
            self.end_share(holder, ErrorCode::Conflict);
        }
        self.expire_call();
        self.expire_overrides();
        self.expire_requests();
        self.give_up_on_barriers();
        let late: Vec<MemberKey> = self
            .members
            .iter()
            .filter(|(_, member)| {
                member
                    .media_deadline()
                    .is_some_and(|deadline| deadline <= now)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in late {
            self.give_up_on_shard(now, key);
        }
        self.expire_knocks();
        self.expire_chat();
        self.settle();
    }

    /// Answers what the shard did not answer in time.
    fn give_up_on_shard(&mut self, now: Instant, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let mut unanswered: Vec<(LinkId, u32)> = Vec::new();
        unanswered.extend(
            member
                .negotiation
                .overdue(now)
                .iter()
                .map(|offer| (offer.link, offer.id)),
        );
        let overdue = member.publications.overdue(now);
        let acks = member
            .mirror
            .acks
            .extract_if(.., |_, ack| ack.deadline <= now);
        unanswered.extend(acks.map(|(_, ack)| (ack.link, ack.id)));
        let present = member.link();
        for (link, id) in unanswered
            .into_iter()
            .filter(|(link, _)| present == Some(*link))
        {
            self.refuse(link, id, ErrorCode::NotAvailable.into());
        }
        for source in overdue {
            // Whatever comes of it later is not what its owner was told; one
            // that was published before is over on both sides.
            match source {
                Source::Screen => self.end_share(key, ErrorCode::NotAvailable),
                _ => self.end(key, &[source], ErrorCode::NotAvailable),
            };
        }
    }

    /// Returns what is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the instant at which [`Room::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let members = self.members.values();
        let due = members.flat_map(|member| [dropped_until(member), member.media_deadline()]);
        let others = [
            self.screens.deadline(self.now),
            self.takeovers.deadline(),
            self.transfers.deadline(),
            self.ending_deadline(),
            self.next_expiry(),
            self.prompts.deadline(),
            self.call_deadline(),
            self.barriers.deadline(),
            self.hosts.deadline(),
            self.lobby_deadline(),
            self.chat.found_until().map(|until| self.clock.when(until)),
        ];
        due.chain(others).flatten().min()
    }

    /// Returns the participants, in the order in which they came, dropped ones included.
    pub fn roster(&self) -> impl Iterator<Item = &Participant> {
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_unstable_by_key(|member| member.arrival);
        members.into_iter().map(|member| &member.face)
    }

    /// Returns how many participants there are, dropped ones included.
    pub fn participants(&self) -> usize {
        self.members.len()
    }

    /// Returns the participant of a link.
    pub fn participant_of(&self, link: LinkId) -> Option<&Participant> {
        let member = self.members.get(&self.key_of(link)?)?;
        Some(&member.face)
    }

    /// Returns the key under which the media plane knows the participant of a link.
    pub fn key_of(&self, link: LinkId) -> Option<MemberKey> {
        match self.links.get(&link)? {
            Seat::Member(key) => Some(*key),
            Seat::Waiter(_) | Seat::Steward => None,
        }
    }

    /// Returns the meeting that goes on.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Returns whether nobody is in the room, in its lobby, managing it or owed
    /// an answer: then it need not be kept. Its key is used up if it was open.
    pub fn is_idle(&self) -> bool {
        self.members.is_empty()
            && self.lobby.is_empty()
            && self.stewards.is_empty()
            && self.hashings.is_empty()
            && !self.barriers.holds_operator()
    }

    /// Returns the key under which the media plane knows the room.
    pub fn key(&self) -> RoomKey {
        self.key
    }

    /// Returns what the wall clock shows in this step.
    fn time(&self) -> Timestamp {
        self.clock.at(self.now)
    }

    fn command(&mut self, command: Command) {
        self.barriers.note(&command);
        self.outputs.push_back(Output::Media(command));
    }

    fn reply(&mut self, link: LinkId, id: u32, reply: Reply) {
        self.outputs.push_back(Output::Reply {
            link,
            id,
            ok: Box::new(reply),
        });
    }

    fn refuse(&mut self, link: LinkId, id: u32, error: ErrorBody) {
        self.outputs.push_back(Output::Refuse {
            link,
            id,
            error: Box::new(error),
        });
    }

    /// Tells one participant something, if it can be told, and keeps what is numbered.
    fn tell(&mut self, key: MemberKey, notice: &Arc<Notice>) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let seq = notice
            .push()
            .is_sequenced()
            .then(|| member.log.append(Arc::clone(notice)));
        if let Some(link) = member.link() {
            self.outputs.push_back(Output::Push {
                link,
                seq,
                notice: Arc::clone(notice),
            });
        }
    }

    fn broadcast(&mut self, notice: &Arc<Notice>, except: Option<MemberKey>) {
        let keys: Vec<MemberKey> = self
            .members
            .keys()
            .copied()
            .filter(|key| Some(*key) != except)
            .collect();
        for key in keys {
            self.tell(key, notice);
        }
    }

    /// Changes what others see of a participant, and tells everybody. Returns its new `rev`.
    fn update(&mut self, key: MemberKey, change: impl FnOnce(&mut Participant)) -> u32 {
        let Some(member) = self.members.get_mut(&key) else {
            return 0;
        };
        let before = member.face.clone();
        change(&mut member.face);
        member.face.rev += 1;
        let after = member.face.clone();
        self.show_change(&before, &after);
        after.rev
    }

    /// Tells everybody what a participant publishes.
    fn update_sources(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let sources = member.publications.sources(member.permissions);
        if member.face.sources != sources {
            self.update(key, |face| face.sources = sources);
        }
    }

    /// Ends the stay of a participant. Its link, if it has one, is closed by the caller.
    /// Returns who it was.
    fn remove(&mut self, key: MemberKey, reason: LeftReason) -> Option<Member> {
        let member = self.members.remove(&key)?;
        self.last_gone = Some(reason);
        self.ids.remove(&member.face.id);
        if let Some(link) = member.link() {
            self.links.remove(&link);
        }
        self.screens.release(key);
        self.outputs.push_back(Output::TokenRevoked(member.token));
        self.command(Command::Drop { member: key });
        let who = (Actor::Participant(member.face.id), Some(member.prefix));
        self.audit_left_out(who, &member.refusals);
        self.forget_requests(key, member.face.id);
        self.note_absent(&member, reason);
        self.forget_hand(key);
        self.show_departure(&member.face, reason);
        if self.members.is_empty() {
            self.speakers = None;
            self.quality = None;
        }
        self.note_left(&member.device);
        if matches!(reason, LeftReason::Removed | LeftReason::ToLobby) {
            self.forget_reader(&member.device);
        }
        Some(member)
    }

    /// Writes everything that a participant may know, for `joined` and for a snapshot.
    fn joined(&mut self, key: MemberKey, resume_token: ResumeToken) -> Option<Joined> {
        let ice_servers = self.ice_servers(key);
        let member = self.members.get(&key)?;
        Some(Joined {
            session: member.session,
            room: self.describe_for(member).unwrap_or_else(|| self.describe()),
            own: member.face.clone(),
            permissions: member.permissions.to_vec(),
            overrides: self.live_overrides(member),
            roster: self.roster_for(key, member),
            hands: self.hands_for(member),
            ending: self.ending_for(key),
            chat: self.chat_for(member),
            ice_servers,
            seq: member.log.seq(),
            resume_token,
        })
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn draw_token(&mut self) -> ResumeToken {
        ResumeToken::new(self.random())
    }

    /// Tells a link that knows nothing what only counts in its newest form.
    fn tell_states(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let (slots, layers) = member.mirror.whole();
        let slots = slots.map(|slots| self.unlabel(key, slots));
        let mut notices: Vec<Arc<Notice>> = slots.into_iter().map(Notice::new).collect();
        notices.extend(layers.map(|layers| Notice::new(Push::from(layers.clone()))));
        notices.extend(self.states_of_others(key));
        for notice in notices {
            self.tell(key, &notice);
        }
        self.tell_viewers(key);
        self.tell_ending(key);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("key", &self.key)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

fn dropped_until(member: &Member) -> Option<Instant> {
    match member.presence {
        Presence::Connected(_) => None,
        Presence::Dropped { until } => Some(until),
    }
}

#[cfg(test)]
mod tests;
