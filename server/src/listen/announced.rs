//! Connections that a proxy passes on, and says for whom before anything else.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use conclave_signalling_core::settings::Network;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::proxies::Proxies;
use super::proxy_header::{Ends, LONGEST, Malformed, Progress, look};
use super::throttle::Throttle;

/// Proxies whose connections begin with a header of the PROXY protocol, each of
/// them; nobody else's does.
#[derive(Debug, Default)]
pub(crate) struct Announcing {
    proxies: Proxies,
    unsaid: Mutex<Throttle>,
}

impl Announcing {
    /// Takes the word of whoever is in one of these networks.
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Announcing {
            proxies: Proxies::new(networks),
            unsaid: Mutex::default(),
        }
    }

    /// Takes the word of these from here on.
    pub(crate) fn replace(&self, networks: Vec<Network>) {
        self.proxies.replace(networks);
    }

    /// Returns whether connections from this address begin with a header.
    pub(super) fn is_one(&self, address: IpAddr) -> bool {
        self.proxies.trusts(address)
    }

    /// Tells whoever runs this server that one came without.
    pub(super) fn complain(&self) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = unsaid.count(Instant::now()) {
            tracing::warn!(
                times,
                "a proxy of `listen.proxy_protocol` sent no PROXY header: closed"
            );
        }
    }
}

/// Reads a header and nothing of what follows it. `None`: the proxy speaks for itself.
///
/// # Errors
/// What reading gives; `UnexpectedEof` when nothing comes at all, `InvalidData`
/// when it is something else.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Ends>> {
    let mut header = [0; LONGEST];
    let mut end = 0;
    loop {
        match look(&header[..end]) {
            Ok(Progress::Whole(ends)) => return Ok(ends),
            Ok(Progress::More(count)) => match stream.read(&mut header[end..end + count]).await? {
                0 if end == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => return Err(io::ErrorKind::InvalidData.into()),
                read => end += read,
            },
            Err(Malformed) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
