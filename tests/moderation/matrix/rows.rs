//! Every verb that may be refused, in the variants that ask for different rights.

use serde_json::{Value, json};

use super::life;
use crate::rules::Rule;

/// What a request speaks of.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) target: String,
    pub(super) rev: u64,
    pub(super) knock: String,
    pub(super) lobby_rev: u64,
    pub(super) ban: String,
    pub(super) invite: String,
    pub(super) host_invite: String,
    /// A message of the target; one that there never was if it may not write.
    pub(super) message: String,
}

/// What has to be there before a request that is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepare {
    Nothing,
    /// The target shares its screen, if it may.
    Share,
    /// Somebody is banned.
    Ban,
    /// The target raises its hand, if it may.
    Raise,
    /// The asker shares its screen.
    OwnShare,
    /// Everything is suspended.
    Suspend,
    /// The end of the meeting is announced.
    Countdown,
}

/// What is to be seen by others after a request that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Role(&'static str),
    May(&'static str, bool),
    Muted(&'static str),
    MutedAll(&'static str),
    Asked(&'static str),
    Removed {
        banned: bool,
    },
    ToLobby,
    Renamed,
    /// A member of the room, and its value as JSON.
    Room(&'static str, &'static str),
    Locked(&'static str, bool),
    Admitted,
    Denied,
    Noted,
    Invited(&'static str),
    Revoked,
    HostRevoked,
    Lifted,
    /// The asker publishes.
    Published(&'static str),
    /// A member of the chat policies, and its value as JSON.
    Chat(&'static str, &'static str),
    /// A message came, to all or to the hosts.
    Written(&'static str),
    Whispered,
    Edited,
    Deleted,
    Liked,
    Pinned,
    Cleared,
    Exported,
    /// The hand of the asker is up, or not.
    OwnHand(bool),
    /// That of the target is down.
    HandDown,
    Called,
    Reacted,
    Spotlit,
    Suspended(bool),
    Announced,
    Offered,
    Ending(bool),
    Ended,
    Attended,
    /// The share of the target is given to the asker, or it is asked for it.
    TakenOver,
    Paused,
}

/// One variant of a verb.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) verb: &'static str,
    pub(super) rule: Rule,
    pub(super) is_targeted: bool,
    pub(super) prepare: Prepare,
    pub(super) effect: Effect,
    pub(super) data: fn(&Facts) -> Value,
}

/// Returns all of them.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = about_the_room();
    rows.extend(about_people());
    rows.extend(about_media());
    rows.extend(life::about_chat());
    rows.extend(life::about_hands());
    rows.extend(life::about_the_end());
    rows
}

pub(super) fn room(
    name: &'static str,
    verb: &'static str,
    rule: Rule,
    effect: Effect,
    data: fn(&Facts) -> Value,
) -> Row {
    Row {
        name,
        verb,
        rule,
        is_targeted: false,
        prepare: Prepare::Nothing,
        effect,
        data,
    }
}

pub(super) fn on(
    name: &'static str,
    verb: &'static str,
    rule: Rule,
    effect: Effect,
    data: fn(&Facts) -> Value,
) -> Row {
    Row {
        is_targeted: true,
        ..room(name, verb, rule, effect, data)
    }
}

fn about_the_room() -> Vec<Row> {
    use Effect::{Admitted, Denied, HostRevoked, Invited, Lifted, Noted, Nothing, Revoked, Room};
    use Rule::{BeIn, Invite, Needs, Never, RevokeOfOthers};
    vec![
        room(
            "title",
            "room.update",
            Needs(&["room.settings"]),
            Room("title", r#""New""#),
            |_| json!({"title": "New"}),
        ),
        room(
            "no change",
            "room.update",
            Needs(&["room.settings"]),
            Nothing,
            |_| json!({}),
        ),
        room(
            "default role",
            "room.update",
            Needs(&["room.settings"]),
            Room("default_role", r#""viewer""#),
            |_| json!({"default_role": "viewer"}),
        ),
        room(
            "lock",
            "room.update",
            Needs(&["room.lock"]),
            Room("locked", "true"),
            |_| json!({"locked": true}),
        ),
        room(
            "lock and title",
            "room.update",
            Needs(&["room.lock", "room.settings"]),
            Room("locked", "true"),
            |_| json!({"locked": true, "title": "New"}),
        ),
        room(
            "password",
            "room.update",
            Needs(&["room.password"]),
            Room("password_set", "true"),
            |_| json!({"password": "correct horse"}),
        ),
        room(
            "no password",
            "room.update",
            Needs(&["room.password"]),
            Room("password_set", "false"),
            |_| json!({"password": null}),
        ),
        room(
            "relay alone",
            "room.update",
            Needs(&["room.settings"]),
            Room("relay_only", "true"),
            |_| json!({"relay_only": true}),
        ),
        room(
            "password and title",
            "room.update",
            Needs(&["room.password", "room.settings"]),
            Room("title", r#""New""#),
            |_| json!({"password": "correct horse", "title": "New"}),
        ),
        room(
            "one",
            "lobby.admit",
            Needs(&["lobby.manage"]),
            Admitted,
            |facts| json!({"knocks": [facts.knock]}),
        ),
        room(
            "all",
            "lobby.admit",
            Needs(&["lobby.manage"]),
            Admitted,
            |facts| json!({"all_up_to_rev": facts.lobby_rev}),
        ),
        room(
            "as viewer",
            "lobby.admit",
            Needs(&["lobby.manage"]),
            Admitted,
            |facts| json!({"knocks": [facts.knock], "as_role": "viewer"}),
        ),
        room(
            "one",
            "lobby.deny",
            Needs(&["lobby.manage"]),
            Denied,
            |facts| json!({"knocks": [facts.knock], "block_s": 600}),
        ),
        room(
            "one",
            "lobby.note",
            Needs(&["lobby.manage"]),
            Noted,
            |facts| json!({"knock": facts.knock, "text": "You are next"}),
        ),
        room("all", "ban.list", Needs(&["ban.manage"]), Nothing, |_| {
            json!({})
        }),
        Row {
            prepare: Prepare::Ban,
            ..room(
                "one",
                "ban.lift",
                Needs(&["ban.manage"]),
                Lifted,
                |facts| json!({"ban": facts.ban}),
            )
        },
        room(
            "host",
            "invite.create",
            Invite("host"),
            Invited("host"),
            |_| json!({"role": "host"}),
        ),
        room(
            "co-host",
            "invite.create",
            Invite("co_host"),
            Invited("co_host"),
            |_| json!({"role": "co_host", "max_uses": 1}),
        ),
        room(
            "presenter",
            "invite.create",
            Invite("presenter"),
            Invited("presenter"),
            |_| json!({"role": "presenter", "max_uses": 1, "bypass_lobby": true}),
        ),
        room(
            "attendee",
            "invite.create",
            Invite("attendee"),
            Invited("attendee"),
            |_| json!({"role": "attendee", "max_uses": 1, "bypass_lobby": true}),
        ),
        room(
            "viewer",
            "invite.create",
            Invite("viewer"),
            Invited("viewer"),
            |_| json!({"role": "viewer", "max_uses": 1, "bypass_lobby": true}),
        ),
        room("own or all", "invite.list", BeIn, Nothing, |_| json!({})),
        room(
            "of the host",
            "invite.revoke",
            RevokeOfOthers("viewer"),
            Revoked,
            |facts| json!({"invite": facts.invite}),
        ),
        room(
            "with its holders",
            "invite.revoke",
            RevokeOfOthers("viewer"),
            Revoked,
            |facts| json!({"invite": facts.invite, "remove_holders": true}),
        ),
        room(
            "the host link",
            "invite.revoke",
            RevokeOfOthers("host"),
            HostRevoked,
            |facts| json!({"invite": facts.host_invite}),
        ),
        room(
            "in the room",
            "lobby.ping",
            Never("bad_request"),
            Nothing,
            |_| json!({}),
        ),
    ]
}

fn about_people() -> Vec<Row> {
    use Effect::{May, Removed, Renamed, Role, ToLobby};
    use Rule::{Assign, Except, On, Rename};
    macro_rules! role {
        ($role:literal) => {
            on($role, "role.set", Assign($role), Role($role), |facts| {
                json!({"participant": facts.target, "role": $role, "rev": facts.rev})
            })
        };
    }
    macro_rules! exception {
        ($key:literal, allow) => {
            exception!($key, "allow", true)
        };
        ($key:literal, deny) => {
            exception!($key, "deny", false)
        };
        ($key:literal, $effect:literal, $may:literal) => {
            on(concat!($effect, " ", $key), "perm.override", Except($key), May($key, $may), |facts| {
                json!({"participant": facts.target, "key": $key, "effect": $effect, "rev": facts.rev})
            })
        };
    }
    vec![
        role!("host"),
        role!("co_host"),
        role!("presenter"),
        role!("attendee"),
        role!("viewer"),
        exception!("publish.audio", allow),
        exception!("publish.audio", deny),
        exception!("publish.screen", allow),
        exception!("publish.video", deny),
        exception!("lobby.manage", allow),
        exception!("room.password", allow),
        exception!("invite.create", allow),
        exception!("invite.manage", allow),
        exception!("role.assign", allow),
        exception!("self.rename", deny),
        exception!("room.join", deny),
        exception!("receive.media", deny),
        on(
            "alone",
            "participant.remove",
            On(&["participant.remove"]),
            Removed { banned: false },
            |facts| json!({"participant": facts.target}),
        ),
        on(
            "with a ban",
            "participant.remove",
            On(&["participant.remove", "participant.ban"]),
            Removed { banned: true },
            |facts| json!({"participant": facts.target, "ban": {"scope": "room"}}),
        ),
        on(
            "one",
            "participant.to_lobby",
            On(&["participant.to_lobby"]),
            ToLobby,
            |facts| json!({"participant": facts.target}),
        ),
        on(
            "one",
            "participant.rename",
            Rename,
            Renamed,
            |facts| json!({"participant": facts.target, "name": "Mallory"}),
        ),
    ]
}

fn about_media() -> Vec<Row> {
    use Effect::{Asked, Locked, May, Muted, MutedAll, Nothing, Published};
    use Rule::{BeIn, Needs, Never, On};
    macro_rules! mute {
        ($source:literal) => {
            on($source, "media.mute", On(&["media.mute"]), Muted($source), |facts| {
                let target = json!({"kind": "participant", "participant": facts.target});
                json!({"target": target, "sources": [$source]})
            })
        };
    }
    macro_rules! ask {
        ($source:literal) => {
            on($source, "media.request", On(&["media.request"]), Asked($source), |facts| {
                json!({"participant": facts.target, "source": $source})
            })
        };
    }
    macro_rules! grant {
        ($source:literal, $key:literal, $on:literal) => {
            on(concat!($source, " ", $on), "media.grant", On(&["media.grant"]), May($key, $on), |facts| {
                json!({"participant": facts.target, "source": $source, "on": $on})
            })
        };
    }
    macro_rules! lock {
        ($source:literal, $on:literal) => {
            room(concat!($source, " ", $on), "media.lock", Needs(&["media.lock_all"]), Locked($source, $on), |_| {
                json!({"sources": [$source], "on": $on})
            })
        };
    }
    macro_rules! publish {
        ($source:literal, $mid:literal, $key:literal) => {
            room($source, "media.publish", Needs(&[$key]), Published($source), |_| {
                json!({"mid": $mid, "source": $source, "muted": false})
            })
        };
    }
    let share = |row| Row {
        prepare: Prepare::Share,
        ..row
    };
    vec![
        mute!("microphone"),
        mute!("camera"),
        share(mute!("screen")),
        share(mute!("screen_audio")),
        room(
            "all",
            "media.mute",
            Needs(&["media.mute"]),
            MutedAll("microphone"),
            |_| json!({"target": {"kind": "all_except", "participants": []}, "sources": ["microphone"]}),
        ),
        ask!("microphone"),
        ask!("camera"),
        ask!("screen"),
        ask!("screen_audio"),
        grant!("microphone", "publish.audio", true),
        grant!("microphone", "publish.audio", false),
        grant!("camera", "publish.video", true),
        grant!("camera", "publish.video", false),
        grant!("screen", "publish.screen", true),
        grant!("screen", "publish.screen", false),
        grant!("screen_audio", "publish.screen_audio", true),
        grant!("screen_audio", "publish.screen_audio", false),
        lock!("microphone", true),
        lock!("microphone", false),
        lock!("camera", true),
        lock!("screen", true),
        publish!("microphone", "0", "publish.audio"),
        publish!("camera", "1", "publish.video"),
        publish!("screen", "2", "publish.screen"),
        publish!("screen_audio", "3", "publish.screen_audio"),
        room(
            "alone",
            "screen.start",
            Needs(&["publish.screen"]),
            Nothing,
            |_| json!({"audio": false}),
        ),
        room(
            "with sound",
            "screen.start",
            Needs(&["publish.screen", "publish.screen_audio"]),
            Nothing,
            |_| json!({"audio": true}),
        ),
        room(
            "for the media",
            "turn.refresh",
            BeIn,
            Nothing,
            |_| json!({}),
        ),
        room(
            "of nobody",
            "media.wish",
            BeIn,
            Nothing,
            |_| json!({"rev": 1, "views": []}),
        ),
        room(
            "to nobody",
            "media.request.reply",
            Never("not_found"),
            Nothing,
            |_| json!({"request": "req_01m81b5t18e81840g2081040g2", "answer": "accept"}),
        ),
    ]
}
