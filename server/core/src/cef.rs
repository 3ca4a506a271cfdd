//! Records of the audit log in the Common Event Format (ArcSight, CEF:0), which
//! systems that gather logs read.

use std::fmt::Write as _;

use conclave_signalling_core::record::AuditEntry;
use serde_json::Value;

/// From 0 to 10: how much an act matters to who watches. A refusal more than what was done.
const DONE: u8 = 3;
const REFUSED: u8 = 5;

/// Writes a record as one line, without the line's end. `hash` is its hash in
/// hexadecimal digits, `version` that of the server.
pub fn line(version: &str, seq: u64, entry: &AuditEntry, hash: &str) -> String {
    let severity = match entry.outcome.as_str() {
        "ok" => DONE,
        _ => REFUSED,
    };
    let action = in_head(&entry.action);
    let mut line = format!(
        "CEF:0|Conclave|conclave|{}|{action}|{action}|{severity}|rt={}",
        in_head(version),
        entry.at.unix_ms()
    );
    let (kind, id) = actor(entry);
    let room = entry.room.map(|room| room.to_string());
    let session = entry.session.map(|session| session.to_string());
    let seq = seq.to_string();
    let keys = [
        ("externalId", Some(seq.as_str())),
        ("act", Some(entry.action.as_str())),
        ("outcome", Some(entry.outcome.as_str())),
        ("suser", Some(kind.as_str())),
        ("suid", id.as_deref()),
        ("duid", entry.target.as_deref()),
        ("msg", entry.detail.as_deref()),
    ];
    // What the format has no key for.
    let own = [
        ("room", room.as_deref()),
        ("session", session.as_deref()),
        ("network", entry.prefix.as_deref()),
        ("hash", Some(hash)),
        ("request_id", entry.request_id.as_deref()),
    ];
    for (key, value) in keys {
        push(&mut line, key, value);
    }
    for (place, (label, value)) in (1..).zip(own) {
        if value.is_some() {
            push(&mut line, &format!("cs{place}Label"), Some(label));
            push(&mut line, &format!("cs{place}"), value);
        }
    }
    line
}

/// Returns the kind of who acted, and its identifier.
fn actor(entry: &AuditEntry) -> (String, Option<String>) {
    let actor = serde_json::to_value(entry.actor).unwrap_or_default();
    let member = |name: &str| actor.get(name).and_then(Value::as_str).map(str::to_owned);
    (member("kind").unwrap_or_default(), member("id"))
}

fn push(line: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        // Writing into a string does not fail.
        let _ = write!(line, " {key}={}", in_extension(value));
    }
}

/// Escapes what would end a field of the head.
fn in_head(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    plain.replace('\\', "\\\\").replace('|', "\\|")
}

/// Escapes what would end a value of the extension.
fn in_extension(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('=', "\\=");
    let escaped = escaped.replace('\r', "\\r").replace('\n', "\\n");
    escaped.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use conclave_signalling_core::record::Actor;
    use conclave_signalling_wire::ids::{KeyId, RoomId};
    use conclave_signalling_wire::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_unix_ms(1_700_000_000_000),
            actor: Actor::Key(KeyId::new(0, [0; 10])),
            action: "participant.remove".to_owned(),
            target: Some("par_1".to_owned()),
            room: Some(RoomId::new(0, [0; 10])),
            session: None,
            prefix: Some("192.0.2.0/24".to_owned()),
            request_id: None,
            outcome: "ok".to_owned(),
            detail: None,
        }
    }

    #[test]
    fn a_record_is_one_line_with_the_keys_of_the_format() {
        let entry = entry();
        let (key, room) = (KeyId::new(0, [0; 10]), RoomId::new(0, [0; 10]));
        assert_eq!(
            line("0.1.0", 7, &entry, "ab"),
            format!(
                "CEF:0|Conclave|conclave|0.1.0|participant.remove|participant.remove|3|rt=1700000000000 \
                 externalId=7 act=participant.remove outcome=ok suser=key suid={key} duid=par_1 \
                 cs1Label=room cs1={room} cs3Label=network cs3=192.0.2.0/24 cs4Label=hash cs4=ab"
            )
        );
        let asked = AuditEntry {
            request_id: Some("a=b".to_owned()),
            ..entry.clone()
        };
        let said = line("0.1.0", 7, &asked, "ab");
        assert!(said.ends_with("cs5Label=request_id cs5=a\\=b"), "{said}");
        let refused = AuditEntry {
            outcome: "forbidden".to_owned(),
            detail: Some("a=b|c\\d\ne".to_owned()),
            ..entry
        };
        let refused = line("0.1.0", 7, &refused, "ab");
        assert!(refused.contains("|5|rt="), "{refused}");
        assert!(refused.contains(r" msg=a\=b|c\\d\ne "), "{refused}");
    }

    proptest! {
        #[test]
        fn no_text_begins_a_line_a_field_or_a_key(text in "\\PC{0,20}[|=\\\\\n\r\u{1}]{0,5}") {
            let strange = AuditEntry {
                action: text.clone(),
                target: Some(text.clone()),
                detail: Some(text),
                ..entry()
            };
            let line = line("0.1.0", 7, &strange, "ab");
            prop_assert!(!line.contains(char::is_control));
            let unescaped = line.replace("\\\\", "").replace("\\|", "").replace("\\=", "");
            let (head, extension) = unescaped.split_once("|rt=").unwrap();
            prop_assert_eq!(head.matches('|').count(), 6);
            // Each `=` that stands for itself follows one of the keys.
            prop_assert_eq!(extension.matches('=').count(), 13);
        }
    }
}
