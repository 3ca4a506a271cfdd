//! Looking at the proof that a name is somebody's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// id-pe-acmeIdentifier (RFC 8737, section 6.1).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

/// Looks by tls-alpn-01 (RFC 8737, section 3).
pub(super) async fn tls_alpn(at: SocketAddr, name: &str, proof: &str) -> Result<(), String> {
    let seen = Arc::new(Seen::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = TcpStream::connect(at).await.map_err(text)?;
    let server_name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(server_name, stream).await.map_err(text)?;
    if stream.get_ref().1.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("another protocol was agreed on".to_owned());
    }
    let chain = seen.0.lock().unwrap().take().unwrap();
    let certificate = Certificate::from_der(&chain).map_err(text)?;
    let extensions = certificate.tbs_certificate().extensions().unwrap();
    let proofs = extensions.iter();
    let mut proofs = proofs.filter(|it| it.extn_id.to_string() == ACME_IDENTIFIER);
    let found = proofs.next().ok_or("no acmeIdentifier")?;
    // An OCTET STRING of 32 bytes.
    let expected = [&[0x04, 0x20][..], &Sha256::digest(proof)].concat();
    if !found.critical || found.extn_value.as_bytes() != expected {
        return Err("another proof".to_owned());
    }
    let named = certificate.tbs_certificate().get_extension();
    let (_, SubjectAltName(names)) = named.map_err(text)?.ok_or("no name")?;
    match names.as_slice() {
        [GeneralName::DnsName(only)] if only.to_string() == name => Ok(()),
        _ => Err("another name".to_owned()),
    }
}

/// Looks by http-01 (RFC 8555, section 8.3).
pub(super) async fn http(
    at: SocketAddr,
    name: &str,
    token: &str,
    proof: &str,
) -> Result<(), String> {
    let mut stream = TcpStream::connect(at).await.map_err(text)?;
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map_err(text)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if head.starts_with("HTTP/1.1 200 ") && body == proof {
        Ok(())
    } else {
        Err(format!(
            "another answer: {}",
            head.lines().next().unwrap_or_default()
        ))
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Notes the certificate that is shown, whoever signed it.
#[derive(Debug, Default)]
struct Seen(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = Some(certificate.clone().into_owned());
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
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
