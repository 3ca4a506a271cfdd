//! The certificate of all servers, which clients trust.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whose it is.
pub(crate) const NAME: &str = "localhost";

/// The file with the certificate or its key, as text (`pem`, `key.pem`) or in
/// binary (`der`, `key.der`).
pub(crate) fn file(ending: &str) -> PathBuf {
    std::env::temp_dir().join(format!("bench-turn.{ending}"))
}

/// Makes it anew.
pub(crate) fn make() {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a key is made");
    let write = |ending, bytes: &[u8]| {
        std::fs::write(file(ending), bytes).expect("the folder can be written");
    };
    write("pem", made.cert.pem().as_bytes());
    write("der", made.cert.der());
    write("key.pem", made.signing_key.serialize_pem().as_bytes());
    write("key.der", &made.signing_key.serialize_der());
}

/// The server's side of TLS.
pub(crate) fn acceptor() -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(read("key.der").into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(read("der"))], key)
        .expect("key and certificate fit");
    TlsAcceptor::from(Arc::new(config))
}

/// The client's side of TLS.
pub(crate) fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(read("der")))
        .expect("it is a certificate");
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn read(ending: &str) -> Vec<u8> {
    std::fs::read(file(ending)).expect("it was made before")
}
