//! `conclave health`: asks the server on this machine whether it is ready.
//! What a container engine or a supervisor runs every few seconds.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::config::Config;
use crate::listen::LOCAL;
use crate::tls;

/// For each of connecting, the handshake and the answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Far more than the answer has.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// Asks for `/readyz`. Returns whether the server is ready, and what it said.
///
/// # Errors
/// When nobody answers.
pub(crate) fn ask(config: &Config) -> anyhow::Result<(bool, String)> {
    let mut stream = open_tls(config, reachable(config.https.addresses()[0]))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut answer)
        .context("no answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok((
        head.starts_with("HTTP/1.1 200 "),
        body.trim_end().to_owned(),
    ))
}

/// Opens a connection to this server; each step on it takes three seconds at
/// most. Where this machine is one of `listen.proxy_protocol`, it speaks for itself.
///
/// # Errors
/// When nobody listens there.
pub(crate) fn open(config: &Config, address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)
        .with_context(|| format!("nobody listens on {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let own = stream.local_addr()?.ip();
    // Not the proxy itself, where that is on this machine.
    let places = std::iter::once(&config.https).chain(&config.turn.listen);
    let mut places = places.flat_map(|place| place.addresses());
    let is_ours = places.any(|listening| {
        let is_there = listening.ip() == own || listening.ip().is_unspecified();
        is_there && own == address.ip() && listening.port() == address.port()
    });
    let mut announcing = config.proxy_protocol.iter();
    if is_ours && announcing.any(|network| network.contains(own)) {
        stream.write_all(&LOCAL)?;
    }
    Ok(stream)
}

/// Opens a connection as [`open`] does, and TLS on it, whatever the certificate says.
///
/// # Errors
/// When nobody listens there.
pub(crate) fn open_tls(
    config: &Config,
    address: SocketAddr,
) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
    let stream = open(config, address)?;
    let client = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Ourselves))
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(client), ServerName::from(address.ip()))?;
    Ok(StreamOwned::new(connection, stream))
}

/// Returns how to reach a listener from this machine.
pub(crate) fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // Takes IPv4 as well, and is IPv4 alone where there is no IPv6.
        IpAddr::V6(v6) if v6 == Ipv6Addr::UNSPECIFIED => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Accepts any certificate: the question goes to an address of this machine,
/// where the certificate names the public host, and nothing secret is said.
#[derive(Debug)]
pub(crate) struct Ourselves;

impl ServerCertVerifier for Ourselves {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;

    use super::*;
    use crate::config::{Layers, Surroundings, add_defaults};

    #[test]
    fn every_listener_of_this_server_hears_that_we_speak_for_ourselves() {
        let relay = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = relay.local_addr().unwrap();
        let file = format!(
            "[listen]\nproxy_protocol = [\"127.0.0.1\"]\n[turn]\nlisten = [\"{address}\"]\n"
        );
        let mut layers = Layers::default();
        layers.add_file(Path::new("c.toml"), &file).unwrap();
        let surroundings = Surroundings {
            dev: true,
            cores: 2,
        };
        add_defaults(&mut layers, surroundings);
        let config = Config::from_layers(&layers, true).unwrap();
        drop(open(&config, address).unwrap());
        let mut heard = Vec::new();
        relay.accept().unwrap().0.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, LOCAL);
    }
}
