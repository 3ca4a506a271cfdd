//! Who comes by the token of an embedding site.

use super::*;
use conclave_signalling_wire::moderation::{BanOrder, BanScope};
use conclave_signalling_wire::objects::{Identity, Permission};
use conclave_signalling_wire::request::{
    Leave, ParticipantRemove, ParticipantRename, ParticipantToLobby,
};

use crate::output::OperatorReply;
use crate::room::{OperatorRequest, SiteClaim};
use crate::settings::PasswordHash;

const HOST: u8 = 1;

/// A room with a lobby and a password, and its host.
fn stage(change: impl FnOnce(&mut Settings)) -> (Stage, LinkId) {
    let mut stage = Stage::with(|_, record| {
        record.settings.lobby = LobbyMode::On;
        record.settings.guests_may_cohost = false;
        let hash = PasswordHash("$argon2id$".to_owned());
        record.settings.set_password(Some(hash));
        change(&mut record.settings);
        record.invites = vec![invite(HOST, Role::Host)];
    });
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.outputs();
    (stage, host)
}

fn sent(role: Role, name: Option<&str>) -> Claim {
    sent_by("school-1", role, name)
}

fn sent_by(site: &str, role: Role, name: Option<&str>) -> Claim {
    Claim::Site(SiteClaim {
        site: site.into(),
        role,
        name: name.map(|name| DisplayName::new(name).unwrap()),
    })
}

fn come(stage: &mut Stage, device: u8, claim: Claim) -> (LinkId, bool) {
    let mut entrant = stage.entrant("Typed", device);
    entrant.claim = claim;
    stage.enter(entrant)
}

/// What the room answers to a join.
fn answer(stage: &mut Stage, device: u8, claim: Claim) -> String {
    let (link, _) = come(stage, device, claim);
    let own = format!("{} ", link.0);
    let done = stage.done();
    let mut answers = done.iter().filter_map(|line| line.strip_prefix(&own));
    let answer = answers.find(|line| line.starts_with("ok 2") || line.starts_with("error 2"));
    answer.unwrap().to_owned()
}

#[test]
fn it_comes_in_at_once_as_what_it_was_sent_and_verified() {
    let (mut stage, _) = stage(|_| {});
    for (device, role) in [(2, Role::Viewer), (3, Role::Attendee), (4, Role::CoHost)] {
        let (link, is_in) = come(&mut stage, device, sent(role, Some("Grace")));
        assert!(is_in);
        let acts: Vec<_> = stage
            .outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Persist(Change::Audit(entry)) => Some(*entry),
                _ => None,
            })
            .filter(|entry| entry.action == "token.use")
            .collect();
        let face = stage.room.participant_of(link).unwrap();
        assert_eq!((face.role, face.identity), (role, Identity::Verified));
        assert_eq!(face.name.as_str(), "Grace");
        let [act] = acts.as_slice() else {
            panic!("its coming is written down once: {acts:?}")
        };
        assert_eq!(act.target.as_deref(), Some("school-1"));
        assert_eq!(act.actor, Actor::Participant(face.id));
    }
}

#[test]
fn the_name_that_its_site_gave_is_not_its_own_to_change() {
    let (mut stage, host) = stage(|_| {});
    for (device, name, expected) in [(2, Some("Grace"), "forbidden"), (3, None, "renamed 2")] {
        let (link, _) = come(&mut stage, device, sent(Role::Attendee, name));
        stage.outputs();
        let participant = stage.room.participant_of(link).unwrap().id;
        let rename = |name| ParticipantRename {
            participant,
            name: DisplayName::new(name).unwrap(),
        };
        stage.ask(link, rename("Mallory"));
        let done = stage.done();
        assert!(done.iter().any(|line| line.ends_with(expected)), "{done:?}");
        stage.ask(host, rename("Hopper"));
        stage.outputs();
        assert_eq!(stage.face(participant).name.as_str(), "Hopper");
    }
}

#[test]
fn a_host_comes_in_always_and_nobody_else_where_it_is_locked_full_or_not_begun() {
    let (mut stage, host) = stage(|settings| {
        settings.locked = true;
        settings.caps.participants = Some(1);
        settings.start_without_host = false;
    });
    let attendee = sent(Role::Attendee, None);
    assert_eq!(answer(&mut stage, 2, attendee.clone()), "error 2 locked");
    stage.room.settings.locked = false;
    assert_eq!(answer(&mut stage, 2, attendee), "error 2 full");
    stage.ask(host, Leave {});
    stage.outputs();
    stage.pass(Duration::from_secs(600));
    stage.outputs();
    stage.room.settings.locked = true;
    let reply = answer(&mut stage, 3, sent(Role::Host, None));
    assert!(reply.starts_with("ok 2 joined"), "{reply}");
}

#[test]
fn before_the_host_is_there_it_waits() {
    let mut stage = Stage::with(|_, record| record.settings.start_without_host = false);
    let waits = answer(&mut stage, 2, sent(Role::Presenter, None));
    assert_eq!(waits, "ok 2 lobby WaitingForHost");
    let begins = answer(&mut stage, 3, sent(Role::Host, None));
    assert!(begins.starts_with("ok 2 joined"), "{begins}");
    let is_in = |device| {
        let key = DeviceHash::from(&DeviceKey::new([device; 16]));
        stage
            .room
            .members
            .values()
            .any(|member| member.device == key)
    };
    assert!(is_in(2), "a member needs nobody to admit it");
}

#[test]
fn whoever_was_sent_away_does_not_come_back_by_another_token() {
    let (mut stage, host) = stage(|_| {});
    let ban = BanOrder {
        scope: BanScope::Room,
        ttl_s: None,
        strict: false,
    };
    for (device, ban, expected) in [
        (2, None, "ok 2 lobby Waiting"),
        (3, Some(ban), "error 2 banned"),
    ] {
        let (link, _) = come(&mut stage, device, sent(Role::Attendee, None));
        stage.outputs();
        let participant = stage.room.participant_of(link).unwrap().id;
        let removal = ParticipantRemove {
            participant,
            reason: None,
            message: None,
            ban,
        };
        stage.ask(host, removal);
        stage.outputs();
        let again = answer(&mut stage, device, sent(Role::CoHost, None));
        assert_eq!(again, expected);
    }
    let (link, _) = come(&mut stage, 4, sent(Role::Attendee, None));
    stage.outputs();
    let participant = stage.room.participant_of(link).unwrap().id;
    stage.ask(host, ParticipantToLobby { participant });
    stage.outputs();
    let again = answer(&mut stage, 4, sent(Role::Attendee, None));
    assert!(again.starts_with("ok 2 lobby"), "{again}");
}

#[test]
fn a_room_that_is_closed_or_gone_answers_as_to_a_bad_token() {
    let (mut closed, _) = stage(|settings| {
        settings.closes_at = Some(Timestamp::from_unix_ms(START_MS - 1));
    });
    let refused = answer(&mut closed, 2, sent(Role::Attendee, None));
    assert_eq!(refused, "error 2 bad_credentials credential.jwt");
}

#[test]
fn a_host_by_token_takes_the_place_of_nobody_else() {
    let (mut stage, host) = stage(|settings| settings.caps.participants = Some(1));
    stage.ask(host, Leave {});
    stage.outputs();
    // One who shows no invite either, and whose link broke.
    stage.room.settings.lobby = LobbyMode::Off;
    let (guest, is_in) = come(&mut stage, 2, sent(Role::Attendee, None));
    assert!(is_in);
    let (first, is_in) = come(&mut stage, 3, sent(Role::Host, None));
    assert!(is_in, "one place is kept for a host");
    stage.room.handle_link_lost(stage.now, guest);
    stage.outputs();
    assert_eq!(
        answer(&mut stage, 4, sent(Role::Host, None)),
        "error 2 full"
    );
    let owner = stage.room.participant_of(first).unwrap().id;
    let key = stage.key(first);
    let may_end = stage.room.members[&key]
        .permissions
        .contains(Permission::SessionEnd);
    assert!(may_end && stage.face(owner).role == Role::Host);
}

#[test]
fn nobody_stays_whose_site_is_trusted_no_more() {
    let (mut stage, host) = stage(|_| {});
    let (head, _) = come(&mut stage, 2, sent(Role::Host, None));
    let (pupil, _) = come(&mut stage, 3, sent(Role::Attendee, None));
    let (other, _) = come(
        &mut stage,
        4,
        sent_by("school-2", Role::Attendee, Some("Grace")),
    );
    let (sent_back, _) = come(&mut stage, 5, sent(Role::Attendee, None));
    stage.outputs();
    let participant = stage.room.participant_of(sent_back).unwrap().id;
    stage.ask(host, ParticipantToLobby { participant });
    stage.outputs();
    let (waiting, _) = come(&mut stage, 5, sent(Role::Attendee, None));
    // Its token to resume lasts longer than its link.
    stage.room.handle_link_lost(stage.now, pupil);
    stage.outputs();

    let revoke = |site: &str| OperatorRequest::RevokeSite(site.into());
    stage
        .room
        .handle_operator(stage.now, 7, Actor::Operator, revoke("school-1"));
    let mut outputs = stage.outputs();
    let barrier = outputs.iter().find_map(|output| match output {
        Output::Media(Command::Barrier { number, .. }) => Some(*number),
        _ => None,
    });
    let is_answered = |outputs: &[Output]| {
        outputs.iter().any(|output| {
            matches!(output, Output::Operator { ticket: 7, answer }
                if matches!(**answer, Ok(OperatorReply::Done)))
        })
    };
    assert!(
        !is_answered(&outputs),
        "media go on until the shard says so"
    );
    stage.passed(barrier.unwrap());
    outputs.extend(stage.outputs());
    assert!(is_answered(&outputs));

    let acts: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Persist(Change::Audit(entry)) => Some(entry),
            _ => None,
        })
        .filter(|entry| entry.action == "embedder.revoke")
        .map(|entry| {
            (
                entry.actor,
                entry.target.as_deref(),
                entry.detail.as_deref(),
            )
        })
        .collect();
    let act = (Actor::Operator, Some("school-1"), Some("devices 3"));
    assert_eq!(acts, [act]);
    let told: Vec<String> = outputs.iter().map(short).collect();
    let closed = |link: LinkId, code: u16| told.contains(&format!("{} close {code}", link.0));
    assert!(closed(head, 4403), "a host too: {told:?}");
    let revoked = told.iter().filter(|line| *line == "token revoked").count();
    assert_eq!(revoked, 2, "nobody resumes: {told:?}");
    assert_eq!(stage.room.lobby.iter().count(), 0);
    assert!(
        told.contains(&format!("{} released", waiting.0)),
        "{told:?}"
    );
    let mut left: Vec<_> = [host, other]
        .iter()
        .map(|link| stage.room.participant_of(*link).unwrap().id)
        .collect();
    left.sort();
    let mut there: Vec<_> = stage.room.roster().map(|face| face.id).collect();
    there.sort();
    assert_eq!(there, left, "whom others sent stay");

    // It has nobody there any more, and that is no deed.
    stage
        .room
        .handle_operator(stage.now, 7, Actor::Operator, revoke("school-1"));
    assert_eq!(stage.done(), ["operator 7 ok"]);
}
