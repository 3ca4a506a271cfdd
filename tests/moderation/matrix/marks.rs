//! What others see of a verb of [`super::life`] that was done.

use serde_json::{Value, json};

use super::effects::same;
use super::rows::Effect;
use super::scene::{View, WORDS, text};
use crate::rules::{Actor, Target, holds, outranks, sees};

impl View<'_> {
    /// Returns what is missing. Everybody has heard of everything.
    pub(super) fn mark(&mut self, effect: Effect, ok: &Value) -> Result<(), String> {
        match effect {
            Effect::Chat(member, value) => {
                let value: Value = serde_json::from_str(value).unwrap();
                same(member, &self.host.mirror.room["chat"][member], &value)
            }
            Effect::Written(to) => self.written(to, ok),
            Effect::Whispered => self.whispered(ok),
            Effect::Edited => {
                let message = self.message(&self.facts.message)?;
                same("text", &message["text"], &json!("What do you not think?"))?;
                same(
                    "edited",
                    &json!(message["edited_at"].is_string()),
                    &json!(true),
                )
            }
            Effect::Deleted => {
                let message = self.message(&self.facts.message)?;
                same("text", &message["text"], &json!(""))?;
                same("deleted_by", &message["deleted_by"], &json!(self.role()))
            }
            Effect::Liked => {
                let liked = self.message(&self.facts.message)?["reactions"].clone();
                let by = self.asker_id();
                let expected = json!([{"emoji": "👍", "participants": [by], "count": 1}]);
                same("reactions", &liked, &expected)
            }
            Effect::Pinned => {
                let pinned = self.message(&self.facts.message)?["pinned"].clone();
                same("pinned", &pinned, &json!(true))
            }
            Effect::Cleared => {
                let left = self.host.mirror.chat.len();
                same("messages", &json!(left), &json!(0))?;
                let target = self.target.as_ref().ok_or("there is no target")?;
                same("messages", &json!(target.mirror.chat.len()), &json!(0))
            }
            Effect::Exported => {
                let is_in = ok["text"].as_str().unwrap_or_default().contains(WORDS);
                same("exported", &json!(is_in), &json!(true))
            }
            Effect::OwnHand(up) => self.own_hand(up),
            Effect::HandDown => {
                same("hand", &self.face()["hand"], &Value::Null)?;
                same("hands", &self.host.mirror.hands, &json!([]))
            }
            Effect::Called => self.called(ok),
            Effect::Reacted => self.reacted(),
            Effect::Spotlit => {
                let spotlight = &self.host.mirror.room["spotlight"];
                same("spotlight", spotlight, &json!([self.facts.target]))
            }
            Effect::Suspended(on) => self.suspended(on),
            Effect::Announced => {
                let target = self.target.as_ref().ok_or("there is no target")?;
                let told = target.link.all("announcement");
                same("times", &json!(told.len()), &json!(1))?;
                let message = &told[0]["data"]["message"];
                same("message", message, &json!("Five more minutes"))
            }
            Effect::Offered => self.offered(ok),
            Effect::Ending(on) => {
                let is_told = !self.host.mirror.room["ends_at"].is_null();
                same("ends_at", &json!(is_told), &json!(on))?;
                let target = self.target.as_ref().ok_or("there is no target")?;
                let told = target.link.all("session.ending");
                let last = told.last().ok_or("nobody was told")?;
                same(
                    "told",
                    &json!(!last["data"]["ends_at"].is_null()),
                    &json!(on),
                )
            }
            Effect::Attended => {
                let people = ok["people"].as_array().map_or(0, Vec::len);
                let there = self.host.mirror.people.len();
                same("people", &json!(people), &json!(there))
            }
            Effect::TakenOver => self.taken_over(ok),
            Effect::Paused => {
                let share = &self.host.mirror.people[&self.asker_id()]["sources"]["screen"];
                same("paused", &share["muted"], &json!(true))
            }
            other => Err(format!("nobody knows how to see {other:?}")),
        }
    }

    /// Everybody is told and is out, whoever waits included.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        let mut codes = vec![self.host.link.closed().await, self.waiter.closed().await];
        if let Some(target) = &mut self.target {
            codes.push(target.link.closed().await);
        }
        if let Some(asker) = &mut self.asker {
            codes.push(asker.link.closed().await);
        }
        if codes.iter().any(|code| *code != 4410) {
            return Err(format!("closed with {codes:?}"));
        }
        let told = self.host.link.all("ended");
        same("message", &told[0]["data"]["message"], &json!("Goodbye"))
    }

    fn role(&self) -> &'static str {
        match self.actor {
            Actor::In(role) | Actor::Steward(role) => role,
            Actor::Waiting | Actor::Removed => "",
        }
    }

    fn asker_id(&self) -> String {
        let asker = self.asker.as_ref();
        asker.map(|asker| asker.id.clone()).unwrap_or_default()
    }

    /// Returns a message as the host sees it.
    fn message(&self, id: &str) -> Result<Value, String> {
        let mut messages = self.host.mirror.chat.values();
        let message = messages.find(|message| message["id"] == id);
        let message = message.ok_or("the host does not see the message")?;
        Ok(message.clone())
    }

    fn written(&self, to: &str, ok: &Value) -> Result<(), String> {
        let message = self.message(&text(&ok["id"]))?;
        same("to", &message["to"], &json!({"kind": to}))?;
        same(
            "from",
            &message["from"]["participant"],
            &json!(self.asker_id()),
        )?;
        let target = self.target.as_ref().ok_or("there is no target")?;
        let mut shown = target.mirror.chat.values();
        let is_shown = shown.any(|message| message["id"] == ok["id"]);
        same(
            "shown to the attendee",
            &json!(is_shown),
            &json!(to == "all"),
        )
    }

    /// Both ends have it, and nobody else.
    fn whispered(&self, ok: &Value) -> Result<(), String> {
        let has = |mirror: &crate::mirror::Mirror| {
            let mut messages = mirror.chat.values();
            messages.any(|message| message["id"] == ok["id"])
        };
        let target = self.target.as_ref().map(|target| has(&target.mirror));
        let asker = self.asker.as_ref().map(|asker| has(&asker.mirror));
        let host = has(&self.host.mirror);
        match (target, asker, host) {
            (Some(true), Some(true), false) => Ok(()),
            other => Err(format!("who has it: {other:?}")),
        }
    }

    fn own_hand(&self, up: bool) -> Result<(), String> {
        let own = self.asker_id();
        let face = &self.host.mirror.people[&own];
        same("hand", &json!(face["hand"].is_object()), &json!(up))?;
        let hands = self.host.mirror.hands.as_array().unwrap();
        let queued: Vec<_> = hands.iter().map(|hand| &hand["participant"]).collect();
        let expected = if up { vec![own] } else { Vec::new() };
        same("queue", &json!(queued), &json!(expected))
    }

    /// The first of the queue may speak and is asked to.
    fn called(&self, ok: &Value) -> Result<(), String> {
        let role = match self.target_kind {
            Target::Other(role) => role,
            Target::None => "attendee",
            Target::Itself => self.role(),
            Target::Unknown | Target::Gone => "",
        };
        if role.is_empty() || !holds(self.preset, role, "hand.raise") {
            return same("participant", &ok["participant"], &Value::Null);
        }
        same("participant", &ok["participant"], &json!(self.facts.target))?;
        same(
            "position",
            &self.host.mirror.hands[0]["position"],
            &json!(0),
        )?;
        let Some(target) = &self.target else {
            return Ok(());
        };
        let may = target.mirror.may("publish.audio");
        same("may speak", &json!(may), &json!(true))?;
        // Whoever speaks already need not be asked.
        let speaks = holds(self.preset, role, "publish.audio");
        let asked = target.link.all("media.requested").len();
        same("asked", &json!(asked), &json!(usize::from(!speaks)))
    }

    fn reacted(&self) -> Result<(), String> {
        let own = self.asker_id();
        let target = self.target.as_ref().ok_or("there is no target")?;
        let is_seen = sees(self.preset, "attendee", self.role());
        let own_for_target = if is_seen { json!(own) } else { Value::Null };
        for (link, by) in [
            (&self.host.link, json!(own)),
            (&target.link, own_for_target),
        ] {
            let told = link.all("reaction");
            same("times", &json!(told.len()), &json!(1))?;
            let expected = json!({"participant": by, "emoji": "🎉"});
            same("reaction", &told[0]["data"], &expected)?;
        }
        Ok(())
    }

    /// All of it, or all of it is as it was.
    fn suspended(&self, on: bool) -> Result<(), String> {
        let room = &self.host.mirror.room;
        same("suspended", &room["suspended"], &json!(on))?;
        same("locked", &room["locked"], &json!(on))?;
        same("lobby", &room["lobby"], &json!("on"))?;
        let (public, private) = if on { ("off", "off") } else { ("all", "hosts") };
        same("public", &room["chat"]["public"], &json!(public))?;
        same("private", &room["chat"]["private"], &json!(private))?;
        for source in ["microphone", "camera", "screen"] {
            same(source, &room["av_lock"][source]["on"], &json!(on))?;
        }
        let target = self.target.as_ref().ok_or("there is no target")?;
        for key in [
            "chat.send",
            "publish.audio",
            "publish.video",
            "publish.screen",
        ] {
            let may = holds(self.preset, "attendee", key) && !on;
            same(key, &json!(target.mirror.may(key)), &json!(may))?;
        }
        for source in ["microphone", "camera"] {
            let state = &self.face()["sources"][source];
            if on && state["published"] == true && state["muted"] != true {
                return Err(format!("{source} is open"));
            }
        }
        Ok(())
    }

    /// The target is asked, and nothing has changed.
    fn offered(&self, ok: &Value) -> Result<(), String> {
        let target = self.target.as_ref().ok_or("there is no target")?;
        let asked = target.link.all("host.transfer.requested");
        same("times", &json!(asked.len()), &json!(1))?;
        same("request", &asked[0]["data"]["request"], &ok["request"])?;
        let Target::Other(role) = self.target_kind else {
            return Err("it was offered to nobody".to_owned());
        };
        same("role", &self.face()["role"], &json!(role))
    }

    fn taken_over(&self, ok: &Value) -> Result<(), String> {
        let shares = match self.target_kind {
            Target::Other(role) if holds(self.preset, role, "publish.screen") => Some(role),
            _ => None,
        };
        let own = self.role();
        let Some(holder) = shares else {
            return same("outcome", &ok["outcome"], &json!("granted"));
        };
        let target = self.target.as_ref().ok_or("there is no target")?;
        let revoked = target.link.all("media.revoked");
        let asked = target.link.all("screen.takeover.requested");
        let share = &self.face()["sources"]["screen"];
        if outranks(own, holder) && holds(self.preset, own, "screen.takeover") {
            same("outcome", &ok["outcome"], &json!("granted"))?;
            same("share", share, &Value::Null)?;
            let reasons: Vec<_> = revoked.iter().map(|push| &push["data"]["reason"]).collect();
            let is_told = reasons.iter().all(|reason| **reason == "taken_over");
            same("told", &json!(is_told && !reasons.is_empty()), &json!(true))?;
            same("asked", &json!(asked.len()), &json!(0))
        } else {
            same("outcome", &ok["outcome"], &json!("asked"))?;
            same("revoked", &json!(revoked.len()), &json!(0))?;
            same("asked", &json!(asked.len()), &json!(1))?;
            same("share", &json!(share.is_null()), &json!(false))
        }
    }
}
