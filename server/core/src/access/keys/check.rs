//! What a key can be like, whoever makes it.

use conclave_signalling_wire::time::Timestamp;

use super::{KeyError, invalid};
use crate::access::record::KeyRecord;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;
/// Rooms that a filter names one by one; more are better found by a tag.
pub const ROOMS_MAX: usize = 100;
/// Tags of a filter.
pub const TAGS_MAX: usize = 16;
/// Networks of a key.
pub const NETWORKS_MAX: usize = 64;

const TAG_CHARS_MAX: usize = 32;

/// Decides whether a key can be like this, whoever makes it.
pub(super) fn check(record: &KeyRecord, now: Timestamp) -> Result<(), KeyError> {
    let chars = record.name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) || record.name.chars().any(char::is_control) {
        return Err(invalid("name", "must be 1 to 100 characters"));
    }
    if record.scopes.is_empty() {
        return Err(invalid("scopes", "a key needs a level or a scope"));
    }
    if record.networks.len() > NETWORKS_MAX {
        return Err(invalid("networks", "must be at most 64"));
    }
    if record.expires_at.is_some_and(|end| end <= now) {
        return Err(invalid("expires_at", "must be in the future"));
    }
    let Some(filter) = &record.rooms else {
        return Ok(());
    };
    if filter.rooms.is_empty() && filter.tags.is_empty() {
        return Err(invalid(
            "rooms",
            "must name a room or a tag; null is every room",
        ));
    }
    if filter.rooms.len() > ROOMS_MAX || filter.tags.len() > TAGS_MAX {
        return Err(invalid("rooms", "must be at most 100 rooms and 16 tags"));
    }
    if !filter.tags.iter().all(|tag| is_tag(tag)) {
        let text = "a tag must be 1 to 32 of a-z, 0-9, _ and -";
        return Err(invalid("rooms", text));
    }
    if let Some(scope) = record.scopes.iter().find(|scope| scope.is_of_server()) {
        let text = format!(
            "`{}` is about all of the server, not about some rooms",
            scope.name()
        );
        return Err(invalid("scopes", text));
    }
    Ok(())
}

fn is_tag(text: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=TAG_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}
