//! Random acts of people of all roles, against a naive shard, naive clients and
//! the invariants of rights: who may not, does not, and nothing is forwarded
//! that its owner may not publish.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use conclave_sfu_wire::control::Source as ShardSource;
use conclave_signalling_wire::limits::RESUME_WINDOW;
use conclave_signalling_wire::lobby::LobbyStatus;
use conclave_signalling_wire::moderation::{OverrideEffect, Target};
use conclave_signalling_wire::objects::{Override, Permission, RosterMode, ScreenPolicy};
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{
    Leave, MediaGrant, MediaLock, MediaMute, MediaUnpublish, ParticipantRemove, ParticipantRename,
    PermOverride, RoleSet, RoomUpdate, TrackState,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::media::{from_source, to_source};
use crate::permission::{Rule, can_be_overridden, decide, permissions_of};

#[derive(Debug, Clone)]
enum Own {
    Publish { source: Source, answered: bool },
    State { source: Source, muted: bool },
    Unpublish { source: Source },
    Lose,
    Leave,
}

#[derive(Debug, Clone)]
enum Act {
    Role(Role),
    Override(Permission, OverrideEffect, Option<u32>),
    Grant(Source, bool, Option<u32>),
    Lock(Vec<Source>, bool),
    Mute(Vec<Source>),
    MuteAll(Vec<Source>),
    Rename,
    Remove,
    Roster(RosterMode),
    Screen(ScreenPolicy),
    Speak(bool),
}

#[derive(Debug, Clone)]
enum Operation {
    Join { device: u8, role: Role },
    Resume(Index),
    Own(Index, Own),
    Act(Index, Index, Act),
    Shard,
    Pass(u64),
}

fn source() -> impl Strategy<Value = Source> {
    select(&Source::ALL[..])
}

fn some_sources() -> impl Strategy<Value = Vec<Source>> {
    proptest::sample::subsequence(&Source::ALL[..], 1..=3)
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![
        6 => (source(), any::<bool>()).prop_map(|(source, answered)| Own::Publish { source, answered }),
        3 => (source(), any::<bool>()).prop_map(|(source, muted)| Own::State { source, muted }),
        1 => source().prop_map(|source| Own::Unpublish { source }),
        1 => Just(Own::Lose),
        1 => Just(Own::Leave),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let ttl = || proptest::option::of(1u32..40);
    let effect = select(
        &[
            OverrideEffect::Allow,
            OverrideEffect::Deny,
            OverrideEffect::Clear,
        ][..],
    );
    prop_oneof![
        3 => select(&Role::ALL[..]).prop_map(Act::Role),
        4 => (select(Permission::ALL), effect, ttl()).prop_map(|(key, effect, ttl)| Act::Override(key, effect, ttl)),
        3 => (source(), any::<bool>(), ttl()).prop_map(|(source, on, ttl)| Act::Grant(source, on, ttl)),
        3 => (some_sources(), any::<bool>()).prop_map(|(sources, on)| Act::Lock(sources, on)),
        2 => some_sources().prop_map(Act::Mute),
        1 => some_sources().prop_map(Act::MuteAll),
        1 => Just(Act::Rename),
        1 => Just(Act::Remove),
        1 => select(&[RosterMode::All, RosterMode::Hosts][..]).prop_map(Act::Roster),
        1 => select(&[ScreenPolicy::One, ScreenPolicy::Off][..]).prop_map(Act::Screen),
        1 => any::<bool>().prop_map(Act::Speak),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let who = any::<Index>;
    prop_oneof![
        3 => (0u8..12, select(&Role::ALL[..])).prop_map(|(device, role)| Operation::Join { device, role }),
        2 => who().prop_map(Operation::Resume),
        6 => (who(), own()).prop_map(|(who, own)| Operation::Own(who, own)),
        8 => (who(), who(), act()).prop_map(|(who, whom, act)| Operation::Act(who, whom, act)),
        2 => Just(Operation::Shard),
        2 => (0u64..25).prop_map(Operation::Pass),
    ]
}

/// What a client believes, from its messages alone.
struct Client {
    is_open: bool,
    token: ResumeToken,
    seq: u32,
    faces: BTreeMap<ParticipantId, Participant>,
    permissions: Vec<Permission>,
    overrides: Vec<Override>,
    role: Role,
    own: ParticipantId,
}

impl Client {
    fn new(joined: Joined) -> Self {
        Client {
            is_open: true,
            token: joined.resume_token,
            seq: joined.seq,
            permissions: joined.permissions,
            overrides: joined.overrides,
            role: joined.own.role,
            own: joined.own.id,
            faces: joined
                .roster
                .into_iter()
                .chain([joined.own])
                .map(|face| (face.id, face))
                .collect(),
        }
    }

    fn hear(&mut self, seq: Option<u32>, push: &Push) {
        let Some(seq) = seq else { return };
        assert_eq!(seq, self.seq + 1, "no gap in the numbers");
        self.seq = seq;
        match push {
            Push::ParticipantJoined(joined) => {
                let face = joined.participant.clone();
                assert_eq!(self.faces.insert(face.id, face), None);
            }
            Push::ParticipantUpdated(updated) => {
                let face = updated.participant.clone();
                let before = self.faces.insert(face.id, face.clone());
                assert!(before.is_some_and(|before| before.rev <= face.rev));
            }
            Push::ParticipantLeft(left) => assert!(self.faces.remove(&left.participant).is_some()),
            Push::PermissionsChanged(changed) => {
                self.permissions.clone_from(&changed.permissions);
                self.overrides.clone_from(&changed.overrides);
                self.role = changed.role;
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct World {
    clients: BTreeMap<LinkId, Client>,
    resuming: BTreeMap<LinkId, LinkId>,
    /// What the shard forwards, and what of it is muted.
    published: BTreeMap<(MemberKey, ShardSource), bool>,
    barriers: Vec<u64>,
    /// What the last step did.
    stopped: bool,
    written: usize,
    replied: Vec<LinkId>,
    refused: usize,
}

impl World {
    fn take(&mut self, stage: &mut Stage) {
        self.stopped = false;
        self.written = 0;
        self.refused = 0;
        self.replied.clear();
        for output in stage.outputs() {
            match output {
                Output::Reply { link, ok, .. } => self.hear_reply(link, *ok),
                Output::Refuse { link, .. } => {
                    self.refused += 1;
                    self.resuming.remove(&link);
                }
                Output::Push { link, seq, notice } => {
                    let Some(client) = self.clients.get_mut(&link) else {
                        self.hear_in_lobby(link, seq, notice.push());
                        continue;
                    };
                    assert!(client.is_open, "nothing is pushed after a close");
                    client.hear(seq, notice.push());
                }
                Output::Close { link, .. } => {
                    // A link that was not let in has no client.
                    if let Some(client) = self.clients.get_mut(&link) {
                        client.is_open = false;
                    }
                }
                Output::Media(command) => self.obey(command),
                // The sum of refusals left out is written when their author goes, beside the act.
                Output::Persist(Change::Audit(entry)) if entry.action != "participant.refused" => {
                    self.written += 1;
                }
                _ => {}
            }
        }
    }

    /// Who waits in the lobby hears of its place alone, until it is let in.
    fn hear_in_lobby(&mut self, link: LinkId, seq: Option<u32>, push: &Push) {
        assert_eq!(seq, None, "{push:?} reached the lobby");
        match push {
            Push::LobbyStatus(LobbyStatus::Admitted { joined, .. }) => {
                self.clients.insert(link, Client::new((**joined).clone()));
            }
            Push::LobbyStatus(_) => {}
            other => panic!("{other:?} reached the lobby"),
        }
    }

    fn hear_reply(&mut self, link: LinkId, reply: Reply) {
        self.replied.push(link);
        match reply {
            Reply::Join(JoinOutcome::Joined(joined)) => {
                self.clients.insert(link, Client::new(*joined));
            }
            Reply::Hello(HelloOutcome::Resumed(resumed)) => {
                let old = self.resuming.remove(&link).unwrap();
                let mut client = self.clients.remove(&old).unwrap();
                client.is_open = true;
                if let Some(snapshot) = resumed.snapshot {
                    client = Client::new(*snapshot);
                }
                for missed in &resumed.missed {
                    client.hear(Some(missed.seq), &missed.push);
                }
                client.token = resumed.resume_token;
                self.clients.insert(link, client);
            }
            _ => {}
        }
    }

    /// A shard that accepts everything at once.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish {
                member,
                source,
                muted,
                ..
            } => {
                self.published.insert((member, source), muted);
            }
            Command::SetMuted {
                member,
                source,
                muted,
            } => {
                self.stopped |= muted;
                *self.published.get_mut(&(member, source)).unwrap() = muted;
            }
            Command::Unpublish { member, source } => {
                self.stopped = true;
                self.published.remove(&(member, source));
            }
            Command::Drop { member } => {
                self.stopped = true;
                self.published.retain(|(other, _), _| *other != member);
            }
            Command::CloseRoom { .. } => self.published.clear(),
            Command::Barrier { number, .. } => self.barriers.push(number),
            _ => {}
        }
    }

    fn pick(&self, who: &Index, is_open: bool) -> Option<LinkId> {
        let links: Vec<LinkId> = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_open == is_open)
            .map(|(link, _)| *link)
            .collect();
        (!links.is_empty()).then(|| *who.get(&links))
    }

    fn check(&self, stage: &Stage) {
        let room = &stage.room;
        let now = room.time();
        // Nothing is forwarded that its owner may not publish.
        for ((key, source), muted) in &self.published {
            let member = &room.members[key];
            let source = from_source(*source);
            let subject = member.subject();
            let decision = decide(
                &room.settings,
                &subject,
                now,
                Permission::to_publish(source),
            );
            let is_locked = decision.rule == Rule::Lock && *muted;
            let may_be_muted = matches!(source, Source::Microphone | Source::Camera);
            assert!(
                decision.allowed || is_locked && may_be_muted,
                "{source:?} of {key:?}"
            );
            assert!(member.publications.has(source));
            if let Some(live) = member.publications.live.get(&source)
                && !member.publications.pending.contains_key(&source)
            {
                assert_eq!(live.muted, *muted, "what is shown is what is so");
            }
        }
        for (key, member) in &room.members {
            for source in member.publications.live.keys() {
                assert!(self.published.contains_key(&(*key, to_source(*source))));
            }
        }
        for (link, client) in self.clients.iter().filter(|(_, client)| client.is_open) {
            let key = room.key_of(*link).unwrap();
            let member = &room.members[&key];
            let may = permissions_of(&room.settings, &member.subject(), now);
            assert_eq!(client.permissions, may.to_vec());
            assert_eq!(client.overrides, member.overrides);
            assert_eq!(client.role, member.face.role);
            assert_eq!(
                client.faces,
                visible(stage, client.own, &client.permissions)
            );
        }
    }
}

/// Whom somebody should see, said naively.
fn visible(
    stage: &Stage,
    own: ParticipantId,
    permissions: &[Permission],
) -> BTreeMap<ParticipantId, Participant> {
    let mut seen = BTreeMap::new();
    for face in stage.room.roster() {
        let leads = matches!(face.role, Role::Host | Role::CoHost | Role::Presenter);
        let sources = &face.sources;
        let publishes = sources.microphone.published
            || sources.camera.published
            || sources.screen.is_some()
            || sources.screen_audio.is_some();
        let is_seen =
            face.id == own || leads || publishes || permissions.contains(&Permission::RosterSee);
        if is_seen {
            let mut face = face.clone();
            let is_plain = permissions.contains(&Permission::RosterSeeRoles) || face.id == own;
            if !is_plain && !leads {
                face.role = Role::Attendee;
                let shares = [&mut face.sources.screen, &mut face.sources.screen_audio];
                for share in shares.into_iter().flatten() {
                    share.locked = false;
                }
                face.sources.microphone.locked = false;
                face.sources.camera.locked = false;
            }
            seen.insert(face.id, face);
        }
    }
    seen
}

/// What only somebody of a higher rank changes about another.
#[derive(Debug, Clone, PartialEq)]
struct Position {
    role: Role,
    overrides: Vec<Override>,
    name: DisplayName,
}

fn positions(stage: &Stage) -> BTreeMap<ParticipantId, Position> {
    let members = stage.room.members.values();
    let positions = members.map(|member| {
        let position = Position {
            role: member.face.role,
            overrides: member.overrides.clone(),
            name: member.face.name.clone(),
        };
        (member.face.id, position)
    });
    positions.collect()
}

fn act_on(stage: &mut Stage, world: &mut World, link: LinkId, whom: ParticipantId, act: Act) {
    let actor = stage.room.participant_of(link).unwrap().clone();
    let before = positions(stage);
    let could = world.clients[&link].permissions.clone();
    let rev = stage.face(whom).rev;
    let participant = whom;
    let request: Request = match act.clone() {
        Act::Role(role) => RoleSet {
            participant,
            role,
            custom_role: None,
            rev,
        }
        .into(),
        Act::Override(key, effect, ttl_s) => PermOverride {
            participant,
            key,
            effect,
            ttl_s,
            rev,
        }
        .into(),
        Act::Grant(source, on, ttl_s) => MediaGrant {
            participant,
            source,
            on,
            ttl_s,
        }
        .into(),
        Act::Lock(sources, on) => MediaLock {
            sources,
            on,
            allow: vec![whom],
        }
        .into(),
        Act::Mute(sources) => MediaMute {
            target: Target::Participant { participant },
            sources,
        }
        .into(),
        Act::MuteAll(sources) => MediaMute {
            target: Target::AllExcept {
                participants: vec![whom],
            },
            sources,
        }
        .into(),
        Act::Rename => ParticipantRename {
            participant,
            name: DisplayName::new("Renamed").unwrap(),
        }
        .into(),
        Act::Remove => ParticipantRemove {
            participant,
            reason: None,
            message: None,
            ban: None,
        }
        .into(),
        Act::Roster(roster) => RoomUpdate {
            roster: Some(roster),
            ..RoomUpdate::default()
        }
        .into(),
        Act::Screen(screen) => RoomUpdate {
            screen: Some(screen),
            ..RoomUpdate::default()
        }
        .into(),
        Act::Speak(may) => {
            let mut attendees = stage.room.settings.attendees;
            attendees.microphone = may;
            RoomUpdate {
                attendees: Some(attendees),
                ..RoomUpdate::default()
            }
            .into()
        }
    };
    let needed: &[Permission] = match &act {
        Act::Role(_) => &[Permission::RoleAssign],
        Act::Override(..) => &[Permission::RoleAssign, Permission::MediaGrant],
        Act::Grant(..) => &[Permission::MediaGrant],
        Act::Lock(..) => &[Permission::MediaLockAll],
        Act::Mute(_) | Act::MuteAll(_) => &[Permission::MediaMute],
        Act::Rename => &[Permission::ParticipantRename, Permission::SelfRename],
        Act::Remove => &[Permission::ParticipantRemove],
        Act::Roster(_) | Act::Screen(_) | Act::Speak(_) => &[Permission::RoomSettings],
    };
    let settings = stage.room.settings.clone();
    let published = world.published.clone();
    stage.ask(link, request);
    world.take(stage);
    let own_rename = matches!(act, Act::Rename) && actor.id == whom;
    if world.stopped {
        assert!(
            !world.replied.contains(&link),
            "no reply before the shard has stopped"
        );
    }
    if world.replied.contains(&link) && !own_rename {
        assert_eq!(world.written, 1, "{act:?}");
    }
    assert!(world.written <= 1);
    let after = positions(stage);
    if !needed.iter().any(|key| could.contains(key)) {
        assert_eq!(before, after, "{act:?}");
        assert_eq!(settings, stage.room.settings);
        assert_eq!(published, world.published);
    }
    for (id, was) in &before {
        let is = after.get(id);
        if is == Some(was) || *id == actor.id && matches!(act, Act::Rename) {
            continue;
        }
        assert!(actor.role.outranks(was.role), "{act:?}");
        let Some(is) = is else { continue };
        if is.role != was.role {
            assert!(actor.role.outranks(is.role), "{act:?}");
        }
        for new in is
            .overrides
            .iter()
            .filter(|new| !was.overrides.contains(new))
        {
            assert!(can_be_overridden(new.key));
            // Taking `publish.*` by `media.grant` needs no such right of one's own.
            assert!(could.contains(&new.key) || matches!(act, Act::Grant(_, false, _)));
        }
    }
}

fn perform(stage: &mut Stage, world: &mut World, operation: Operation) {
    match operation {
        Operation::Join { device, role } => {
            let settings = &mut stage.room.settings;
            let usual = std::mem::replace(&mut settings.default_role, role);
            let choice = Some(DuplicateChoice::JoinAsSecond);
            stage.try_join("Guest", device, choice);
            stage.room.settings.default_role = usual;
            world.take(stage);
        }
        Operation::Resume(who) => {
            if let Some(old) = world.pick(&who, false) {
                let (token, seq) = (world.clients[&old].token, world.clients[&old].seq);
                world.resuming.insert(LinkId(stage.keys + 1), old);
                stage.resume(token, seq, HOME);
                world.take(stage);
            }
        }
        Operation::Own(who, own) => {
            if let Some(link) = world.pick(&who, true) {
                perform_own(stage, world, link, own);
            }
        }
        Operation::Act(who, whom, act) => {
            let faces: BTreeSet<ParticipantId> = stage.room.roster().map(|face| face.id).collect();
            let faces: Vec<ParticipantId> = faces.into_iter().collect();
            if let Some(link) = world.pick(&who, true) {
                act_on(stage, world, link, *whom.get(&faces), act);
            }
        }
        Operation::Shard => {
            for number in std::mem::take(&mut world.barriers) {
                stage.passed(number);
            }
            world.take(stage);
            answer_all(stage, world);
        }
        Operation::Pass(seconds) => {
            stage.pass(Duration::from_secs(seconds));
            world.take(stage);
        }
    }
    world.check(stage);
}

fn perform_own(stage: &mut Stage, world: &mut World, link: LinkId, own: Own) {
    match own {
        Own::Publish { source, answered } => {
            stage.publish(link, source, "1");
            world.take(stage);
            if answered {
                answer_all(stage, world);
            }
        }
        Own::State { source, muted } => {
            stage.ask(link, TrackState { source, muted });
        }
        Own::Unpublish { source } => {
            stage.ask(link, MediaUnpublish { source });
        }
        Own::Lose => {
            world.clients.get_mut(&link).unwrap().is_open = false;
            stage.room.handle_link_lost(stage.now, link);
        }
        Own::Leave => {
            stage.ask(link, Leave {});
        }
    }
    world.take(stage);
}

/// The shard answers what waits for it.
fn answer_all(stage: &mut Stage, world: &mut World) {
    let mut waiting = Vec::new();
    for (key, member) in &stage.room.members {
        for (source, pending) in &member.publications.pending {
            waiting.push((*key, to_source(*source), pending.attempt));
        }
    }
    for (member, source, attempt) in waiting {
        let accepted = Event::Published {
            member,
            attempt,
            source,
            rids: Vec::new(),
        };
        stage.room.handle_media(stage.now, accepted);
        world.take(stage);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nobody_does_what_it_may_not(operations in proptest::collection::vec(operation(), 1..120)) {
        let mut stage = Stage::with(|config, record| {
            config.participants_max = 10;
            record.settings.guests_may_cohost = true;
        });
        let mut world = World::default();
        for operation in operations {
            perform(&mut stage, &mut world, operation);
        }
        // Who waited for the meeting to be over comes in when the others have left.
        let mut rounds = 0;
        while stage.room.participants() > 0 && rounds < 20 {
            let open = world.clients.iter().filter(|(_, client)| client.is_open);
            let open: Vec<LinkId> = open.map(|(link, _)| *link).collect();
            for link in open {
                stage.ask(link, Leave {});
            }
            stage.pass(RESUME_WINDOW);
            world.take(&mut stage);
            rounds += 1;
        }
        prop_assert_eq!(stage.room.participants(), 0);
        prop_assert!(world.published.is_empty());
    }
}
