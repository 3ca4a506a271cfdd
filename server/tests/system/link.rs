//! Signalling links of a test.

use std::net::{SocketAddr, TcpStream};

use conclave_signalling_wire::secret::DeviceKey;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

use crate::server::connect;

pub(crate) fn nonblocking(origin: &str) -> TcpStream {
    let stream = connect(origin);
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Somebody with a link in the clear, and a device of its own.
pub(crate) struct Guest {
    link: WebSocketStream<tokio::net::TcpStream>,
    /// What it is known by.
    pub(crate) device_key: String,
    requests: u64,
}

impl Guest {
    /// Opens a link and says hello.
    pub(crate) async fn open(http: &str) -> Self {
        Guest::with_device(http, DeviceKey::new(rand::random()).reveal()).await
    }

    /// Opens a link to an address, as a page of `origin` does, and says hello.
    pub(crate) async fn at(address: SocketAddr, origin: &str) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        Guest::on(stream, origin, DeviceKey::new(rand::random()).reveal()).await
    }

    /// Opens another link of the same device.
    pub(crate) async fn again(&self, http: &str) -> Self {
        Guest::with_device(http, self.device_key.clone()).await
    }

    async fn with_device(http: &str, device_key: String) -> Self {
        let stream = tokio::net::TcpStream::from_std(nonblocking(http)).unwrap();
        Guest::on(stream, http, device_key).await
    }

    async fn on(stream: tokio::net::TcpStream, origin: &str, device_key: String) -> Self {
        let mut guest = Guest {
            link: link(stream, "http", origin).await.unwrap(),
            device_key,
            requests: 0,
        };
        let hello = json!({"protocol": 1, "client": "conclave-test/1"});
        guest.ask("hello", hello).await;
        guest
    }

    /// Asks to come in.
    pub(crate) async fn join(&mut self, room: &str, credential: Value, name: &str) -> Value {
        let join = json!({
            "room": room,
            "credential": credential,
            "name": name,
            "device_key": self.device_key,
            "consent_hash": null,
        });
        self.ask("join", join).await
    }

    /// Asks for something and returns the answer; pushes before it are skipped.
    pub(crate) async fn ask(&mut self, kind: &str, data: Value) -> Value {
        self.requests += 1;
        request(&mut self.link, self.requests, kind, data).await
    }

    /// Returns the pushes that came until now: the room answers what it is asked after them.
    pub(crate) async fn pushes(&mut self) -> Vec<Value> {
        self.requests += 1;
        let asked = json!({"id": self.requests, "type": "ban.list", "data": {}});
        let _ = self.link.send(Message::text(asked.to_string())).await;
        let mut pushes = Vec::new();
        loop {
            // Who was sent away hears no answer.
            let Some(Ok(message)) = self.link.next().await else {
                return pushes;
            };
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == self.requests {
                return pushes;
            }
            if message["type"].is_string() {
                pushes.push(message);
            }
        }
    }

    /// Waits for a push of a type and returns its data; others before it are skipped.
    pub(crate) async fn push(&mut self, kind: &str) -> Value {
        loop {
            let message = self.link.next().await.unwrap().unwrap();
            let Message::Text(text) = message else {
                continue;
            };
            let mut push: Value = serde_json::from_str(&text).unwrap();
            if push["type"] == kind {
                return push["data"].take();
            }
        }
    }

    /// Returns the code with which the server closes the link.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        close_code(&mut self.link).await
    }
}

/// Opens a signalling link as a page of `origin` does.
pub(crate) async fn link<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    scheme: &str,
    origin: &str,
) -> tungstenite::Result<WebSocketStream<S>> {
    let url = format!(
        "{}://localhost/api/v1/signal",
        if scheme == "https" { "wss" } else { "ws" }
    );
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("origin", origin.parse()?);
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "conclave.v1".parse()?);
    tokio_tungstenite::client_async(request, stream)
        .await
        .map(|(link, _)| link)
}

/// Asks for something and returns the answer; pushes before it are skipped.
async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut WebSocketStream<S>,
    id: u64,
    kind: &str,
    data: Value,
) -> Value {
    let text = json!({"id": id, "type": kind, "data": data}).to_string();
    link.send(Message::text(text)).await.unwrap();
    loop {
        let message = link.next().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        if answer["id"] == id {
            return answer;
        }
    }
}

/// Returns the code with which the server closes the link.
pub(crate) async fn close_code<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut WebSocketStream<S>,
) -> Option<u16> {
    while let Some(Ok(message)) = link.next().await {
        if let Message::Close(close) = message {
            return close.map(|close| close.code.into());
        }
    }
    None
}
