//! The TLS handshake of one connection, and what it tells of the protocol inside.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ResolvesServerCert};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Challenges, Live, server_config};

/// RFC 7301, section 6.
const HTTP: &[u8] = b"http/1.1";
/// RFC 7443.
const TURN: &[u8] = b"stun.turn";
/// RFC 8737, section 6.2.
const ACME: &[u8] = b"acme-tls/1";

/// What a client asked for by ALPN (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The relay.
    Turn,
    /// Pages and signalling.
    Http,
    /// The proof that this name is ours.
    Challenge,
    /// Nothing that we know: the first bytes decide. Chromium asks for nothing
    /// when it wants the relay.
    Nothing,
}

impl Asked {
    /// Tells what is meant by the identifiers that a client offers.
    fn by<'a>(offered: impl Iterator<Item = &'a [u8]>) -> Self {
        offered.fold(Asked::Nothing, |asked, id| match (asked, id) {
            // Whoever validates a name offers this alone (RFC 8737, section 3).
            (_, ACME) | (Asked::Challenge, _) => Asked::Challenge,
            (_, TURN) | (Asked::Turn, _) => Asked::Turn,
            (_, HTTP) => Asked::Http,
            _ => asked,
        })
    }
}

/// Makes the handshakes of a port.
#[derive(Debug)]
pub(crate) struct Handshakes {
    turn: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    challenge: Arc<ServerConfig>,
    nothing: Arc<ServerConfig>,
}

impl Handshakes {
    /// Makes handshakes with the certificate of `live`, and answers `challenges`.
    ///
    /// # Errors
    /// When the provider of cryptography cannot make the keys of session tickets.
    pub(crate) fn new(
        live: Arc<Live>,
        challenges: Arc<Challenges>,
        tls13_only: bool,
    ) -> anyhow::Result<Self> {
        let nothing = server_config(live, tls13_only)?;
        let with = |config: &ServerConfig, id: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![id.to_vec()];
            Arc::new(config)
        };
        let resolver: Arc<dyn ResolvesServerCert> = challenges;
        let mut validated = server_config(resolver, tls13_only)?;
        // A session resumed would show no certificate.
        validated.send_tls13_tickets = 0;
        Ok(Handshakes {
            turn: with(&nothing, TURN),
            http: with(&nothing, HTTP),
            challenge: with(&validated, ACME),
            // rustls refuses a client whose offers it does not know, unless it knows none.
            nothing: Arc::new(nothing),
        })
    }

    /// Makes one. The client's hello is read first, and decides.
    ///
    /// # Errors
    /// What the stream gives, and whatever is wrong with the handshake.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<(Asked, TlsStream<S>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let asked = match start.client_hello().alpn() {
            Some(offered) => Asked::by(offered),
            None => Asked::Nothing,
        };
        let config = match asked {
            Asked::Turn => &self.turn,
            Asked::Http => &self.http,
            Asked::Challenge => &self.challenge,
            Asked::Nothing => &self.nothing,
        };
        let stream = start.into_stream(Arc::clone(config)).await?;
        Ok((asked, stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_identifiers_decide_and_unknown_ones_do_not() {
        let cases: [(&[&str], Asked); 9] = [
            (&["stun.turn"], Asked::Turn),
            (&["stun.turn", "stun.nat-discovery"], Asked::Turn),
            (&["http/1.1", "stun.turn"], Asked::Turn),
            (&["h2", "http/1.1"], Asked::Http),
            (&["http/1.1"], Asked::Http),
            (&["h2"], Asked::Nothing),
            (&["stun.nat-discovery", "webrtc"], Asked::Nothing),
            (&["acme-tls/1"], Asked::Challenge),
            (&["acme-tls/1", "http/1.1"], Asked::Challenge),
        ];
        for (offered, asked) in cases {
            let ids = offered.iter().map(|id| id.as_bytes());
            assert_eq!(Asked::by(ids), asked, "{offered:?}");
        }
    }
}
