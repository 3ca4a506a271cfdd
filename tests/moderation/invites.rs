//! Attempts to use an invite more often, longer or otherwise than it was meant.

use conclave_signalling_core::record::Change;
use conclave_signalling_wire::time::Timestamp;
use serde_json::json;

use crate::person::fresh_device;
use crate::stage::Stage;

#[tokio::test]
async fn an_invite_for_one_lets_one_in_however_many_use_it_at_once() {
    let stage = Stage::start().await;
    for round in 0..10 {
        let update = json!({"lobby": "off", "start_without_host": true});
        let room = stage.room("meeting", update).await;
        let secret = stage
            .invite(&room, json!({"role": "presenter", "max_uses": 1}))
            .await;
        let mut links = Vec::new();
        for _ in 0..6 {
            let entry = stage.entry(&room).invite(&secret);
            links.push((stage.greeted(entry.from).await, entry));
        }
        let mut ids = Vec::new();
        for (link, entry) in &mut links {
            ids.push(link.send("join", entry.data()).await);
        }
        let mut outcomes = Vec::new();
        for ((link, _), id) in links.iter_mut().zip(ids) {
            let reply = link.reply(id).await.unwrap();
            let outcome = reply["ok"]["outcome"]
                .as_str()
                .or(reply["error"]["code"].as_str());
            outcomes.push(outcome.unwrap().to_owned());
        }
        outcomes.sort();
        let (in_it, out): (Vec<_>, Vec<_>) =
            outcomes.iter().partition(|outcome| *outcome == "joined");
        assert_eq!(in_it.len(), 1, "round {round}: {outcomes:?}");
        assert!(
            out.iter().all(|code| *code == "invite_used_up"),
            "{outcomes:?}"
        );
    }
}

#[tokio::test]
async fn an_invite_that_was_taken_back_lets_nobody_in_and_its_holders_go() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let created = host
        .link
        .ok("invite.create", json!({"role": "presenter", "max_uses": 3}))
        .await;
    let secret = created["secret"].as_str().unwrap();
    let mut holder = stage.join(&stage.entry(&room).invite(secret)).await;
    let mut waiting = stage.greeted(stage.fresh_source()).await;
    let revoke = json!({"invite": created["invite"]["id"], "remove_holders": true});
    host.link.ok("invite.revoke", revoke).await;
    assert_eq!(holder.link.closed().await, 4403);
    for entry in [holder.entry.clone(), stage.entry(&room).invite(secret)] {
        assert_eq!(
            waiting.refused("join", entry.data()).await,
            "invite_revoked"
        );
    }
    let (_, reply) = stage.resume(holder.entry.from, &holder.token, 0).await;
    assert_eq!(reply["error"]["code"], "resume_failed");
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 1);
}

#[tokio::test]
async fn an_invite_works_neither_before_nor_after_its_time() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let late = json!({"role": "attendee", "not_before": "2090-01-01T00:00:00Z"});
    let early = stage.invite(&room, late).await;
    let over = stage.invite(&room, json!({"role": "attendee"})).await;
    // No room has read it yet: it expires where it lies.
    let directory = stage.store.directory().await.unwrap();
    let entry = directory
        .iter()
        .find(|entry| entry.slug.as_str() == room.slug);
    let now = Timestamp::from_unix_ms(1_000);
    let record = stage.store.room(entry.unwrap().id, now).await;
    let record = record.unwrap().unwrap();
    let mut invites = record.invites.into_iter();
    let newest = invites.by_ref().max_by_key(|invite| invite.id).unwrap();
    let mut expired = newest;
    expired.expires_at = Some(Timestamp::from_unix_ms(1_000));
    stage
        .store
        .commit(record.id, vec![Change::Invite(Box::new(expired))])
        .await
        .unwrap();
    for (secret, code) in [(early, "invite_not_yet"), (over, "invite_expired")] {
        let (_, reply) = stage.knock(&stage.entry(&room).invite(&secret)).await;
        assert_eq!(reply["error"]["code"], code, "{reply}");
    }
}

#[tokio::test]
async fn an_invite_that_is_lent_lets_no_second_device_in() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let bound = json!({"role": "presenter", "bind_device": true});
    let secret = stage.invite(&room, bound).await;
    let first = stage.join(&stage.entry(&room).invite(&secret)).await;
    let lent = stage.entry(&room).invite(&secret);
    let (_, reply) = stage.knock(&lent).await;
    assert_eq!(reply["error"]["code"], "invite_used_up", "{reply}");
    // Its own device comes again.
    let entry = first.entry.clone();
    first.leave().await;
    stage.join(&entry).await;
    let (_, reply) = stage.knock(&entry.device(&fresh_device())).await;
    assert_eq!(reply["error"]["code"], "invite_used_up", "{reply}");
}

#[tokio::test]
async fn the_name_of_an_invite_is_not_another_one() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let grace = json!({"role": "attendee", "name": "Grace", "name_locked": true, "max_uses": 1});
    let secret = stage.invite(&room, grace).await;
    let mut person = stage
        .join(&stage.entry(&room).invite(&secret).named("The Host"))
        .await;
    assert_eq!(person.mirror.own()["name"], "Grace");
    let rename = json!({"participant": person.id, "name": "The Host"});
    assert_eq!(
        person.link.refused("participant.rename", rename).await,
        "forbidden"
    );
    host.settle().await;
    assert_eq!(host.mirror.people[&person.id]["name"], "Grace");
}

#[tokio::test]
async fn an_invite_of_one_room_opens_no_other() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true, "password": "correct horse"});
    let own = stage.room("meeting", update.clone()).await;
    let other = stage.room("meeting", update).await;
    let (_, reply) = stage
        .knock(&stage.entry(&other).invite(&own.host_secret))
        .await;
    assert_eq!(reply["error"]["code"], "bad_credentials", "{reply}");
    let mut link = stage.greeted(stage.fresh_source()).await;
    let manage = json!({
        "room": other.slug,
        "credential": {"kind": "invite", "secret": own.host_secret},
        "device_key": fresh_device(),
    });
    assert_eq!(link.refused("room.manage", manage).await, "bad_credentials");
}

#[tokio::test]
async fn a_helper_makes_no_invite_for_its_own_role_and_sees_no_secret_again() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut helper = stage.invited(&room, "co_host").await;
    for role in ["host", "co_host"] {
        let code = helper
            .link
            .refused("invite.create", json!({"role": role}))
            .await;
        assert_eq!(code, "forbidden", "{role}");
    }
    let created = helper
        .link
        .ok("invite.create", json!({"role": "presenter"}))
        .await;
    let listed = helper.link.ok("invite.list", json!({})).await;
    let text = listed.to_string();
    assert!(!text.contains(created["secret"].as_str().unwrap()));
    assert!(!text.contains(&room.host_secret));
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_demoted_helper_manages_the_room_no_more_from_outside_either() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let helper = stage.invited(&room, "co_host").await;
    let manage = json!({
        "room": room.slug,
        "credential": helper.entry.credential,
        "device_key": helper.entry.device,
    });
    let mut outside = stage.greeted(helper.entry.from).await;
    outside.ok("room.manage", manage.clone()).await;
    outside.ok("room.update", json!({"title": "Mine"})).await;
    let set = json!({"participant": helper.id, "role": "attendee", "rev": 1});
    host.link.ok("role.set", set).await;
    assert_eq!(outside.closed().await, 4403);
    let mut again = stage.greeted(helper.entry.from).await;
    assert_eq!(
        again.refused("room.manage", manage.clone()).await,
        "forbidden"
    );
    // Nor who was removed, nor by another device with the same invite.
    let order = json!({"participant": helper.id});
    host.link.ok("participant.remove", order).await;
    assert_eq!(
        again.refused("room.manage", manage.clone()).await,
        "forbidden"
    );
    let mut other = manage;
    other["device_key"] = json!(fresh_device());
    assert_eq!(again.refused("room.manage", other).await, "invite_used_up");
}
