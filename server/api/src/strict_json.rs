//! JSON as requests may have it: not deep, and no member twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep arrays and objects nest, at most.
const DEPTH_MAX: usize = 32;

/// Up to here each integer is a number of its own.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Why text was refused. Never with a piece of the text: that may be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

/// Reads a value.
///
/// # Errors
/// When it is no JSON, nests deeper than 32, or has a member twice.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Refused> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| {
            let text = error.to_string();
            let what = [TOO_DEEP, REPEATED]
                .into_iter()
                .find(|known| text.starts_with(known))
                .unwrap_or("the body is not JSON");
            Refused(format!(
                "{what}: line {}, column {}",
                error.line(),
                error.column()
            ))
        })
}

const TOO_DEEP: &str = "the body nests more than 32 deep";
const REPEATED: &str = "a member of the body is there twice";

#[derive(Clone, Copy)]
struct Strict {
    /// How many arrays and objects are around it.
    depth: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Strict, E> {
        match self.depth {
            DEPTH_MAX.. => Err(E::custom(TOO_DEEP)),
            depth => Ok(Strict { depth: depth + 1 }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // `60.0` is an integer to JSON Schema, and to some languages the same number as `60`.
        if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
            return Ok((value as i64).into());
        }
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(REPEATED));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_serde_reads() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x\n"],"b":{"c":{}}}"#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text.as_bytes()), Ok(plain));
    }

    #[test]
    fn integers_are_integers_however_they_are_written() {
        let read = |text: &str| read(text.as_bytes()).unwrap();
        assert_eq!(read("[60.0,-2e3,0.5]"), serde_json::json!([60, -2000, 0.5]));
        assert!(read("1e300").is_f64());
    }

    #[test]
    fn what_is_deep_double_or_broken_is_refused_without_quoting_it() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(deep(32).as_bytes()).is_ok());
        for (text, start) in [
            (deep(33), TOO_DEEP),
            (deep(10_000), TOO_DEEP),
            (
                r#"{"a":1,"b":{"secret":1,"secret":2}}"#.to_owned(),
                REPEATED,
            ),
            (r#"{"secret""#.to_owned(), "the body is not JSON"),
            ("{} secret".to_owned(), "the body is not JSON"),
            (String::new(), "the body is not JSON"),
        ] {
            let Refused(why) = read(text.as_bytes()).unwrap_err();
            assert!(why.starts_with(start), "{text}: {why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
