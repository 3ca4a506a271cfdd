//! Values as columns hold them, and back.

use std::str::FromStr;

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::settings::{PasswordHash, Settings};
use conclave_signalling_wire::objects::Preset;
use conclave_signalling_wire::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::error;

use crate::error::StoreError;

/// Where [`Settings`] have their password in JSON.
const PASSWORD: &str = "password";

pub(super) fn ms(time: Timestamp) -> i64 {
    i64::try_from(time.unix_ms()).unwrap_or(i64::MAX)
}

pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(0))
}

pub(super) fn parse<T: FromStr>(text: &str, column: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| damaged(column))
}

pub(super) fn number<T: TryFrom<i64>>(number: i64, column: &str) -> Result<T, StoreError> {
    number.try_into().map_err(|_| damaged(column))
}

pub(super) fn bytes<const N: usize>(bytes: &[u8], column: &str) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| damaged(column))
}

/// Returns the name of a value that is one of a few.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(word: String, column: &str) -> Result<T, StoreError> {
    serde_json::from_value(Value::String(word)).map_err(|_| damaged(column))
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::Unavailable("a value has no JSON".to_owned()))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged(column))
}

/// Reads JSON that may be absent.
pub(super) fn from_json_if<T: DeserializeOwned>(
    text: Option<&str>,
    column: &str,
) -> Result<Option<T>, StoreError> {
    text.map(|text| from_json(text, column)).transpose()
}

/// Reads a former secret, with until when it holds.
pub(super) fn former<T>(
    kept: Option<&[u8]>,
    until: Option<i64>,
    read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<(T, Timestamp)>, StoreError> {
    let of = kept.zip(until);
    of.map(|(kept, until)| Ok((read(kept)?, time(until))))
        .transpose()
}

/// Reads rows of a table. A damaged one is logged and left out: it opens nothing, and the others do.
pub(super) fn readable<R, T>(
    table: &str,
    rows: Vec<R>,
    id: impl Fn(&R) -> &str,
    read: impl Fn(R) -> Result<T, StoreError>,
) -> Vec<T> {
    let read = |row: R| {
        let id = id(&row).to_owned();
        read(row)
            .inspect_err(|error| error!(table, id, %error, "a damaged row is left out"))
            .ok()
    };
    rows.into_iter().filter_map(read).collect()
}

pub(super) fn damaged(column: &str) -> StoreError {
    StoreError::Damaged(column.to_owned())
}

/// Returns [`StoreError::Conflict`] unless the revision that is there is the one that is expected:
/// 0 stands for nothing, `None` for anything.
pub(super) fn check_rev(there: Option<i64>, expected: Option<u32>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if i64::from(expected) != there.unwrap_or(0) => Err(StoreError::Conflict),
        _ => Ok(()),
    }
}

pub(super) fn devices(devices: &[DeviceHash]) -> Vec<u8> {
    devices.iter().flat_map(|device| device.0).collect()
}

pub(super) fn from_devices(bytes: &[u8]) -> Result<Vec<DeviceHash>, StoreError> {
    let (devices, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(damaged("invite.devices"));
    }
    Ok(devices.iter().map(|device| DeviceHash(*device)).collect())
}

/// Returns settings without their password, as JSON.
pub(super) fn settings(settings: &Settings) -> Result<String, StoreError> {
    let open = Settings {
        password: None,
        ..settings.clone()
    };
    json(&open)
}

/// Reads settings. What was not there when they were written has the default of
/// their preset, what is not there any more is dropped.
pub(super) fn from_settings(
    text: &str,
    password: Option<PasswordHash>,
) -> Result<Settings, StoreError> {
    let bad = || damaged("room.settings");
    let stored: Value = serde_json::from_str(text).map_err(|_| bad())?;
    let preset: Preset = stored
        .get("preset")
        .and_then(|preset| Preset::deserialize(preset).ok())
        .ok_or_else(bad)?;
    let mut merged = serde_json::to_value(Settings::new(preset, "")).map_err(|_| bad())?;
    overlay(&mut merged, stored);
    merged[PASSWORD] = Value::Null;
    let mut settings: Settings = serde_json::from_value(merged).map_err(|_| bad())?;
    settings.password = password;
    Ok(settings)
}

/// Puts over each member of `base` what `stored` has for it.
fn overlay(base: &mut Value, stored: Value) {
    match (base, stored) {
        (Value::Object(base), Value::Object(mut stored)) => {
            for (name, value) in base.iter_mut() {
                if let Some(stored) = stored.remove(name) {
                    overlay(value, stored);
                }
            }
        }
        (base, stored) => *base = stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_from_before_an_addition_get_its_default() {
        let whole = Settings::new(Preset::Webinar, "All hands");
        let mut old: Value = serde_json::from_str(&settings(&whole).unwrap()).unwrap();
        let members = old.as_object_mut().unwrap();
        members.remove("roster").unwrap();
        members.remove("password_rev").unwrap();
        members["chat"]
            .as_object_mut()
            .unwrap()
            .remove("slow_s")
            .unwrap();
        members.insert("gone".to_owned(), Value::Bool(true));
        members["caps"]
            .as_object_mut()
            .unwrap()
            .insert("gone".to_owned(), Value::Null);
        assert_eq!(from_settings(&old.to_string(), None), Ok(whole));
    }

    #[test]
    fn a_password_is_not_in_the_json() {
        let mut guarded = Settings::new(Preset::Meeting, "Rust");
        guarded.set_password(Some(PasswordHash("$argon2id$secret".to_owned())));
        let text = settings(&guarded).unwrap();
        assert!(!text.contains("argon2id"));
        assert_eq!(from_settings(&text, guarded.password.clone()), Ok(guarded));
    }

    #[test]
    fn settings_that_are_none_are_damaged() {
        for text in ["", "null", "{}", r#"{"preset":"party"}"#] {
            assert_eq!(from_settings(text, None), Err(damaged("room.settings")));
        }
    }
}
