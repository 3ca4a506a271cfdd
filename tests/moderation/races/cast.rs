//! Those who take part, wherever they are at the moment.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::Errand;
use crate::link::{Closed, FENCE, Link, fence};
use crate::mirror::Mirror;
use crate::person::{Entry, Person};
use crate::stage::{Stage, hello};

/// Where somebody is.
pub(super) enum Place {
    In(Box<Person>),
    Dropped(Box<Kept>),
    Waiting {
        link: Link,
        knock: String,
        entry: Entry,
    },
    Out(Entry),
}

/// A place that is kept for who lost its link.
pub(super) struct Kept {
    id: String,
    token: String,
    entry: Entry,
    mirror: Mirror,
}

impl Kept {
    /// Opens a link that asks for the place.
    pub(super) async fn resume(&self, stage: &Stage) -> Errand {
        let mut data = hello();
        data["resume"] = json!({"token": self.token, "last_seq": self.mirror.seq});
        let mut errand = Errand::new("hello", data);
        errand.link = Some(stage.open(self.entry.from).await);
        errand
    }
}

/// Everybody. The first is a host who stays and observes.
pub(super) struct Cast {
    pub(super) places: Vec<Place>,
    pub(super) host_secret: String,
}

impl Cast {
    pub(super) async fn gather(stage: &Stage) -> Self {
        let update = json!({
            "lobby": "off",
            "start_without_host": true,
            "chat": {"history": "session"},
        });
        let room = stage.room("meeting", update).await;
        let mut places = vec![Place::In(Box::new(stage.host(&room).await))];
        places.push(Place::In(Box::new(stage.host(&room).await)));
        for role in [
            "co_host",
            "co_host",
            "presenter",
            "attendee",
            "attendee",
            "viewer",
        ] {
            let person = stage.invited(&room, role).await;
            places.push(Place::In(Box::new(person)));
        }
        let mut cast = Cast {
            places,
            host_secret: room.host_secret,
        };
        cast.quiet().await;
        cast
    }

    /// Returns the host who stays.
    pub(super) fn observer(&self) -> &Person {
        match &self.places[0] {
            Place::In(person) => person,
            _ => panic!("the observer is out"),
        }
    }

    /// Walks through those who are in.
    pub(super) fn inside(&self) -> impl Iterator<Item = &Person> {
        self.places.iter().filter_map(|place| match place {
            Place::In(person) => Some(person.as_ref()),
            _ => None,
        })
    }

    /// Returns whom there is, as the observer sees it.
    pub(super) fn ids(&self) -> Vec<String> {
        self.observer().mirror.people.keys().cloned().collect()
    }

    /// Returns their numbers, as the observer sees them.
    pub(super) fn revs(&self) -> Vec<u64> {
        let people = self.observer().mirror.people.values();
        people
            .map(|person| person["rev"].as_u64().unwrap())
            .collect()
    }

    pub(super) fn knocks(&self) -> Vec<String> {
        let knocks = self.places.iter().filter_map(|place| match place {
            Place::Waiting { knock, .. } => Some(knock.clone()),
            _ => None,
        });
        knocks.collect()
    }

    /// Breaks the link of somebody.
    pub(super) fn drop_link(&mut self, who: usize) {
        self.change(who, |place| match place {
            Place::In(person) => {
                let Person {
                    id,
                    token,
                    entry,
                    mirror,
                    ..
                } = *person;
                Place::Dropped(Box::new(Kept {
                    id,
                    token,
                    entry,
                    mirror,
                }))
            }
            other => other,
        });
    }

    /// Sends an errand and does not wait.
    pub(super) async fn send(&mut self, who: usize, errand: &mut Errand) -> u32 {
        let data = std::mem::take(&mut errand.data);
        match (&mut errand.link, &mut self.places[who]) {
            (Some(link), _) => link.send(errand.verb, data).await,
            (None, Place::In(person)) => person.link.send(errand.verb, data).await,
            (None, _) => 0,
        }
    }

    /// Waits for what comes of it; `None` if the link ends before.
    pub(super) async fn receive(&mut self, who: usize, errand: Errand) -> Option<Value> {
        let Errand { verb, link, id, .. } = errand;
        let Some(mut link) = link else {
            let Place::In(person) = &mut self.places[who] else {
                return None;
            };
            let reply = person.link.reply(id).await;
            let is_over = reply.is_err() || verb == "leave";
            if is_over {
                person.link.closed().await;
                self.change(who, |place| match place {
                    Place::In(person) => Place::Out(person.entry),
                    other => other,
                });
            }
            return reply.ok();
        };
        let reply = link.reply(id).await.ok()?;
        let ok = &reply["ok"];
        match ok["outcome"].as_str() {
            Some("resumed") => self.change(who, |place| match place {
                Place::Dropped(kept) => Place::In(Box::new(kept.back(link, ok))),
                _ => panic!("a token was good for two"),
            }),
            Some("joined") => self.change(who, |place| match place {
                Place::Out(entry) => Place::In(Box::new(Person::new(link, ok, entry))),
                _ => panic!("joined without having been out"),
            }),
            Some("lobby") => self.change(who, |place| match place {
                Place::Out(entry) => Place::Waiting {
                    link,
                    knock: ok["knock"].as_str().unwrap().to_owned(),
                    entry,
                },
                _ => panic!("waits without having been out"),
            }),
            // Everything is suspended.
            _ if reply["error"]["code"] == "locked" => {}
            // Another tab has used the token, or has yet to be heard.
            _ if reply["error"]["code"] == "resume_failed" => {}
            _ => panic!("{verb}: {reply}"),
        }
        Some(reply)
    }

    /// Whoever asked for its place in vain is out.
    pub(super) fn give_up(&mut self, who: usize) {
        self.change(who, |place| match place {
            Place::Dropped(kept) => Place::Out(kept.entry),
            other => other,
        });
    }

    /// Waits until everything has happened that was set off, and everybody has heard of it.
    pub(super) async fn quiet(&mut self) {
        self.settle().await;
        let dropped: Vec<String> = self
            .places
            .iter()
            .filter_map(|place| match place {
                Place::Dropped(kept) => Some(kept.id.clone()),
                _ => None,
            })
            .collect();
        let Place::In(observer) = &mut self.places[0] else {
            panic!("the observer is out");
        };
        for id in dropped {
            while observer
                .mirror
                .people
                .get(&id)
                .is_some_and(|person| person["presence"] != "reconnecting")
            {
                let push = observer.link.next_push().await;
                observer.mirror.apply(&push);
            }
        }
        self.settle().await;
    }

    /// Lets everybody hear what the room has said, and find out where it is.
    async fn settle(&mut self) {
        for who in 0..self.places.len() {
            let place = std::mem::replace(&mut self.places[who], Place::Out(nowhere()));
            self.places[who] = settled(place).await;
        }
    }

    fn change(&mut self, who: usize, change: impl FnOnce(Place) -> Place) {
        let place = std::mem::replace(&mut self.places[who], Place::Out(nowhere()));
        self.places[who] = change(place);
    }
}

fn nowhere() -> Entry {
    Entry::new("nowhere", Ipv4Addr::LOCALHOST)
}

impl Kept {
    /// Takes its place again.
    fn back(self, link: Link, resumed: &Value) -> Person {
        let Kept {
            id,
            entry,
            mut mirror,
            ..
        } = self;
        if resumed["snapshot"].is_null() {
            for push in resumed["missed"].as_array().unwrap() {
                mirror.apply(push);
            }
        } else {
            mirror = Mirror::new(&resumed["snapshot"]);
        }
        Person {
            link,
            entry,
            id,
            token: resumed["resume_token"].as_str().unwrap().to_owned(),
            mirror,
        }
    }
}

async fn settled(place: Place) -> Place {
    match place {
        Place::In(mut person) => {
            let reply = person.link.try_ask(FENCE, fence()).await;
            for push in person.link.take_pushes() {
                if push["type"] == "lobby.status" {
                    let knock = push["data"]["knock"].as_str().unwrap().to_owned();
                    let Person { link, entry, .. } = *person;
                    return Place::Waiting { link, knock, entry };
                }
                person.mirror.apply(&push);
            }
            match reply {
                Ok(_) => Place::In(person),
                Err(Closed(code)) => {
                    assert_eq!(code, 4403);
                    Place::Out(person.entry)
                }
            }
        }
        Place::Waiting {
            mut link,
            knock,
            entry,
        } => {
            // What was said to it before the last fence of a host has arrived with this.
            match link.try_ask("lobby.ping", json!({})).await {
                Ok(_) => {}
                Err(Closed(_)) => return Place::Out(entry),
            }
            let pushes = link.take_pushes();
            let admitted = pushes
                .iter()
                .position(|push| push["data"]["state"] == "admitted");
            match admitted {
                None => Place::Waiting { link, knock, entry },
                Some(at) => {
                    let joined = &pushes[at]["data"]["joined"];
                    let mut person = Person::new(link, joined, entry);
                    for push in &pushes[at + 1..] {
                        person.mirror.apply(push);
                    }
                    Place::In(Box::new(person))
                }
            }
        }
        other => other,
    }
}
