//! Somebody at a link: how it came in, and what it knows since.

use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::link::Link;
use crate::mirror::Mirror;

static DEVICES: AtomicU64 = AtomicU64::new(1);

/// Returns a device key that nobody had before: 22 characters of base64url.
pub(crate) fn fresh_device() -> String {
    let number = DEVICES.fetch_add(1, Ordering::Relaxed);
    // The last character carries two bits; that of A are zero.
    format!("dev{number:018}A")
}

/// How somebody comes in.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) room: String,
    pub(crate) from: Ipv4Addr,
    pub(crate) device: String,
    pub(crate) name: String,
    pub(crate) credential: Value,
    pub(crate) duplicate: Option<&'static str>,
}

impl Entry {
    pub(crate) fn new(room: &str, from: Ipv4Addr) -> Self {
        Entry {
            room: room.to_owned(),
            from,
            device: fresh_device(),
            name: "Somebody".to_owned(),
            credential: json!({"kind": "none"}),
            duplicate: None,
        }
    }

    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    pub(crate) fn invite(mut self, secret: &str) -> Self {
        self.credential = json!({"kind": "invite", "secret": secret});
        self
    }

    pub(crate) fn password(mut self, password: &str) -> Self {
        self.credential = json!({"kind": "password", "password": password});
        self
    }

    pub(crate) fn without_credential(mut self) -> Self {
        self.credential = json!({"kind": "none"});
        self
    }

    pub(crate) fn device(mut self, device: &str) -> Self {
        self.device = device.to_owned();
        self
    }

    pub(crate) fn from(mut self, from: Ipv4Addr) -> Self {
        self.from = from;
        self
    }

    pub(crate) fn choosing(mut self, choice: &'static str) -> Self {
        self.duplicate = Some(choice);
        self
    }

    /// Returns the data of the `join`.
    pub(crate) fn data(&self) -> Value {
        let mut data = json!({
            "room": self.room,
            "credential": self.credential,
            "name": self.name,
            "device_key": self.device,
        });
        if let Some(choice) = self.duplicate {
            data["duplicate"] = json!(choice);
        }
        data
    }
}

/// Somebody who is or was in the room.
pub(crate) struct Person {
    pub(crate) link: Link,
    pub(crate) entry: Entry,
    pub(crate) id: String,
    pub(crate) token: String,
    /// What it has been told, up to the last [`Person::settle`].
    pub(crate) mirror: Mirror,
}

impl Person {
    pub(crate) fn new(link: Link, joined: &Value, entry: Entry) -> Self {
        Person {
            link,
            entry,
            id: joined["self"]["id"].as_str().unwrap().to_owned(),
            token: joined["resume_token"].as_str().unwrap().to_owned(),
            mirror: Mirror::new(joined),
        }
    }

    /// Hears everything that the room has said so far. Returns what was new.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        self.link.fence().await;
        let fresh = self.link.take_pushes();
        for push in &fresh {
            self.mirror.apply(push);
        }
        fresh
    }

    /// Publishes a source, unmuted.
    pub(crate) async fn publish(&mut self, source: &str) -> Value {
        let data = json!({"mid": mid_of(source), "source": source, "muted": false});
        self.link.ok("media.publish", data).await
    }

    /// Leaves for good.
    pub(crate) async fn leave(mut self) {
        self.link.ok("leave", json!({})).await;
        assert_eq!(self.link.closed().await, 1000);
    }
}

/// A made-up m-line for a media plane that agrees to everything.
pub(crate) fn mid_of(source: &str) -> &'static str {
    match source {
        "microphone" => "0",
        "camera" => "1",
        "screen" => "2",
        _ => "3",
    }
}

impl Deref for Person {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.link
    }
}

impl DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}
