//! The relay: who is told where it is, and rooms that insist on it.

use super::*;
use conclave_sfu_wire::control::{OfferError, TransportFailure};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::lobby::LobbyAdmit;
use conclave_signalling_wire::objects::IceServer;
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{ParticipantToLobby, RoomUpdate, TurnRefresh};

use crate::relay::Relay;

/// A relay that writes into its credentials what it was asked with.
#[derive(Debug)]
struct Plain;

impl Relay for Plain {
    fn member(
        &self,
        member: MemberKey,
        host: &str,
        unix_s: u64,
        random: [u8; 8],
    ) -> Vec<IceServer> {
        vec![IceServer {
            urls: vec![format!("turn:{host}")],
            username: format!("{unix_s}:{}", member.0),
            credential: format!("{random:?}"),
            ttl_s: 600,
        }]
    }

    fn test(&self, _: &str, _: u64, _: [u8; 8]) -> Option<IceServer> {
        None
    }
}

fn stage() -> Stage {
    Stage::with(|config, _| config.relay = Some(Arc::new(Plain)))
}

fn insisting(on: bool) -> RoomUpdate {
    RoomUpdate {
        relay_only: Some(on),
        ..RoomUpdate::default()
    }
}

/// Offers with the wish to use the relay alone, and has it answered.
fn connect(stage: &mut Stage, link: LinkId, generation: u32, relay_only: bool) {
    stage.ask(
        link,
        MediaOffer {
            generation,
            sdp: "v=0".to_owned(),
            relay_only,
        },
    );
    let member = stage.key(link);
    stage.answer(member, generation);
}

/// What concerns the relay of everything that is to be done.
fn of_relay(stage: &mut Stage) -> Vec<String> {
    let mut done = stage.done();
    let words = ["offer ", "end ", "reset", "restart", "not_available"];
    done.retain(|one| words.iter().any(|word| one.contains(word)));
    done
}

#[test]
fn who_joins_gets_a_credential_of_its_own_for_its_own_page() {
    let mut stage = stage();
    stage.pass(Duration::from_millis(2500));
    let mut entrant = stage.entrant("Ada", 1);
    entrant.relay_host = Arc::from("office.example.org");
    let (ada, _) = stage.enter(entrant);
    let outputs = stage.outputs();
    let joined = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Join(JoinOutcome::Joined(joined)) => Some(joined),
            _ => None,
        },
        _ => None,
    });
    let [server] = &joined.unwrap().ice_servers[..] else {
        panic!("one relay");
    };
    assert_eq!(server.urls, ["turn:office.example.org"]);
    let key = stage.key(ada).0;
    assert_eq!(server.username, format!("{}:{key}", START_MS / 1000 + 2));
    let (_, bob) = stage.join("Bob");
    assert_ne!(bob.ice_servers[0].username, server.username);
    assert_ne!(bob.ice_servers[0].credential, server.credential);
}

#[test]
fn who_comes_back_with_a_snapshot_gets_one_for_the_page_it_is_on_now() {
    let mut stage = stage();
    let (ada, joined) = stage.join("Ada");
    stage.room.handle_link_lost(stage.now, ada);
    stage.resume(joined.resume_token, u32::MAX, HOME);
    let outputs = stage.outputs();
    let snapshot = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Hello(HelloOutcome::Resumed(resumed)) => resumed.snapshot.as_ref(),
            _ => None,
        },
        _ => None,
    });
    let server = &snapshot.unwrap().ice_servers[0];
    assert_eq!(server.urls, ["turn:meet.example.org"]);
}

#[test]
fn a_refresh_gives_a_new_credential_ten_times_a_minute() {
    let mut stage = stage();
    let (ada, joined) = stage.join("Ada");
    let mut last = joined.ice_servers;
    for _ in 0..10 {
        stage.ask(ada, TurnRefresh {});
        let outputs = stage.outputs();
        let [Output::Reply { ok, .. }] = &outputs[..] else {
            panic!("one answer");
        };
        let Reply::TurnRefreshed(fresh) = ok.as_ref() else {
            panic!("a relay");
        };
        assert_eq!(fresh.ice_servers[0].username, last[0].username);
        assert_ne!(fresh.ice_servers[0].credential, last[0].credential);
        last.clone_from(&fresh.ice_servers);
    }
    let id = stage.ask(ada, TurnRefresh {});
    assert_eq!(stage.done(), [format!("1 error {id} rate_limited 60s")]);
}

#[test]
fn nobody_in_the_lobby_gets_one_until_admitted() {
    let mut stage = stage();
    let (host, _) = stage.join_as("Ada", Role::Host);
    stage.room.settings.lobby = LobbyMode::On;
    let (bob, _) = stage.try_join("Bob", 2, None);
    stage.done();
    let id = stage.ask(bob, TurnRefresh {});
    assert_eq!(stage.done(), [format!("2 error {id} bad_request")]);
    stage.ask(
        host,
        LobbyAdmit {
            knocks: None,
            all_up_to_rev: Some(stage.room.lobby.rev()),
            as_role: None,
        },
    );
    let outputs = stage.outputs();
    let admitted = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::LobbyStatus(LobbyStatus::Admitted { joined, .. }) => Some(joined),
            _ => None,
        },
        _ => None,
    });
    let joined = admitted.unwrap();
    assert_eq!(joined.ice_servers[0].urls, ["turn:meet.example.org"]);
    // Sent back, it has none, and another one when it comes in again.
    stage.ask(
        host,
        ParticipantToLobby {
            participant: joined.own.id,
        },
    );
    stage.done();
    let id = stage.ask(bob, TurnRefresh {});
    assert_eq!(stage.done(), [format!("2 error {id} bad_request")]);
}

#[test]
fn without_a_relay_there_is_nothing_to_get_and_nothing_to_insist_on() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, joined) = stage.join("Bob");
    assert!(joined.ice_servers.is_empty());
    let id = stage.ask(ada, TurnRefresh {});
    assert_eq!(stage.done(), [format!("1 ok {id} relay 0")]);
    let id = stage.ask(ada, insisting(true));
    let refused = format!("1 error {id} not_available relay_only");
    assert_eq!(
        of_relay(&mut stage),
        ["keep act room.update not_available".to_owned(), refused]
    );
    stage.ask(ada, insisting(false));
    assert!(!stage.room.settings.relay_only);
    assert!(stage.done().contains(&"keep settings 2".to_owned()));
}

#[test]
fn the_shard_hears_who_wishes_the_relay_alone() {
    let mut stage = stage();
    let (ada, _) = stage.join("Ada");
    connect(&mut stage, ada, 1, false);
    connect(&mut stage, ada, 1, true);
    connect(&mut stage, ada, 2, false);
    let offers = [
        "shard offer 1 1",
        "shard offer 1 1 relayed",
        "shard offer 1 2",
    ];
    assert_eq!(of_relay(&mut stage), offers);
}

#[test]
fn a_room_that_insists_takes_every_offer_for_one_through_the_relay() {
    let mut stage = stage();
    stage.room.settings.relay_only = true;
    let (ada, joined) = stage.join("Ada");
    assert!(joined.room.relay_only);
    connect(&mut stage, ada, 1, false);
    assert_eq!(of_relay(&mut stage), ["shard offer 1 1 relayed"]);
}

#[test]
fn a_room_that_begins_to_insist_ends_what_goes_past_the_relay() {
    let mut stage = stage();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join("Bob");
    let (carl, _) = stage.join("Carl");
    stage.join("Dora");
    connect(&mut stage, ada, 1, false);
    connect(&mut stage, bob, 1, true);
    // Carl's is not answered yet.
    stage.offer(carl, 3);
    stage.done();
    let id = stage.ask(ada, insisting(true));
    let done = stage.done();
    let place = |what: &str| done.iter().position(|one| one == what);
    let told = place("1 push 2 room 2").or(place("1 push 4 room 2"));
    assert!(told < place("1 push - reset RelayOnly"), "{done:#?}");
    let mut kept = done.clone();
    let words = ["end ", "reset", "barrier", "act "];
    kept.retain(|one| words.iter().any(|word| one.contains(word)));
    assert_eq!(
        kept,
        [
            "shard end 1",
            "1 push - reset RelayOnly",
            "shard end 3",
            "3 push - reset RelayOnly",
            "shard barrier 1",
            "keep act room.update ok",
        ]
    );
    // It is answered when the shard has done it.
    assert!(!done.contains(&format!("1 ok {id} room 2")));
    let passed = Event::Passed {
        room: RoomKey(1),
        number: 1,
    };
    stage.room.handle_media(stage.now, passed);
    assert_eq!(stage.done(), [format!("1 ok {id} room 2")]);
    // What has ended does not come back, the next one goes through the relay.
    let id = stage.offer(ada, 1);
    assert_eq!(
        stage.done(),
        [format!("1 error {id} bad_request generation")]
    );
    connect(&mut stage, ada, 2, false);
    assert_eq!(of_relay(&mut stage), ["shard offer 1 2 relayed"]);
    // Whoever is connected through the relay stays so when the room lets go.
    stage.ask(ada, insisting(false));
    stage.ask(ada, insisting(true));
    assert_eq!(of_relay(&mut stage), [] as [&str; 0]);
}

#[test]
fn an_offer_that_was_refused_leaves_a_way_past_the_relay() {
    let mut stage = stage();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    connect(&mut stage, ada, 1, false);
    let again = MediaOffer {
        generation: 2,
        sdp: "v=0".to_owned(),
        relay_only: true,
    };
    stage.ask(ada, again);
    let member = stage.key(ada);
    let refused = Event::OfferRefused {
        member,
        generation: 2,
        error: OfferError::CodecUnsupported,
    };
    stage.room.handle_media(stage.now, refused);
    stage.done();
    stage.ask(ada, insisting(true));
    assert_eq!(
        of_relay(&mut stage),
        ["shard end 1", "1 push - reset RelayOnly"]
    );
}

#[test]
fn what_failed_by_itself_is_not_ended_again() {
    let mut stage = stage();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    connect(&mut stage, ada, 1, false);
    let failed = Event::TransportFailed {
        member: stage.key(ada),
        generation: 1,
        failure: TransportFailure::Ice,
    };
    stage.room.handle_media(stage.now, failed);
    stage.done();
    stage.ask(ada, insisting(true));
    assert_eq!(of_relay(&mut stage), [] as [&str; 0]);
}

#[test]
fn only_who_changes_the_room_makes_it_insist() {
    let mut stage = stage();
    let (bob, _) = stage.join("Bob");
    let id = stage.ask(bob, insisting(true));
    let code = ErrorCode::Forbidden.name();
    assert!(stage.done().contains(&format!("1 error {id} {code}")));
    assert!(!stage.room.settings.relay_only);
}
