//! `?fields=`: only the members that a caller asks for.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// Characters of what is asked for.
const FIELDS_MAX: usize = 500;

/// The members that a caller asks for, such as `id,caps.camera`.
#[derive(Debug)]
pub(crate) struct Fields(Vec<Vec<String>>);

impl Fields {
    /// Reads the parameter.
    ///
    /// # Errors
    /// 400 unless it is names, with dots between steps and commas between paths.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let is_name = |step: &&str| {
            let is_of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            !step.is_empty() && step.bytes().all(is_of_name)
        };
        let mut steps = text.split([',', '.']);
        if text.len() > FIELDS_MAX || !steps.all(|step| is_name(&step)) {
            return Err(Problem::malformed(
                "`fields` must be names of members, as in `id,caps.camera`",
            ));
        }
        let path = |path: &str| path.split('.').map(str::to_owned).collect();
        Ok(Fields(text.split(',').map(path).collect()))
    }

    /// Leaves these members; of a page of a list, those of its entries.
    pub(crate) fn select(&self, value: Value) -> Value {
        let wanted: Vec<&[String]> = self.0.iter().map(Vec::as_slice).collect();
        match value {
            Value::Object(mut page)
                if page.contains_key("data") && page.contains_key("has_more") =>
            {
                if let Some(Value::Array(entries)) = page.get_mut("data") {
                    for entry in entries {
                        *entry = members(entry.take(), &wanted);
                    }
                }
                Value::Object(page)
            }
            value => members(value, &wanted),
        }
    }
}

fn members(value: Value, wanted: &[&[String]]) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter_map(|(name, value)| {
                let rests: Vec<&[String]> = wanted
                    .iter()
                    .filter_map(|path| path.split_first())
                    .filter(|(first, _)| **first == name)
                    .map(|(_, rest)| rest)
                    .collect();
                if rests.is_empty() {
                    return None;
                }
                let is_whole = rests.iter().any(|rest| rest.is_empty());
                let value = if is_whole {
                    value
                } else {
                    members(value, &rests)
                };
                Some((name, value))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| members(item, wanted))
            .collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_chosen_by_their_paths() {
        let room = json!({
            "id": 1,
            "caps": {"camera": 2, "participants": 3},
            "roles": [{"name": "a", "base": "b"}],
        });
        for (fields, left) in [
            ("id", json!({"id": 1})),
            ("caps.camera", json!({"caps": {"camera": 2}})),
            (
                "caps.camera,caps",
                json!({"caps": {"camera": 2, "participants": 3}}),
            ),
            ("roles.name,id", json!({"id": 1, "roles": [{"name": "a"}]})),
            ("none", json!({})),
        ] {
            let fields_read = Fields::read(fields).unwrap();
            assert_eq!(fields_read.select(room.clone()), left, "{fields}");
        }
        let page = json!({"data": [room], "has_more": false, "next_cursor": null});
        assert_eq!(
            Fields::read("id").unwrap().select(page),
            json!({"data": [{"id": 1}], "has_more": false, "next_cursor": null})
        );
    }

    #[test]
    fn members_have_names() {
        for bad in [
            "",
            ",",
            "id,",
            "id..a",
            "Id",
            "a b",
            "a\u{e4}",
            &"a".repeat(501),
        ] {
            assert!(Fields::read(bad).is_err(), "{bad}");
        }
    }
}
