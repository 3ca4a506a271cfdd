//! What clients are told of the relay: where it is, and by what they may use it.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::relay::Relay;
use conclave_signalling_wire::objects::IceServer;
use conclave_turn_core::auth::{Credential, Mint, Secret, SessionKey};

use crate::config::PublicUrl;

/// Seconds for which a credential of a participant opens the relay: long enough that a client on a
/// bad line renews it in time, short enough that one that leaks is soon worth nothing. Allocations
/// last as long as the participant does.
const MEMBER_S: u32 = 600;
/// The same for a test before joining: a browser needs two seconds for it.
const TEST_S: u32 = 60;

/// Where clients find the relay.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Instead of what follows from the rest, with `{host}` for the host of a page.
    pub(crate) urls: Vec<String>,
    /// Where pages are.
    pub(crate) public_url: PublicUrl,
    /// The port of TLS as it is bound.
    pub(crate) bound_port: u16,
}

impl Places {
    /// Returns the URLs for a page of this host.
    ///
    /// A page of `public_url` finds the relay at the port of that, which may be mapped to ours;
    /// others came to our port as it is.
    pub(crate) fn urls(&self, host: &str) -> Vec<String> {
        if !self.urls.is_empty() {
            let urls = self.urls.iter();
            return urls.map(|url| url.replace("{host}", host)).collect();
        }
        let port = if host.eq_ignore_ascii_case(self.public_url.host()) {
            self.public_url.port()
        } else {
            self.bound_port
        };
        vec![
            format!("turn:{host}:{port}?transport=udp"),
            format!("turn:{host}:{port}?transport=tcp"),
            format!("turns:{host}:{port}?transport=tcp"),
        ]
    }

    /// Returns the URLs for the page of `public_url`.
    pub(crate) fn public(&self) -> Vec<String> {
        self.urls(self.public_url.host())
    }
}

/// Makes the credentials of the relay, under a secret that the relay has too.
pub(crate) struct Minting {
    mint: RwLock<Mint>,
    places: Places,
}

impl fmt::Debug for Minting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Minting")
    }
}

impl Minting {
    pub(crate) fn new(mint: Mint, places: Places) -> Self {
        Minting {
            mint: RwLock::new(mint),
            places,
        }
    }

    /// Mints under another secret from here on. The relay must know it already.
    pub(crate) fn rotate(&self, secret: Secret) {
        let mut mint = self.mint.write().unwrap_or_else(PoisonError::into_inner);
        mint.rotate(secret);
    }

    fn mint<T>(&self, make: impl FnOnce(&Mint) -> T) -> T {
        make(&self.mint.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn server(&self, host: &str, credential: Credential, ttl_s: u32) -> IceServer {
        IceServer {
            urls: self.places.urls(host),
            username: credential.username,
            credential: credential.password,
            ttl_s,
        }
    }
}

impl Relay for Minting {
    fn member(
        &self,
        member: MemberKey,
        host: &str,
        unix_s: u64,
        random: [u8; 8],
    ) -> Vec<IceServer> {
        let expires = unix_s.saturating_add(MEMBER_S.into());
        let credential = self.mint(|mint| mint.mint(session_of(member), expires, random));
        vec![self.server(host, credential, MEMBER_S)]
    }

    fn test(&self, host: &str, unix_s: u64, random: [u8; 8]) -> Option<IceServer> {
        let expires = unix_s.saturating_add(TEST_S.into());
        let credential = self.mint(|mint| mint.mint_test(expires, random));
        Some(self.server(host, credential, TEST_S))
    }
}

/// Returns what the relay calls a participant.
pub(crate) fn session_of(member: MemberKey) -> SessionKey {
    SessionKey(member.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(urls: &[&str]) -> Places {
        Places {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            public_url: PublicUrl::new("meet.example.org", 443),
            bound_port: 8443,
        }
    }

    #[test]
    fn the_relay_is_where_the_page_is() {
        assert_eq!(
            places(&[]).urls("meet.example.org"),
            [
                "turn:meet.example.org:443?transport=udp",
                "turn:meet.example.org:443?transport=tcp",
                "turns:meet.example.org:443?transport=tcp",
            ]
        );
        assert_eq!(
            places(&[]).urls("[2001:db8::7]").last().map(String::as_str),
            Some("turns:[2001:db8::7]:8443?transport=tcp")
        );
    }

    #[test]
    fn what_the_operator_says_counts_alone() {
        let places = places(&["turn:{host}:3478", "turns:turn.example.org?transport=tcp"]);
        assert_eq!(
            places.public(),
            [
                "turn:meet.example.org:3478",
                "turns:turn.example.org?transport=tcp"
            ]
        );
    }

    #[test]
    fn a_credential_says_until_when_and_whose_and_nothing_prints_it() {
        let minting = Minting::new(Mint::new(Secret::random([7; 32])), places(&[]));
        let servers = minting.member(MemberKey(0x2a), "meet.example.org", 1_700_000_000, [1; 8]);
        let [server] = &servers[..] else {
            panic!("one relay");
        };
        assert!(server.username.starts_with("1700000600:000000000000002a:"));
        assert_eq!(server.ttl_s, 600);
        let test = minting
            .test("meet.example.org", 1_700_000_000, [1; 8])
            .unwrap();
        assert!(test.username.starts_with("1700000060:test:"));
        let before = server.credential.clone();
        assert!(!format!("{minting:?} {servers:?}").contains(&before));
        minting.rotate(Secret::random([8; 32]));
        let after = minting.member(MemberKey(0x2a), "meet.example.org", 1_700_000_000, [1; 8]);
        assert_eq!(after[0].username, server.username);
        assert_ne!(after[0].credential, before);
    }
}
