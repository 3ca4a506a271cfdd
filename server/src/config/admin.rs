//! What operators ask the server over the network.

use conclave_server_api::Entrance;
use conclave_signalling_core::settings::{InvalidNetwork, Network};

use super::Listen;
use super::reader::Reader;

/// Requests in a minute, at most: more than a server answers.
const PER_MINUTE_MAX: u32 = 1_000_000;

/// Who may ask what there is to know of the server, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admin {
    /// Where metrics and readiness are served, if anywhere.
    pub(crate) listen: Option<Listen>,
    /// To whom the REST API answers, and how often.
    pub(crate) entrance: Entrance,
}

impl Reader<'_> {
    /// Reads `[admin]`.
    pub(super) fn admin(&mut self) -> Admin {
        let listen = self.parsed("admin.listen", |text| match text {
            "off" => Ok(None),
            _ => Listen::parse(text).map(Some),
        });
        Admin {
            listen: listen.flatten(),
            entrance: Entrance {
                networks: self.networks("admin.api_cidrs"),
                requests_per_minute: self.within("admin.requests_per_minute", 1, PER_MINUTE_MAX),
            },
        }
    }

    /// Reads a list of addresses and networks.
    pub(super) fn networks(&mut self, path: &str) -> Vec<Network> {
        let mut networks = Vec::new();
        for text in self.list(path) {
            match text.parse() {
                Ok(network) => networks.push(network),
                Err(InvalidNetwork) => self.complain(
                    path,
                    &format!("`{text}` is no address and no network like 192.0.2.0/24"),
                ),
            }
        }
        networks
    }
}
