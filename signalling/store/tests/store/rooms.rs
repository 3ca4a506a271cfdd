//! Rooms and what belongs to them: what goes in comes out, and what is gone is gone.

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::record::{Ban, Change, Invite, RoomRecord, Standing};
use conclave_signalling_core::settings::{PasswordHash, Settings};
use conclave_signalling_store::{AuditQuery, Purged, Store, StoreError};
use conclave_signalling_wire::text::Slug;
use proptest::prelude::*;

use crate::{
    DAY_MS, Folder, after, ban, before, entry, hash, invite, is_in_files, message, new_room, now,
    room_id, standing, values, with_room,
};

async fn welcome(store: &Store) -> RoomRecord {
    store.room(room_id(1), now()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_new_room_is_found() {
    let folder = Folder::new();
    let store = folder.open().await;
    assert!(store.room(room_id(1), now()).await.unwrap().is_none());
    let mut room = new_room(1, "welcome");
    room.invites = vec![invite(1), invite(2)];
    store.create_room(room, entry("room.create")).await.unwrap();
    store
        .create_room(new_room(2, "another"), entry("room.create"))
        .await
        .unwrap();
    let found = welcome(&store).await;
    assert_eq!((found.id, found.slug.as_str()), (room_id(1), "welcome"));
    assert_eq!(found.settings.title, "welcome");
    assert_eq!(found.invites, [invite(1), invite(2)]);
    assert_eq!((found.bans.len(), found.standings.len()), (0, 0));
    let directory = store.directory().await.unwrap();
    let slugs: Vec<&str> = directory.iter().map(|room| room.slug.as_str()).collect();
    assert_eq!(slugs, ["another", "welcome"]);
}

#[tokio::test]
async fn a_damaged_room_keeps_nobody_from_the_others() {
    for (damage, left) in [
        ("settings = '{}'", &["damaged", "other"][..]),
        ("settings = CAST(x'ff' AS TEXT)", &["damaged", "other"]),
        ("password = x'00'", &["damaged", "other"]),
        ("slug = 'No Slug'", &["other"]),
        ("id = 'nothing'", &["other"]),
    ] {
        let folder = Folder::new();
        let store = folder.open().await;
        for (number, slug) in [(1, "damaged"), (2, "other")] {
            let room = new_room(number, slug);
            store.create_room(room, entry("room.create")).await.unwrap();
        }
        store.close().await.unwrap();
        let statement = format!("UPDATE room SET {damage} WHERE slug = 'damaged'");
        folder.tamper(statement).await;
        let store = folder.open().await;
        let directory = store.directory().await.unwrap();
        let slugs: Vec<&str> = directory.iter().map(|room| room.slug.as_str()).collect();
        assert_eq!(slugs, left, "{damage}");
        for room in directory {
            let is_whole = room.slug.as_str() == "other";
            assert_eq!(room.settings.is_some(), is_whole, "{damage}");
            assert_eq!(
                store.room(room.id, now()).await.is_ok(),
                is_whole,
                "{damage}"
            );
        }
        if left.len() == 2 {
            let deleted = store.delete_room(room_id(1), entry("room.delete")).await;
            assert_eq!(deleted, Ok(()), "{damage}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_leaves_no_trace() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let again = new_room(2, "welcome");
    assert_eq!(
        store.create_room(again, entry("room.create")).await,
        Err(StoreError::SlugTaken)
    );
    assert!(store.room(room_id(2), now()).await.unwrap().is_none());
    let log = store.audit_tail(&AuditQuery::default()).await.unwrap();
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn a_deleted_room_takes_everything_with_it() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let changes = vec![
        Change::Invite(Box::new(invite(1))),
        Change::Ban(Box::new(ban(1))),
        Change::Standing(Box::new(standing(1))),
        Change::Chat(Box::new(message(1))),
    ];
    store.commit(room_id(1), changes).await.unwrap();
    store
        .delete_room(room_id(1), entry("room.delete"))
        .await
        .unwrap();
    assert!(store.room(room_id(1), now()).await.unwrap().is_none());
    assert_eq!(
        store.delete_room(room_id(1), entry("room.delete")).await,
        Err(StoreError::UnknownRoom)
    );
    let lost = store.commit(room_id(1), vec![Change::BanLifted(ban(1).id)]);
    assert_eq!(lost.await, Err(StoreError::UnknownRoom));
    store.close().await.unwrap();
    let mut db = folder.raw().await;
    for count in [
        "SELECT count(*) FROM invite",
        "SELECT count(*) FROM ban",
        "SELECT count(*) FROM standing",
        "SELECT count(*) FROM chat",
    ] {
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&mut db).await.unwrap();
        assert_eq!(rows, 0, "{count}");
    }
}

#[tokio::test]
async fn all_changes_of_a_commit_are_kept_or_none() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let first = vec![Change::Invite(Box::new(invite(1)))];
    store.commit(room_id(1), first).await.unwrap();
    // Another invite with the secret of the first one cannot be.
    let twin = Invite {
        hash: invite(1).hash,
        ..invite(2)
    };
    let mut settings = Settings::new(conclave_signalling_wire::objects::Preset::Class, "changed");
    settings.set_password(Some(PasswordHash("$argon2id$".to_owned())));
    let changes = vec![
        Change::Settings(Box::new(settings)),
        Change::Ban(Box::new(ban(1))),
        Change::Audit(Box::new(entry("participant.ban"))),
        Change::Invite(Box::new(twin)),
    ];
    assert_eq!(
        store.commit(room_id(1), changes).await,
        Err(StoreError::AlreadyThere)
    );
    let room = welcome(&store).await;
    assert_eq!(room.settings.title, "welcome");
    assert_eq!((room.invites.len(), room.bans.len()), (1, 0));
    let log = store.audit_tail(&AuditQuery::default()).await.unwrap();
    assert_eq!(log.len(), 1);
    store.audit(entry("room.lock")).await.unwrap();
    let verified = store.audit_verify(&[]).await.unwrap();
    assert_eq!(verified.records, 2);
}

#[tokio::test]
async fn another_room_cannot_be_reached_by_the_identifier_of_what_it_has() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    store
        .create_room(new_room(2, "another"), entry("room.create"))
        .await
        .unwrap();
    let mine = vec![
        Change::Invite(Box::new(invite(1))),
        Change::Ban(Box::new(ban(1))),
        Change::Standing(Box::new(standing(1))),
    ];
    store.commit(room_id(1), mine).await.unwrap();
    for stolen in [
        Change::Invite(Box::new(invite(1))),
        Change::Ban(Box::new(ban(1))),
    ] {
        assert_eq!(
            store.commit(room_id(2), vec![stolen]).await,
            Err(StoreError::AlreadyThere)
        );
    }
    let gone = vec![
        Change::InviteGone(invite(1).id),
        Change::BanLifted(ban(1).id),
        Change::StandingGone(standing(1).device),
    ];
    store.commit(room_id(2), gone.clone()).await.unwrap();
    let room = welcome(&store).await;
    let kept = |room: &RoomRecord| (room.invites.len(), room.bans.len(), room.standings.len());
    assert_eq!(kept(&room), (1, 1, 1));
    store.commit(room_id(1), gone).await.unwrap();
    let room = welcome(&store).await;
    assert_eq!(kept(&room), (0, 0, 0));
}

#[tokio::test]
async fn an_invite_is_found_by_its_secret_in_its_own_room_only() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let revoked = Invite {
        revoked_at: Some(now()),
        ..invite(1)
    };
    let changes = vec![Change::Invite(Box::new(revoked))];
    store.commit(room_id(1), changes).await.unwrap();
    let mine = invite(1).hash;
    for (room, hash, found) in [
        (Some(room_id(1)), mine, true),
        (Some(room_id(1)), InviteHash(hash(9)), false),
        (Some(room_id(2)), mine, false),
        (None, mine, false),
    ] {
        assert_eq!(store.has_invite(room, &hash).await.unwrap(), found);
    }
}

#[tokio::test]
async fn the_digest_of_the_configuration_is_kept_with_the_room() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let slug = Slug::new("welcome").unwrap();
    assert_eq!(store.config_digest(&slug).await.unwrap(), None);
    store.set_config_digest(room_id(1), "abc").await.unwrap();
    let digest = store.config_digest(&slug).await.unwrap();
    assert_eq!(digest.as_deref(), Some("abc"));
    assert_eq!(
        store.set_config_digest(room_id(2), "abc").await,
        Err(StoreError::UnknownRoom)
    );
    let configured = conclave_signalling_store::NewRoom {
        config_digest: Some("def".to_owned()),
        ..new_room(2, "another")
    };
    store
        .create_room(configured, entry("room.create"))
        .await
        .unwrap();
    let digest = store.config_digest(&Slug::new("another").unwrap()).await;
    assert_eq!(digest.unwrap().as_deref(), Some("def"));
}

#[tokio::test]
async fn what_is_over_is_purged_and_nothing_else() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut bans = [ban(1), ban(2)];
    bans[0].expires_at = now();
    let mut invites = [invite(1), invite(2), invite(3), invite(4)];
    invites[0].expires_at = Some(before(90 * DAY_MS));
    invites[1].expires_at = None;
    invites[1].revoked_at = Some(before(90 * DAY_MS));
    invites[2].expires_at = Some(before(90 * DAY_MS - 1));
    invites[3].expires_at = None;
    let mut standings = [standing(1), standing(2), standing(3)];
    standings[0].left_at = Some(before(300_000));
    standings[1].left_at = Some(before(299_999));
    let changes = bans
        .iter()
        .map(|ban| Change::Ban(Box::new(ban.clone())))
        .chain(
            invites
                .iter()
                .map(|invite| Change::Invite(Box::new(invite.clone()))),
        )
        .chain(
            standings
                .iter()
                .map(|standing| Change::Standing(Box::new(standing.clone()))),
        );
    store.commit(room_id(1), changes.collect()).await.unwrap();
    let purged = Purged {
        bans: 1,
        invites: 2,
        standings: 1,
        ..Purged::default()
    };
    assert_eq!(store.begin(now()).await.unwrap(), purged);
    let room = welcome(&store).await;
    assert_eq!(room.bans, bans[1..]);
    assert_eq!(room.invites, invites[2..]);
    // The time of those whom a crash surprised runs from the start on.
    standings[2].left_at = Some(now());
    assert_eq!(room.standings, standings[1..]);
    let later = store.purge(after(300_000)).await.unwrap();
    assert_eq!((later.standings, later.invites), (2, 1));
}

#[tokio::test]
async fn a_standing_of_somebody_who_is_in_is_not_purged() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let changes = vec![Change::Standing(Box::new(standing(1)))];
    store.commit(room_id(1), changes).await.unwrap();
    let purged = store.purge(after(90 * DAY_MS)).await.unwrap();
    assert_eq!(purged.standings, 0);
}

#[tokio::test]
async fn names_notes_reasons_and_password_hashes_are_nowhere_in_the_files() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut settings = welcome(&store).await.settings;
    settings.set_password(Some(PasswordHash("$argon2id$v=19$secret".to_owned())));
    let changes = vec![
        Change::Settings(Box::new(settings)),
        Change::Invite(Box::new(invite(1))),
        Change::Ban(Box::new(ban(1))),
        Change::Standing(Box::new(standing(1))),
        Change::Chat(Box::new(message(1))),
    ];
    store.commit(room_id(1), changes).await.unwrap();
    let words = [
        "Luncheon",
        "Renamed",
        "argon2id",
        "Lovelace",
        "demonstration",
        "Malicious",
        "shouted",
    ];
    for word in words {
        assert!(!is_in_files(&folder, word), "{word}");
    }
}

#[tokio::test]
async fn a_sealed_field_that_was_moved_is_noticed() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let changes = vec![Change::Ban(Box::new(ban(1)))];
    store.commit(room_id(1), changes).await.unwrap();
    store.close().await.unwrap();
    folder
        .tamper("UPDATE ban SET name = reason, reason = name")
        .await;
    let store = folder.open().await;
    let refused = store.room(room_id(1), now()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_record_round_trips(
        settings in values::settings(),
        changed in values::settings(),
        invites in proptest::collection::vec(values::invite(), 0..3),
        bans in proptest::collection::vec(values::ban(), 0..3),
        standings in proptest::collection::vec(values::standing(), 0..3),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(round_trip(settings, changed, invites, bans, standings));
    }
}

async fn round_trip(
    settings: Settings,
    changed: Settings,
    mut invites: Vec<Invite>,
    mut bans: Vec<Ban>,
    mut standings: Vec<Standing>,
) {
    let store = Store::open_temporary().await.unwrap();
    let room = conclave_signalling_store::NewRoom {
        settings: settings.clone(),
        invites: invites.clone(),
        ..new_room(1, "welcome")
    };
    store.create_room(room, entry("room.create")).await.unwrap();
    assert_eq!(welcome(&store).await.settings, settings);
    for invite in &mut invites {
        invite.uses = invite.uses.wrapping_add(1);
        invite.devices.reverse();
        invite.name = None;
    }
    let mut changes = vec![Change::Settings(Box::new(changed.clone()))];
    changes.extend(invites.iter().cloned().map(Box::new).map(Change::Invite));
    changes.extend(bans.iter().cloned().map(Box::new).map(Change::Ban));
    changes.extend(
        standings
            .iter()
            .cloned()
            .map(Box::new)
            .map(Change::Standing),
    );
    store.commit(room_id(1), changes).await.unwrap();
    invites.sort_by_key(|invite| invite.id);
    bans.sort_by_key(|ban| ban.id);
    standings.sort_by_key(|standing| standing.device);
    let room = welcome(&store).await;
    assert_eq!(room.settings, changed);
    assert_eq!(room.invites, invites);
    assert_eq!(room.bans, bans);
    assert_eq!(room.standings, standings);
    let directory = store.directory().await.unwrap();
    assert_eq!(directory[0].settings.as_ref(), Some(&changed));
    store.close().await.unwrap();
}
