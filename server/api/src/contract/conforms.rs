//! Whether a value is what a JSON Schema says, for the words that our schemas use.

use serde_json::Value;

/// Words that say nothing about values, or that are looked at with others.
const SILENT: [&str; 13] = [
    "description",
    "title",
    "examples",
    "default",
    "format",
    "$schema",
    "pattern",
    "readOnly",
    "writeOnly",
    "deprecated",
    "contentMediaType",
    "uniqueItems",
    "$comment",
];

/// Says where and why `value` is not of `schema`, whose references lead into `document`.
pub(super) fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(words) = schema else {
        let why = || format!("nothing is allowed here: {value}");
        return (schema == &Value::Bool(true)).then_some(()).ok_or_else(why);
    };
    for (word, says) in words {
        let fits = match word.as_str() {
            "$ref" => {
                let pointer = says.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| document.pointer(pointer));
                conforms(document, target.ok_or("a reference leads nowhere")?, value)?;
                true
            }
            "type" => match says {
                Value::Array(types) => types.iter().any(|one| is_of(one, value)),
                one => is_of(one, value),
            },
            "enum" => list(says).contains(value),
            "const" => says == value,
            "anyOf" => list(says)
                .iter()
                .any(|one| conforms(document, one, value).is_ok()),
            "oneOf" => {
                let fitting = list(says).iter();
                fitting
                    .filter(|one| conforms(document, one, value).is_ok())
                    .count()
                    == 1
            }
            "allOf" => {
                for one in list(says) {
                    conforms(document, one, value)?;
                }
                true
            }
            "properties" | "required" | "additionalProperties" | "unevaluatedProperties" => true,
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    conforms(document, says, item)?;
                }
                true
            }
            "minimum" => value
                .as_f64()
                .is_none_or(|number| Some(number) >= says.as_f64()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| Some(number) <= says.as_f64()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| length(text) >= says.as_u64()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| length(text) <= says.as_u64()),
            "minItems" => value
                .as_array()
                .is_none_or(|list| Some(list.len() as u64) >= says.as_u64()),
            "maxItems" => value
                .as_array()
                .is_none_or(|list| Some(list.len() as u64) <= says.as_u64()),
            word if SILENT.contains(&word) => true,
            word => return Err(format!("nobody here knows the word `{word}`")),
        };
        if !fits {
            return Err(format!("`{word}` {says} does not hold for {value}"));
        }
    }
    members(document, schema, value)
}

fn members(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(members) = value else {
        return Ok(());
    };
    for name in list(&schema["required"]) {
        let name = name.as_str().unwrap_or_default();
        if !members.contains_key(name) {
            return Err(format!("`{name}` is missing"));
        }
    }
    for (name, member) in members {
        let known = schema["properties"].get(name);
        let known = known.or_else(|| schema.get("additionalProperties"));
        if let Some(known) = known {
            conforms(document, known, member).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn length(text: &str) -> Option<u64> {
    Some(text.chars().count() as u64)
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
