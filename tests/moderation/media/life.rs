//! The same for what stops or gives media by other means than a mute: everything
//! suspended, a share that changes hands, a call that is over, the end.

use conclave_sfu_wire::control::Source;
use serde_json::json;

use super::Meeting;
use crate::rtc::{Peer, name_of};

impl Meeting {
    /// The attacker shares a screen with sound; both come.
    async fn attacker_shares(&mut self) {
        self.attacker_shows(Source::Screen).await;
        self.attacker_sounds().await;
    }

    /// The share of the attacker has sound, and it is heard.
    async fn attacker_sounds(&mut self) {
        let publication = self.weapon.publication(Source::ScreenAudio);
        self.attacker.link.ok("media.publish", publication).await;
        self.weapon.send(Source::ScreenAudio, true);
        let weapon = &self.weapon;
        self.ears
            .until("the sound", |ears| {
                ears.heard(weapon, Source::ScreenAudio) > 10
            })
            .await;
    }

    /// Nothing of what the attacker goes on sending arrives.
    async fn is_gone(&self, sources: &[Source]) {
        self.ears.hears(&self.voice).await;
        let arrived = || {
            let of = |source: &Source| match source {
                Source::Microphone | Source::ScreenAudio => self.ears.heard(&self.weapon, *source),
                Source::Camera | Source::Screen => self.ears.seen(&self.weapon, *source),
            };
            sources.iter().map(of).collect::<Vec<_>>()
        };
        let (before, sent) = (arrived(), self.weapon.sent());
        self.ears.hears(&self.voice).await;
        assert_eq!(before, arrived(), "{sources:?}");
        assert!(self.weapon.sent() > sent + 10, "the attacker sent nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_everything_is_suspended_not_one_packet_comes_after_the_answer() {
    suspended(Meeting::begin_with("meeting", "co_host", "one").await).await;
}

pub(super) async fn suspended(mut meeting: Meeting) {
    meeting.attacker_speaks().await;
    let on = json!({"on": true});
    meeting.host_stops_voice("panic.suspend", on).await;
    let told = meeting.attacker.link.push("media.revoked").await;
    assert_eq!(told["reason"], "suspended");
    for source in [Source::Camera, Source::Screen] {
        meeting.weapon.send(source, true);
        let publication = meeting.weapon.publication(source);
        let code = meeting.attacker.link.refused("media.publish", publication);
        assert_eq!(code.await, "forbidden");
    }
    assert_eq!(
        meeting.unmute(Source::Microphone).await["error"]["code"],
        "forbidden"
    );
    let all = [Source::Microphone, Source::Camera, Source::Screen];
    meeting.is_gone(&all).await;
    // What is restored are the policies: nobody is unmuted by it.
    let off = json!({"on": false});
    meeting.host.link.ok("panic.suspend", off).await;
    meeting.is_gone(&all).await;
    let reply = meeting.unmute(Source::Microphone).await;
    assert!(reply.get("ok").is_some(), "{reply}");
    meeting.ears.hears(&meeting.weapon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_ends_when_everything_is_suspended_and_does_not_come_back_by_itself() {
    let mut meeting = Meeting::begin_with("meeting", "co_host", "one").await;
    meeting.attacker_shares().await;
    meeting
        .host
        .link
        .ok("panic.suspend", json!({"on": true}))
        .await;
    let share = [Source::Screen, Source::ScreenAudio];
    meeting.is_gone(&share).await;
    meeting
        .host
        .link
        .ok("panic.suspend", json!({"on": false}))
        .await;
    meeting.is_gone(&share).await;
    for source in share {
        let unmute = json!({"source": name_of(source), "muted": false});
        let code = meeting.attacker.link.refused("track.state", unmute);
        assert_eq!(code.await, "not_found");
    }
    let resume = json!({"on": false});
    let code = meeting.attacker.link.refused("screen.pause", resume);
    assert_eq!(code.await, "not_found");
    meeting.is_gone(&share).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_was_taken_over_sends_not_one_packet_after_the_answer() {
    let mut meeting = Meeting::begin_with("meeting", "co_host", "one_takeover").await;
    meeting.attacker_shows(Source::Screen).await;
    // From here on the sound alone is sent, so that its packets are counted.
    meeting.weapon.send(Source::Screen, false);
    meeting.ears.hears(&meeting.voice).await;
    let before = meeting.weapon.sent();
    meeting.attacker_sounds().await;
    let start = json!({"audio": true, "take_over": true});
    let granted = meeting.speaker.link.ok("screen.start", start).await;
    let sent = meeting.weapon.sent() - before;
    assert_eq!(granted["outcome"], "granted");
    meeting.weapon.send(Source::Screen, true);
    let share = [Source::Screen, Source::ScreenAudio];
    meeting.is_gone(&share).await;
    let last = meeting
        .ears
        .last_heard(&meeting.weapon, Source::ScreenAudio)
        .unwrap();
    assert!(
        u64::from(last) < sent,
        "packet {last} was heard, {sent} were sent before the answer"
    );
    let told = meeting.attacker.link.push("media.revoked").await;
    assert_eq!(told["reason"], "taken_over");
    // The place is another's, published or not.
    let again = meeting.weapon.publication(Source::Screen);
    let code = meeting.attacker.link.refused("media.publish", again);
    assert_eq!(code.await, "busy");
    for source in share {
        let unmute = json!({"source": name_of(source), "muted": false});
        let code = meeting.attacker.link.refused("track.state", unmute);
        assert_eq!(code.await, "not_found");
    }
    meeting.is_gone(&share).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_is_paused_shows_and_sounds_nothing() {
    let mut meeting = Meeting::begin_with("meeting", "presenter", "one").await;
    meeting.attacker_shares().await;
    meeting
        .attacker
        .link
        .ok("screen.pause", json!({"on": true}))
        .await;
    let share = [Source::Screen, Source::ScreenAudio];
    meeting.is_gone(&share).await;
    let id = meeting.attacker.id.clone();
    meeting.host.settle().await;
    assert_eq!(
        meeting.host.mirror.people[&id]["sources"]["screen"]["muted"],
        true
    );
    meeting
        .attacker
        .link
        .ok("screen.pause", json!({"on": false}))
        .await;
    let heard = meeting.ears.heard(&meeting.weapon, Source::ScreenAudio);
    let weapon = &meeting.weapon;
    meeting
        .ears
        .until("the sound again", |ears| {
            ears.heard(weapon, Source::ScreenAudio) > heard + 10
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_called_is_heard_until_somebody_else_is_and_not_longer() {
    let mut meeting = Meeting::begin("webinar").await;
    let publication = meeting.weapon.publication(Source::Microphone);
    meeting.weapon.send(Source::Microphone, true);
    let link = &mut meeting.attacker.link;
    assert_eq!(
        link.refused("media.publish", publication.clone()).await,
        "forbidden"
    );
    link.ok("hand.raise", json!({})).await;
    // To be the first is not to be called.
    assert_eq!(
        link.refused("media.publish", publication.clone()).await,
        "forbidden"
    );
    let called = meeting
        .host
        .link
        .ok("hand.next", json!({"ttl_s": 60}))
        .await;
    assert_eq!(called["participant"], meeting.attacker.id.as_str());
    let asked = meeting.attacker.link.push("media.requested").await;
    assert_eq!(asked["source"], "microphone");
    meeting.is_silent().await;
    meeting
        .attacker
        .link
        .ok("media.publish", publication.clone())
        .await;
    meeting.ears.hears(&meeting.weapon).await;
    // It is the voice that was given, and nothing else.
    for source in [Source::Camera, Source::Screen] {
        let other = meeting.weapon.publication(source);
        let code = meeting.attacker.link.refused("media.publish", other);
        assert_eq!(code.await, "forbidden");
    }
    let next = meeting.host_stops_voice("hand.next", json!({})).await;
    assert_eq!(next["participant"], serde_json::Value::Null);
    let code = meeting.attacker.link.refused("media.publish", publication);
    assert_eq!(code.await, "forbidden");
    let reply = meeting.unmute(Source::Microphone).await;
    assert!(reply.get("error").is_some(), "{reply}");
    meeting.is_silent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_called_and_has_muted_has_finished() {
    let mut meeting = Meeting::begin("webinar").await;
    meeting.attacker.link.ok("hand.raise", json!({})).await;
    meeting.host.link.ok("hand.next", json!({})).await;
    meeting.attacker_speaks().await;
    let mute = json!({"source": "microphone", "muted": true});
    meeting.attacker.link.ok("track.state", mute).await;
    let reply = meeting.unmute(Source::Microphone).await;
    assert!(reply.get("error").is_some(), "{reply}");
    meeting.is_silent().await;
    meeting.attacker.settle().await;
    assert!(!meeting.attacker.mirror.may("publish.audio"));
    meeting.host.settle().await;
    assert_eq!(meeting.host.mirror.hands, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_end_nobody_is_heard_and_the_next_meeting_begins_anew() {
    let mut meeting = Meeting::begin("meeting").await;
    meeting.attacker_speaks().await;
    meeting.weapon.hears(&meeting.voice).await;
    let end = json!({"message": "Goodbye"});
    meeting.host.link.ok("session.end", end).await;
    let sent = meeting.weapon.sent();
    for person in [
        &mut meeting.host,
        &mut meeting.speaker,
        &mut meeting.attacker,
    ] {
        assert_eq!(person.link.closed().await, 4410);
        assert_eq!(person.link.all("ended").len(), 1);
        let (_, reply) = meeting
            .stage
            .resume(person.entry.from, &person.token, 0)
            .await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    }
    // The next meeting is the clock.
    let mut host = meeting.stage.host(&meeting.room).await;
    let ears = Peer::connect(&mut host, 11).await;
    let mut speaker = meeting.stage.invited(&meeting.room, "presenter").await;
    let voice = Peer::connect(&mut speaker, 12).await;
    let publication = voice.publication(Source::Microphone);
    speaker.link.ok("media.publish", publication).await;
    voice.send(Source::Microphone, true);
    let arrived = |meeting: &Meeting| {
        let of = |peer: &Peer, other| peer.heard(other, Source::Microphone);
        [
            of(&meeting.ears, &meeting.voice),
            of(&meeting.ears, &meeting.weapon),
            of(&meeting.weapon, &meeting.voice),
            of(&ears, &meeting.voice),
            of(&ears, &meeting.weapon),
        ]
    };
    ears.hears(&voice).await;
    let before = arrived(&meeting);
    ears.hears(&voice).await;
    assert_eq!(before, arrived(&meeting));
    assert_eq!(before[3..], [0, 0]);
    let last = meeting.ears.last_heard(&meeting.weapon, Source::Microphone);
    assert!(
        last.is_some_and(|last| u64::from(last) < sent),
        "{last:?} of {sent}"
    );
    // It is another meeting: nothing of who was there is left.
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 2);
}
