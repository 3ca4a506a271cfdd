//! Identifiers: a prefix and a UUIDv7 in the base32 of TypeID 0.3.
//!
//! They sort by the time at which they were made and are no secrets.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use ts_rs::TS;
use uuid::{Builder, Uuid};

/// The alphabet of TypeID: Crockford's base32 in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of 128 bits in base32; the first carries three of them.
const SUFFIX_CHARS: usize = 26;

/// Text that is no identifier of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

fn encode(value: u128) -> [u8; SUFFIX_CHARS] {
    let mut text = [0; SUFFIX_CHARS];
    for (place, character) in text.iter_mut().rev().enumerate() {
        *character = ALPHABET[(value >> (5 * place)) as usize & 31];
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    // Above '7' the first character would need more than 128 bits.
    if text.len() != SUFFIX_CHARS || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some(value << 5 | digit as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TS)]
        #[ts(type = "string")]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an identifier from milliseconds since 1970 (the lower 48
            /// bits count) and random bits, of which 74 count.
            pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                $name(Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let suffix = encode(self.0.as_u128());
                write!(f, "{}_{}", $prefix, std::str::from_utf8(&suffix).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let suffix = text
                    .strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .ok_or(InvalidId)?;
                let uuid = Uuid::from_u128(decode(suffix).ok_or(InvalidId)?);
                if uuid.get_version_num() != 7 {
                    return Err(InvalidId);
                }
                Ok($name(uuid))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::parsed(deserializer, |text| text.parse()).map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A room: `room_…`.
    RoomId = "room";
    /// One stay of a participant, from `join` to its end, over any number of links: `ses_…`.
    SessionId = "ses";
    /// A participant: `par_…`. A new one for each join.
    ParticipantId = "par";
    /// A publication, or a screen share before it is one: `trk_…`.
    TrackId = "trk";
    /// A chat message: `msg_…`.
    MessageId = "msg";
    /// A knock at a lobby: `knk_…`.
    KnockId = "knk";
    /// An invite: `inv_…`.
    InviteId = "inv";
    /// A ban: `ban_…`.
    BanId = "ban";
    /// A request to unmute or to start: `req_…`.
    RequestId = "req";
    /// An API key: `key_…`.
    KeyId = "key";
    /// A webhook: `whk_…`.
    WebhookId = "whk";
    /// Something that happened, as webhooks tell it: `evt_…`.
    EventId = "evt";
    /// One event on its way to one webhook: `dlv_…`.
    DeliveryId = "dlv";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_typeid_specification_is_read_and_written() {
        // typeid 0.3, spec/valid.yml: "uuidv7".
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(&encode(uuid.as_u128()), b"01h455vb4pex5vsknk084sn02q");
        assert_eq!(decode("01h455vb4pex5vsknk084sn02q"), Some(uuid.as_u128()));
    }

    #[test]
    fn what_is_not_exactly_of_the_form_is_refused() {
        for text in [
            "",
            "par",
            "par_",
            "trk_01h455vb4pex5vsknk084sn02q",
            "par_01h455vb4pex5vsknk084sn02",
            "par_01h455vb4pex5vsknk084sn02qq",
            "par_01H455VB4PEX5VSKNK084SN02Q",
            "par_81h455vb4pex5vsknk084sn02q",
            "par_01h455vb4pex5vsknk084sn02u",
            // Version 4.
            "par_5fr31wg0xh9bbd2x4k3jq1kr6z",
        ] {
            assert_eq!(text.parse::<ParticipantId>(), Err(InvalidId), "{text}");
        }
        assert!(
            "par_01h455vb4pex5vsknk084sn02q"
                .parse::<ParticipantId>()
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn every_id_round_trips(unix_ms in 0u64..1 << 48, random: [u8; 10]) {
            let id = ParticipantId::new(unix_ms, random);
            prop_assert_eq!(id.to_string().parse::<ParticipantId>(), Ok(id));
        }

        #[test]
        fn later_ids_sort_after(unix_ms in 0u64..1 << 47, later in 1u64..1 << 40, a: [u8; 10], b: [u8; 10]) {
            let (first, second) = (RoomId::new(unix_ms, a), RoomId::new(unix_ms + later, b));
            prop_assert!(first < second && first.to_string() < second.to_string());
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = text.parse::<TrackId>();
            let _ = format!("trk_{text}").parse::<TrackId>();
        }
    }
}
