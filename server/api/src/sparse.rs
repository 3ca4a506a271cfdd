//! `?fields=`: only the members that a caller asks for.

use serde_json::{Map, Value};

/// Leaves the members that `fields` names, such as `id,caps.camera`; of a page
/// of a list, those of its entries.
pub(crate) fn select(value: Value, fields: &str) -> Value {
    let wanted: Vec<Vec<&str>> = fields
        .split(',')
        .map(|path| path.split('.').collect())
        .collect();
    let wanted: Vec<&[&str]> = wanted.iter().map(Vec::as_slice).collect();
    match value {
        Value::Object(mut page) if page.contains_key("data") && page.contains_key("has_more") => {
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

fn members(value: Value, wanted: &[&[&str]]) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter_map(|(name, value)| {
                let rests: Vec<&[&str]> = wanted
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
            assert_eq!(select(room.clone(), fields), left, "{fields}");
        }
        let page = json!({"data": [room], "has_more": false, "next_cursor": null});
        assert_eq!(
            select(page, "id"),
            json!({"data": [{"id": 1}], "has_more": false, "next_cursor": null})
        );
    }
}
