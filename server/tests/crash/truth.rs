//! What has to be there after the server has died: what it acknowledged, and
//! what it may have done without saying so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::acts::{Act, Actor, Log, Work, password};
use crate::client::{Client, Identity};

/// Victims that come in for a round.
const VICTIMS: usize = 8;
/// Participants who are given roles.
const PEOPLE: usize = 3;
/// The identity of a host who only looks.
const OBSERVER: u32 = 90;
/// Below it stand hosts and people, from it on victims.
const FIRST_VICTIM: u32 = 100;
/// From it on stand those who try passwords.
const FIRST_GUEST: u32 = 1_000_000;

/// Something that is numbered: each change has a number of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    /// The last number that was acknowledged.
    pub(crate) acknowledged: u32,
    /// The last number that was sent.
    pub(crate) sent: u32,
}

impl Sequence {
    fn learn(&mut self, n: u32, is_acknowledged: bool) {
        self.sent = self.sent.max(n);
        if is_acknowledged {
            self.acknowledged = self.acknowledged.max(n);
        }
    }

    /// Takes what was found, if it can be.
    fn found(&mut self, what: &str, n: u32) -> Result<(), String> {
        if !(self.acknowledged..=self.sent).contains(&n) {
            return Err(format!("{what} is {n}, not within {self:?}"));
        }
        *self = Sequence {
            acknowledged: n,
            sent: self.sent,
        };
        Ok(())
    }

    /// The same for one of which only the parity is seen.
    fn found_parity(&mut self, what: &str, is_odd: bool) -> Result<(), String> {
        let fits = |n: &u32| (n % 2 == 1) == is_odd;
        let found = (self.acknowledged..=self.sent).rev().find(fits);
        let found = found.ok_or_else(|| format!("{what} is {is_odd}, not within {self:?}"))?;
        self.found(what, found)
    }
}

/// Somebody who is given roles: what it is, and what it may be by an act that was not answered.
#[derive(Debug, Clone)]
struct Given {
    secret: String,
    role: &'static str,
    screen: Option<bool>,
    pending: Option<Act>,
    acts: u32,
}

/// What was written, in a room that keeps it until the session ends.
#[derive(Debug, Default)]
struct Messages {
    /// Those that were acknowledged, and whether they are deleted, as far as that was.
    known: BTreeMap<String, (u32, bool)>,
    /// The last number that was sent.
    sent: u32,
    /// Deletions that were not answered.
    deleting: BTreeSet<String>,
}

impl Messages {
    fn undeleted(&self) -> VecDeque<String> {
        let known = self.known.iter().filter(|(_, (_, is_deleted))| !is_deleted);
        known.map(|(id, _)| id.clone()).collect()
    }

    /// Compares with what somebody who comes in is shown. Returns how much of it nobody acknowledged.
    fn compare(&mut self, shown: &Value) -> Result<u32, String> {
        let mut lost = self.known.clone();
        let mut unsaid = 0;
        let mut numbers = BTreeSet::new();
        for message in shown.as_array().unwrap() {
            let id = message["id"].as_str().unwrap();
            let is_deleted = !message["deleted_by"].is_null();
            let client_id = message["client_id"].as_str().unwrap();
            let n: u32 = client_id.trim_start_matches("c-").parse().unwrap();
            let text = match is_deleted {
                true => String::new(),
                false => format!("M {n}"),
            };
            if message["text"] != text || n > self.sent || !numbers.insert(n) {
                return Err(format!("not what was written, or twice: {message}"));
            }
            match lost.remove(id) {
                None => unsaid += 1,
                Some((number, _)) if number != n => {
                    return Err(format!("{message} was acknowledged as number {number}"));
                }
                Some((_, true)) if !is_deleted => {
                    return Err(format!("{message} was deleted"));
                }
                Some((_, false)) if is_deleted => {
                    if !self.deleting.contains(id) {
                        return Err(format!("nobody deleted {message}"));
                    }
                    unsaid += 1;
                }
                Some(_) => {}
            }
            self.known.insert(id.to_owned(), (n, is_deleted));
        }
        if let Some((id, (n, _))) = lost.first_key_value() {
            return Err(format!("message {n}, {id}, was acknowledged and is gone"));
        }
        self.deleting.clear();
        Ok(unsaid)
    }
}

/// See the module.
pub(crate) struct Truth {
    host_secret: String,
    /// Lets victims in.
    open_secret: String,
    title: Sequence,
    locked: Sequence,
    cameras: Sequence,
    password: Sequence,
    notes: u32,
    victims: u32,
    guests: u32,
    /// Victims of the last round, and the bans that were acknowledged.
    banned: BTreeMap<u32, Option<String>>,
    /// Bans that hold, by identifier.
    pub(crate) bans: BTreeSet<String>,
    /// Bans whose end was asked for and not answered.
    lifting: BTreeSet<String>,
    /// Invites that were made, and how they stand.
    pub(crate) invites: BTreeMap<String, &'static str>,
    revoking: BTreeSet<String>,
    messages: Messages,
    people: Vec<Given>,
    /// So that the meeting goes on between two looks.
    observer: Option<Client>,
    /// The room as it was found last.
    pub(crate) room: Value,
    pub(crate) slug: String,
    pub(crate) totals: Totals,
}

/// What was done in all rooms.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) acknowledged: u32,
    pub(crate) unacknowledged: u32,
    /// Of those that were not acknowledged.
    pub(crate) kept_unacknowledged: u32,
    /// How many acts of a verb there were.
    pub(crate) asked: BTreeMap<&'static str, Sequence>,
}

impl Truth {
    pub(crate) fn new(made: &Value, totals: Totals) -> Self {
        let link = made["host_link"].as_str().unwrap();
        Truth {
            host_secret: link.split_once("#i=").unwrap().1.to_owned(),
            open_secret: String::new(),
            title: Sequence::default(),
            locked: Sequence::default(),
            cameras: Sequence::default(),
            password: Sequence::default(),
            notes: 0,
            victims: FIRST_VICTIM,
            guests: FIRST_GUEST,
            banned: BTreeMap::new(),
            bans: BTreeSet::new(),
            lifting: BTreeSet::new(),
            invites: BTreeMap::new(),
            revoking: BTreeSet::new(),
            messages: Messages::default(),
            people: Vec::new(),
            observer: None,
            room: Value::Null,
            slug: made["slug"].as_str().unwrap().to_owned(),
            totals,
        }
    }

    /// Brings everybody in and says what each is to work on.
    pub(crate) async fn actors(&mut self, http: &str) -> Vec<Actor> {
        let mut hosts = Vec::new();
        for number in 1..=7 + PEOPLE as u32 {
            let who = Identity::of(number);
            hosts.push(
                Client::join(http, &self.slug, &who, &self.host_secret)
                    .await
                    .0,
            );
        }
        self.open_the_room(&mut hosts[0]).await;
        let (mut victims, mut company) = (VecDeque::new(), Vec::new());
        self.banned.clear();
        for _ in 0..VICTIMS {
            self.victims += 1;
            let who = Identity::of(self.victims);
            let (client, joined) = Client::join(http, &self.slug, &who, &self.open_secret).await;
            let id = joined["self"]["id"].as_str().unwrap().to_owned();
            victims.push_back((id, self.victims));
            company.push(client);
        }
        let mut works = vec![
            Work::Title {
                next: self.title.sent + 1,
            },
            Work::Lock {
                next: self.locked.sent + 1,
            },
            Work::Cameras {
                next: self.cameras.sent + 1,
            },
            Work::Password {
                next: self.password.sent + 1,
            },
            Work::Bans {
                victims,
                lift: self.bans.iter().cloned().collect(),
            },
            Work::Invites {
                next: self.notes + 1,
                revoke: self.active_invites(),
            },
            Work::Chat {
                next: self.messages.sent + 1,
                delete: self.messages.undeleted(),
            },
        ];
        for which in 0..PEOPLE {
            let (client, work) = self.person(http, which).await;
            company.push(client);
            works.push(work);
        }
        let pairs = hosts.into_iter().zip(works);
        let mut actors: Vec<Actor> = pairs
            .map(|(client, work)| Actor {
                client,
                work,
                company: Vec::new(),
            })
            .collect();
        actors[0].company = company;
        actors
    }

    /// Unlocks, and makes the invites that others come in by.
    async fn open_the_room(&mut self, host: &mut Client) {
        // Even: open.
        let next = self.locked.sent + 1 + (self.locked.sent + 1) % 2;
        host.ok("room.update", json!({"locked": false})).await;
        self.locked = Sequence {
            acknowledged: next,
            sent: next,
        };
        // Whoever shows the invite of somebody who was removed waits in the lobby.
        let made = host.ok("invite.create", json!({"role": "attendee"})).await;
        self.open_secret = made["secret"].as_str().unwrap().to_owned();
        if !self.people.is_empty() {
            return;
        }
        for _ in 0..PEOPLE {
            let invite = json!({"role": "attendee", "max_uses": 1, "bypass_lobby": true});
            let made = host.ok("invite.create", invite).await;
            self.people.push(Given {
                secret: made["secret"].as_str().unwrap().to_owned(),
                role: "attendee",
                screen: None,
                pending: None,
                acts: 0,
            });
        }
    }

    fn active_invites(&self) -> VecDeque<String> {
        let active = self.invites.iter().filter(|(_, state)| **state == "active");
        active.map(|(id, _)| id.clone()).collect()
    }

    async fn person(&mut self, http: &str, which: usize) -> (Client, Work) {
        let who = identity_of(which);
        let secret = &self.people[which].secret;
        let (client, joined) = Client::join(http, &self.slug, &who, secret).await;
        let work = Work::Person {
            which,
            id: joined["self"]["id"].as_str().unwrap().to_owned(),
            rev: joined["self"]["rev"].as_u64().unwrap(),
            next: self.people[which].acts,
        };
        (client, work)
    }

    /// Takes what one actor did.
    pub(crate) fn learn(&mut self, log: Log) {
        for (act, ok) in log {
            let is_acknowledged = ok.is_some();
            *match is_acknowledged {
                true => &mut self.totals.acknowledged,
                false => &mut self.totals.unacknowledged,
            } += 1;
            if let Some(verb) = act.verb() {
                let asked = self.totals.asked.entry(verb).or_default();
                asked.sent += 1;
                asked.acknowledged += u32::from(is_acknowledged);
            }
            match act {
                Act::Title(n) => self.title.learn(n, is_acknowledged),
                Act::Lock(n) => self.locked.learn(n, is_acknowledged),
                Act::Cameras(n) => self.cameras.learn(n, is_acknowledged),
                Act::Password(n) => self.password.learn(n, is_acknowledged),
                Act::Ban(victim) => {
                    let ban = ok.map(|ok| ok["ban"].as_str().unwrap().to_owned());
                    self.bans.extend(ban.clone());
                    self.banned.insert(victim, ban);
                }
                Act::Lift(ban) => {
                    self.bans.remove(&ban);
                    if !is_acknowledged {
                        self.lifting.insert(ban);
                    }
                }
                Act::Invite(n) => {
                    self.notes = self.notes.max(n);
                    if let Some(ok) = ok {
                        let id = ok["invite"]["id"].as_str().unwrap().to_owned();
                        self.invites.insert(id, "active");
                    }
                }
                Act::Revoke(id) if is_acknowledged => {
                    self.invites.insert(id, "revoked");
                }
                Act::Revoke(id) => {
                    self.revoking.insert(id);
                }
                Act::Write(n) => {
                    self.messages.sent = self.messages.sent.max(n);
                    if let Some(ok) = ok {
                        let id = ok["id"].as_str().unwrap().to_owned();
                        self.messages.known.entry(id).or_default().0 = n;
                    }
                }
                Act::Delete(id) if is_acknowledged => {
                    self.messages.known.entry(id).or_default().1 = true;
                }
                Act::Delete(id) => {
                    self.messages.deleting.insert(id);
                }
                Act::Role(which, _) | Act::Exception(which, _) => {
                    let person = &mut self.people[which];
                    person.acts += 1;
                    match is_acknowledged {
                        true => person.is(&act),
                        false => person.pending = Some(act),
                    }
                }
            }
        }
    }

    /// Compares with what the server says.
    pub(crate) async fn compare(&mut self, http: &str) -> Result<(), String> {
        let who = Identity::of(OBSERVER);
        let (mut host, joined) = Client::join(http, &self.slug, &who, &self.host_secret).await;
        let room = joined["room"].clone();
        let title = number_of(&room["title"])?;
        if number_of(&room["lobby_message"])? != title {
            return Err(format!("half an update was kept: {room}"));
        }
        self.totals.kept_unacknowledged += title.saturating_sub(self.title.acknowledged);
        self.title.found("the title", title)?;
        self.locked
            .found_parity("the lock", room["locked"] == true)?;
        let cameras = &room["av_lock"]["camera"]["on"];
        self.cameras
            .found_parity("the lock on cameras", *cameras == true)?;
        self.room = room;
        self.totals.kept_unacknowledged += self.messages.compare(&joined["chat"])?;
        self.compare_bans(http, &mut host).await?;
        self.compare_invites(&mut host).await?;
        host.ok("room.update", json!({"locked": false})).await;
        self.room["locked"] = json!(false);
        self.compare_people(http).await?;
        self.compare_password(http).await?;
        self.observer = Some(host);
        Ok(())
    }

    async fn compare_bans(&mut self, http: &str, host: &mut Client) -> Result<(), String> {
        let listed = host.ok("ban.list", json!({})).await;
        let listed = listed["bans"].as_array().unwrap();
        let ids: BTreeSet<String> = listed
            .iter()
            .map(|ban| ban["id"].as_str().unwrap().to_owned())
            .collect();
        if let Some(lost) = self.bans.difference(&ids).next() {
            return Err(format!("{lost} was acknowledged and is gone"));
        }
        for ban in listed {
            if ban["keys"] != json!(["device", "network"]) || ban["reason"] != "Crash" {
                return Err(format!("half a ban was kept: {ban}"));
            }
        }
        let new: BTreeSet<_> = ids.difference(&self.bans).cloned().collect();
        let kept: BTreeSet<_> = new.difference(&self.lifting).collect();
        let mut unsaid = 0;
        for (victim, ban) in &self.banned {
            let who = Identity::of(*victim);
            let (_, reply) = Client::knock(http, &self.slug, &who, &self.open_secret).await;
            let is_banned = reply["error"]["code"] == "banned";
            match ban {
                Some(ban) if ids.contains(ban) != is_banned => {
                    return Err(format!("victim {victim} of {ban}: {reply}"));
                }
                Some(_) => {}
                None => unsaid += usize::from(is_banned),
            }
        }
        if kept.len() != unsaid {
            return Err(format!(
                "{} bans were kept that nobody acknowledged, {unsaid} victims are kept out",
                kept.len()
            ));
        }
        self.totals.kept_unacknowledged += unsaid as u32;
        self.bans = ids;
        self.lifting.clear();
        Ok(())
    }

    async fn compare_invites(&mut self, host: &mut Client) -> Result<(), String> {
        let listed = host.ok("invite.list", json!({})).await;
        let listed: BTreeMap<&str, &Value> = listed["invites"]
            .as_array()
            .unwrap()
            .iter()
            .map(|invite| (invite["id"].as_str().unwrap(), invite))
            .collect();
        for (id, state) in &mut self.invites {
            let found = listed.get(id.as_str());
            let found = found.ok_or_else(|| format!("{id} was acknowledged and is gone"))?;
            if found["state"] == *state {
                continue;
            }
            if !(self.revoking.contains(id) && found["state"] == "revoked") {
                return Err(format!("{found} should be {state}"));
            }
            *state = "revoked";
            self.totals.kept_unacknowledged += 1;
        }
        self.revoking.clear();
        // One that was made without a word may be there.
        for (id, invite) in listed {
            if invite["note"].is_null() || self.invites.contains_key(id) {
                continue;
            }
            let whole = invite["role"] == "presenter" && invite["max_uses"] == 1;
            if !whole || invite["state"] != "active" {
                return Err(format!("half an invite was kept: {invite}"));
            }
            self.totals.kept_unacknowledged += 1;
            self.invites.insert(id.to_owned(), "active");
        }
        Ok(())
    }

    async fn compare_people(&mut self, http: &str) -> Result<(), String> {
        for which in 0..self.people.len() {
            let person = &mut self.people[which];
            let who = identity_of(which);
            let (client, joined) = Client::join(http, &self.slug, &who, &person.secret).await;
            client.leave().await;
            let role = &joined["self"]["role"];
            let overrides = joined["overrides"].as_array().unwrap();
            let screen = overrides
                .iter()
                .find(|one| one["key"] == "publish.screen")
                .map(|one| one["effect"] == "allow");
            let mut possible = vec![person.clone()];
            if let Some(act) = person.pending.take() {
                let mut after = person.clone();
                after.is(&act);
                possible.push(after);
            }
            let found = possible
                .into_iter()
                .find(|one| *role == one.role && screen == one.screen);
            let Some(found) = found else {
                return Err(format!("{person:?} came back as {role}, {overrides:?}"));
            };
            *person = found;
            person.pending = None;
        }
        Ok(())
    }

    async fn compare_password(&mut self, http: &str) -> Result<(), String> {
        let Sequence { acknowledged, sent } = self.password;
        for n in (acknowledged..=sent).rev() {
            self.guests += 1;
            let who = Identity::of(self.guests);
            let mut client = Client::open(http, &who).await;
            let credential = match n {
                0 => json!({"kind": "none"}),
                n => json!({"kind": "password", "password": password(n)}),
            };
            let join = json!({"room": self.slug, "credential": credential, "name": "Guess", "device_key": who.device_key});
            let reply = client.ask("join", join).await;
            let code = reply["error"]["code"].as_str();
            if !matches!(code, Some("bad_credentials" | "password_required")) {
                self.totals.kept_unacknowledged += n - acknowledged;
                return self.password.found("the password", n);
            }
        }
        Err(format!("no password of {:?} is right", self.password))
    }
}

impl Given {
    fn is(&mut self, act: &Act) {
        match act {
            Act::Role(_, role) => self.role = role,
            Act::Exception(_, allow) => self.screen = Some(*allow),
            _ => {}
        }
    }
}

fn identity_of(which: usize) -> Identity {
    Identity::of(50 + which as u32)
}

/// Reads the number of a title.
fn number_of(title: &Value) -> Result<u32, String> {
    let text = title.as_str().and_then(|text| text.strip_prefix("T "));
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("no title of ours: {title}"))
}
