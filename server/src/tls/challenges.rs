//! Proofs that our name is ours, held ready for whoever signs certificates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The path below which tokens are asked for (RFC 8555, section 8.3).
const HTTP_PATH: &str = "/.well-known/acme-challenge/";

/// Proofs of the moment, of which there are as many as names in an order: one.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    proofs: Mutex<Proofs>,
}

#[derive(Debug, Default)]
struct Proofs {
    /// By name (RFC 8737).
    tls: HashMap<String, Arc<CertifiedKey>>,
    /// By token (RFC 8555, section 8.3).
    http: HashMap<String, String>,
}

impl Challenges {
    /// Begins without proofs.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Shows a certificate to whoever validates `name` by tls-alpn-01, as long
    /// as what is returned lives.
    pub(super) fn show(self: &Arc<Self>, name: &str, certificate: CertifiedKey) -> Shown {
        let name = name.to_ascii_lowercase();
        let certificate = Arc::new(certificate);
        self.proofs().tls.insert(name.clone(), certificate);
        Shown {
            challenges: Arc::clone(self),
            what: What::Name(name),
        }
    }

    /// Answers a token of http-01, as long as what is returned lives.
    pub(crate) fn answer(self: &Arc<Self>, token: &str, proof: &str) -> Shown {
        let token = token.to_owned();
        self.proofs().http.insert(token.clone(), proof.to_owned());
        Shown {
            challenges: Arc::clone(self),
            what: What::Token(token),
        }
    }

    /// Returns what a path under [`HTTP_PATH`] is answered with, if anything.
    pub(crate) fn http(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(HTTP_PATH)?;
        self.proofs().http.get(token).cloned()
    }

    fn proofs(&self) -> MutexGuard<'_, Proofs> {
        // Insertions and removals are whole or not at all.
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.proofs().tls.get(&name).cloned()
    }
}

#[derive(Debug)]
enum What {
    Name(String),
    Token(String),
}

/// A proof that is held ready until this is dropped.
#[derive(Debug)]
pub(crate) struct Shown {
    challenges: Arc<Challenges>,
    what: What,
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut proofs = self.challenges.proofs();
        match &self.what {
            What::Name(name) => drop(proofs.tls.remove(name)),
            What::Token(token) => drop(proofs.http.remove(token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_answered_until_its_proof_is_dropped() {
        let challenges = Challenges::new();
        let shown = challenges.answer("abc", "abc.print");
        let path = "/.well-known/acme-challenge/abc";
        assert_eq!(challenges.http(path).as_deref(), Some("abc.print"));
        assert_eq!(challenges.http("/.well-known/acme-challenge/ab"), None);
        assert_eq!(challenges.http("/abc"), None);
        drop(shown);
        assert_eq!(challenges.http(path), None);
    }
}
