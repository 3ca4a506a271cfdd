//! Whole messages: one JSON object per text frame.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::error::{ErrorBody, ErrorCode};
use crate::limits::{DEPTH, MESSAGE_BYTES, OFFER_BYTES};
use crate::push::Push;
use crate::request::Request;
use crate::scan::nests_at_most;

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFrame {
    /// The client's number for it, which the reply repeats.
    pub id: u32,
    /// What it asks.
    pub request: Request,
}

/// A message of a client that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It is not even a message: the link is closed with 4400.
    #[error("not a message")]
    Unreadable,
    /// It is answered with an error.
    #[error("refused: {:?}", .error.code)]
    Refused {
        /// The number of the request.
        id: u32,
        /// The answer.
        error: Box<ErrorBody>,
    },
}

impl Malformed {
    fn refused(id: u32, error: impl Into<ErrorBody>) -> Self {
        Malformed::Refused {
            id,
            error: Box::new(error.into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    id: u32,
    #[serde(rename = "type", borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads a message of a client.
///
/// # Errors
/// [`Malformed::Refused`] whenever the number of the request can be read, even
/// if nothing else can.
pub fn parse_request(text: &str) -> Result<RequestFrame, Malformed> {
    if text.len() > OFFER_BYTES || !nests_at_most(text, DEPTH) || !is_object(text) {
        return Err(Malformed::Unreadable);
    }
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| bad_envelope(text, &error))?;
    let Envelope { id, name, data } = envelope;
    // Only an offer may be long, and only an offer is parsed when it is.
    if text.len() > MESSAGE_BYTES && name != "media.offer" {
        return Err(Malformed::refused(id, ErrorCode::TooLarge));
    }
    match Request::read(&name, data.get()) {
        None => Err(Malformed::refused(id, ErrorCode::UnknownType)),
        Some(_) if !is_object(data.get()) => Err(Malformed::refused(id, ErrorCode::BadRequest)),
        Some(Ok(request)) => match misread_list(data.get(), &request) {
            Some(path) => Err(Malformed::refused(id, ErrorBody::bad(path))),
            None => Ok(RequestFrame { id, request }),
        },
        Some(Err(field)) => {
            let error = field.map_or_else(|| ErrorCode::BadRequest.into(), ErrorBody::bad);
            Err(Malformed::refused(id, error))
        }
    }
}

/// Finds a list that was read as an object inside of data, see [`is_object`]:
/// one that the request has no list for. Returns its path.
fn misread_list(data: &str, request: &Request) -> Option<String> {
    if !data.contains('[') {
        return None;
    }
    let (sent, read) = (serde_json::from_str(data), serde_json::to_value(request));
    let path = misread_path(&sent.ok()?, &read.ok()?)?;
    Some(bounded(path.trim_start_matches('.')))
}

fn misread_path(sent: &Value, read: &Value) -> Option<String> {
    match (sent, read) {
        (Value::Array(_), Value::Object(_)) => Some(String::new()),
        (Value::Array(sent), Value::Array(read)) => {
            let mut places = sent.iter().zip(read).enumerate();
            places.find_map(|(place, (sent, read))| {
                misread_path(sent, read).map(|rest| format!("[{place}]{rest}"))
            })
        }
        (Value::Object(sent), Value::Object(read)) => sent.iter().find_map(|(name, sent)| {
            misread_path(sent, read.get(name)?).map(|rest| format!(".{name}{rest}"))
        }),
        _ => None,
    }
}

/// Returns whether JSON is an object. serde takes a list for one too, its values
/// in the order of the members: then names would say nothing.
fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// Finds out whether a message that is no envelope has at least a number.
fn bad_envelope(text: &str, error: &serde_json::Error) -> Malformed {
    #[derive(Deserialize)]
    struct Numbered {
        id: u32,
    }
    match serde_json::from_str::<Numbered>(text) {
        Ok(Numbered { id }) => {
            let error =
                named_member(error).map_or_else(|| ErrorCode::BadRequest.into(), ErrorBody::bad);
            Malformed::refused(id, error)
        }
        Err(_) => Malformed::Unreadable,
    }
}

/// Reads data; the error is the path of the offending member, if it is known.
pub(crate) fn read<T: DeserializeOwned>(data: &str) -> Result<T, Option<String>> {
    let mut deserializer = serde_json::Deserializer::from_str(data);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        // The path ends at the object whose member is missing, unknown or repeated.
        let member = named_member(error.inner());
        let parts: Vec<&str> = [path.as_str(), member.as_deref().unwrap_or_default()]
            .into_iter()
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        let last = path.rsplit('.').next().unwrap_or_default();
        match parts.as_slice() {
            [] => None,
            // serde reports some unknown members with a path that includes them.
            [_, member] if last == *member => Some(path),
            parts => Some(bounded(&parts.join("."))),
        }
    })
}

/// Keeps a name that the sender chose from filling the reply.
fn bounded(path: &str) -> String {
    path.chars().take(128).collect()
}

/// Takes the name out of serde's "missing field `name`" and its siblings.
fn named_member(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let rest = ["missing field `", "unknown field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| text.strip_prefix(start))?;
    rest.split_once('`').map(|(name, _)| bounded(name))
}

#[derive(Serialize)]
struct Named<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u32>,
    #[serde(rename = "type")]
    name: &'a str,
    data: &'a T,
}

/// Writes a request, for clients in Rust.
pub fn encode_request(id: u32, request: &Request) -> String {
    to_json(&Named {
        id: Some(id),
        seq: None,
        name: request.name(),
        data: request,
    })
}

/// Writes a push; `seq` for the sequenced ones.
pub fn encode_push(seq: Option<u32>, push: &Push) -> String {
    to_json(&Named {
        id: None,
        seq,
        name: push.name(),
        data: push,
    })
}

/// Writes a good reply.
pub fn encode_reply<T: Serialize>(id: u32, ok: &T) -> String {
    #[derive(Serialize)]
    struct Reply<'a, T> {
        id: u32,
        ok: &'a T,
    }
    to_json(&Reply { id, ok })
}

/// Writes a bad reply.
pub fn encode_error(id: u32, error: &ErrorBody) -> String {
    #[derive(Serialize)]
    struct Reply<'a> {
        id: u32,
        error: &'a ErrorBody,
    }
    to_json(&Reply { id, error })
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("keys are strings and no serialiser of this crate fails")
}

/// A message of the server, as a client in Rust reads it.
#[derive(Debug)]
pub enum ServerFrame {
    /// A good reply; [`read_ok`] reads it.
    Ok {
        /// The number of the request.
        id: u32,
        /// The body.
        body: Box<RawValue>,
    },
    /// A bad reply.
    Error {
        /// The number of the request.
        id: u32,
        /// Why.
        error: Box<ErrorBody>,
    },
    /// A push.
    Push {
        /// Its number, for the sequenced ones.
        seq: Option<u32>,
        /// What it says.
        push: Box<Push>,
    },
    /// A push of a type that this version does not know.
    Unknown {
        /// Its number, for the sequenced ones.
        seq: Option<u32>,
    },
}

/// A message of the server that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a message of a server")]
pub struct InvalidFrame;

/// Reads a message of the server.
///
/// # Errors
/// [`InvalidFrame`] if it is neither a reply nor a push.
pub fn parse_server_frame(text: &str) -> Result<ServerFrame, InvalidFrame> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        id: Option<u32>,
        ok: Option<Box<RawValue>>,
        error: Option<Box<ErrorBody>>,
        seq: Option<u32>,
        #[serde(rename = "type", borrow)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| InvalidFrame)?;
    let seq = frame.seq;
    match (frame.id, frame.ok, frame.error, frame.name, frame.data) {
        (Some(id), Some(body), None, None, None) => Ok(ServerFrame::Ok { id, body }),
        (Some(id), None, Some(error), None, None) => Ok(ServerFrame::Error { id, error }),
        (None, None, None, Some(name), Some(data)) => match Push::read(&name, data.get()) {
            Some(Ok(push)) => Ok(ServerFrame::Push {
                seq,
                push: Box::new(push),
            }),
            Some(Err(_)) => Err(InvalidFrame),
            None => Ok(ServerFrame::Unknown { seq }),
        },
        _ => Err(InvalidFrame),
    }
}

/// Reads the body of a good reply as what its request is answered with.
///
/// # Errors
/// [`InvalidFrame`] if it is something else.
pub fn read_ok<T: DeserializeOwned>(body: &RawValue) -> Result<T, InvalidFrame> {
    serde_json::from_str(body.get()).map_err(|_| InvalidFrame)
}

#[cfg(test)]
mod tests;
