//! Behaviour of a room through its public face.

mod attending;
mod authority;
mod bans;
mod barrier;
mod calling;
mod chatting;
mod door;
mod ending;
mod handover;
mod hosts;
mod invites;
mod lobby;
mod media;
mod misuse;
mod model;
mod moderate;
mod operator;
mod policy;
mod presence;
mod relaying;
mod returning;
mod rights;
mod roster;
mod sharing;
mod sites;
mod steward;
mod suspending;
mod telling;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Command, Event, MemberKey, MidName, Rid, RoomKey};
use conclave_signalling_wire::error::{CloseCode, ErrorBody};
use conclave_signalling_wire::frame::RequestFrame;
use conclave_signalling_wire::ids::{InviteId, KnockId, ParticipantId, RoomId};
use conclave_signalling_wire::objects::{LobbyMode, Participant, Preset, Role, Source};
use conclave_signalling_wire::push::{LobbyStatus, Push};
use conclave_signalling_wire::reply::{JoinOutcome, Joined};
use conclave_signalling_wire::request::{DuplicateChoice, MediaOffer, MediaPublish, Request};
use conclave_signalling_wire::screen::ScreenOutcome;
use conclave_signalling_wire::secret::{DeviceKey, ResumeToken};
use conclave_signalling_wire::text::{DisplayName, Mid, Slug};
use conclave_signalling_wire::time::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Claim, Entrant, Returning, Room, RoomConfig};
use crate::clock::{ClockAnchor, epoch};
use crate::digest::{DeviceHash, InviteHash, NetworkTag, TokenHash};
use crate::origin::Prefix;
use crate::output::{LinkId, Output, Reply};
use crate::record::{Actor, Change, Invite, RoomRecord};
use crate::settings::Settings;

const HOME: Prefix = Prefix::V4([192, 0, 2]);
const CAFE: Prefix = Prefix::V4([198, 51, 100]);
/// 2026-11-22T10:00:00Z.
const START_MS: u64 = 1_795_341_600_000;

/// A room and the shell that a test plays for it.
struct Stage {
    room: Room,
    now: Instant,
    keys: u64,
    request: u32,
    /// What was to be kept of sessions, of who was there and for webhooks.
    told: Vec<Change>,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// A room that anybody enters at any time.
    fn with(change: impl FnOnce(&mut RoomConfig, &mut RoomRecord)) -> Self {
        let now = epoch();
        let mut config = RoomConfig::default();
        let mut record = RoomRecord {
            chat: Vec::new(),
            id: RoomId::new(START_MS, [0; 10]),
            slug: Slug::new("welcome").unwrap(),
            settings: Settings {
                lobby: LobbyMode::Off,
                start_without_host: true,
                ..Settings::new(Preset::Meeting, "Welcome")
            },
            invites: Vec::new(),
            bans: Vec::new(),
            standings: Vec::new(),
        };
        change(&mut config, &mut record);
        let clock = ClockAnchor::new(now, START_MS);
        let rng = StdRng::seed_from_u64(1);
        Stage {
            room: Room::new(config, record, RoomKey(1), now, clock, rng),
            now,
            keys: 0,
            request: 100,
            told: Vec::new(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.room.handle_timeout(self.now);
    }

    /// Everything that is to be done, but for [`Stage::told`], which most tests
    /// are not about.
    fn outputs(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.room.poll_output() {
            if let Output::DrawKey { knock } = output {
                self.keys += 1;
                self.room.handle_key(knock, MemberKey(self.keys));
            }
            match output {
                Output::Persist(
                    change @ (Change::Session(_) | Change::Attended(_) | Change::Event(_)),
                ) => self.told.push(change),
                output => outputs.push(output),
            }
        }
        outputs
    }

    /// Everything that is to be done, in short.
    fn done(&mut self) -> Vec<String> {
        self.outputs().iter().map(short).collect()
    }

    /// Somebody at the door, over a link of its own, who shows nothing.
    fn entrant(&mut self, name: &str, device: u8) -> Entrant {
        self.keys += 1;
        Entrant {
            link: LinkId(self.keys),
            member: MemberKey(self.keys),
            prefix: HOME,
            id: 2,
            name: DisplayName::new(name).unwrap(),
            device: DeviceHash::from(&DeviceKey::new([device; 16])),
            address: IpAddr::from([192, 0, 2, 7]),
            networks: Vec::new(),
            claim: Claim::Open,
            to_lobby: false,
            consent_hash: None,
            duplicate: None,
            relay_host: Arc::from("meet.example.org"),
        }
    }

    /// Lets somebody try the door. Returns its link, and whether the room has it.
    fn enter(&mut self, entrant: Entrant) -> (LinkId, bool) {
        (entrant.link, self.room.handle_join(self.now, entrant))
    }

    /// Comes with the secret of an invite; see [`invite`].
    fn try_invite(&mut self, name: &str, device: u8, invite: u8) -> (LinkId, bool) {
        let mut entrant = self.entrant(name, device);
        entrant.claim = Claim::Invite(InviteHash([invite; 32]));
        self.enter(entrant)
    }

    fn try_join(
        &mut self,
        name: &str,
        device: u8,
        duplicate: Option<DuplicateChoice>,
    ) -> (LinkId, bool) {
        let mut entrant = self.entrant(name, device);
        entrant.duplicate = duplicate;
        self.enter(entrant)
    }

    /// Joins as a device of its own; all outputs are dropped but the own `joined`.
    fn join(&mut self, name: &str) -> (LinkId, Joined) {
        let device = self.keys as u8 + 100;
        let (link, is_in) = self.try_join(name, device, None);
        assert!(is_in);
        let joined = self.outputs().into_iter().find_map(|output| match output {
            Output::Reply { link: to, ok, .. } if to == link => match *ok {
                Reply::Join(JoinOutcome::Joined(joined)) => Some(*joined),
                _ => None,
            },
            _ => None,
        });
        (link, joined.unwrap())
    }

    /// Joins with a role, as by an invite; all outputs are dropped.
    fn join_as(&mut self, name: &str, role: Role) -> (LinkId, ParticipantId) {
        let usual = std::mem::replace(&mut self.room.settings.default_role, role);
        let (link, joined) = self.join(name);
        self.room.settings.default_role = usual;
        (link, joined.own.id)
    }

    fn face(&self, who: ParticipantId) -> &Participant {
        self.room.roster().find(|face| face.id == who).unwrap()
    }

    /// The shard says that everything before a barrier has taken effect.
    fn passed(&mut self, number: u64) {
        let room = RoomKey(1);
        self.room
            .handle_media(self.now, Event::Passed { room, number });
    }

    fn ask(&mut self, link: LinkId, request: impl Into<Request>) -> u32 {
        self.request += 1;
        let frame = RequestFrame {
            id: self.request,
            request: request.into(),
        };
        self.room.handle_message(self.now, link, Ok(frame));
        self.request
    }

    fn resume(&mut self, token: ResumeToken, last_seq: u32, prefix: Prefix) -> (LinkId, bool) {
        self.keys += 1;
        let link = LinkId(self.keys);
        let returning = Returning {
            link,
            prefix,
            address: IpAddr::from([192, 0, 2, 7]),
            networks: Vec::new(),
            id: 1,
            token: TokenHash::from(&token),
            last_seq,
            relay_host: Arc::from("meet.example.org"),
        };
        let is_in = self.room.handle_resume(self.now, &returning);
        (link, is_in)
    }

    fn key(&self, link: LinkId) -> MemberKey {
        self.room.key_of(link).unwrap()
    }

    fn offer(&mut self, link: LinkId, generation: u32) -> u32 {
        self.ask(
            link,
            MediaOffer {
                generation,
                sdp: "v=0".to_owned(),
                relay_only: false,
            },
        )
    }

    fn answer(&mut self, member: MemberKey, generation: u32) {
        let answer = Event::Answer {
            member,
            generation,
            sdp: "v=0".to_owned(),
            video_slots: vec![mid("4"), mid("5")],
            audio_slots: vec![mid("16")],
        };
        self.room.handle_media(self.now, answer);
    }

    fn publish(&mut self, link: LinkId, source: Source, on: &str) -> u32 {
        self.ask(
            link,
            MediaPublish {
                mid: Mid::new(on).unwrap(),
                source,
                muted: false,
            },
        )
    }

    /// Returns the number of the attempt that waits for the shard, 0 if none does.
    fn attempt(&self, member: MemberKey, source: conclave_sfu_wire::control::Source) -> u32 {
        let pending = &self.room.members[&member].publications.pending;
        pending
            .get(&crate::media::from_source(source))
            .map_or(0, |pending| pending.attempt)
    }

    /// Publishes, with a shard that agrees; all outputs are dropped.
    fn published(&mut self, link: LinkId, source: Source, on: &str) {
        self.publish(link, source, on);
        let member = self.key(link);
        let source = crate::media::to_source(source);
        let attempt = self.attempt(member, source);
        self.room.handle_media(
            self.now,
            Event::Published {
                member,
                attempt,
                source,
                rids: Rid::ALL.to_vec(),
            },
        );
        self.outputs();
    }
}

/// An invite for any number to come in as `role`, whose secret has the hash of
/// this number.
fn invite(number: u8, role: Role) -> Invite {
    Invite {
        id: InviteId::new(START_MS, [number; 10]),
        hash: InviteHash([number; 32]),
        role,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        devices: Vec::new(),
        uses: 0,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
        created_by: Actor::Operator,
        maker: None,
        vouched: true,
        created_at: Timestamp::from_unix_ms(START_MS),
        last_used_at: None,
        revoked_at: None,
    }
}

/// A network under the newest key.
fn network(number: u8) -> NetworkTag {
    NetworkTag {
        key: 1,
        tag: [number; 16],
    }
}

/// The knock that a link was given.
fn knock_of(outputs: &[Output]) -> KnockId {
    let found = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Join(JoinOutcome::Lobby(lobby)) => Some(lobby.knock),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn mid(text: &str) -> MidName {
    MidName::new(text).unwrap()
}

/// Writes an output so that a test can list all of them.
fn short(output: &Output) -> String {
    match output {
        Output::Reply { link, id, ok } => format!("{} ok {id} {}", link.0, reply(ok)),
        Output::Refuse { link, id, error } => format!("{} error {id} {}", link.0, refusal(error)),
        Output::Push { link, seq, notice } => {
            let seq = seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
            format!("{} push {seq} {}", link.0, push(notice.push()))
        }
        Output::Close { link, code } => format!("{} close {}", link.0, code.number()),
        Output::Release { link } => format!("{} released", link.0),
        Output::DrawKey { .. } => "draw key".to_owned(),
        Output::Media(command) => format!("shard {}", order(command)),
        Output::TokenIssued(_) => "token issued".to_owned(),
        Output::TokenRevoked(_) => "token revoked".to_owned(),
        Output::Persist(change) => format!("keep {}", kept(change)),
        Output::Hash { ticket, .. } => format!("hash {ticket}"),
        Output::Operator { ticket, answer } => match answer.as_ref() {
            Ok(_) => format!("operator {ticket} ok"),
            Err(error) => format!("operator {ticket} {}", refusal(error)),
        },
    }
}

fn kept(change: &Change) -> String {
    match change {
        Change::Settings(settings) => format!("settings {}", settings.rev),
        Change::Invite(invite) => format!("invite used {}", invite.uses),
        Change::InviteGone(_) => "invite gone".to_owned(),
        Change::Ban(ban) => format!("ban strict {}", ban.strict),
        Change::BanLifted(_) => "ban lifted".to_owned(),
        Change::Standing(standing) => format!("standing of {:?}", standing.role),
        Change::StandingGone(_) => "standing gone".to_owned(),
        Change::Chat(record) => format!("message {}", record.message.number),
        Change::ChatGone { session, up_to } => {
            format!("messages gone {} {up_to}", session.is_some())
        }
        Change::Audit(entry) => format!("act {} {}", entry.action, entry.outcome),
        Change::Session(_) => "session".to_owned(),
        Change::Attended(_) => "attended".to_owned(),
        Change::Event(event) => format!("event {:?}", event.kind),
    }
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Join(JoinOutcome::Joined(joined)) => format!("joined {}", joined.roster.len()),
        Reply::Join(JoinOutcome::Lobby(lobby)) => format!("lobby {:?}", lobby.state),
        Reply::Join(JoinOutcome::Duplicate(_)) => "duplicate".to_owned(),
        Reply::Hello(_) => "resumed".to_owned(),
        Reply::Done => "done".to_owned(),
        Reply::Renamed(renamed) => format!("renamed {}", renamed.rev),
        Reply::Answer(answer) => format!("answer {}", answer.generation),
        Reply::Published(published) => format!("published {}", published.rids.len()),
        Reply::TurnRefreshed(fresh) => format!("relay {}", fresh.ice_servers.len()),
        Reply::Wished(wished) => format!("wished {}", wished.rev),
        Reply::Acked(acked) => format!("acked {}", acked.first_rtp_timestamp.len()),
        Reply::Screen(ScreenOutcome::Granted { .. }) => "screen granted".to_owned(),
        Reply::Screen(ScreenOutcome::Asked { .. }) => "screen asked".to_owned(),
        Reply::ChatSent(_) => "sent".to_owned(),
        Reply::ChatExported(piece) => format!("exported {:?}", piece.next),
        Reply::Called(called) => format!("called {}", called.participant.is_some()),
        Reply::TransferAsked(_) => "transfer asked".to_owned(),
        Reply::Transferred(done) => format!("transferred {}", done.secret.is_some()),
        Reply::Attendance(attendance) => format!("attendance {}", attendance.people.len()),
        Reply::Managed(managed) => format!("managed as {:?}", managed.role),
        Reply::RoomRevised(room) => format!("room {}", room.rev),
        Reply::Revised(revised) => format!("revised {}", revised.rev),
        Reply::Lobby(results) => {
            let results = results
                .results
                .iter()
                .map(|one| format!("{:?}", one.result));
            results.collect::<Vec<_>>().join(" ")
        }
        Reply::Muted(muted) => format!("muted {}", muted.participants.len()),
        Reply::Requested(_) => "requested".to_owned(),
        Reply::Removed(removed) => {
            format!("removed {} ban {}", removed.removals, removed.ban.is_some())
        }
        Reply::Bans(bans) => format!("bans {}", bans.bans.len()),
        Reply::Invited(_) => "invited".to_owned(),
        Reply::Invites(invites) => format!("invites {}", invites.invites.len()),
    }
}

fn refusal(error: &ErrorBody) -> String {
    let mut text = error.code.name().to_owned();
    if let Some(field) = &error.field {
        text += &format!(" {field}");
    }
    if let Some(seconds) = error.retry_after_s {
        text += &format!(" {seconds}s");
    }
    text
}

fn push(push: &Push) -> String {
    match push {
        Push::ParticipantJoined(joined) => format!("joined {}", joined.participant.name.as_str()),
        Push::ParticipantUpdated(updated) => {
            format!(
                "updated {} {}",
                updated.participant.name.as_str(),
                updated.participant.rev
            )
        }
        Push::ParticipantLeft(left) => format!("left {:?}", left.reason),
        Push::MediaSlots(slots) => format!("slots {} of {}", slots.rev, slots.slots.len()),
        Push::MediaLayers(layers) => format!("layers {}", layers.active.len()),
        Push::Speakers(speakers) => format!("speakers {}", speakers.speakers.len()),
        Push::MediaQuality(quality) => format!("quality {}", quality.participants.len()),
        Push::MediaReset(reset) => format!("reset {:?}", reset.reason),
        Push::MediaRestart(_) => "restart".to_owned(),
        Push::ServerDraining(draining) => format!("draining {}", draining.deadline_s),
        Push::Ended(_) => "ended".to_owned(),
        Push::RosterCount(count) => format!("count {}", count.participants),
        Push::PermissionsChanged(changed) => {
            format!(
                "permissions {:?} {}",
                changed.role,
                changed.permissions.len()
            )
        }
        Push::RoomUpdated(updated) => format!("room {}", updated.room.rev),
        Push::LobbyStatus(status) => match status {
            LobbyStatus::Waiting(_) => "waiting".to_owned(),
            LobbyStatus::WaitingForHost(_) => "waiting for host".to_owned(),
            LobbyStatus::Admitted { .. } => "admitted".to_owned(),
            LobbyStatus::Denied { block_s, .. } => format!("denied {block_s}"),
        },
        Push::LobbyUpdate(update) => {
            format!("lobby {} of {}", update.lobby_rev, update.entries.len())
        }
        Push::MediaRevoked(revoked) => format!("revoked {:?} {:?}", revoked.source, revoked.reason),
        Push::MediaRequested(requested) => format!("requested {:?}", requested.source),
        Push::MediaRequestAnswered(answered) => format!("answered {:?}", answered.answer),
        Push::Removed(_) => "removed".to_owned(),
        Push::ScreenTakeoverRequested(_) => "takeover requested".to_owned(),
        Push::ScreenTakeoverAnswered(answered) => {
            format!("takeover answered {}", answered.share_id.is_some())
        }
        Push::ScreenViewers(viewers) => format!("viewers {}", viewers.count),
        Push::ChatWritten(message) => format!("message {}", message.0.number),
        Push::ChatEdited(_) => "edited".to_owned(),
        Push::ChatDeleted(deleted) => format!("deleted by {:?}", deleted.by_role),
        Push::ChatReacted(reacted) => format!("reacted {}", reacted.reactions.len()),
        Push::ChatPinned(pinned) => format!("pinned {}", pinned.on),
        Push::ChatCleared(cleared) => format!("cleared {}", cleared.up_to),
        Push::HandQueue(queue) => format!("hands {}", queue.hands.len()),
        Push::Reaction(reaction) => format!("reaction {:?}", reaction.emoji),
        Push::Announcement(_) => "announcement".to_owned(),
        Push::HostTransferRequested(_) => "transfer requested".to_owned(),
        Push::HostTransferAnswered(answered) => format!("transfer {:?}", answered.answer),
        Push::SessionEnding(ending) => format!("ending {:?}", ending.reason),
    }
}

fn order(command: &Command) -> String {
    match command {
        Command::OpenRoom { room, .. } => format!("open {}", room.0),
        Command::CloseRoom { room } => format!("close {}", room.0),
        Command::Admit { member, .. } => format!("admit {}", member.0),
        Command::Barrier { number, .. } => format!("barrier {number}"),
        Command::Drop { member } => format!("drop {}", member.0),
        Command::Offer {
            member,
            generation,
            relay_only,
            ..
        } => {
            let how = if *relay_only { " relayed" } else { "" };
            format!("offer {} {generation}{how}", member.0)
        }
        Command::EndTransport { member } => format!("end {}", member.0),
        Command::Publish {
            member,
            mid,
            source,
            muted,
            ..
        } => format!("publish {} {mid} {source:?} {muted}", member.0),
        Command::SetMuted {
            member,
            source,
            muted,
        } => format!("mute {} {source:?} {muted}", member.0),
        Command::Unpublish { member, source } => format!("unpublish {} {source:?}", member.0),
        Command::Wish { member, views } => format!("wish {} {}", member.0, views.len()),
        Command::AckSlots { member, rev } => format!("ack {} {rev}", member.0),
        Command::Span { shards, .. } => format!("span {shards:?}"),
        Command::SetLink { member, up } => format!("link {} {up}", member.0),
    }
}
