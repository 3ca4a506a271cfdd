//! The room as one participant has been told about it, put together from pushes alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    /// The participant's own id.
    id: String,
    /// Everybody that it sees, itself included, by id.
    pub(crate) people: BTreeMap<String, Value>,
    /// What it may do.
    pub(crate) permissions: BTreeSet<String>,
    /// Its exceptions.
    pub(crate) overrides: Value,
    /// The room.
    pub(crate) room: Value,
    /// The messages that it has been shown, by number.
    pub(crate) chat: BTreeMap<u64, Value>,
    /// The raised hands.
    pub(crate) hands: Value,
    /// The number of the last push.
    pub(crate) seq: u64,
}

impl Mirror {
    pub(crate) fn new(joined: &Value) -> Self {
        let everybody = joined["roster"].as_array().unwrap().iter();
        let people = everybody.chain([&joined["self"]]);
        Mirror {
            id: id_of(&joined["self"]),
            people: people
                .map(|person| (id_of(person), person.clone()))
                .collect(),
            permissions: set_of(&joined["permissions"]),
            overrides: joined["overrides"].clone(),
            room: joined["room"].clone(),
            chat: joined["chat"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| (number_of(message), message.clone()))
                .collect(),
            hands: joined["hands"]["hands"].clone(),
            seq: joined["seq"].as_u64().unwrap(),
        }
    }

    /// Applies a push. A gap in the numbers, or a `rev` that does not rise, is a bug of the server.
    pub(crate) fn apply(&mut self, push: &Value) {
        if let Some(seq) = push["seq"].as_u64() {
            assert_eq!(seq, self.seq + 1, "a push was left out before {push}");
            self.seq = seq;
        }
        let data = &push["data"];
        match push["type"].as_str().unwrap_or_default() {
            "participant.joined" => {
                let person = &data["participant"];
                let known = self.people.insert(id_of(person), person.clone());
                assert!(known.is_none(), "came twice: {push}");
            }
            "participant.updated" => {
                let person = &data["participant"];
                let known = self.people.insert(id_of(person), person.clone());
                let known = known.unwrap_or_else(|| panic!("not known: {push}"));
                assert!(
                    known["rev"].as_u64() < person["rev"].as_u64()
                        || is_same_but_for_role(&known, person),
                    "{} knew {known} when it heard {push}",
                    self.own()
                );
            }
            "participant.left" => {
                let id = data["participant"].as_str().unwrap();
                assert!(self.people.remove(id).is_some(), "not known: {push}");
            }
            "permissions" => {
                self.permissions = set_of(&data["permissions"]);
                self.overrides = data["overrides"].clone();
                assert_eq!(data["role"], self.own()["role"], "{push}");
            }
            "room.updated" => self.room = data["room"].clone(),
            "hand.queue" => self.hands = data["hands"].clone(),
            "chat.cleared" => {
                let up_to = data["up_to"].as_u64().unwrap();
                let is_private = |message: &Value| message["to"]["kind"] == "participant";
                self.chat
                    .retain(|number, message| *number > up_to || is_private(message));
            }
            "chat.message" => {
                let number = number_of(data);
                let newest = self.chat.keys().next_back();
                assert!(
                    newest.is_none_or(|newest| *newest < number),
                    "out of order: {push}"
                );
                self.chat.insert(number, data.clone());
            }
            "chat.edited" => self.amend(data, &["text", "edited_at"]),
            "chat.reacted" => self.amend(data, &["reactions"]),
            "chat.pinned" => {
                if let Some(message) = self.message(data) {
                    message["pinned"] = data["on"].clone();
                }
            }
            "chat.deleted" => {
                if let Some(message) = self.message(data) {
                    message["text"] = json!("");
                    message["mentions"] = json!([]);
                    message["reactions"] = json!([]);
                    message["pinned"] = json!(false);
                    message["deleted_by"] = data["by_role"].clone();
                }
            }
            _ => {}
        }
    }

    /// Returns a message that it has been shown. Whoever has become a host also
    /// hears of those that were written to the hosts before; nobody else hears of
    /// what it was not shown.
    fn message(&mut self, data: &Value) -> Option<&mut Value> {
        let role = self.own()["role"].clone();
        let mut messages = self.chat.values_mut();
        let message = messages.find(|message| message["id"] == data["id"]);
        assert!(
            message.is_some() || role == "host" || role == "co_host",
            "a message that was never shown to {role}: {data}"
        );
        message
    }

    fn amend(&mut self, data: &Value, members: &[&str]) {
        if let Some(message) = self.message(data) {
            for member in members {
                message[*member] = data[*member].clone();
            }
        }
    }

    /// Returns what was written to everybody.
    pub(crate) fn public(&self) -> Vec<&Value> {
        let messages = self.chat.values();
        messages
            .filter(|message| message["to"]["kind"] == "all")
            .collect()
    }

    /// Returns the participant itself.
    pub(crate) fn own(&self) -> &Value {
        &self.people[&self.id]
    }

    pub(crate) fn may(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }
}

/// Whoever may see roles no more, or again, is shown the same person otherwise.
fn is_same_but_for_role(known: &Value, shown: &Value) -> bool {
    let (mut known, mut shown) = (known.clone(), shown.clone());
    for person in [&mut known, &mut shown] {
        let members = person.as_object_mut().unwrap();
        members.remove("role");
        members.remove("custom_role");
        // What is locked would tell the role.
        for source in members["sources"].as_object_mut().unwrap().values_mut() {
            source.as_object_mut().unwrap().remove("locked");
        }
    }
    known == shown
}

fn number_of(message: &Value) -> u64 {
    message["number"].as_u64().unwrap()
}

fn id_of(person: &Value) -> String {
    person["id"].as_str().unwrap().to_owned()
}

pub(crate) fn set_of(list: &Value) -> BTreeSet<String> {
    let names = list.as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}
