//! What a client says until it may send: Allocate, Allocate once more with the
//! user's name, ChannelBind.

use std::io;
use std::net::SocketAddr;

use conclave_turn_wire::PeerAddr;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};

use crate::client::User;

/// One client's way in.
pub(crate) struct Login {
    user: User<'static>,
    state: State,
}

enum State {
    Stranger,
    Challenged(Challenge),
    Allocated(Challenge),
    Bound,
}

#[derive(Clone)]
struct Challenge {
    realm: String,
    nonce: Vec<u8>,
}

impl Login {
    pub(crate) fn new(user: User<'static>) -> Login {
        Login {
            user,
            state: State::Stranger,
        }
    }

    /// Returns what is to be sent next; `None` once `channel` leads to `peer`.
    pub(crate) fn next_request(&self, channel: u16, peer: SocketAddr) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let transaction = rand::random();
        let allocate = |bytes| {
            Builder::new(Class::Request, Method::Allocate, transaction, bytes)
                .requested_transport(RequestedTransport::Udp)
        };
        let written = match &self.state {
            State::Stranger => allocate(&mut bytes).finish(None),
            State::Challenged(challenge) => self.sign(allocate(&mut bytes), challenge),
            State::Allocated(challenge) => {
                let method = Method::ChannelBind;
                let request = Builder::new(Class::Request, method, transaction, &mut bytes)
                    .channel(channel)
                    .peer(PeerAddr(peer));
                self.sign(request, challenge)
            }
            State::Bound => return None,
        };
        written.expect("it is short");
        Some(bytes)
    }

    fn sign(
        &self,
        request: Builder<'_>,
        challenge: &Challenge,
    ) -> Result<(), conclave_turn_wire::message::WriteError> {
        let User { name, password } = self.user;
        let key = Key::long_term(Algorithm::Md5, name, &challenge.realm, password);
        request
            .username(name)
            .realm(&challenge.realm)
            .nonce(&challenge.nonce)
            .finish(Some((Mac::Sha1, &key)))
    }

    /// Takes the answer to that.
    ///
    /// # Errors
    /// One that is none to be satisfied with.
    pub(crate) fn take_answer(&mut self, answer: &[u8]) -> io::Result<()> {
        let reply = Reply::parse(answer).map_err(io::Error::other)?;
        let state = std::mem::replace(&mut self.state, State::Stranger);
        self.state = match (state, reply.class) {
            (State::Stranger, Class::Error) => State::Challenged(Challenge {
                realm: reply.realm.unwrap_or_default().to_owned(),
                nonce: reply.nonce.unwrap_or_default().to_owned(),
            }),
            (State::Challenged(challenge), Class::Success) => State::Allocated(challenge),
            (State::Allocated(_), Class::Success) => State::Bound,
            _ => return Err(io::Error::other(format!("refused with {:?}", reply.error))),
        };
        Ok(())
    }
}
