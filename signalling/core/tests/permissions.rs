//! Writes `docs/permissions.md` from the permission engine, or fails when it is stale.
//!
//! `CONCLAVE_BLESS=1 cargo test -p conclave-signalling-core --test permissions`
//! writes it.

// A test that cannot write its file has nothing better to do than to stop.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use conclave_signalling_core::permission::{Subject, can_be_overridden, decide};
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::objects::{
    Permission, Preset, PrivateChat, PublicChat, Role, RosterMode, ScreenPolicy, Source,
};
use conclave_signalling_wire::time::Timestamp;

const INTRODUCTION: &str = "# Permissions

Generated from `signalling/core/src/permission`; change it there.

Every request is decided by the server, by one function, in the step in which it
is served. What nothing allows is denied. A browser is told its whole set in
`joined` and in each `permissions` push, so that it shows what it may do; it
decides nothing.

## How it is decided

The first rule that says anything wins:

1. **Policies of the room.** With `screen: off` nobody shares a screen, hosts
   neither. What `chat` switches off nobody writes, hosts neither; what it leaves
   to the hosts nobody below them writes. With `reactions: false` only hosts and
   co-hosts send reactions. No exception and no custom role lifts any of it.
2. **Locks** (`media.lock`). A locked source is not published or unmuted by
   anybody but hosts, co-hosts and those on the allow-list of the lock. What is
   open when a lock comes is muted, shares are ended. The end of a lock unmutes
   nobody.
3. **Exceptions** of a participant (`perm.override`, `media.grant`), for as long
   as they last. When one that allowed ends, what was published by it ends too.
4. **Its custom role**, if it has one: what it denies, then what it allows.
5. **Its role**, by the table below.

Whether somebody may act *on* somebody else is a question of rank on top of it:
host, co-host, presenter, attendee, viewer. Nobody acts on its own rank or a
higher one, gives a role of its own rank or a higher one, makes an exception for
what it may not do itself, or makes, changes or gives a custom role that may more
than it does. Nobody changes the own role or the own exceptions.

A guest, who is known by a typed name only, is no co-host unless the room says
`guests_may_cohost`.
";

fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Meeting => "meeting",
        Preset::Webinar => "webinar",
        Preset::Class => "class",
        Preset::Interview => "interview",
        Preset::HighSecurity => "high_security",
    }
}

const PRESETS: [Preset; 5] = [
    Preset::Meeting,
    Preset::Webinar,
    Preset::Class,
    Preset::Interview,
    Preset::HighSecurity,
];

fn allows(settings: &Settings, role: Role, permission: Permission) -> bool {
    let subject = Subject {
        role,
        custom_role: None,
        overrides: &[],
        device: None,
    };
    decide(settings, &subject, Timestamp::from_unix_ms(0), permission).allowed
}

const CHAT_OFF: &str = "`chat` all off";

/// A setting that is changed, with the word for it.
type Knob = (&'static str, fn(&mut Settings));

/// What a room can be set to.
fn knobs() -> Vec<Knob> {
    vec![
        ("`attendees.microphone`", |room| {
            room.attendees.microphone ^= true;
        }),
        ("`attendees.camera`", |room| room.attendees.camera ^= true),
        ("`attendees.screen`", |room| room.attendees.screen ^= true),
        ("`attendees.rename`", |room| room.attendees.rename ^= true),
        ("`attendees.invite`", |room| room.attendees.invite ^= true),
        ("`roster`", |room| {
            room.roster = match room.roster {
                RosterMode::All => RosterMode::Hosts,
                RosterMode::Hosts => RosterMode::All,
            };
        }),
        ("`viewers.chat`", |room| room.viewers.chat ^= true),
        ("`viewers.hands`", |room| room.viewers.hands ^= true),
        ("`viewers.reactions`", |room| {
            room.viewers.reactions ^= true;
        }),
        ("`reactions`", |room| room.reactions ^= true),
        ("`cohosts_end`", |room| room.cohosts_end ^= true),
        ("`chat.public`", |room| room.chat.public = PublicChat::Hosts),
        ("`chat.public: off`", |room| {
            room.chat.public = PublicChat::Off;
        }),
        ("`chat.private`", |room| {
            room.chat.private = PrivateChat::All;
        }),
        ("`chat.private: off`", |room| {
            room.chat.private = PrivateChat::Off;
        }),
        (CHAT_OFF, |room| {
            room.chat.public = PublicChat::Off;
            room.chat.private = PrivateChat::Off;
        }),
        ("`screen: off`", |room| room.screen = ScreenPolicy::Off),
        ("`media.lock`", |room| {
            for source in Source::ALL {
                room.locks.of_mut(source).on = true;
            }
        }),
    ]
}

fn table(text: &mut String) {
    let room = Settings::new(Preset::Meeting, "Meeting");
    text.push_str(
        "
## What each role may

In a room of the preset `meeting`: `●` it may, `○` it may if a setting of the
last column is changed, `◐` it may unless one is.

| | host | co-host | presenter | attendee | viewer | settings that change it |
|---|:-:|:-:|:-:|:-:|:-:|---|
",
    );
    for permission in Permission::ALL.iter().copied() {
        write!(text, "| `{}` |", permission.name()).unwrap();
        let mut settings = Vec::new();
        for role in Role::ALL {
            let may = allows(&room, role, permission);
            let mut is_moved = false;
            for (name, turn) in knobs() {
                let mut other = room.clone();
                turn(&mut other);
                if allows(&other, role, permission) != may {
                    is_moved = true;
                    if !settings.contains(&name) {
                        settings.push(name);
                    }
                }
            }
            let cell = match (may, is_moved) {
                (true, false) => "●",
                (true, true) => "◐",
                (false, true) => "○",
                (false, false) => "",
            };
            write!(text, " {cell} |").unwrap();
        }
        // Both off at once is worth a word only where neither says anything alone.
        if settings.iter().any(|name| name.starts_with("`chat.")) {
            settings.retain(|name| *name != CHAT_OFF);
        }
        writeln!(text, " {} |", settings.join(", ")).unwrap();
    }
    text.push_str(
        "
`attendees`, `viewers`, `roster`, `reactions`, `cohosts_end` and `chat` are members
of `room.update`; presenters and above may without `attendees`, but for
`invite.create`, which presenters too have by `attendees.invite`. A lock leaves out
hosts, co-hosts and those it names. A room begins with `chat.public: all` and
`chat.private: hosts`: everybody writes to all and to the hosts, who answer anybody;
with `chat.private: all` presenters and attendees too write to one another.
",
    );
}

fn presets(text: &mut String) {
    text.push_str(
        "
## What other presets begin with

| preset | attendees may not, other than in `meeting` | viewers may, other than in `meeting` |
|---|---|---|
",
    );
    let meeting = Settings::new(Preset::Meeting, "Meeting");
    for preset in &PRESETS[1..] {
        let room = Settings::new(*preset, "Room");
        let (mut less, mut more) = (Vec::new(), Vec::new());
        for key in Permission::ALL.iter().copied() {
            let of = |role| (allows(&meeting, role, key), allows(&room, role, key));
            let name = format!("`{}`", key.name());
            match of(Role::Attendee) {
                (true, false) => less.push(name.clone()),
                (before, is) => assert_eq!(before, is, "the table has no column for more"),
            }
            match of(Role::Viewer) {
                (false, true) => more.push(name),
                (before, is) => assert_eq!(before, is, "the table has no column for less"),
            }
        }
        let name = preset_name(*preset);
        let (less, more) = (less.join(", "), more.join(", "));
        writeln!(text, "| `{name}` | {less} | {more} |").unwrap();
    }
    text.push_str(
        "
Every preset begins with the lobby on and without a password. Each setting can be
changed afterwards.
",
    );
}

fn keys(text: &mut String) {
    text.push_str("\n## What each key means\n\n| key | |\n|---|---|\n");
    for permission in Permission::ALL {
        let fixed = if can_be_overridden(*permission) {
            ""
        } else {
            " Cannot be taken from anybody who is in the room."
        };
        let about = permission.about();
        writeln!(text, "| `{}` | {about}{fixed} |", permission.name()).unwrap();
    }
}

#[test]
fn the_document_is_that_of_the_engine() {
    let mut text = INTRODUCTION.to_owned();
    table(&mut text);
    presets(&mut text);
    keys(&mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/permissions.md");
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/permissions.md is stale: run `CONCLAVE_BLESS=1 cargo test -p conclave-signalling-core --test permissions`"
    );
}
