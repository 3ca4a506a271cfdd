//! A WebSocket whose owner says what it likes and forgets nothing that it hears.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::stage::ORIGIN;

/// Long enough for a loaded machine; a passing test never waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is refused whoever sends it, changes nothing and is written down nowhere.
pub(crate) const FENCE: &str = "media.slots.ack";

/// Returns the data of [`FENCE`].
pub(crate) fn fence() -> Value {
    json!({"rev": 0})
}

/// How a link ended: the code of the close, 0 without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) u16);

/// See the module.
pub(crate) struct Link {
    /// Boxed: it is large, and links are moved about.
    socket: Box<WebSocketStream<TcpStream>>,
    id: u32,
    /// Everything that came and was no reply that somebody waited for, in order.
    pub(crate) heard: Vec<Value>,
    /// How many of `heard` have been looked at one by one.
    seen: usize,
    /// How many of `heard` have been taken all together.
    taken: usize,
    /// The bytes of every message, in order.
    pub(crate) bytes: Vec<usize>,
    closed: Option<Closed>,
}

impl Link {
    pub(crate) async fn open(to: SocketAddr, from: Ipv4Addr) -> Link {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let mut request = format!("ws://{to}/api/v1/signal")
            .into_client_request()
            .unwrap();
        for (name, value) in [
            ("origin", ORIGIN),
            ("sec-websocket-protocol", "conclave.v1"),
        ] {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        }
        let (socket, _) = client_async(request, stream).await.unwrap();
        Link {
            socket: Box::new(socket),
            id: 0,
            heard: Vec::new(),
            seen: 0,
            taken: 0,
            bytes: Vec::new(),
            closed: None,
        }
    }

    /// Sends a request. Nothing is said about a link that is closed already.
    pub(crate) async fn send(&mut self, verb: &str, data: Value) -> u32 {
        self.id += 1;
        let text = json!({"id": self.id, "type": verb, "data": data}).to_string();
        self.send_text(text).await;
        self.id
    }

    /// Sends any text.
    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        let _ = self.socket.send(Message::text(text.into())).await;
    }

    /// Sends any message.
    pub(crate) async fn send_message(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// Puts a message into the buffer of the socket without waiting for the peer.
    pub(crate) async fn feed(&mut self, verb: &str, data: Value) -> u32 {
        self.id += 1;
        let text = json!({"id": self.id, "type": verb, "data": data}).to_string();
        let _ = self.socket.feed(Message::text(text)).await;
        self.id
    }

    /// Sends what was fed.
    pub(crate) async fn flush(&mut self) {
        let _ = self.socket.flush().await;
    }

    /// Asks, and returns the whole reply or how the link ended before it.
    pub(crate) async fn try_ask(&mut self, verb: &str, data: Value) -> Result<Value, Closed> {
        let id = self.send(verb, data).await;
        self.reply(id).await
    }

    /// Asks, and returns the whole reply.
    pub(crate) async fn ask(&mut self, verb: &str, data: Value) -> Value {
        let asked = data.clone();
        match self.try_ask(verb, data).await {
            Ok(reply) => reply,
            Err(Closed(code)) => panic!("closed with {code} at {verb} {asked}"),
        }
    }

    /// Asks for what has to be done, and returns `ok`.
    pub(crate) async fn ok(&mut self, verb: &str, data: Value) -> Value {
        let asked = data.clone();
        let reply = self.ask(verb, data).await;
        match reply.get("ok") {
            Some(ok) => ok.clone(),
            None => panic!("{verb} {asked}: {reply}"),
        }
    }

    /// Asks for what has to be refused, and returns the code.
    pub(crate) async fn refused(&mut self, verb: &str, data: Value) -> String {
        let asked = data.clone();
        let reply = self.ask(verb, data).await;
        match reply["error"]["code"].as_str() {
            Some(code) => code.to_owned(),
            None => panic!("{verb} {asked}: {reply}"),
        }
    }

    /// Waits for the reply to a request; what comes before it is kept.
    pub(crate) async fn reply(&mut self, id: u32) -> Result<Value, Closed> {
        let known = self.heard.iter().position(|message| message["id"] == id);
        if let Some(place) = known {
            self.seen -= usize::from(place < self.seen);
            self.taken -= usize::from(place < self.taken);
            return Ok(self.heard.remove(place));
        }
        loop {
            let message = self.hear("a reply").await?;
            if message["id"] == id {
                return Ok(message);
            }
            self.heard.push(message);
        }
    }

    /// Waits for a push of a type that was not looked at, and returns its data.
    pub(crate) async fn push(&mut self, kind: &str) -> Value {
        self.push_where(kind, |_| true).await
    }

    /// The same for the first whose data is as wanted; those before it count as looked at.
    pub(crate) async fn push_where(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some(message) = self.heard.get(self.seen) {
                self.seen += 1;
                if message["type"] == kind && is_it(&message["data"]) {
                    return message["data"].clone();
                }
            }
            match self.hear(kind).await {
                Ok(message) => self.heard.push(message),
                Err(Closed(code)) => panic!("closed with {code} while waiting for {kind}"),
            }
        }
    }

    /// Takes the next push.
    pub(crate) async fn next_push(&mut self) -> Value {
        while self.heard.len() <= self.taken {
            match self.hear("a push").await {
                Ok(message) => self.heard.push(message),
                Err(Closed(code)) => panic!("closed with {code} while waiting for a push"),
            }
        }
        self.taken += 1;
        self.seen = self.seen.max(self.taken);
        self.heard[self.taken - 1].clone()
    }

    /// Reads everything that the room said before now: it answers in order, and
    /// what is asked here changes nothing.
    pub(crate) async fn fence(&mut self) {
        let code = self.refused(FENCE, fence()).await;
        assert_eq!(
            code, "bad_request",
            "no slots were ever changed by number 0"
        );
    }

    /// Takes all pushes that were not taken before, looked at or not.
    pub(crate) fn take_pushes(&mut self) -> Vec<Value> {
        let fresh = self.heard.get(self.taken..).unwrap_or_default().to_vec();
        self.taken = self.heard.len();
        self.seen = self.taken;
        fresh
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&mut self) {
        self.heard.clear();
        (self.seen, self.taken) = (0, 0);
    }

    /// Reads on until the link is closed, and returns the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.hear("the end").await {
                Ok(message) => self.heard.push(message),
                Err(Closed(code)) => return code,
            }
        }
    }

    /// Returns the pushes of a type, all that were ever heard.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        let pushes = self.heard.iter();
        pushes.filter(|message| message["type"] == kind).collect()
    }

    async fn hear(&mut self, what: &str) -> Result<Value, Closed> {
        if let Some(closed) = self.closed {
            return Err(closed);
        }
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        self.bytes.push(text.len());
                        return Ok(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Err(Closed(frame.map_or(0, |frame| frame.code.into())));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Closed(0)),
                }
            }
        };
        let heard = timeout(PATIENCE, next).await;
        let heard = heard.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
        self.closed = heard.as_ref().err().copied();
        heard
    }
}
