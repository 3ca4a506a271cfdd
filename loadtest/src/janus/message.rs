//! Messages of the Janus API and of its VideoRoom, as far as a participant needs them.
//!
//! JSON objects of one envelope: `janus` says what it is, `transaction` which
//! request it answers. Requests to a plugin are acknowledged first and answered
//! by an event later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The plugin that rooms belong to.
pub(super) const PLUGIN: &str = "janus.plugin.videoroom";

/// Errors of the VideoRoom that one can do something about.
pub(super) const ROOM_EXISTS: i64 = 427;
/// Also said of a publisher whose media is not up yet.
pub(super) const NO_SUCH_FEED: i64 = 428;
const PUBLISHERS_FULL: i64 = 432;

/// Opens the room for whoever wants to destroy it.
const SECRET: &str = "conclave-loadtest";

/// An SDP with its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jsep {
    /// `offer` or `answer`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) sdp: String,
}

impl Jsep {
    pub(super) fn offer(sdp: String) -> Jsep {
        let kind = "offer".to_owned();
        Jsep { kind, sdp }
    }

    pub(super) fn answer(sdp: String) -> Jsep {
        let kind = "answer".to_owned();
        Jsep { kind, sdp }
    }
}

/// A request to the server.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Request {
    janus: &'static str,
    transaction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jsep: Option<Jsep>,
}

impl Request {
    /// Asks for a session.
    pub(super) fn create() -> Request {
        Request {
            janus: "create",
            ..Request::default()
        }
    }

    /// Ends the session with everything in it.
    pub(super) fn destroy() -> Request {
        Request {
            janus: "destroy",
            ..Request::default()
        }
    }

    /// Keeps a session that says nothing else; without one it ends after a minute.
    pub(super) fn keepalive() -> Request {
        Request {
            janus: "keepalive",
            ..Request::default()
        }
    }

    /// Asks for a handle: the place of one peer connection.
    pub(super) fn attach() -> Request {
        Request {
            janus: "attach",
            plugin: Some(PLUGIN),
            ..Request::default()
        }
    }

    /// Says that no candidates follow those of the SDP.
    pub(super) fn candidates_end(handle: u64) -> Request {
        Request {
            janus: "trickle",
            handle_id: Some(handle),
            candidate: Some(json!({ "completed": true })),
            ..Request::default()
        }
    }

    /// Says something to the plugin.
    pub(super) fn message(handle: u64, body: Value, jsep: Option<Jsep>) -> Request {
        Request {
            janus: "message",
            handle_id: Some(handle),
            body: Some(body),
            jsep,
            ..Request::default()
        }
    }

    /// Returns the request as it is sent.
    pub(super) fn encode(mut self, transaction: u64, session: Option<u64>) -> String {
        self.transaction = transaction.to_string();
        self.session_id = session;
        serde_json::to_string(&self).expect("text and numbers are JSON")
    }

    /// Returns whether an acknowledgement is not all that comes back.
    pub(super) fn is_answered_later(&self) -> bool {
        self.janus == "message"
    }
}

/// Bodies of messages to the VideoRoom.
pub(super) mod body {
    use super::{BTreeMap, Feed, SECRET, Value, json};

    /// Makes a room without a limit of bitrate, for one picture and one sound of each.
    pub(crate) fn create(room: u64, publishers: usize) -> Value {
        json!({
            "request": "create",
            "room": room,
            "secret": SECRET,
            "is_private": true,
            "publishers": publishers.max(1),
            "bitrate": 0,
            "fir_freq": 0,
            "audiocodec": "opus",
            "videocodec": "vp8",
            "notify_joining": false,
        })
    }

    pub(crate) fn destroy(room: u64) -> Value {
        json!({ "request": "destroy", "room": room, "secret": SECRET })
    }

    /// Comes in as a publisher of the media that goes with it.
    pub(crate) fn publish(room: u64, number: u64, name: &str) -> Value {
        json!({
            "request": "joinandconfigure",
            "ptype": "publisher",
            "room": room,
            "id": number,
            "display": name,
        })
    }

    /// Asks for an offer of what publishers send, all in one peer connection.
    pub(crate) fn subscribe(room: u64, streams: &[(u64, &str)]) -> Value {
        let streams = streams
            .iter()
            .map(|(feed, mid)| json!({ "feed": feed, "mid": mid }));
        json!({
            "request": "join",
            "ptype": "subscriber",
            "room": room,
            "autoupdate": false,
            "streams": streams.collect::<Vec<_>>(),
        })
    }

    /// Lets what was asked for flow; goes with the answer.
    pub(crate) fn start() -> Value {
        json!({ "request": "start" })
    }

    /// Chooses what a participant receives: the sound of all others, and the pictures of
    /// `watches` of them, beginning behind itself so that everybody is watched by as many.
    pub(crate) fn choose(
        feeds: &BTreeMap<u64, Feed>,
        own: u64,
        watches: usize,
    ) -> Vec<(u64, &str)> {
        let behind = feeds.range(own + 1..);
        let before = feeds.range(..own);
        let mut streams = Vec::new();
        for (index, (number, feed)) in behind.chain(before).enumerate() {
            if let Some(mid) = feed.audio.as_deref() {
                streams.push((*number, mid));
            }
            if let Some(mid) = feed.video.as_deref().filter(|_| index < watches) {
                streams.push((*number, mid));
            }
        }
        streams
    }
}

/// What a publisher sends, by the m-lines of its offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) audio: Option<String>,
    pub(super) video: Option<String>,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The request has come in; if it was to a plugin, its answer follows.
    Acknowledged { transaction: u64 },
    /// The answer to a request.
    Answered {
        transaction: u64,
        answer: Result<Answer, Refusal>,
    },
    /// ICE and DTLS of a handle are up.
    Up { handle: u64 },
    /// A peer connection has ended.
    HungUp { handle: u64, reason: String },
    /// The session is over.
    Expired,
    /// Nothing that a participant needs.
    Other,
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    /// Of the session or handle that was made.
    pub(super) id: Option<u64>,
    pub(super) jsep: Option<Jsep>,
}

/// Why the server said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) reason: String,
}

impl Refusal {
    /// Returns the reason, and what helps if that is known.
    pub(super) fn told(&self) -> String {
        let help = if self.code == PUBLISHERS_FULL {
            "; the room was made by somebody else with fewer publishers: take another --janus-room"
        } else {
            ""
        };
        format!("Janus says {} ({}){help}", self.reason, self.code)
    }
}

#[derive(Deserialize)]
struct Envelope {
    janus: String,
    transaction: Option<String>,
    sender: Option<u64>,
    data: Option<Data>,
    plugindata: Option<PluginData>,
    jsep: Option<Jsep>,
    error: Option<ErrorBody>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    id: u64,
}

#[derive(Deserialize)]
struct PluginData {
    data: RoomData,
}

#[derive(Deserialize)]
struct RoomData {
    error_code: Option<i64>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: i64,
    reason: String,
}

impl Incoming {
    /// Reads one message; `None` if it is none of the API.
    pub(super) fn decode(text: &str) -> Option<Incoming> {
        let envelope: Envelope = serde_json::from_str(text).ok()?;
        let transaction = envelope.transaction.as_deref();
        let transaction = transaction.and_then(|text| text.parse().ok());
        let handle = envelope.sender.unwrap_or_default();
        Some(match (&*envelope.janus, transaction) {
            ("ack", Some(transaction)) => Incoming::Acknowledged { transaction },
            ("success" | "event" | "error", Some(transaction)) => Incoming::Answered {
                transaction,
                answer: envelope.answer(),
            },
            ("webrtcup", _) => Incoming::Up { handle },
            ("hangup", _) => Incoming::HungUp {
                handle,
                reason: envelope.reason.unwrap_or_default(),
            },
            ("timeout", _) => Incoming::Expired,
            _ => Incoming::Other,
        })
    }
}

impl Envelope {
    fn answer(self) -> Result<Answer, Refusal> {
        if let Some(ErrorBody { code, reason }) = self.error {
            return Err(Refusal { code, reason });
        }
        let said = self.plugindata.map(|plugin| plugin.data);
        if let Some((code, reason)) = said.and_then(|data| Some((data.error_code?, data.error))) {
            let reason = reason.unwrap_or_default();
            return Err(Refusal { code, reason });
        }
        Ok(Answer {
            id: self.data.map(|data| data.id),
            jsep: self.jsep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_what_the_api_asks_for() {
        let parsed = |request: Request, session| -> Value {
            serde_json::from_str(&request.encode(7, session)).unwrap()
        };
        assert_eq!(
            parsed(Request::create(), None),
            json!({ "janus": "create", "transaction": "7" })
        );
        assert_eq!(
            parsed(Request::attach(), Some(1)),
            json!({ "janus": "attach", "transaction": "7", "session_id": 1, "plugin": PLUGIN })
        );
        let offer = Some(Jsep::offer("v=0".to_owned()));
        let join = Request::message(2, body::publish(77, 5, "Publisher 5"), offer);
        assert!(join.is_answered_later() && !Request::keepalive().is_answered_later());
        assert_eq!(
            parsed(join, Some(1)),
            json!({
                "janus": "message", "transaction": "7", "session_id": 1, "handle_id": 2,
                "body": {
                    "request": "joinandconfigure", "ptype": "publisher",
                    "room": 77, "id": 5, "display": "Publisher 5",
                },
                "jsep": { "type": "offer", "sdp": "v=0" },
            })
        );
        let streams = &body::subscribe(77, &[(5, "a"), (6, "b")])["streams"];
        assert_eq!(
            *streams,
            json!([{ "feed": 5, "mid": "a" }, { "feed": 6, "mid": "b" }])
        );
    }

    #[test]
    fn answers_events_and_refusals_are_told_apart() {
        let read = |text: &str| Incoming::decode(text).unwrap();
        assert_eq!(
            read(r#"{"janus":"success","transaction":"3","data":{"id":1628815790581340}}"#),
            Incoming::Answered {
                transaction: 3,
                answer: Ok(Answer {
                    id: Some(1_628_815_790_581_340),
                    jsep: None
                }),
            }
        );
        assert_eq!(
            read(r#"{"janus":"ack","session_id":1,"transaction":"4"}"#),
            Incoming::Acknowledged { transaction: 4 }
        );
        let joined = r#"{"janus":"event","session_id":1,"transaction":"5","sender":2,
            "plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"joined","room":77}},
            "jsep":{"type":"answer","sdp":"v=0"}}"#;
        let Incoming::Answered { answer, .. } = read(joined) else {
            panic!("it answers")
        };
        assert_eq!(answer.unwrap().jsep, Some(Jsep::answer("v=0".to_owned())));
        let refused = r#"{"janus":"success","session_id":1,"transaction":"6","sender":2,
            "plugindata":{"plugin":"janus.plugin.videoroom",
            "data":{"videoroom":"event","error_code":427,"error":"Room 77 already exists"}}}"#;
        let Incoming::Answered { answer, .. } = read(refused) else {
            panic!("it answers")
        };
        assert_eq!(answer.unwrap_err().code, ROOM_EXISTS);
        let error = r#"{"janus":"error","transaction":"8","error":{"code":458,"reason":"No such session"}}"#;
        let Incoming::Answered { answer, .. } = read(error) else {
            panic!("it answers")
        };
        assert_eq!(
            answer.unwrap_err().told(),
            "Janus says No such session (458)"
        );
    }

    #[test]
    fn what_nobody_asked_for_is_no_answer() {
        let read = |text: &str| Incoming::decode(text);
        assert_eq!(
            read(r#"{"janus":"webrtcup","session_id":1,"sender":9}"#),
            Some(Incoming::Up { handle: 9 })
        );
        assert_eq!(
            read(r#"{"janus":"hangup","session_id":1,"sender":9,"reason":"DTLS alert"}"#),
            Some(Incoming::HungUp {
                handle: 9,
                reason: "DTLS alert".to_owned()
            })
        );
        assert_eq!(
            read(r#"{"janus":"timeout","session_id":1}"#),
            Some(Incoming::Expired)
        );
        let others = r#"{"janus":"event","session_id":1,"sender":2,
            "plugindata":{"plugin":"janus.plugin.videoroom","data":{"videoroom":"event"}}}"#;
        assert_eq!(read(others), Some(Incoming::Other));
        for text in ["", "[]", "{}", "{\"janus\":7}", "\u{0}"] {
            assert_eq!(read(text), None);
        }
    }

    #[test]
    fn everybody_is_heard_by_all_and_watched_by_as_many() {
        let feed = |number: u64| {
            let audio = Some(format!("a{number}"));
            let video = Some(format!("v{number}"));
            (number, Feed { audio, video })
        };
        let feeds: BTreeMap<u64, Feed> = (1..=4).map(feed).collect();
        let watched = |own| {
            let chosen = body::choose(&feeds, own, 2);
            assert_eq!(
                chosen
                    .iter()
                    .filter(|(_, mid)| mid.starts_with('a'))
                    .count(),
                3
            );
            let pictures = chosen.into_iter().filter(|(_, mid)| mid.starts_with('v'));
            pictures.map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!(watched(1), [2, 3]);
        assert_eq!(watched(3), [4, 1]);
        assert_eq!(watched(4), [1, 2]);
        // A viewer is behind all publishers.
        assert_eq!(body::choose(&feeds, 9, 1).len(), 5);
    }
}
