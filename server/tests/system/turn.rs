//! A TURN client that knows as much of the protocol as these tests ask.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use conclave_turn_wire::PeerAddr;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, Request, RequestedTransport};
use serde_json::Value;

/// Who asks, and by which way.
pub(crate) struct Client {
    way: Box<dyn Way>,
    username: String,
    password: String,
    /// Realm and nonce, once they were told.
    challenge: Option<(String, Vec<u8>)>,
    transactions: u8,
}

/// What was answered: an error code, or the relayed address if there is one.
pub(crate) type Answer = Result<Option<SocketAddr>, u16>;

impl Client {
    /// Takes the first relay of `ice_servers`.
    pub(crate) fn new(way: impl Way + 'static, ice_servers: &Value) -> Self {
        let server = ice_servers.get(0).unwrap_or(ice_servers);
        let text = |member: &str| server[member].as_str().unwrap().to_owned();
        Client {
            way: Box::new(way),
            username: text("username"),
            password: text("credential"),
            challenge: None,
            transactions: 0,
        }
    }

    pub(crate) fn allocate(&mut self) -> Answer {
        self.ask(Method::Allocate, None)
    }

    pub(crate) fn refresh(&mut self) -> Answer {
        self.ask(Method::Refresh, None)
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Answer {
        self.ask(Method::CreatePermission, Some(peer))
    }

    pub(crate) fn bind(&mut self, peer: SocketAddr) -> Answer {
        self.ask(Method::ChannelBind, Some(peer))
    }

    fn ask(&mut self, method: Method, peer: Option<SocketAddr>) -> Answer {
        // A challenge, a stale nonce, an answer.
        for _ in 0..3 {
            match self.try_once(method, peer) {
                Err(401 | 438) if self.transactions < 3 => {}
                answer => return answer,
            }
        }
        Err(401)
    }

    fn try_once(&mut self, method: Method, peer: Option<SocketAddr>) -> Answer {
        self.transactions += 1;
        let transaction = [self.transactions; 12];
        let mut request = Vec::new();
        let mut builder = Builder::new(Class::Request, method, transaction, &mut request);
        if method == Method::Allocate {
            builder = builder.requested_transport(RequestedTransport::Udp);
        }
        if method == Method::ChannelBind {
            builder = builder.channel(0x4000);
        }
        if let Some(peer) = peer {
            builder = builder.peer(PeerAddr(peer));
        }
        let mut key = None;
        if let Some((realm, nonce)) = &self.challenge {
            let username = &self.username;
            builder = builder.username(username).realm(realm).nonce(nonce);
            key = Some(Key::long_term(
                Algorithm::Md5,
                username,
                realm,
                &self.password,
            ));
        }
        let integrity = key.as_ref().map(|key| (Mac::Sha1, key));
        builder.finish(integrity).unwrap();
        assert!(Request::parse(&request).is_ok());
        let bytes = self.way.exchange(&request);
        let reply = Reply::parse(&bytes).unwrap();
        assert_eq!(reply.transaction, transaction);
        if let (Some(realm), Some(nonce)) = (reply.realm, reply.nonce) {
            self.challenge = Some((realm.to_owned(), nonce.to_owned()));
        }
        match reply.error {
            Some(code) => Err(code),
            None => Ok(reply.relayed.map(|relayed| relayed.0)),
        }
    }
}

/// A way to a relay.
pub(crate) trait Way {
    /// Sends a request and returns the next message.
    fn exchange(&mut self, request: &[u8]) -> Vec<u8>;
}

/// After which time a request is sent again, and how often.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const TIMES: usize = 20;

/// By UDP.
pub(crate) fn by_udp(relay: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.connect(relay).unwrap();
    socket.set_read_timeout(Some(AGAIN_AFTER)).unwrap();
    socket
}

impl Way for UdpSocket {
    fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        let mut reply = vec![0; 2_048];
        // Strangers are answered some ten times a second, all clients of a test together.
        for _ in 0..TIMES {
            self.send(request).unwrap();
            if let Ok(length) = self.recv(&mut reply) {
                reply.truncate(length);
                return reply;
            }
        }
        panic!("the relay does not answer");
    }
}

/// By a stream: TCP, or TLS within it.
pub(crate) struct ByStream<S>(pub(crate) S);

impl<S: Read + Write> Way for ByStream<S> {
    fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        self.0.write_all(request).unwrap();
        self.0.flush().unwrap();
        let mut reply = vec![0; 20];
        self.0.read_exact(&mut reply).unwrap();
        let length = usize::from(u16::from_be_bytes([reply[2], reply[3]]));
        reply.resize(20 + length, 0);
        self.0.read_exact(&mut reply[20..]).unwrap();
        reply
    }
}
