//! What a delivery says.

use conclave_signalling_core::event::Event;
use serde_json::{Map, Value, json};

/// Returns the body of a delivery: `{id, type, timestamp, data}`. The data are
/// identifiers, and, with `include_pii`, the names that the event tells.
///
/// The same event gives the same bytes, however often it is delivered.
pub fn body(event: &Event, include_pii: bool) -> String {
    let mut data = Map::new();
    let ids = [
        ("room_id", event.room.map(|id| id.to_string())),
        ("session_id", event.session.map(|id| id.to_string())),
        ("participant_id", event.participant.map(|id| id.to_string())),
    ];
    for (name, id) in ids {
        data.extend(id.map(|id| (name.to_owned(), Value::String(id))));
    }
    let personal = Some(&event.personal).filter(|_| include_pii);
    for members in [Some(&event.data), personal].into_iter().flatten() {
        data.extend(members.clone());
    }
    json!({
        "id": event.id,
        "type": event.kind,
        "timestamp": event.at,
        "data": data,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use conclave_signalling_core::event::EventKind;
    use conclave_signalling_wire::ids::{EventId, ParticipantId, RoomId};
    use conclave_signalling_wire::time::Timestamp;

    use super::*;

    #[test]
    fn names_are_told_to_who_asked_for_them_and_to_nobody_else() {
        let members = |value: Value| value.as_object().unwrap().clone();
        let event = Event {
            id: EventId::new(1, [1; 10]),
            at: Timestamp::from_unix_ms(1_795_000_000_120),
            kind: EventKind::ParticipantJoined,
            room: Some(RoomId::new(1, [2; 10])),
            session: None,
            participant: Some(ParticipantId::new(1, [3; 10])),
            data: members(json!({"role": "host"})),
            personal: members(json!({"name": "Ada"})),
        };
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let mut expected = json!({
            "id": event.id,
            "type": "participant.joined",
            "timestamp": "2026-11-18T11:06:40.120Z",
            "data": {
                "room_id": event.room,
                "participant_id": event.participant,
                "role": "host",
            },
        });
        assert_eq!(read(&body(&event, false)), expected);
        expected["data"]["name"] = json!("Ada");
        assert_eq!(read(&body(&event, true)), expected);
    }
}
