//! A meeting in which one actor tries something on one target.

use serde_json::{Value, json};

use super::rows::{Effect, Facts, Prepare, Row};
use crate::link::Link;
use crate::person::Person;
use crate::rules::{Actor, Outcome, Target, holds, to_publish};
use crate::stage::{Room, Stage};

/// Requests of one link that waits: five at once, then one a second.
const OF_WAITING: usize = 4;
/// Requests of one link that is not in a room: twenty.
const OF_REMOVED: usize = 15;

/// The one who tries.
enum Asker {
    Person(Box<Person>),
    /// A link, and how many requests are left to it.
    Link(Link, usize),
}

/// See the module.
pub(super) struct Scene<'a> {
    stage: &'a Stage,
    preset: &'static str,
    actor: Actor,
    target_kind: Target,
    room: Room,
    /// Somebody above suspicion, who sees everything.
    host: Person,
    asker: Asker,
    /// The token of somebody who was removed.
    token: String,
    target: Option<Person>,
    waiter: Link,
    facts: Facts,
    /// The secret of the invite in `facts`.
    secret: String,
}

impl<'a> Scene<'a> {
    pub(super) async fn build(
        stage: &'a Stage,
        preset: &'static str,
        actor: Actor,
        target_kind: Target,
    ) -> Self {
        let update = json!({
            "title": "Old",
            "lobby": "on",
            "start_without_host": true,
            "screen": "one_takeover",
            "chat": {"history": "session"},
        });
        let room = stage.room(preset, update).await;
        let mut host = stage.host(&room).await;
        let invite = json!({"role": "viewer", "max_uses": 1, "bypass_lobby": true});
        let invited = host.link.ok("invite.create", invite).await;
        let listed = host.link.ok("invite.list", json!({})).await;
        let mut listed = listed["invites"].as_array().unwrap().iter();
        let host_invite = listed.find(|invite| invite["role"] == "host").unwrap();
        let mut scene = Scene {
            stage,
            preset,
            actor,
            target_kind,
            facts: Facts {
                invite: text(&invited["invite"]["id"]),
                host_invite: text(&host_invite["id"]),
                ban: "ban_01m81b7bv0fr78w3ge1r70w3ge".to_owned(),
                message: "msg_01m81b7bv0fr78w3ge1r70w3ge".to_owned(),
                ..Facts::default()
            },
            secret: text(&invited["secret"]),
            asker: Asker::Link(stage.greeted(stage.fresh_source()).await, 0),
            token: String::new(),
            target: None,
            waiter: stage.open(stage.fresh_source()).await,
            host,
            room,
        };
        scene.bring_target().await;
        scene.bring_waiter().await;
        scene.bring_asker().await;
        scene.settle().await;
        scene
    }

    async fn bring_target(&mut self) {
        // What is about the room is shown on an attendee.
        let role = match self.target_kind {
            Target::Other(role) => role,
            _ => "attendee",
        };
        let mut target = self.stage.invited(&self.room, role).await;
        let writes = matches!(
            self.target_kind,
            Target::Other(_) | Target::None | Target::Gone
        );
        if writes && holds(self.preset, role, "chat.send") {
            self.facts.message = write(&mut target).await;
        }
        match self.target_kind {
            Target::Other(_) | Target::None => {
                for source in ["microphone", "camera"] {
                    if holds(self.preset, role, to_publish(source)) {
                        target.publish(source).await;
                    }
                }
                self.facts.target.clone_from(&target.id);
                self.target = Some(target);
            }
            Target::Itself => {
                // Set when the asker is there.
            }
            Target::Gone => {
                self.facts.target.clone_from(&target.id);
                target.leave().await;
            }
            Target::Unknown => {
                self.facts.target = another_id(&target.id);
                target.leave().await;
            }
        }
    }

    async fn bring_waiter(&mut self) {
        let entry = self.stage.entry(&self.room).named("Waiter");
        let (link, reply) = self.stage.knock(&entry).await;
        assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
        self.facts.knock = text(&reply["ok"]["knock"]);
        self.waiter = link;
        let knock = self.facts.knock.clone();
        let update = self.host.link.push_where("lobby.update", |update| {
            let entries = update["entries"].as_array().unwrap();
            entries.iter().any(|entry| entry["knock"] == knock)
        });
        let update = update.await;
        self.facts.lobby_rev = update["lobby_rev"].as_u64().unwrap();
    }

    async fn bring_asker(&mut self) {
        match self.actor {
            Actor::In(role) => {
                let mut person = self.stage.invited(&self.room, role).await;
                if self.target_kind == Target::Itself {
                    self.facts.target.clone_from(&person.id);
                    if holds(self.preset, role, "chat.send") {
                        self.facts.message = write(&mut person).await;
                    }
                }
                self.asker = Asker::Person(Box::new(person));
            }
            Actor::Removed => {
                let mut person = self.stage.invited(&self.room, "presenter").await;
                let order = json!({"participant": person.id});
                self.host.link.ok("participant.remove", order).await;
                assert_eq!(person.link.closed().await, 4403);
                self.token = person.token;
                self.asker = self.link_of_removed().await;
            }
            Actor::Waiting => self.asker = self.link_that_waits().await,
            Actor::Steward(role) => {
                let invite = json!({"role": role, "max_uses": 1});
                let secret = self.stage.invite(&self.room, invite).await;
                let entry = self.stage.entry(&self.room);
                let mut link = self.stage.greeted(entry.from).await;
                let manage = json!({
                    "room": self.room.slug,
                    "credential": {"kind": "invite", "secret": secret},
                    "device_key": entry.device,
                });
                let managed = link.ok("room.manage", manage).await;
                assert_eq!(managed["role"], role);
                self.asker = Asker::Link(link, usize::MAX);
            }
        }
    }

    /// A link whose place was taken away, and that asks for it first.
    async fn link_of_removed(&self) -> Asker {
        let from = self.stage.fresh_source();
        let (link, reply) = self.stage.resume(from, &self.token, 0).await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
        Asker::Link(link, OF_REMOVED)
    }

    async fn link_that_waits(&self) -> Asker {
        let entry = self.stage.entry(&self.room).named("Another");
        let (link, reply) = self.stage.knock(&entry).await;
        assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
        Asker::Link(link, OF_WAITING)
    }

    async fn settle(&mut self) {
        self.host.settle().await;
        if let Some(target) = &mut self.target {
            target.settle().await;
        }
        if let Asker::Person(person) = &mut self.asker {
            person.settle().await;
        }
    }

    /// Lets the actor try, and returns the whole reply.
    pub(super) async fn ask(&mut self, row: &Row, expected: Outcome) -> Value {
        if let Asker::Link(_, 0) = self.asker {
            self.asker = match self.actor {
                Actor::Waiting => self.link_that_waits().await,
                _ => self.link_of_removed().await,
            };
            self.settle().await;
        }
        if expected == Outcome::Done {
            self.prepare(row.prepare).await;
        }
        let rev = self.host.mirror.people.get(&self.facts.target);
        self.facts.rev = rev.map_or(1, |person| person["rev"].as_u64().unwrap());
        let data = (row.data)(&self.facts);
        let asked = match &mut self.asker {
            Asker::Person(person) => person.link.try_ask(row.verb, data).await,
            Asker::Link(link, left) => {
                *left = left.saturating_sub(1);
                link.try_ask(row.verb, data).await
            }
        };
        asked.unwrap_or_else(|closed| json!({"closed": closed.0}))
    }

    async fn prepare(&mut self, prepare: Prepare) {
        match prepare {
            Prepare::Nothing => {}
            Prepare::Share => {
                let Target::Other(role) = self.target_kind else {
                    return;
                };
                let Some(target) = &mut self.target else {
                    return;
                };
                if holds(self.preset, role, "publish.screen") {
                    target.publish("screen").await;
                    target.publish("screen_audio").await;
                }
            }
            Prepare::Ban => {
                let mut guest = self.stage.invited(&self.room, "viewer").await;
                let order = json!({"participant": guest.id, "ban": {"scope": "room"}});
                let removed = self.host.link.ok("participant.remove", order).await;
                self.facts.ban = text(&removed["ban"]);
                assert_eq!(guest.link.closed().await, 4403);
            }
            Prepare::Raise => self.raise().await,
            Prepare::OwnShare => {
                let Asker::Person(person) = &mut self.asker else {
                    return;
                };
                person.publish("screen").await;
            }
            Prepare::Suspend => {
                let order = json!({"on": true});
                self.host.link.ok("panic.suspend", order).await;
            }
            Prepare::Countdown => {
                let end = json!({"countdown_s": 60});
                self.host.link.ok("session.end", end).await;
            }
        }
        self.settle().await;
    }

    async fn raise(&mut self) {
        let (role, person) = match (self.target_kind, self.actor) {
            (Target::Other(role), _) => (role, self.target.as_mut()),
            (Target::None, _) => ("attendee", self.target.as_mut()),
            (Target::Itself, Actor::In(role)) => match &mut self.asker {
                Asker::Person(person) => (role, Some(person.as_mut())),
                Asker::Link(..) => return,
            },
            _ => return,
        };
        if let Some(person) = person
            && holds(self.preset, role, "hand.raise")
        {
            person.link.ok("hand.raise", json!({})).await;
        }
    }

    /// Returns what anybody has noticed of a request that was refused.
    pub(super) async fn traces(&mut self) -> Vec<Value> {
        let mut traces = self.host.settle().await;
        if let Some(target) = &mut self.target {
            traces.extend(target.settle().await);
        }
        if let Asker::Person(person) = &mut self.asker {
            traces.extend(person.settle().await);
        }
        // New waiters that this test needs.
        traces.retain(|push| push["type"] != "lobby.update");
        traces
    }

    /// Holds what the room says to somebody new against what it said on the way.
    pub(super) async fn inspect(mut self, wrong: &mut Vec<String>) {
        let inspector = self.stage.host(&self.room).await;
        self.host.settle().await;
        let (seen, told) = (&inspector.mirror, &self.host.mirror);
        let is_same = seen.room == told.room
            && seen.people == told.people
            && seen.public() == told.public()
            && seen.hands == told.hands;
        if !is_same {
            let place = format!("{}: {:?} {:?}", self.preset, self.actor, self.target_kind);
            wrong.push(format!(
                "{place}: somebody new sees {seen:?}, the host {told:?}"
            ));
        }
    }

    /// Returns what is missing of the effect of a request that was done.
    pub(super) async fn see(&mut self, row: &Row, ok: &Value) -> Result<(), String> {
        let mut view = View {
            preset: self.preset,
            actor: self.actor,
            stage: self.stage,
            room: &self.room,
            target_kind: self.target_kind,
            facts: &self.facts,
            secret: &self.secret,
            host: &mut self.host,
            target: self.target.as_mut(),
            waiter: &mut self.waiter,
            asker: match &mut self.asker {
                Asker::Person(person) => Some(person.as_mut()),
                Asker::Link(..) => None,
            },
        };
        view.see(row.effect, ok).await
    }
}

/// What there is to be looked at after a request was done.
pub(super) struct View<'a> {
    pub(super) preset: &'static str,
    pub(super) actor: Actor,
    pub(super) stage: &'a Stage,
    pub(super) room: &'a Room,
    pub(super) target_kind: Target,
    pub(super) facts: &'a Facts,
    pub(super) secret: &'a str,
    pub(super) host: &'a mut Person,
    pub(super) target: Option<&'a mut Person>,
    pub(super) waiter: &'a mut Link,
    pub(super) asker: Option<&'a mut Person>,
}

impl View<'_> {
    /// Returns whether the effect takes the target out of the room.
    pub(super) fn takes_out(effect: Effect) -> bool {
        matches!(effect, Effect::Removed { .. } | Effect::ToLobby)
    }
}

/// What everybody has written who may.
pub(super) const WORDS: &str = "What do you think?";

/// Writes a message. Returns which.
async fn write(person: &mut Person) -> String {
    let send = json!({"client_id": "first", "to": {"kind": "all"}, "text": WORDS});
    let sent = person.link.ok("chat.send", send).await;
    text(&sent["id"])
}

/// Returns an identifier like another, of nobody.
fn another_id(id: &str) -> String {
    let last = if id.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &id[..id.len() - 1])
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
