//! Proofs that our name is ours, held ready for whoever signs certificates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Proofs of the moment, by name (RFC 8737).
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    proofs: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// Begins without proofs.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        // Insertions and removals are whole or not at all.
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.proofs().get(&name).cloned()
    }
}
