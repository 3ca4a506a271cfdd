//! The signalling link of one participant: WSS as `docs/protocol.md` has it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{ServerFrame, encode_request, parse_server_frame, read_ok};
use conclave_signalling_wire::limits::SUBPROTOCOL;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::request::Request;
use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::invite::InviteLink;
use crate::target::TargetError;

/// How long anything may take before the server counts as silent. A busy one is slow, not dead.
const PATIENCE: Duration = Duration::from_secs(30);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open link.
pub(super) struct Link {
    socket: WebSocketStream<Box<dyn Stream>>,
    server: IpAddr,
    next: u32,
    pushes: VecDeque<Push>,
}

impl Link {
    /// Opens a link, as a page of `origin` does.
    pub(super) async fn open(
        invite: &InviteLink,
        origin: &str,
        tls: &Arc<ClientConfig>,
    ) -> Result<Link, TargetError> {
        timeout(PATIENCE, Link::connect(invite, origin, tls))
            .await
            .map_err(|_| silent())?
    }

    async fn connect(
        invite: &InviteLink,
        origin: &str,
        tls: &Arc<ClientConfig>,
    ) -> Result<Link, TargetError> {
        let broken = |error: std::io::Error| TargetError::Link(explain(&error));
        let stream = TcpStream::connect((invite.host.as_str(), invite.port));
        let stream = stream.await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let server = stream.peer_addr().map_err(broken)?.ip();
        let stream: Box<dyn Stream> = if invite.is_secure {
            let name = ServerName::try_from(invite.host.clone())
                .map_err(|error| TargetError::Link(error.to_string()))?;
            let connector = TlsConnector::from(Arc::clone(tls));
            Box::new(connector.connect(name, stream).await.map_err(broken)?)
        } else {
            Box::new(stream)
        };
        let scheme = if invite.is_secure { "wss" } else { "ws" };
        let authority = invite.origin.split_once("://").map_or("", |(_, rest)| rest);
        let mut request = format!("{scheme}://{authority}/api/v1/signal")
            .into_client_request()
            .map_err(|error| refused_upgrade(error, origin))?;
        let origin_value = HeaderValue::from_str(origin)
            .map_err(|error| TargetError::Link(format!("the origin cannot be sent: {error}")))?;
        let headers = request.headers_mut();
        headers.insert("origin", origin_value);
        headers.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(SUBPROTOCOL),
        );
        let (socket, _) = client_async(request, stream)
            .await
            .map_err(|error| refused_upgrade(error, origin))?;
        Ok(Link {
            socket,
            server,
            next: 1,
            pushes: VecDeque::new(),
        })
    }

    /// The address of the server.
    pub(super) fn server(&self) -> IpAddr {
        self.server
    }

    /// Asks for something and waits for the answer; pushes before it are kept.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        request: impl Into<Request>,
    ) -> Result<T, TargetError> {
        let asked = self.tell(request).await?;
        let answered = async {
            loop {
                match self.read().await? {
                    ServerFrame::Ok { id, body } if id == asked => {
                        return read_ok(&body)
                            .map_err(|error| TargetError::Link(error.to_string()));
                    }
                    ServerFrame::Error { id, error } if id == asked => {
                        return Err(refused(&error));
                    }
                    ServerFrame::Push { push, .. } => self.pushes.push_back(*push),
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, answered).await.map_err(|_| silent())?
    }

    /// Asks for something whose answer is only of interest if it is a no; [`Link::next`] finds it.
    pub(super) async fn tell(&mut self, request: impl Into<Request>) -> Result<u32, TargetError> {
        let id = self.next;
        self.next += 1;
        let text = encode_request(id, &request.into());
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|error| TargetError::Link(error.to_string()))?;
        Ok(id)
    }

    /// Waits for the next push. Can be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> Result<Push, TargetError> {
        loop {
            if let Some(push) = self.pushes.pop_front() {
                return Ok(push);
            }
            match self.read().await? {
                ServerFrame::Push { push, .. } => return Ok(*push),
                // Slots that have changed again meanwhile, or somebody who has left: the next push says.
                ServerFrame::Error { error, .. }
                    if matches!(error.code, ErrorCode::NotFound | ErrorCode::Conflict) => {}
                ServerFrame::Error { error, .. } => return Err(refused(&error)),
                ServerFrame::Ok { .. } | ServerFrame::Unknown { .. } => {}
            }
        }
    }

    async fn read(&mut self) -> Result<ServerFrame, TargetError> {
        loop {
            let message = self.socket.next().await;
            match message {
                Some(Ok(Message::Text(text))) => {
                    return parse_server_frame(&text)
                        .map_err(|error| TargetError::Link(error.to_string()));
                }
                Some(Ok(Message::Close(close))) => {
                    let why = close.map_or_else(String::new, |close| {
                        format!(" ({} {})", u16::from(close.code), close.reason)
                    });
                    return Err(TargetError::Link(format!("the server closed it{why}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(TargetError::Link(error.to_string())),
                None => return Err(TargetError::Link("the server closed it".to_owned())),
            }
        }
    }
}

fn silent() -> TargetError {
    TargetError::Link(format!("no answer within {} s", PATIENCE.as_secs()))
}

/// Says what helps against a connection that came to nothing.
fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::InvalidData => {
            format!("{error}; a server with a certificate of its own needs --insecure")
        }
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => format!(
            "{error}; the server closes what exceeds its limits.connections_per_source \
             or limits.half_open_per_source"
        ),
        _ => error.to_string(),
    }
}

fn refused_upgrade(error: tungstenite::Error, origin: &str) -> TargetError {
    let tungstenite::Error::Http(response) = error else {
        return TargetError::Link(error.to_string());
    };
    match response.status().as_u16() {
        403 => TargetError::Refused(format!(
            "the server does not take the origin {origin}: say its public_url with --origin"
        )),
        429 => TargetError::Refused(
            "too many links from this address: raise the server's limits.links_per_source \
             and limits.connections_per_source"
                .to_owned(),
        ),
        status => TargetError::Link(format!("the server answered {status}")),
    }
}

/// Says of a no what helps, where the load test itself is the reason.
fn refused(error: &ErrorBody) -> TargetError {
    let help = match error.code {
        ErrorCode::RateLimited => {
            ": raise the server's limits.joins_per_source_per_s and limits.joins_per_source_burst"
        }
        ErrorCode::Full => ": raise the room's caps.participants",
        ErrorCode::Locked => ": unlock the room",
        ErrorCode::PasswordRequired => ": use an invite link of the room, which ends in #i=…",
        _ => "",
    };
    TargetError::Refused(format!("{} ({}){help}", error.message, error.code.name()))
}
