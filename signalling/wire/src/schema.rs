//! JSON Schemas (draft 2020-12) of the types whose form serde's derive does not show.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::ids::{
    BanId, DeliveryId, EventId, InviteId, KeyId, KnockId, MessageId, ParticipantId, RequestId,
    RoomId, SessionId, TrackId, WebhookId,
};
use crate::limits::{
    CHAT_CHARS, NAME_CHARS, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PROSE_CHARS, ROLE_NAME_CHARS,
    TITLE_CHARS,
};
use crate::room::Patch;
use crate::secret::{DeviceKey, InviteSecret, SecretText};
use crate::text::{ChatText, ClientId, DisplayName, Prose, RoleName, Slug, Title, TypedText};
use crate::time::Timestamp;

/// Names types and gives each a schema of its own, to which others refer.
macro_rules! schemas {
    ($($name:ident => $schema:expr;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($name)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

schemas! {
    RoomId => id(RoomId::PREFIX, "A room.");
    SessionId => id(SessionId::PREFIX, "A session.");
    ParticipantId => id(ParticipantId::PREFIX, "A participant. A new one for each join.");
    TrackId => id(TrackId::PREFIX, "A track.");
    MessageId => id(MessageId::PREFIX, "A chat message.");
    KnockId => id(KnockId::PREFIX, "A knock at a lobby.");
    InviteId => id(InviteId::PREFIX, "An invite.");
    BanId => id(BanId::PREFIX, "A ban.");
    RequestId => id(RequestId::PREFIX, "A request to unmute or to start.");
    KeyId => id(KeyId::PREFIX, "An API key.");
    WebhookId => id(WebhookId::PREFIX, "A webhook.");
    EventId => id(EventId::PREFIX, "Something that happened.");
    DeliveryId => id(DeliveryId::PREFIX, "One event on its way to one webhook.");
    DisplayName => line(NAME_CHARS, "The name of a participant.");
    Title => line(TITLE_CHARS, "The name of a room for people.");
    RoleName => line(ROLE_NAME_CHARS, "The name of a custom role.");
    Prose => line(PROSE_CHARS, "A reason, a message or a note, perhaps of several lines.");
    ChatText => line(CHAT_CHARS, "What somebody writes in the chat, perhaps of several lines.");
    TypedText => line(CHAT_CHARS, "What somebody writes in the chat, perhaps of several lines.");
    ClientId => json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"});
    Slug => json_schema!({
        "type": "string",
        "description": "The name of a room in links.",
        "pattern": "^[a-z0-9][a-z0-9-]{2,62}$",
        "examples": ["standup"],
    });
    Timestamp => json_schema!({
        "type": "string",
        "description": "A time in UTC with seconds, or milliseconds if there are any (RFC 3339).",
        "format": "date-time",
        "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{3})?Z$",
        "examples": ["2026-11-22T10:00:00Z"],
    });
    SecretText => json_schema!({
        "type": "string",
        "description": "A password.",
        "format": "password",
        "minLength": PASSWORD_CHARS_MIN,
        "maxLength": PASSWORD_CHARS_MAX,
    });
    InviteSecret => json_schema!({
        "type": "string",
        "description": "The secret of an invite, shown once.",
        "pattern": "^[A-Za-z0-9_-]{22}$",
    });
    DeviceKey => json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"});
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Returns the schema of a TypeID: a prefix and a UUIDv7 in base32.
fn id(prefix: &str, description: &str) -> Schema {
    // Of the digits, the eleventh carries the version (7), the fourteenth the variant.
    json_schema!({
        "type": "string",
        "description": description,
        "pattern": format!(
            "^{prefix}_[0-7]{DIGIT}{{9}}[ef]{DIGIT}{{2}}[89abrstv]{DIGIT}{{12}}$"
        ),
        "examples": [format!("{prefix}_01h455vb4pex5vsknk084sn02q")],
    })
}

/// A digit of base32.
const DIGIT: &str = "[0-9a-hjkmnp-tv-z]";
/// A character that leaves a mark: what `text` calls visible and not hidden, up to U+FFFF.
const VISIBLE: &str = "[^\\s\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0]";

/// Returns the schema of a text that must show something.
fn line(chars_max: usize, description: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": description,
        "minLength": 1,
        "maxLength": chars_max,
        "pattern": VISIBLE,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_may_be_null_may_be_in_its_schema() {
        let schema = schemars::schema_for!(crate::room::RoomUpdate);
        let title = schema.pointer("/properties/lobby_message").unwrap();
        assert!(title.to_string().contains("null"), "{title}");
        assert_eq!(
            schema.pointer("/additionalProperties"),
            Some(&serde_json::Value::Bool(false))
        );
        assert_eq!(schema.pointer("/required"), None);
    }
}
