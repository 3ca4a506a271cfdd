//! What has to be true when it is quiet.

use std::collections::BTreeSet;

use conclave_sfu_wire::control::Source;
use serde_json::{Value, json};

use super::cast::Cast;
use crate::person::Person;
use crate::rtc::name_of;
use crate::rules::{permissions, to_publish};
use crate::shard::FakeShards;

pub(super) fn check(cast: &Cast, shard: &FakeShards) -> Result<(), String> {
    for person in cast.inside() {
        is_told_the_same(cast.observer(), person)?;
        may_what_its_role_may(person)?;
        is_host_by_credential_alone(cast, person)?;
    }
    publishes_what_it_may(cast)?;
    is_forwarded_what_is_shown(cast, shard)
}

/// Everybody who sees all sees the same, to the last member.
fn is_told_the_same(observer: &Person, person: &Person) -> Result<(), String> {
    let (all, seen) = (&observer.mirror.people, &person.mirror.people);
    if person.mirror.may("roster.see_roles") && all != seen {
        return Err(format!("{} sees {seen:#?}, the host {all:#?}", person.id));
    }
    for (id, one) in seen {
        let rev = all.get(id).map(|other| &other["rev"]);
        if rev != Some(&one["rev"]) {
            return Err(format!("{} sees {one}, the host {rev:?}", person.id));
        }
    }
    let (whole, own) = (&observer.mirror.room, &person.mirror.room);
    if whole["rev"] != own["rev"] || whole["locked"] != own["locked"] {
        return Err(format!("{} has {own}, the host {whole}", person.id));
    }
    // The room shows newcomers everything.
    let (all, seen) = (observer.mirror.public(), person.mirror.public());
    let (whole, own) = (written(&all), written(&seen));
    if whole != own {
        return Err(format!("{} reads {own:?}, the host {whole:?}", person.id));
    }
    let (all, seen) = (&observer.mirror.hands, &person.mirror.hands);
    if person.mirror.may("roster.see") && all != seen {
        return Err(format!("{} sees {seen}, the host {all}", person.id));
    }
    Ok(())
}

/// Returns what of messages is the same for all: not the names of the hidden.
fn written<'a>(messages: &[&'a Value]) -> Vec<(&'a Value, &'a Value, &'a Value, Vec<&'a Value>)> {
    let said = messages.iter().map(|message| {
        let reactions = message["reactions"].as_array().unwrap().iter();
        let counts = reactions.map(|reaction| &reaction["count"]).collect();
        let (number, text) = (&message["number"], &message["text"]);
        (number, text, &message["pinned"], counts)
    });
    said.collect()
}

/// What it was told is what its role, its exceptions and the locks make of it.
fn may_what_its_role_may(person: &Person) -> Result<(), String> {
    let own = person.mirror.own();
    let role = own["role"].as_str().unwrap();
    let mut expected = permissions("meeting", role);
    for exception in person.mirror.overrides.as_array().unwrap() {
        let key = exception["key"].as_str().unwrap().to_owned();
        if exception["effect"] == "allow" {
            expected.insert(key);
        } else {
            expected.remove(&key);
        }
    }
    if role != "host" && role != "co_host" {
        for source in ["microphone", "camera", "screen", "screen_audio"] {
            let of = source.trim_end_matches("_audio");
            let lock = &person.mirror.room["av_lock"][of];
            let allow = lock["allow"].as_array().unwrap();
            if lock["on"] == true && !allow.contains(&own["id"]) {
                expected.remove(to_publish(source));
            }
        }
    }
    let chat = &person.mirror.room["chat"];
    if chat["public"] == "off" {
        expected.remove("chat.send");
    }
    if chat["private"] == "off" {
        expected.remove("chat.private_hosts");
        expected.remove("chat.private_any");
    }
    if chat["public"] == "off" && chat["private"] == "off" {
        expected.remove("chat.react");
    }
    let told: &BTreeSet<String> = &person.mirror.permissions;
    if *told != expected {
        let wrong: Vec<_> = told.symmetric_difference(&expected).collect();
        return Err(format!("{own} is told otherwise: {wrong:?}"));
    }
    Ok(())
}

fn is_host_by_credential_alone(cast: &Cast, person: &Person) -> Result<(), String> {
    let by_credential = person.entry.credential["secret"] == json!(cast.host_secret);
    let is_host = person.mirror.own()["role"] == "host";
    if by_credential == is_host {
        Ok(())
    } else {
        Err(format!("{} has no right to its role", person.mirror.own()))
    }
}

/// Whoever may not publish is not open. Who lost the right for another reason
/// than a lock does not publish at all.
fn publishes_what_it_may(cast: &Cast) -> Result<(), String> {
    for person in cast.inside() {
        let own = &cast.observer().mirror.people[&person.id];
        for source in ["microphone", "camera"] {
            let state = &own["sources"][source];
            let may = person.mirror.may(to_publish(source));
            let is_locked = person.mirror.room["av_lock"][source]["on"] == true;
            let is_open = state["published"] == true && state["muted"] == false;
            let is_there = state["published"] == true && !is_locked;
            if !may && (is_open || is_there) {
                return Err(format!("{own} publishes {source} without a right"));
            }
        }
    }
    Ok(())
}

/// The media plane forwards what the roster shows, muted where it shows that.
fn is_forwarded_what_is_shown(cast: &Cast, shard: &FakeShards) -> Result<(), String> {
    let mut shown: Vec<(Source, bool)> = Vec::new();
    for person in cast.observer().mirror.people.values() {
        for source in [Source::Microphone, Source::Camera] {
            let state: &Value = &person["sources"][name_of(source)];
            if state["published"] == true {
                shown.push((source, state["muted"] == true));
            }
        }
    }
    shown.sort();
    let forwarded = shard.published();
    if forwarded == shown {
        Ok(())
    } else {
        Err(format!("shown {shown:?}, forwarded {forwarded:?}"))
    }
}
