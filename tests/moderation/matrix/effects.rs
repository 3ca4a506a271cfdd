//! What others see of a request that was done.

use serde_json::{Value, json};

use super::rows::Effect;
use super::scene::{View, text};
use crate::rules::{Target, holds, outranks, permissions, to_publish};

impl View<'_> {
    /// Returns what is missing.
    pub(super) async fn see(&mut self, effect: Effect, ok: &Value) -> Result<(), String> {
        if effect == Effect::Ended {
            return self.ended().await;
        }
        self.host.settle().await;
        if let Some(asker) = &mut self.asker {
            asker.settle().await;
        }
        if !View::takes_out(effect)
            && let Some(target) = &mut self.target
        {
            target.settle().await;
        }
        match effect {
            Effect::Nothing => Ok(()),
            Effect::Role(role) => self.given(role, ok),
            Effect::May(key, may) => self.may(key, may, ok),
            Effect::Muted(source) => self.muted(source, ok),
            Effect::MutedAll(source) => self.muted_all(source),
            Effect::Asked(source) => self.asked(source),
            Effect::Removed { banned } => self.removed(banned, ok).await,
            Effect::ToLobby => self.sent_back().await,
            Effect::Renamed => same("name", &self.face()["name"], &json!("Mallory")),
            Effect::Room(member, value) => {
                let value: Value = serde_json::from_str(value).unwrap();
                same(member, &self.host.mirror.room[member], &value)
            }
            Effect::Locked(source, on) => self.locked(source, on),
            Effect::Admitted => self.admitted(ok).await,
            Effect::Denied => {
                let denied = self.waiter.push("lobby.status").await;
                same("state", &denied["state"], &json!("denied"))?;
                same("block_s", &denied["block_s"], &json!(600))
            }
            Effect::Noted => {
                let told = self.waiter.push("lobby.status").await;
                same("note", &told["note"], &json!("You are next"))
            }
            Effect::Invited(role) => self.invited(role, ok).await,
            Effect::Revoked => {
                let entry = self.stage.entry(self.room).invite(self.secret);
                let (_, reply) = self.stage.knock(&entry).await;
                same("code", &reply["error"]["code"], &json!("invite_revoked"))
            }
            Effect::HostRevoked => {
                let secret = &self.room.host_secret;
                let entry = self.stage.entry(self.room).invite(secret);
                let (_, reply) = self.stage.knock(&entry).await;
                same("code", &reply["error"]["code"], &json!("invite_revoked"))
            }
            Effect::Lifted => {
                let listed = self.host.link.ok("ban.list", json!({})).await;
                same("bans", &listed["bans"], &json!([]))
            }
            Effect::Published(source) => self.published(source),
            other => self.mark(other, ok),
        }
    }

    /// Returns the target as the host sees it.
    pub(super) fn face(&self) -> Value {
        let people = &self.host.mirror.people;
        people.get(&self.facts.target).cloned().unwrap_or_default()
    }

    fn given(&self, role: &str, ok: &Value) -> Result<(), String> {
        let face = self.face();
        same("role", &face["role"], &json!(role))?;
        same("rev", &face["rev"], &ok["rev"])?;
        let target = self.target.as_ref().ok_or("there is no target")?;
        let expected = permissions(self.preset, role);
        if target.mirror.permissions != expected {
            let told = &target.mirror.permissions;
            return Err(format!("the target was told {told:?}, not {expected:?}"));
        }
        for source in ["microphone", "camera"] {
            let published = &face["sources"][source]["published"];
            if *published == true && !holds(self.preset, role, to_publish(source)) {
                return Err(format!("{source} is still published"));
            }
        }
        Ok(())
    }

    fn may(&self, key: &str, may: bool, ok: &Value) -> Result<(), String> {
        same("rev", &self.face()["rev"], &ok["rev"])?;
        let target = self.target.as_ref().ok_or("there is no target")?;
        if target.mirror.may(key) != may {
            return Err(format!("the target may not be told right: {key}"));
        }
        let source = ["microphone", "camera"]
            .into_iter()
            .find(|source| to_publish(source) == key);
        let Some(source) = source else {
            return Ok(());
        };
        if !may {
            let published = &self.face()["sources"][source]["published"];
            same(source, published, &json!(false))?;
            let revoked = target.link.all("media.revoked");
            let told = revoked.iter().any(|push| push["data"]["source"] == source);
            let Target::Other(role) = self.target_kind else {
                return Ok(());
            };
            if told != holds(self.preset, role, key) {
                return Err(format!("told of the end of {source}: {told}"));
            }
        }
        Ok(())
    }

    fn muted(&self, source: &str, ok: &Value) -> Result<(), String> {
        let Target::Other(role) = self.target_kind else {
            return Err("there is no target".to_owned());
        };
        let was_open = holds(self.preset, role, to_publish(source));
        let muted = if was_open {
            json!([self.facts.target])
        } else {
            json!([])
        };
        same("participants", &ok["participants"], &muted)?;
        let state = &self.face()["sources"][source];
        match source {
            "microphone" | "camera" if was_open => {
                same("published", &state["published"], &json!(true))?;
                same("muted", &state["muted"], &json!(true))?;
                let by = self.asker.as_ref().map(|asker| asker.id.clone());
                same("muted_by", &state["muted_by"], &json!(by))
            }
            "microphone" | "camera" => same("published", &state["published"], &json!(false)),
            _ => same("share", state, &Value::Null),
        }
    }

    /// Everybody below the asker who spoke is muted, nobody else.
    fn muted_all(&self, source: &str) -> Result<(), String> {
        let Some(asker) = &self.asker else {
            return Err("there is no asker".to_owned());
        };
        let own = text(&asker.mirror.own()["role"]);
        for person in self.host.mirror.people.values() {
            let state = &person["sources"][source];
            let is_below = outranks(&own, person["role"].as_str().unwrap_or_default());
            if state["published"] == true && state["muted"] != is_below {
                return Err(format!("{person}"));
            }
        }
        Ok(())
    }

    /// The target is asked, and nothing of it has changed.
    fn asked(&self, source: &str) -> Result<(), String> {
        let target = self.target.as_ref().ok_or("there is no target")?;
        let asked = target.link.all("media.requested");
        let by = self.asker.as_ref().map(|asker| asker.id.clone());
        match asked.as_slice() {
            [asked] => {
                same("source", &asked["data"]["source"], &json!(source))?;
                same("by", &asked["data"]["by"], &json!(by))?;
                same("rev", &self.face()["rev"], &json!(self.facts.rev))
            }
            other => Err(format!("asked {} times", other.len())),
        }
    }

    async fn removed(&mut self, banned: bool, ok: &Value) -> Result<(), String> {
        let target = self.target.as_mut().ok_or("there is no target")?;
        let removed = target.link.push("removed").await;
        let until = !removed["banned_until"].is_null();
        let code = target.link.closed().await;
        if (code, until, ok["ban"].is_string()) != (4403, banned, banned) {
            return Err(format!("closed with {code}, {removed}, {ok}"));
        }
        same("roster", &self.face(), &Value::Null)
    }

    async fn sent_back(&mut self) -> Result<(), String> {
        let target = self.target.as_mut().ok_or("there is no target")?;
        let status = target.link.push("lobby.status").await;
        same("state", &status["state"], &json!("waiting"))?;
        same("roster", &self.face(), &Value::Null)
    }

    fn locked(&self, source: &str, on: bool) -> Result<(), String> {
        let lock = &self.host.mirror.room["av_lock"][source]["on"];
        same("av_lock", lock, &json!(on))?;
        let key = to_publish(source);
        let target = self.target.as_ref().ok_or("there is no target")?;
        let may = holds(self.preset, "attendee", key) && !on;
        if target.mirror.may(key) != may {
            return Err(format!("the attendee was told that it may: {}", !may));
        }
        let state = &self.face()["sources"][source];
        if on && state["published"] == true && state["muted"] != true {
            return Err(format!("{source} is open under the lock"));
        }
        let is_host_free = self.host.mirror.may(key);
        same("the host", &json!(is_host_free), &json!(true))
    }

    async fn admitted(&mut self, ok: &Value) -> Result<(), String> {
        same("result", &ok["results"][0]["result"], &json!("admitted"))?;
        let told = self
            .waiter
            .push_where("lobby.status", |status| status["state"] == "admitted");
        let told = told.await;
        let id = text(&told["joined"]["self"]["id"]);
        let people = &self.host.mirror.people;
        match people.contains_key(&id) {
            true => Ok(()),
            false => Err("the host does not see who was admitted".to_owned()),
        }
    }

    /// The link works, and gives this role.
    async fn invited(&mut self, role: &str, ok: &Value) -> Result<(), String> {
        let secret = text(&ok["secret"]);
        let entry = self
            .stage
            .entry(self.room)
            .invite(&secret)
            .named("Newcomer");
        let (_, reply) = self.stage.knock(&entry).await;
        same("outcome", &reply["ok"]["outcome"], &json!("joined"))?;
        same("role", &reply["ok"]["self"]["role"], &json!(role))
    }

    fn published(&self, source: &str) -> Result<(), String> {
        let asker = self.asker.as_ref().ok_or("there is no asker")?;
        let people = &self.host.mirror.people;
        let seen = &people[&asker.id]["sources"][source];
        same("published", &seen["published"], &json!(true))?;
        same("muted", &seen["muted"], &json!(false))
    }
}

pub(super) fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what} is {found}, not {expected}"))
    }
}
