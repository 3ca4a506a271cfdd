//! Handing the meeting over.

use super::*;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::moderation::RequestAnswer;
use conclave_signalling_wire::objects::{Effect, Override, Permission};
use conclave_signalling_wire::push::HostTransferAnswered;
use conclave_signalling_wire::request::{
    HostTransfer, HostTransferReply, InviteRevoke, Leave, RoleSet,
};
use conclave_signalling_wire::secret::InviteSecret;

const HOST: u8 = 1;
const OTHER: u8 = 2;
const MINUTE: Duration = Duration::from_secs(60);

fn transfer(participant: ParticipantId, permanent: bool) -> HostTransfer {
    HostTransfer {
        participant,
        permanent,
    }
}

fn reply(request: RequestId, answer: RequestAnswer) -> HostTransferReply {
    HostTransferReply { request, answer }
}

/// A meeting of Ada, who has the key to the room, and Bob, a guest.
struct Scene {
    stage: Stage,
    ada: LinkId,
    bob: LinkId,
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::with(|_, record| {
            record.invites = vec![invite(HOST, Role::Host), invite(OTHER, Role::Host)];
        });
        let (ada, _) = stage.try_invite("Ada", 1, HOST);
        let (bob, _) = stage.try_join("Bob", 2, None);
        stage.outputs();
        Scene { stage, ada, bob }
    }

    fn id(&self, link: LinkId) -> ParticipantId {
        self.stage.room.participant_of(link).unwrap().id
    }

    fn role(&self, link: LinkId) -> Role {
        self.stage.room.participant_of(link).unwrap().role
    }

    /// Ada offers Bob the meeting; all outputs are dropped.
    fn offer(&mut self, permanent: bool) -> RequestId {
        let bob = self.id(self.bob);
        self.stage.ask(self.ada, transfer(bob, permanent));
        let outputs = self.stage.outputs();
        let request = outputs.iter().find_map(|output| match output {
            Output::Reply { ok, .. } => match ok.as_ref() {
                Reply::TransferAsked(asked) => Some(asked.request),
                _ => None,
            },
            _ => None,
        });
        request.unwrap()
    }

    /// Bob accepts. Returns the secret of the new key.
    fn accept(&mut self, request: RequestId) -> Option<InviteSecret> {
        self.stage
            .ask(self.bob, reply(request, RequestAnswer::Accept));
        let outputs = self.stage.outputs();
        let done = outputs.into_iter().find_map(|output| match output {
            Output::Reply { ok, .. } => match *ok {
                Reply::Transferred(done) => Some(done),
                _ => None,
            },
            _ => None,
        });
        done.unwrap().secret
    }
}

#[test]
fn who_accepts_becomes_the_host_and_who_offered_a_co_host() {
    let mut scene = Scene::new();
    let bob_id = scene.id(scene.bob);
    let id = scene.stage.ask(scene.ada, transfer(bob_id, false));
    assert_eq!(
        scene.stage.done(),
        [
            "2 push 1 transfer requested",
            "keep act host.transfer ok",
            &format!("1 ok {id} transfer asked")
        ]
    );
    let request = scene.stage.room.transfers.iter().next().unwrap().0;
    let id = scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    let done = scene.stage.done();
    assert_eq!(
        done,
        [
            "keep standing of Some(Host)".to_owned(),
            "keep standing of Some(CoHost)".to_owned(),
            "1 push 2 updated Bob 2".to_owned(),
            "2 push 2 updated Bob 2".to_owned(),
            "1 push 3 updated Ada 2".to_owned(),
            "2 push 3 updated Ada 2".to_owned(),
            done[6].clone(),
            done[7].clone(),
            "1 push 5 transfer Some(Accept)".to_owned(),
            "keep act host.transfer.reply ok".to_owned(),
            format!("2 ok {id} transferred false"),
        ]
    );
    assert!(done[6].starts_with("2 push 4 permissions Host"));
    assert!(done[7].starts_with("1 push 4 permissions CoHost"));
    assert_eq!(scene.role(scene.ada), Role::CoHost);
    assert_eq!(scene.role(scene.bob), Role::Host);
}

#[test]
fn a_no_changes_nothing() {
    for answer in [RequestAnswer::Decline, RequestAnswer::Later] {
        let mut scene = Scene::new();
        let request = scene.offer(false);
        let id = scene.stage.ask(scene.bob, reply(request, answer));
        assert_eq!(
            scene.stage.done(),
            [
                format!("1 push 2 transfer Some({answer:?})"),
                "keep act host.transfer.reply ok".to_owned(),
                format!("2 ok {id} transferred false")
            ]
        );
        assert_eq!(scene.role(scene.ada), Role::Host);
        assert_eq!(scene.role(scene.bob), Role::Attendee);
    }
}

#[test]
fn only_a_host_hands_over_and_only_to_somebody_below() {
    let mut scene = Scene::new();
    let (ada_id, bob_id) = (scene.id(scene.ada), scene.id(scene.bob));
    let (carl, carl_id) = scene.stage.join_as("Carl", Role::CoHost);
    let (_, dora_id) = scene.stage.join_as("Dora", Role::Host);
    for (link, whom) in [
        (carl, bob_id),
        (scene.bob, carl_id),
        (scene.ada, ada_id),
        (scene.ada, dora_id),
    ] {
        let id = scene.stage.ask(link, transfer(whom, false));
        let refused = format!("{} error {id} forbidden", link.0);
        assert_eq!(scene.stage.done().pop(), Some(refused));
    }
    let nobody = ParticipantId::new(START_MS, [9; 10]);
    let id = scene.stage.ask(scene.ada, transfer(nobody, false));
    let refused = format!("1 error {id} not_found");
    assert_eq!(scene.stage.done().pop(), Some(refused));
}

#[test]
fn one_offer_at_a_time_and_only_its_receiver_answers_it() {
    let mut scene = Scene::new();
    let request = scene.offer(false);
    let (carl, carl_id) = scene.stage.join_as("Carl", Role::CoHost);
    let id = scene.stage.ask(scene.ada, transfer(carl_id, false));
    let refused = format!("1 error {id} conflict");
    assert_eq!(scene.stage.done().pop(), Some(refused));
    let id = scene.stage.ask(carl, reply(request, RequestAnswer::Accept));
    let refused = format!("3 error {id} not_found request");
    assert_eq!(scene.stage.done().pop(), Some(refused));
    scene.accept(request);
    let id = scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    let refused = format!("2 error {id} not_found request");
    assert_eq!(scene.stage.done().pop(), Some(refused));
}

#[test]
fn an_offer_holds_for_a_minute() {
    let mut scene = Scene::new();
    let request = scene.offer(false);
    assert_eq!(
        scene.stage.room.poll_timeout(),
        Some(scene.stage.now + MINUTE)
    );
    scene.stage.now += MINUTE;
    let id = scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    assert_eq!(
        scene.stage.done(),
        [
            "keep act host.transfer.reply not_found".to_owned(),
            format!("2 error {id} not_found request"),
            "1 push 2 transfer None".to_owned()
        ]
    );
    assert_eq!(scene.role(scene.ada), Role::Host);
}

#[test]
fn an_offer_ends_with_who_made_it() {
    let mut scene = Scene::new();
    let request = scene.offer(false);
    scene.stage.ask(scene.ada, Leave {});
    scene.stage.outputs();
    let id = scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    let refused = format!("2 error {id} not_found request");
    assert_eq!(scene.stage.done().pop(), Some(refused));
    assert_eq!(scene.role(scene.bob), Role::Attendee);
}

#[test]
fn an_offer_ends_with_its_receiver() {
    let mut scene = Scene::new();
    scene.offer(false);
    scene.stage.ask(scene.bob, Leave {});
    let done = scene.stage.done();
    assert_eq!(done.last().unwrap(), "1 push 3 transfer None");
    assert_eq!(scene.stage.room.transfers.iter().count(), 0);
}

#[test]
fn an_offer_ends_when_either_is_not_what_it_was() {
    let mut scene = Scene::new();
    // Two hosts offer the meeting to each of two others; one takes the other's.
    let (carl, _) = scene.stage.join_as("Carl", Role::Host);
    let request = scene.offer(false);
    let bob_id = scene.id(scene.bob);
    scene.stage.ask(carl, transfer(bob_id, false));
    scene.stage.outputs();
    scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    let done = scene.stage.done();
    assert!(
        done.iter()
            .any(|line| line.starts_with("3 push") && line.ends_with("transfer None")),
        "{done:?}"
    );
    // A change of its role that leaves it below the host does not matter.
    let mut scene = Scene::new();
    let request = scene.offer(false);
    let face = scene.stage.room.participant_of(scene.bob).unwrap().clone();
    scene.stage.ask(
        scene.ada,
        RoleSet {
            participant: face.id,
            role: Role::Presenter,
            custom_role: None,
            rev: face.rev,
        },
    );
    scene.stage.outputs();
    scene.accept(request);
    assert_eq!(scene.role(scene.bob), Role::Host);
}

#[test]
fn who_became_host_is_it_again_when_it_comes_back() {
    let mut scene = Scene::new();
    let request = scene.offer(false);
    scene.accept(request);
    scene.stage.ask(scene.bob, Leave {});
    scene.stage.pass(MINUTE);
    let (bob, is_in) = scene.stage.try_join("Bob", 2, None);
    assert!(is_in);
    assert_eq!(scene.role(bob), Role::Host);
    assert_eq!(scene.role(scene.ada), Role::CoHost);
}

#[test]
fn whoever_has_a_key_to_the_room_gets_it_back_by_it() {
    let mut scene = Scene::new();
    let request = scene.offer(false);
    scene.accept(request);
    scene.stage.ask(scene.ada, Leave {});
    let (ada, is_in) = scene.stage.try_invite("Ada", 1, HOST);
    assert!(is_in);
    assert_eq!(scene.role(ada), Role::Host);
}

#[test]
fn a_room_changes_hands_with_a_new_key() {
    let mut scene = Scene::new();
    let request = scene.offer(true);
    let secret = scene.accept(request).unwrap();
    assert_eq!(scene.role(scene.ada), Role::CoHost);
    // The old key opens nothing any more.
    let (link, is_in) = scene.stage.try_invite("Ada", 1, HOST);
    assert!(!is_in);
    assert_eq!(
        scene.stage.done().pop(),
        Some(format!("{} error 2 invite_revoked", link.0))
    );
    let mut entrant = scene.stage.entrant("Bob again", 9);
    entrant.claim = Claim::Invite(InviteHash::from(&secret));
    let (link, is_in) = scene.stage.enter(entrant);
    assert!(is_in);
    assert_eq!(scene.role(link), Role::Host);
}

#[test]
fn who_gave_the_room_away_stays_even_if_its_link_breaks() {
    let mut scene = Scene::new();
    let request = scene.offer(true);
    scene.accept(request);
    let key = scene.stage.key(scene.ada);
    let token = ResumeToken::new([7; 32]);
    scene.stage.room.members.get_mut(&key).unwrap().token = TokenHash::from(&token);
    scene
        .stage
        .room
        .handle_link_lost(scene.stage.now, scene.ada);
    let (again, is_in) = scene.stage.resume(token, 0, HOME);
    assert!(is_in);
    assert_eq!(scene.role(again), Role::CoHost);
}

#[test]
fn who_gave_the_room_away_is_no_host_on_another_page_either() {
    for permanent in [false, true] {
        let mut scene = Scene::new();
        let mut entrant = scene.stage.entrant("Ada", 1);
        entrant.claim = Claim::Invite(InviteHash([HOST; 32]));
        entrant.duplicate = Some(DuplicateChoice::JoinAsSecond);
        let (second, _) = scene.stage.enter(entrant);
        assert_eq!(scene.role(second), Role::Host);
        let request = scene.offer(permanent);
        scene.accept(request);
        assert_eq!(scene.role(scene.ada), Role::CoHost);
        // Lent, the room stays with its key, which that page has too.
        let is_host = scene.role(second) == Role::Host;
        assert_eq!(is_host, !permanent);
        let key = scene.stage.key(second);
        let may = scene.stage.room.members[&key].permissions;
        assert_eq!(may.contains(Permission::RoomPassword), is_host);
    }
}

#[test]
fn who_gave_the_room_away_cannot_take_it_back() {
    let mut scene = Scene::new();
    let request = scene.offer(true);
    let secret = scene.accept(request).unwrap();
    let hash = InviteHash::from(&secret);
    let invite = scene.stage.room.invites.by_hash(&hash).unwrap().id;
    let id = scene.stage.ask(
        scene.ada,
        InviteRevoke {
            invite,
            remove_holders: false,
        },
    );
    let refused = format!("1 error {id} forbidden");
    assert_eq!(scene.stage.done().pop(), Some(refused));
}

#[test]
fn only_who_came_by_a_key_gives_the_room_away() {
    let mut scene = Scene::new();
    let (carl, _) = scene.stage.join_as("Carl", Role::Host);
    let bob_id = scene.id(scene.bob);
    let id = scene.stage.ask(carl, transfer(bob_id, true));
    let refused = format!("3 error {id} forbidden permanent");
    assert_eq!(scene.stage.done().pop(), Some(refused));
    let id = scene.stage.ask(carl, transfer(bob_id, false));
    let asked = format!("3 ok {id} transfer asked");
    assert_eq!(scene.stage.done().pop(), Some(asked));
}

#[test]
fn a_key_that_was_taken_back_meanwhile_is_not_passed_on() {
    let mut scene = Scene::new();
    let request = scene.offer(true);
    let invite = invite(HOST, Role::Host).id;
    scene.stage.ask(
        scene.ada,
        InviteRevoke {
            invite,
            remove_holders: false,
        },
    );
    let outputs = scene.stage.outputs();
    let told = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::HostTransferAnswered(answered) => Some(answered.clone()),
            _ => None,
        },
        _ => None,
    });
    let answer = None;
    assert_eq!(told, Some(HostTransferAnswered { request, answer }));
    let id = scene
        .stage
        .ask(scene.bob, reply(request, RequestAnswer::Accept));
    let refused = format!("2 error {id} not_found request");
    assert_eq!(scene.stage.done().pop(), Some(refused));
}

#[test]
fn who_is_away_for_a_moment_is_asked_when_it_is_back() {
    let mut scene = Scene::new();
    let key = scene.stage.key(scene.bob);
    let token = ResumeToken::new([7; 32]);
    scene.stage.room.members.get_mut(&key).unwrap().token = TokenHash::from(&token);
    let bob_id = scene.id(scene.bob);
    scene
        .stage
        .room
        .handle_link_lost(scene.stage.now, scene.bob);
    scene.stage.ask(scene.ada, transfer(bob_id, false));
    scene.stage.outputs();
    let (again, _) = scene.stage.resume(token, 0, HOME);
    scene.stage.outputs();
    let request = scene.stage.room.transfers.iter().next().unwrap().0;
    scene
        .stage
        .ask(again, reply(request, RequestAnswer::Accept));
    scene.stage.outputs();
    assert_eq!(scene.role(again), Role::Host);
}

#[test]
fn a_new_key_waits_for_no_media_plane() {
    let mut scene = Scene::new();
    let request = scene.offer(true);
    scene.stage.published(scene.ada, Source::Camera, "1");
    // What stops with the hand-over would hold any other reply back.
    let key = scene.stage.key(scene.ada);
    let ada = scene.stage.room.members.get_mut(&key).unwrap();
    ada.overrides = vec![Override {
        key: Permission::PublishVideo,
        effect: Effect::Deny,
        expires_at: None,
    }];
    assert!(scene.accept(request).is_some());
    let ada = &scene.stage.room.members[&key];
    assert_eq!(ada.publications.is_muted(Source::Camera), None);
}
