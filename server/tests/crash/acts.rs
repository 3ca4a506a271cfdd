//! Those who act: each over a link of its own, each on something of its own, so
//! that what follows upon what is known.

use std::collections::VecDeque;

use conclave_signalling_wire::limits::{CHAT_BURST, ROOM_CHANGES_BURST};
use serde_json::{Value, json};

use crate::client::Client;

/// Acts of one actor in one round: as many messages as a link may send at once, less some.
const ACTS_MAX: u32 = 50;

/// What an actor works on.
pub(crate) enum Work {
    /// The title and the message of the lobby, both by one update: number after number.
    Title { next: u32 },
    /// Whether the room is locked: odd numbers lock.
    Lock { next: u32 },
    /// The lock on cameras: odd numbers lock.
    Cameras { next: u32 },
    /// The password.
    Password { next: u32 },
    /// Victims are banned, and earlier bans lifted.
    Bans {
        /// Their identifiers and numbers.
        victims: VecDeque<(String, u32)>,
        /// What may be lifted.
        lift: VecDeque<String>,
    },
    /// Invites are made, and earlier ones taken back.
    Invites {
        next: u32,
        /// What may be taken back.
        revoke: VecDeque<String>,
    },
    /// Messages are written, and earlier ones deleted.
    Chat {
        next: u32,
        /// What may be deleted.
        delete: VecDeque<String>,
    },
    /// A participant is given roles and exceptions.
    Person {
        which: usize,
        id: String,
        rev: u64,
        next: u32,
    },
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Title(u32),
    Lock(u32),
    Cameras(u32),
    Password(u32),
    Ban(u32),
    Lift(String),
    Invite(u32),
    Revoke(String),
    Write(u32),
    Delete(String),
    Role(usize, &'static str),
    /// Whether sharing a screen is allowed.
    Exception(usize, bool),
}

impl Act {
    /// Returns the verb, for those that nobody else here says.
    pub(crate) fn verb(&self) -> Option<&'static str> {
        match self {
            Act::Title(_) | Act::Lock(_) | Act::Password(_) => None,
            Act::Write(_) | Act::Delete(_) => None,
            Act::Cameras(_) => Some("media.lock"),
            Act::Ban(_) => Some("participant.remove"),
            Act::Lift(_) => Some("ban.lift"),
            Act::Invite(_) => None,
            Act::Revoke(_) => Some("invite.revoke"),
            Act::Role(..) => Some("role.set"),
            Act::Exception(..) => Some("perm.override"),
        }
    }
}

/// Everything that one actor asked, in order, and what it was answered.
pub(crate) type Log = Vec<(Act, Option<Value>)>;

/// See the module.
pub(crate) struct Actor {
    pub(crate) client: Client,
    pub(crate) work: Work,
    /// Those on whom it works: their links stay open meanwhile.
    pub(crate) company: Vec<Client>,
}

impl Actor {
    /// Acts until the server is gone. `acknowledged` hears of each act that was done.
    pub(crate) async fn act(mut self, acknowledged: impl Fn()) -> Log {
        let mut log = Log::new();
        let mut pending = VecDeque::new();
        let mut acts = 0;
        loop {
            while pending.len() < self.depth() && acts < self.acts_max() {
                let Some((act, verb, data)) = self.next_act() else {
                    break;
                };
                acts += 1;
                let id = self.client.send(verb, data).await;
                pending.push_back((id, log.len()));
                log.push((act, None));
            }
            let Some((id, at)) = pending.pop_front() else {
                // Nothing is left to do: the link stays until the server is gone.
                self.client.reply(0).await;
                return log;
            };
            let Some(reply) = self.client.reply(id).await else {
                return log;
            };
            if self.was_late(&reply) {
                log.pop();
                continue;
            }
            let act = &log[at].0;
            assert!(reply.get("ok").is_some(), "{act:?}: {reply}");
            let act = act.clone();
            self.was_done(&act, &reply["ok"]);
            log[at].1 = Some(reply["ok"].clone());
            acknowledged();
        }
    }

    /// Acts of this link. More changes of the room or messages at once are refused as too many.
    fn acts_max(&self) -> u32 {
        match self.work {
            Work::Title { .. }
            | Work::Lock { .. }
            | Work::Cameras { .. }
            | Work::Password { .. } => ROOM_CHANGES_BURST - 2,
            Work::Chat { .. } => CHAT_BURST - 2,
            _ => ACTS_MAX,
        }
    }

    /// Acts that are under way at once. Where one depends on the answer to another it is one.
    fn depth(&self) -> usize {
        match self.work {
            Work::Title { .. } | Work::Lock { .. } | Work::Cameras { .. } | Work::Chat { .. } => 4,
            _ => 1,
        }
    }

    fn next_act(&mut self) -> Option<(Act, &'static str, Value)> {
        fn count(next: &mut u32) -> u32 {
            *next += 1;
            *next - 1
        }
        Some(match &mut self.work {
            Work::Title { next } => {
                let n = count(next);
                let text = format!("T {n}");
                let update = json!({"title": text, "lobby_message": text});
                (Act::Title(n), "room.update", update)
            }
            Work::Lock { next } => {
                let n = count(next);
                let update = json!({"locked": n % 2 == 1});
                (Act::Lock(n), "room.update", update)
            }
            Work::Cameras { next } => {
                let n = count(next);
                let lock = json!({"sources": ["camera"], "on": n % 2 == 1});
                (Act::Cameras(n), "media.lock", lock)
            }
            Work::Password { next } => {
                let n = count(next);
                let update = json!({"password": password(n)});
                (Act::Password(n), "room.update", update)
            }
            Work::Bans { victims, lift } => {
                if lift.len() > 4
                    && let Some(ban) = lift.pop_front()
                {
                    let data = json!({"ban": ban});
                    return Some((Act::Lift(ban), "ban.lift", data));
                }
                let (id, number) = victims.pop_front()?;
                let order = json!({"participant": id, "reason": "Crash", "ban": {"scope": "room"}});
                (Act::Ban(number), "participant.remove", order)
            }
            Work::Invites { next, revoke } => {
                if revoke.len() > 3
                    && let Some(invite) = revoke.pop_front()
                {
                    let data = json!({"invite": invite});
                    return Some((Act::Revoke(invite), "invite.revoke", data));
                }
                let n = count(next);
                let invite = json!({"role": "presenter", "max_uses": 1, "note": format!("N {n}")});
                (Act::Invite(n), "invite.create", invite)
            }
            Work::Chat { next, delete } => {
                if delete.len() > 3
                    && let Some(message) = delete.pop_front()
                {
                    let data = json!({"id": message});
                    return Some((Act::Delete(message), "chat.delete", data));
                }
                let n = count(next);
                let message = json!({
                    "client_id": format!("c-{n}"),
                    "to": {"kind": "all"},
                    "text": format!("M {n}"),
                    "reply_to": null,
                });
                (Act::Write(n), "chat.send", message)
            }
            Work::Person {
                which,
                id,
                rev,
                next,
            } => {
                let n = count(next);
                if n % 3 == 2 {
                    let allow = n % 2 == 1;
                    let effect = if allow { "allow" } else { "deny" };
                    let order = json!({"participant": id, "key": "publish.screen", "effect": effect, "rev": rev});
                    (Act::Exception(*which, allow), "perm.override", order)
                } else {
                    let role = ["presenter", "viewer", "co_host", "attendee"][n as usize % 4];
                    let set = json!({"participant": id, "role": role, "rev": rev});
                    (Act::Role(*which, role), "role.set", set)
                }
            }
        })
    }

    /// Returns whether somebody else changed the participant first. It is tried
    /// again with the number that was told since.
    fn was_late(&mut self, reply: &Value) -> bool {
        let Work::Person { id, rev, next, .. } = &mut self.work else {
            return false;
        };
        if reply["error"]["code"] != "conflict" {
            return false;
        }
        *rev = self.client.rev_of(id).expect("others were told before");
        *next -= 1;
        true
    }

    fn was_done(&mut self, act: &Act, ok: &Value) {
        match (&mut self.work, act) {
            (Work::Person { rev, .. }, _) => *rev = ok["rev"].as_u64().unwrap(),
            (Work::Bans { lift, .. }, Act::Ban(_)) => {
                lift.push_back(ok["ban"].as_str().unwrap().to_owned());
            }
            (Work::Invites { revoke, .. }, Act::Invite(_)) => {
                revoke.push_back(ok["invite"]["id"].as_str().unwrap().to_owned());
            }
            (Work::Chat { delete, .. }, Act::Write(_)) => {
                delete.push_back(ok["id"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }
}

/// Returns the password of a number.
pub(crate) fn password(n: u32) -> String {
    format!("password number {n}")
}
