//! The link of one participant: a WebSocket with a session of its own.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::message::{Answer, Incoming, Jsep, Refusal, Request};
use crate::target::TargetError;

/// Janus ends a session after 60 s of silence.
const KEEPALIVE: Duration = Duration::from_secs(25);
/// How long an answer may take. A server with thousands of handles is slow, not dead.
const PATIENCE: Duration = Duration::from_secs(30);
/// The subprotocol, without which the server closes.
const PROTOCOL: &str = "janus-protocol";

/// A WebSocket with a session.
pub(super) struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<u64>,
    transaction: u64,
    keepalive_at: Instant,
    unasked: VecDeque<Incoming>,
}

impl Link {
    /// Connects to `url` and makes a session.
    pub(super) async fn open(url: &str) -> Result<Link, TargetError> {
        let mut request = url.into_client_request().map_err(broken)?;
        let protocol = HeaderValue::from_static(PROTOCOL);
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let connected = timeout(PATIENCE, connect_async(request)).await;
        let (socket, _) = connected.map_err(|_| silent())?.map_err(broken)?;
        let mut link = Link {
            socket,
            session: None,
            transaction: 0,
            keepalive_at: Instant::now() + KEEPALIVE,
            unasked: VecDeque::new(),
        };
        let made = link.ask(Request::create()).await?;
        link.session = made.map_err(refused)?.id;
        Ok(link)
    }

    /// Returns the address of the server: media goes there as well.
    pub(super) fn server(&self) -> Result<IpAddr, TargetError> {
        let MaybeTlsStream::Plain(stream) = self.socket.get_ref() else {
            return Err(TargetError::Link("only ws:// is spoken".to_owned()));
        };
        let address = stream.peer_addr();
        let broken = |error: std::io::Error| TargetError::Link(error.to_string());
        Ok(address.map_err(broken)?.ip())
    }

    /// Makes a handle for one peer connection.
    pub(super) async fn attach(&mut self) -> Result<u64, TargetError> {
        let made = self.ask(Request::attach()).await?.map_err(refused)?;
        let missing = || TargetError::Refused("Janus made a handle without a number".to_owned());
        made.id.ok_or_else(missing)
    }

    /// Says something to the plugin and waits for what it answers.
    pub(super) async fn message(
        &mut self,
        handle: u64,
        body: serde_json::Value,
        jsep: Option<Jsep>,
    ) -> Result<Result<Answer, Refusal>, TargetError> {
        self.ask(Request::message(handle, body, jsep)).await
    }

    /// Says that no candidates follow.
    pub(super) async fn end_candidates(&mut self, handle: u64) -> Result<(), TargetError> {
        self.send(Request::candidates_end(handle)).await?;
        Ok(())
    }

    /// Returns what comes next that is no answer, keeping the session meanwhile.
    /// Can be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Incoming, TargetError> {
        loop {
            if let Some(incoming) = self.unasked.pop_front() {
                return Ok(incoming);
            }
            let due = self.keepalive_at;
            tokio::select! {
                incoming = self.receive() => match incoming? {
                    Incoming::Acknowledged { .. } | Incoming::Answered { .. } | Incoming::Other => {}
                    incoming => return Ok(incoming),
                },
                () = sleep_until(due) => {
                    self.keepalive_at = due + KEEPALIVE;
                    self.send(Request::keepalive()).await?;
                }
            }
        }
    }

    /// Waits until the server says that a peer connection is up.
    pub(super) async fn up(&mut self, wanted: u64) -> Result<(), TargetError> {
        let waiting = async {
            loop {
                match self.next().await? {
                    Incoming::Up { handle } if handle == wanted => return Ok(()),
                    incoming => check(incoming)?,
                }
            }
        };
        timeout(PATIENCE, waiting).await.map_err(|_| silent())?
    }

    /// Ends the session. Whoever is gone needs no goodbye.
    pub(super) async fn close(mut self) {
        if self.send(Request::destroy()).await.is_ok() {
            let _ = self.socket.close(None).await;
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Result<Answer, Refusal>, TargetError> {
        let later = request.is_answered_later();
        let asked = self.send(request).await?;
        let waiting = async {
            loop {
                match self.receive().await? {
                    Incoming::Answered {
                        transaction,
                        answer,
                    } if transaction == asked => return Ok(answer),
                    Incoming::Acknowledged { transaction } if transaction == asked && !later => {
                        return Ok(Ok(Answer::default()));
                    }
                    Incoming::Acknowledged { .. } | Incoming::Answered { .. } | Incoming::Other => {
                    }
                    incoming => self.unasked.push_back(incoming),
                }
            }
        };
        timeout(PATIENCE, waiting).await.map_err(|_| silent())?
    }

    async fn send(&mut self, request: Request) -> Result<u64, TargetError> {
        self.transaction += 1;
        let text = request.encode(self.transaction, self.session);
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(broken)?;
        Ok(self.transaction)
    }

    async fn receive(&mut self) -> Result<Incoming, TargetError> {
        loop {
            let message = self.socket.next().await.transpose().map_err(broken)?;
            let ended = || TargetError::Link("Janus closed the link".to_owned());
            if let Message::Text(text) = message.ok_or_else(ended)? {
                return Ok(Incoming::decode(&text).unwrap_or(Incoming::Other));
            }
        }
    }
}

/// Turns what ends a participant into an error.
pub(super) fn check(incoming: Incoming) -> Result<(), TargetError> {
    match incoming {
        Incoming::HungUp { reason, .. } => {
            Err(TargetError::Media(format!("Janus hung up: {reason}")))
        }
        Incoming::Expired => Err(TargetError::Link("the session expired".to_owned())),
        _ => Ok(()),
    }
}

pub(super) fn refused(refusal: Refusal) -> TargetError {
    TargetError::Refused(refusal.told())
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> TargetError {
    TargetError::Link(error.to_string())
}

fn silent() -> TargetError {
    TargetError::Link(format!("Janus was silent for {} s", PATIENCE.as_secs()))
}
