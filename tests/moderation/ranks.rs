//! Attempts to be more than one is, and to make others less.

use serde_json::json;

use crate::person::Person;
use crate::rules::permissions;
use crate::stage::{Room, Stage};

async fn open_room(stage: &Stage) -> Room {
    let update = json!({"lobby": "off", "start_without_host": true});
    stage.room("meeting", update).await
}

async fn is_untouched(person: &mut Person, role: &str) {
    person.settle().await;
    assert_eq!(person.mirror.own()["role"], role);
    assert_eq!(person.mirror.permissions, permissions("meeting", role));
}

#[tokio::test]
async fn nobody_gives_itself_a_role_or_a_right() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    for role in ["co_host", "presenter", "attendee", "viewer"] {
        let mut thief = stage.invited(&room, role).await;
        let id = thief.id.clone();
        for wanted in ["host", "co_host", "presenter", "attendee"] {
            let set = json!({"participant": id, "role": wanted, "rev": 1});
            assert_eq!(thief.link.refused("role.set", set).await, "forbidden");
        }
        for key in ["room.password", "role.assign", "publish.screen"] {
            let order = json!({"participant": id, "key": key, "effect": "allow", "rev": 1});
            assert_eq!(
                thief.link.refused("perm.override", order).await,
                "forbidden"
            );
        }
        let grant = json!({"participant": id, "source": "screen", "on": true});
        assert_eq!(thief.link.refused("media.grant", grant).await, "forbidden");
        is_untouched(&mut thief, role).await;
        host.settle().await;
        assert_eq!(host.mirror.people[&id]["role"], role);
    }
}

#[tokio::test]
async fn a_role_in_the_join_itself_is_no_role() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    for member in [
        "role",
        "custom_role",
        "identity",
        "permissions",
        "participant",
    ] {
        let entry = stage.entry(&room);
        let mut link = stage.greeted(entry.from).await;
        let mut join = entry.data();
        join[member] = json!("host");
        assert_eq!(link.refused("join", join).await, "bad_request", "{member}");
    }
    assert!(host.settle().await.is_empty());
}

#[tokio::test]
async fn a_change_on_the_strength_of_an_old_view_is_refused() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut victim = stage.invited(&room, "attendee").await;
    let set = |role, rev| json!({"participant": victim.id, "role": role, "rev": rev});
    let done = host.link.ok("role.set", set("presenter", 1)).await;
    let rev = done["rev"].as_u64().unwrap();
    assert!(rev > 1);
    for old in [0, 1, rev - 1, rev + 1, u64::from(u32::MAX)] {
        let code = helper.link.refused("role.set", set("viewer", old)).await;
        assert_eq!(code, "conflict", "{old}");
        let order =
            json!({"participant": victim.id, "key": "publish.audio", "effect": "deny", "rev": old});
        let code = helper.link.refused("perm.override", order).await;
        assert_eq!(code, "conflict", "{old}");
    }
    is_untouched(&mut victim, "presenter").await;
    // The same of the room.
    host.settle().await;
    let seen = host.mirror.room["rev"].as_u64().unwrap();
    for old in [0, seen.saturating_sub(1), seen + 1] {
        let update = json!({"rev": old, "locked": true});
        let expected = if old == seen { continue } else { "conflict" };
        assert_eq!(helper.link.refused("room.update", update).await, expected);
    }
    host.settle().await;
    assert_eq!(host.mirror.room["locked"], false);
}

#[tokio::test]
async fn nobody_gives_what_it_does_not_have() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut friend = stage.invited(&room, "attendee").await;
    // What only a host has.
    let order = |key| json!({"participant": friend.id, "key": key, "effect": "allow", "rev": 1});
    let code = helper
        .link
        .refused("perm.override", order("room.password"))
        .await;
    assert_eq!(code, "forbidden");
    // What was taken from the helper.
    let taken =
        json!({"participant": helper.id, "key": "participant.ban", "effect": "deny", "rev": 1});
    host.link.ok("perm.override", taken).await;
    let code = helper
        .link
        .refused("perm.override", order("participant.ban"))
        .await;
    assert_eq!(code, "forbidden");
    // Nor by the detour of a role of the room's own.
    for allow in ["room.password", "participant.ban"] {
        let roles =
            json!({"custom_roles": [{"name": "Aide", "base": "attendee", "allow": [allow]}]});
        assert_eq!(helper.link.refused("room.update", roles).await, "forbidden");
    }
    let roles = json!({"custom_roles": [{"name": "Second", "base": "co_host"}]});
    assert_eq!(helper.link.refused("room.update", roles).await, "forbidden");
    // A role that the host made is not given on by who has less than it gives.
    let roles = json!({"custom_roles": [{"name": "Keeper", "base": "presenter", "allow": ["room.password"]}]});
    host.link.ok("room.update", roles).await;
    friend.settle().await;
    let rev = friend.mirror.own()["rev"].clone();
    let set =
        json!({"participant": friend.id, "role": "presenter", "custom_role": "Keeper", "rev": rev});
    assert_eq!(helper.link.refused("role.set", set).await, "forbidden");
    // Nor by an invite.
    let invite = json!({"role": "presenter", "custom_role": "Keeper", "max_uses": 1});
    assert_eq!(
        helper.link.refused("invite.create", invite).await,
        "forbidden"
    );
    is_untouched(&mut friend, "attendee").await;
}

#[tokio::test]
async fn nobody_acts_on_an_equal_and_the_only_host_stays_host() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut one = stage.invited(&room, "co_host").await;
    let mut other = stage.invited(&room, "co_host").await;
    for victim in [host.id.clone(), other.id.clone()] {
        let set = json!({"participant": victim, "role": "viewer", "rev": 1});
        assert_eq!(one.link.refused("role.set", set).await, "forbidden");
        for verb in ["participant.remove", "participant.to_lobby"] {
            let order = json!({"participant": victim});
            assert_eq!(one.link.refused(verb, order).await, "forbidden");
        }
        let deny =
            json!({"participant": victim, "key": "lobby.manage", "effect": "deny", "rev": 1});
        assert_eq!(one.link.refused("perm.override", deny).await, "forbidden");
        let rename = json!({"participant": victim, "name": "Nobody"});
        assert_eq!(
            one.link.refused("participant.rename", rename).await,
            "forbidden"
        );
        let mute = json!({"target": {"kind": "participant", "participant": victim}, "sources": ["microphone"]});
        assert_eq!(one.link.refused("media.mute", mute).await, "forbidden");
    }
    // The host does not act on itself, nor on another host.
    let own = json!({"participant": host.id, "role": "viewer", "rev": 1});
    assert_eq!(host.link.refused("role.set", own).await, "forbidden");
    let mut second = stage.host(&room).await;
    let set = json!({"participant": host.id, "role": "viewer", "rev": 1});
    assert_eq!(second.link.refused("role.set", set).await, "forbidden");
    let order = json!({"participant": host.id});
    assert_eq!(
        second.link.refused("participant.remove", order).await,
        "forbidden"
    );
    is_untouched(&mut host, "host").await;
    is_untouched(&mut other, "co_host").await;
}

#[tokio::test]
async fn a_guest_of_an_open_link_does_not_become_a_co_host_unless_the_room_says_so() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut guest = stage.join(&stage.entry(&room)).await;
    assert_eq!(guest.mirror.own()["identity"], "guest");
    let set = json!({"participant": guest.id, "role": "co_host", "rev": 1});
    assert_eq!(
        host.link.refused("role.set", set.clone()).await,
        "forbidden"
    );
    is_untouched(&mut guest, "attendee").await;
    let update = json!({"guests_may_cohost": true});
    host.link.ok("room.update", update).await;
    host.link.ok("role.set", set).await;
    is_untouched(&mut guest, "co_host").await;
}

#[tokio::test]
async fn a_demoted_helper_has_lost_its_rights_before_the_host_is_told_so() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut victim = stage.invited(&room, "attendee").await;
    let set = json!({"participant": helper.id, "role": "attendee", "rev": 1});
    host.link.ok("role.set", set).await;
    // The modified client ignores what it is told and goes on.
    let order = json!({"participant": victim.id});
    assert_eq!(
        helper.link.refused("participant.remove", order).await,
        "forbidden"
    );
    assert_eq!(
        helper
            .link
            .refused("room.update", json!({"locked": true}))
            .await,
        "forbidden"
    );
    assert_eq!(
        helper.link.refused("ban.list", json!({})).await,
        "forbidden"
    );
    assert_eq!(
        helper
            .link
            .refused("invite.create", json!({"role": "viewer"}))
            .await,
        "forbidden"
    );
    // Nor does it get them back by coming in anew.
    let token = helper.token.clone();
    let from = helper.entry.from;
    drop(helper);
    let (mut again, reply) = stage.resume(from, &token, 0).await;
    assert_eq!(reply["ok"]["outcome"], "resumed", "{reply}");
    assert_eq!(again.refused("ban.list", json!({})).await, "forbidden");
    is_untouched(&mut victim, "attendee").await;
}

#[tokio::test]
async fn a_demoted_helper_who_comes_again_by_its_invite_stays_demoted() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let helper = stage.invited(&room, "co_host").await;
    let set = json!({"participant": helper.id, "role": "attendee", "rev": 1});
    host.link.ok("role.set", set).await;
    let entry = helper.entry.clone();
    helper.leave().await;
    let again = stage.join(&entry).await;
    assert_eq!(again.mirror.own()["role"], "attendee");
}

#[tokio::test]
async fn a_helper_admits_nobody_as_more_than_it_may_make_of_them() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "on", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    for role in ["host", "co_host"] {
        let (mut link, reply) = stage.knock(&stage.entry(&room)).await;
        let admit = json!({"knocks": [reply["ok"]["knock"]], "as_role": role});
        assert_eq!(
            helper.link.refused("lobby.admit", admit.clone()).await,
            "forbidden"
        );
        // A guest is no co-host by the word of a host either, and nobody is made a host.
        assert_eq!(host.link.refused("lobby.admit", admit).await, "forbidden");
        link.ok("lobby.ping", json!({})).await;
        assert!(link.heard.is_empty(), "{role}: {:?}", link.heard);
    }
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 2);
}

#[tokio::test]
async fn a_right_over_others_that_was_lent_reaches_lower_roles_alone() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut lent = stage.invited(&room, "attendee").await;
    let mut equal = stage.invited(&room, "attendee").await;
    let mut presenter = stage.invited(&room, "presenter").await;
    let mut lower = stage.invited(&room, "viewer").await;
    for key in ["participant.remove", "media.mute", "role.assign"] {
        host.settle().await;
        let rev = host.mirror.people[&lent.id]["rev"].clone();
        let order = json!({"participant": lent.id, "key": key, "effect": "allow", "rev": rev});
        host.link.ok("perm.override", order).await;
    }
    for victim in [&host.id, &equal.id, &presenter.id] {
        let order = json!({"participant": victim});
        assert_eq!(
            lent.link.refused("participant.remove", order).await,
            "forbidden"
        );
        let set = json!({"participant": victim, "role": "viewer", "rev": 1});
        assert_eq!(lent.link.refused("role.set", set).await, "forbidden");
    }
    for role in ["attendee", "presenter", "host"] {
        let set = json!({"participant": lower.id, "role": role, "rev": 1});
        assert_eq!(lent.link.refused("role.set", set).await, "forbidden");
    }
    is_untouched(&mut equal, "attendee").await;
    is_untouched(&mut presenter, "presenter").await;
    is_untouched(&mut lower, "viewer").await;
    // A ban was not lent with the removal.
    let order = json!({"participant": lower.id, "ban": {"scope": "room"}});
    assert_eq!(
        lent.link.refused("participant.remove", order).await,
        "forbidden"
    );
    lent.link
        .ok("participant.remove", json!({"participant": lower.id}))
        .await;
    assert_eq!(lower.link.closed().await, 4403);
}

#[tokio::test]
async fn a_right_that_was_lent_ends_with_its_time_and_is_not_prolonged_by_coming_again() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let person = stage.invited(&room, "viewer").await;
    for ttl_s in [0, 86_401, u32::MAX] {
        let grant =
            json!({"participant": person.id, "source": "microphone", "on": true, "ttl_s": ttl_s});
        assert_eq!(host.link.refused("media.grant", grant).await, "bad_request");
    }
    let grant = json!({"participant": person.id, "source": "microphone", "on": true, "ttl_s": 1});
    host.link.ok("media.grant", grant).await;
    // It leaves and comes back with what it was given, and hears the end of it.
    let entry = person.entry.clone();
    person.leave().await;
    let mut again = stage.join(&entry).await;
    if again.mirror.may("publish.audio") {
        again.publish("microphone").await;
        let told = again.link.push("permissions").await;
        assert!(
            !told["permissions"].to_string().contains("publish.audio"),
            "{told}"
        );
        // It was over before its owner was told what it may do.
        let revoked = again.link.all("media.revoked");
        assert_eq!(revoked[0]["data"]["reason"], "permission_revoked");
    }
    is_untouched(&mut again, "viewer").await;
    assert!(stage.shard.as_ref().unwrap().published().is_empty());
}
