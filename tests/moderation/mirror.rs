//! The room as one participant has been told about it, put together from pushes alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

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
            _ => {}
        }
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

fn id_of(person: &Value) -> String {
    person["id"].as_str().unwrap().to_owned()
}

pub(crate) fn set_of(list: &Value) -> BTreeSet<String> {
    let names = list.as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}
