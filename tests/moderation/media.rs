//! Attempts to be heard and seen against the will of the hosts, with real packets.
//!
//! Three people meet: a host who is the victim, a speaker above suspicion, and
//! an attacker whose client goes on sending whatever it is told. That the victim
//! goes on hearing the speaker is the clock: a second of the speaker's voice
//! means that what was under way has long arrived.

#[path = "media/life.rs"]
mod life;
#[path = "media/spread.rs"]
mod spread;

use std::num::NonZeroU8;

use conclave_sfu_wire::control::Source;
use serde_json::{Value, json};

use crate::person::Person;
use crate::rtc::{Peer, SECOND, name_of};
use crate::stage::{RELAY_USER, Room, Stage};

/// Three people with media.
struct Meeting {
    stage: Stage,
    room: Room,
    host: Person,
    ears: Peer,
    /// Its link stays open.
    speaker: Person,
    voice: Peer,
    attacker: Person,
    weapon: Peer,
}

impl Meeting {
    async fn begin(preset: &str) -> Meeting {
        Meeting::begin_with(preset, "presenter", "one").await
    }

    /// The same with a speaker of another role and another policy for screens.
    async fn begin_with(preset: &str, speaker: &str, screen: &str) -> Meeting {
        let stage = Stage::with_media(NonZeroU8::MIN).await;
        Meeting::begin_on(stage, preset, speaker, screen).await
    }

    async fn begin_on(stage: Stage, preset: &str, speaker: &str, screen: &str) -> Meeting {
        let update = json!({"lobby": "off", "start_without_host": true, "screen": screen});
        let room = stage.room(preset, update).await;
        let mut host = stage.host(&room).await;
        let ears = Peer::connect(&mut host, 1).await;
        let mut speaker = stage.invited(&room, speaker).await;
        let voice = Peer::connect(&mut speaker, 2).await;
        let publication = voice.publication(Source::Microphone);
        speaker.link.ok("media.publish", publication).await;
        voice.send(Source::Microphone, true);
        let mut attacker = stage.invited(&room, "attendee").await;
        let weapon = Peer::connect(&mut attacker, 3).await;
        Meeting {
            stage,
            room,
            host,
            ears,
            speaker,
            voice,
            attacker,
            weapon,
        }
    }

    /// The attacker speaks, and is heard.
    async fn attacker_speaks(&mut self) {
        let publication = self.weapon.publication(Source::Microphone);
        self.attacker.link.ok("media.publish", publication).await;
        self.weapon.send(Source::Microphone, true);
        self.ears.hears(&self.weapon).await;
    }

    /// The attacker shows its camera, and is seen.
    async fn attacker_shows(&mut self, source: Source) {
        let publication = self.weapon.publication(source);
        self.attacker.link.ok("media.publish", publication).await;
        self.weapon.send(source, true);
        let view = json!({"participant": self.attacker.id, "source": name_of(source), "max_height_px": 360, "priority": "pinned"});
        let wish = json!({"rev": 1, "views": [view]});
        self.host.link.ok("media.wish", wish).await;
        let id = self.attacker.id.clone();
        let slots = self.host.link.push_where("media.slots", |data| {
            let mut slots = data["slots"].as_array().unwrap().iter();
            slots.any(|slot| slot["participant"] == id.as_str())
        });
        let rev = slots.await["rev"].clone();
        self.host
            .link
            .ok("media.slots.ack", json!({"rev": rev}))
            .await;
        let weapon = &self.weapon;
        self.ears
            .until("a picture", |ears| ears.seen(weapon, source) > 0)
            .await;
    }

    /// A host does something, and what the attacker had sent until the host was
    /// told that it is done is all that the victim ever hears of it.
    async fn host_stops_voice(&mut self, verb: &str, data: Value) -> Value {
        let ok = self.host.link.ok(verb, data).await;
        let sent = self.weapon.sent();
        self.is_silent().await;
        let last = self.ears.last_heard(&self.weapon, Source::Microphone);
        if let Some(last) = last {
            assert!(
                u64::from(last) < sent,
                "packet {last} was heard, {sent} were sent before the answer"
            );
        }
        ok
    }

    /// The attacker sends on, and the victim hears the speaker alone.
    async fn is_silent(&self) {
        self.ears.hears(&self.voice).await;
        let before = self.ears.heard(&self.weapon, Source::Microphone);
        let sent = self.weapon.sent();
        self.ears.hears(&self.voice).await;
        let after = self.ears.heard(&self.weapon, Source::Microphone);
        assert_eq!(before, after, "the attacker is heard");
        let sent = self.weapon.sent() - sent;
        assert!(
            sent as usize > SECOND / 2,
            "the attacker sent only {sent} packets"
        );
    }

    /// The same for a picture.
    async fn is_invisible(&self, source: Source) {
        self.ears.hears(&self.voice).await;
        let before = self.ears.seen(&self.weapon, source);
        let sent = self.weapon.sent();
        self.ears.hears(&self.voice).await;
        assert_eq!(
            before,
            self.ears.seen(&self.weapon, source),
            "the attacker is seen"
        );
        assert!(self.weapon.sent() > sent + 10, "the attacker sent nothing");
    }

    fn on_attacker(&self, members: Value) -> Value {
        let mut data = members;
        data["participant"] = json!(self.attacker.id);
        data
    }

    fn mute(&self, source: Source) -> Value {
        let target = json!({"kind": "participant", "participant": self.attacker.id});
        json!({"target": target, "sources": [name_of(source)]})
    }

    async fn unmute(&mut self, source: Source) -> Value {
        let data = json!({"source": name_of(source), "muted": false});
        self.attacker.link.ask("track.state", data).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_muted_voice_that_goes_on_sending_is_not_heard_until_its_owner_unmutes() {
    muted_voice(Meeting::begin("meeting").await).await;
}

async fn muted_voice(mut meeting: Meeting) {
    meeting.attacker_speaks().await;
    let mute = meeting.mute(Source::Microphone);
    let ok = meeting.host_stops_voice("media.mute", mute).await;
    assert_eq!(ok["participants"], json!([meeting.attacker.id]));
    let told = meeting.attacker.link.push("media.revoked").await;
    assert_eq!(told["reason"], "muted");
    // The host cannot unmute; the owner can, for nothing forbids it.
    let ask = meeting.on_attacker(json!({"source": "microphone"}));
    meeting.host.link.ok("media.request", ask).await;
    meeting.is_silent().await;
    let reply = meeting.unmute(Source::Microphone).await;
    assert!(reply.get("ok").is_some(), "{reply}");
    meeting.ears.hears(&meeting.weapon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_lock_nobody_unmutes_itself_publishes_again_or_is_heard() {
    let mut meeting = Meeting::begin("meeting").await;
    meeting.attacker_speaks().await;
    let lock = json!({"sources": ["microphone"], "on": true, "allow": [meeting.speaker.id]});
    meeting.host_stops_voice("media.lock", lock).await;
    let reply = meeting.unmute(Source::Microphone).await;
    assert_eq!(reply["error"]["code"], "forbidden", "{reply}");
    let publication = meeting.weapon.publication(Source::Microphone);
    let code = meeting
        .attacker
        .link
        .refused("media.publish", publication.clone())
        .await;
    assert_eq!(code, "forbidden");
    // Ending it and beginning anew, or beginning it muted, is no way around.
    meeting
        .attacker
        .link
        .ask("media.unpublish", json!({"source": "microphone"}))
        .await;
    let mut muted = publication.clone();
    muted["muted"] = json!(true);
    meeting.attacker.link.ask("media.publish", muted).await;
    let reply = meeting.unmute(Source::Microphone).await;
    assert!(reply["error"]["code"].is_string(), "{reply}");
    meeting.is_silent().await;
    // Lifting the lock unmutes nobody.
    let unlock = json!({"sources": ["microphone"], "on": false});
    meeting.host.link.ok("media.lock", unlock).await;
    meeting.is_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demotedspeaker_who_goes_on_sending_is_not_heard() {
    let mut meeting = Meeting::begin("meeting").await;
    meeting.attacker_speaks().await;
    meeting.host.settle().await;
    let rev = meeting.host.mirror.people[&meeting.attacker.id]["rev"].clone();
    let demote = meeting.on_attacker(json!({"role": "viewer", "rev": rev}));
    meeting.host_stops_voice("role.set", demote).await;
    let told = meeting.attacker.link.push("media.revoked").await;
    assert_eq!(told["reason"], "permission_revoked");
    let publication = meeting.weapon.publication(Source::Microphone);
    let code = meeting
        .attacker
        .link
        .refused("media.publish", publication)
        .await;
    assert_eq!(code, "forbidden");
    let reply = meeting.unmute(Source::Microphone).await;
    assert_eq!(reply["error"]["code"], "forbidden", "{reply}");
    meeting.is_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_or_denied_stops_what_it_carried() {
    right_taken(Meeting::begin("meeting").await).await;
}

async fn right_taken(mut meeting: Meeting) {
    meeting.attacker_speaks().await;
    let take = meeting.on_attacker(json!({"source": "microphone", "on": false}));
    meeting.host_stops_voice("media.grant", take).await;
    let give = meeting.on_attacker(json!({"source": "microphone", "on": true}));
    meeting.host.link.ok("media.grant", give).await;
    // Having the right again is not being heard again: it publishes anew.
    meeting.is_silent().await;
    let publication = meeting.weapon.publication(Source::Microphone);
    meeting.attacker.link.ok("media.publish", publication).await;
    meeting.ears.hears(&meeting.weapon).await;
    meeting.host.settle().await;
    let rev = meeting.host.mirror.people[&meeting.attacker.id]["rev"].clone();
    let deny = meeting.on_attacker(json!({"key": "publish.audio", "effect": "deny", "rev": rev}));
    meeting.host_stops_voice("perm.override", deny).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_publish_is_not_heard_by_sending_all_the_same() {
    let mut meeting = Meeting::begin("webinar").await;
    let publication = meeting.weapon.publication(Source::Microphone);
    let code = meeting
        .attacker
        .link
        .refused("media.publish", publication)
        .await;
    assert_eq!(code, "forbidden");
    for source in [Source::Microphone, Source::Camera, Source::Screen] {
        meeting.weapon.send(source, true);
    }
    meeting.is_silent().await;
    // Nor under the name of a source that it may have.
    let grant = meeting.on_attacker(json!({"source": "camera", "on": true}));
    meeting.host.link.ok("media.grant", grant).await;
    let voice = meeting.weapon.publication(Source::Microphone);
    for (mid, source) in [(&voice["mid"], "camera"), (&json!("nope"), "camera")] {
        let smuggled = json!({"mid": mid, "source": source, "muted": false});
        let reply = meeting.attacker.link.ask("media.publish", smuggled).await;
        assert!(reply["error"]["code"].is_string(), "{reply}");
    }
    meeting.is_silent().await;
    meeting.is_invisible(Source::Camera).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_participant_who_goes_on_sending_reaches_nobody() {
    removed(Meeting::begin("meeting").await).await;
}

async fn removed(mut meeting: Meeting) {
    meeting.attacker_speaks().await;
    meeting.attacker_shows(Source::Camera).await;
    let remove = meeting.on_attacker(json!({}));
    meeting.host.link.ok("participant.remove", remove).await;
    assert_eq!(meeting.attacker.link.closed().await, 4403);
    meeting.ears.hears(&meeting.voice).await;
    let before = (
        meeting.ears.heard(&meeting.weapon, Source::Microphone),
        meeting.ears.seen(&meeting.weapon, Source::Camera),
    );
    let others = meeting.weapon.heard(&meeting.voice, Source::Microphone);
    meeting.ears.hears(&meeting.voice).await;
    let after = (
        meeting.ears.heard(&meeting.weapon, Source::Microphone),
        meeting.ears.seen(&meeting.weapon, Source::Camera),
    );
    assert_eq!(before, after);
    // It hears no more than it is heard.
    assert_eq!(
        others,
        meeting.weapon.heard(&meeting.voice, Source::Microphone)
    );
    let (_, reply) = meeting
        .stage
        .resume(meeting.attacker.entry.from, &meeting.attacker.token, 0)
        .await;
    assert_eq!(reply["error"]["code"], "resume_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_sent_to_the_lobby_is_neither_heard_nor_hears() {
    sent_to_the_lobby(Meeting::begin("meeting").await).await;
}

async fn sent_to_the_lobby(mut meeting: Meeting) {
    meeting.attacker_speaks().await;
    meeting.weapon.hears(&meeting.voice).await;
    let order = meeting.on_attacker(json!({}));
    meeting.host.link.ok("participant.to_lobby", order).await;
    meeting.ears.hears(&meeting.voice).await;
    let before = meeting.ears.heard(&meeting.weapon, Source::Microphone);
    let others = meeting.weapon.heard(&meeting.voice, Source::Microphone);
    meeting.ears.hears(&meeting.voice).await;
    assert_eq!(
        before,
        meeting.ears.heard(&meeting.weapon, Source::Microphone)
    );
    assert_eq!(
        others,
        meeting.weapon.heard(&meeting.voice, Source::Microphone)
    );
    // A new offer from the lobby gets no answer to connect to.
    let offer = json!({"generation": 2, "sdp": "v=0"});
    let code = meeting.attacker.link.refused("media.offer", offer).await;
    assert_eq!(code, "bad_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_was_switched_off_by_a_host_and_goes_on_sending_is_not_seen() {
    camera_off(Meeting::begin("meeting").await).await;
}

async fn camera_off(mut meeting: Meeting) {
    meeting.attacker_shows(Source::Camera).await;
    let mute = meeting.mute(Source::Camera);
    meeting.host.link.ok("media.mute", mute).await;
    meeting.is_invisible(Source::Camera).await;
    let lock = json!({"sources": ["camera"], "on": true});
    meeting.host.link.ok("media.lock", lock).await;
    let reply = meeting.unmute(Source::Camera).await;
    assert_eq!(reply["error"]["code"], "forbidden", "{reply}");
    meeting.is_invisible(Source::Camera).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_a_host_stopped_and_that_goes_on_sending_is_not_seen() {
    share_stopped(Meeting::begin("meeting").await).await;
}

async fn share_stopped(mut meeting: Meeting) {
    meeting.attacker_shows(Source::Screen).await;
    let stop = meeting.mute(Source::Screen);
    meeting.host.link.ok("media.mute", stop).await;
    let told = meeting.attacker.link.push("media.revoked").await;
    assert_eq!(told["reason"], "stopped");
    meeting.is_invisible(Source::Screen).await;
    let reply = meeting.unmute(Source::Screen).await;
    assert_eq!(reply["error"]["code"], "not_found", "{reply}");
    let lock = json!({"sources": ["screen"], "on": true});
    meeting.host.link.ok("media.lock", lock).await;
    let again = meeting.weapon.publication(Source::Screen);
    assert_eq!(
        meeting.attacker.link.refused("media.publish", again).await,
        "forbidden"
    );
    let start = json!({"audio": false});
    assert_eq!(
        meeting.attacker.link.refused("screen.start", start).await,
        "forbidden"
    );
    meeting.is_invisible(Source::Screen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_has_no_media_at_all() {
    let mut meeting = Meeting::begin("meeting").await;
    meeting
        .host
        .link
        .ok("room.update", json!({"lobby": "on"}))
        .await;
    let entry = meeting.stage.entry(&meeting.room);
    let (mut link, reply) = meeting.stage.knock(&entry).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    assert!(reply["ok"].get("ice_servers").is_none(), "{reply}");
    let refused = link.ask("turn.refresh", json!({})).await;
    assert_eq!(refused["error"]["code"], "bad_request", "{refused}");
    assert!(!format!("{reply} {refused}").contains(RELAY_USER));
    let offer = json!({"generation": 1, "sdp": "v=0"});
    assert_eq!(link.refused("media.offer", offer).await, "bad_request");
    // An attacker inside cannot lend its own connection to it either: the
    // attacker's media is the attacker's.
    meeting.attacker_speaks().await;
    let mute = meeting.mute(Source::Microphone);
    meeting.host_stops_voice("media.mute", mute).await;
}
