//! A program that calls the API with a key, over plain HTTP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::server::Server;

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Caller {
    http: String,
    key: String,
}

/// What the API answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Returns a header by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (other, value) = line.split_once(':')?;
            other.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns the stable code of a refusal, empty for none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Caller {
    /// Makes a key at the command line, with more flags, and calls with it.
    pub(crate) fn new(server: &Server, level: &str, flags: &[&str]) -> Self {
        let words = ["key", "create", "Test", "--level", level];
        let made = server.cli_json(&[&words, flags].concat());
        Caller {
            http: server.ready()["http"].as_str().unwrap().to_owned(),
            key: made["text"].as_str().unwrap().to_owned(),
        }
    }

    /// Calls a server that was started anew with the same key.
    pub(crate) fn at(&self, server: &Server) -> Self {
        Caller {
            http: server.ready()["http"].as_str().unwrap().to_owned(),
            ..self.clone()
        }
    }

    /// Asks for something.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(method, path, body, None)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Reads something.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    /// Sends a request that may be sent again under the same name.
    ///
    /// # Errors
    /// When the server goes before it has answered.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        again: Option<&str>,
    ) -> io::Result<Answer> {
        let mut stream = connect(&self.http)?;
        let host = self.http.trim_start_matches("http://");
        let key = &self.key;
        let mut head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             authorization: Bearer {key}\r\n"
        );
        if let Some(again) = again {
            head += &format!("idempotency-key: {again}\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head += &format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
        }
        write!(stream, "{head}\r\n{body}")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let answer = Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            head: head.to_owned(),
            body: Value::Null,
        };
        let body = match answer.header("transfer-encoding") {
            Some(_) => of_chunks(body),
            None => {
                let length = answer.header("content-length");
                let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
                body.get(..length).map(str::to_owned)
            }
        };
        let body = body.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Answer {
            body: serde_json::from_str(&body).unwrap_or_default(),
            ..answer
        })
    }
}

/// Puts the chunks of a body together (RFC 9112, section 7.1); `None` unless the last is there.
fn of_chunks(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body += rest.get(..size)?;
        text = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

/// Connects to an origin of this machine, if somebody listens there.
fn connect(origin: &str) -> io::Result<TcpStream> {
    let port = origin.rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or(io::ErrorKind::InvalidInput)?;
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))
}
