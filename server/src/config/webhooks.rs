//! Whom webhooks may call.

use std::net::IpAddr;
use std::path::PathBuf;

use conclave_server_core::webhook::guard::Guard;

use super::reader::Reader;

/// Whom webhooks may call, and whom they trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Webhooks {
    /// Networks and names of hosts that may be called although they are private, or by plain http.
    allow: Vec<String>,
    /// PEM of whom to trust instead of those whom the system trusts.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Webhooks {
    /// Returns what keeps calls away from this machine, whose addresses are `own`, and its neighbours.
    pub(crate) fn guard(&self, own: &[IpAddr]) -> Guard {
        let allow = self.allow.iter().map(String::as_str);
        Guard::new(allow, own.iter().copied()).expect("entries were read when they were taken")
    }
}

impl Reader<'_> {
    /// Reads `[webhooks]`.
    pub(super) fn webhooks(&mut self) -> Webhooks {
        let mut allow = Vec::new();
        for entry in self.list("webhooks.allow") {
            match Guard::new([entry.as_str()], []) {
                Ok(_) => allow.push(entry),
                Err(bad) => self.complain("webhooks.allow", &bad.to_string()),
            }
        }
        Webhooks {
            allow,
            ca_file: self.file("webhooks.ca_file").map(|(path, _)| path),
        }
    }
}
