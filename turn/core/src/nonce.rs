//! Nonces without state, and the protection against being talked down to weaker algorithms (RFC 8489, section 9.2).
//!
//! A nonce is 28 characters: the cookie `obMatJos2`, four characters of security features, three of the time it was made
//! (seconds modulo 2^18, three days) and twelve of a MAC over the client's transport and address (the port only over UDP), the realm and the whole
//! time. 72 bits of MAC can only be guessed online, by somebody who has credentials and wants to be taken for another
//! address. It is short because it is much of a 401, and a 401 may go to a forged address.

use std::net::IpAddr;

use conclave_turn_wire::integrity::{Algorithm, Mac};
use conclave_turn_wire::message::{PASSWORD_ALGORITHMS, Request, UnknownAlgorithm};
use conclave_turn_wire::{ClientTransport, FiveTuple};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base64;
use crate::seed;

#[cfg(test)]
mod tests;

/// How long a nonce is good, in seconds. Whoever listens can replay a request for as long, from the same address;
/// each renewal costs a round trip.
pub const NONCE_LIFE_S: u64 = 30 * 60;

/// How far the clock may have been set back since a nonce was made, in seconds.
const CLOCK_STEP_S: u64 = 60;

const COOKIE: &str = "obMatJos2";
/// Password algorithms, bit 0 of the 24 security features, in base64.
///
/// RFC 8489, section 18.1, says of which side bits are counted in two ways: the text as it was published lets clients
/// count from the left (stun-proto, stun-rs), erratum 6290 and the nonce of appendix B.1 (`AAAC` for bit 1) from the
/// right (libjuice). The bits are set for both, 0x800001: in either reading those of the other are unassigned, and
/// what a client does not know it ignores.
const ALGORITHMS: &str = "gAAB";
/// Password algorithms and username anonymity, bits 0 and 1, likewise: 0xc00003.
const ALGORITHMS_AND_ANONYMITY: &str = "wAAD";
const PREFIX_LEN: usize = COOKIE.len() + ALGORITHMS.len();
const TIME_LEN: usize = 3;
/// The characters of the time are the upper 18 of the 24 bits that four characters would have.
const TIME_BITS: u32 = 18;
const MAC_BYTES: usize = 9;
/// The characters of a nonce.
pub(crate) const NONCE_LEN: usize = PREFIX_LEN + TIME_LEN + MAC_BYTES / 3 * 4;

/// What became of a nonce. Everything but [`Verdict::Fresh`] is answered 438 with a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Made by us for this client within the last [`NONCE_LIFE_S`].
    Fresh,
    /// Made by us for this client, but too long ago.
    Stale,
    /// Not made by us, or for another address or transport, or days ago.
    Foreign,
}

/// Makes nonces and knows them again.
pub struct Nonces {
    key: Zeroizing<[u8; 32]>,
    realm: String,
    features: &'static str,
}

impl Nonces {
    /// Makes nonces of `realm` that offer password algorithms. Processes with one seed know each other's.
    pub fn new(seed: &[u8; 32], realm: &str) -> Self {
        Nonces {
            key: seed::derive(seed, "conclave turn nonce"),
            realm: realm.to_owned(),
            features: ALGORITHMS,
        }
    }

    /// Offers username anonymity as well, or not: a client that is offered it sends USERHASH and never its name (RFC 8489,
    /// section 9.2.5). Nonces of before are then foreign.
    pub fn offer_anonymity(&mut self, is_offered: bool) {
        self.features = if is_offered {
            ALGORITHMS_AND_ANONYMITY
        } else {
            ALGORITHMS
        };
    }

    /// Makes the nonce of `from` at `unix_s`, seconds since 1970. The same second gives the same nonce.
    pub fn issue(&self, from: &FiveTuple, unix_s: u64) -> String {
        let mut nonce = String::with_capacity(NONCE_LEN);
        nonce.push_str(COOKIE);
        nonce.push_str(self.features);
        push_time(unix_s, &mut nonce);
        base64::standard(&self.mac(from, unix_s), &mut nonce);
        nonce
    }

    /// Says whether `nonce` came from [`Nonces::issue`] for `from`, and whether it is still good at `unix_s`.
    pub fn verify(&self, from: &FiveTuple, unix_s: u64, nonce: &[u8]) -> Verdict {
        let Some(made_at) = made_at(nonce, unix_s) else {
            return Verdict::Foreign;
        };
        let expected = self.issue(from, made_at);
        if !bool::from(expected.as_bytes().ct_eq(nonce)) {
            return Verdict::Foreign;
        }
        if unix_s.saturating_sub(made_at) < NONCE_LIFE_S {
            Verdict::Fresh
        } else {
            Verdict::Stale
        }
    }

    fn mac(&self, from: &FiveTuple, unix_s: u64) -> [u8; MAC_BYTES] {
        let transport = match from.transport {
            ClientTransport::Udp => 1,
            ClientTransport::Tcp => 2,
            ClientTransport::Tls => 3,
        };
        let client = from.client.0;
        let (family, address) = match client.ip() {
            IpAddr::V4(address) => (4, u128::from(address.to_bits())),
            IpAddr::V6(address) => (6, address.to_bits()),
        };
        // A data connection of RFC 6062 has a port of its own and comes with the nonce of the first
        // connection; and nobody forges the source of a stream.
        let port = match from.transport {
            ClientTransport::Udp => client.port(),
            ClientTransport::Tcp | ClientTransport::Tls => 0,
        };
        // Every part but the last has a fixed length, so no two inputs read the same.
        let whole = seed::hmac_sha256(
            self.key.as_slice(),
            &[
                &[transport, family],
                &address.to_be_bytes(),
                &port.to_be_bytes(),
                &unix_s.to_be_bytes(),
                self.realm.as_bytes(),
            ],
        );
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&whole[..MAC_BYTES]);
        mac
    }
}

/// What a request says about algorithms.
#[derive(Clone, Copy, Debug)]
pub struct Carried<'a> {
    /// The value of its PASSWORD-ALGORITHMS, as it came.
    pub algorithms: Option<&'a [u8]>,
    /// Its PASSWORD-ALGORITHM.
    pub algorithm: Option<Result<Algorithm, UnknownAlgorithm>>,
    /// Whether it has a MESSAGE-INTEGRITY-SHA256, which is then the one to be verified.
    pub sha256: bool,
}

impl<'a> From<&Request<'a>> for Carried<'a> {
    fn from(request: &Request<'a>) -> Self {
        Carried {
            algorithms: request.password_algorithms,
            algorithm: request.password_algorithm,
            sha256: request.seal(Mac::Sha256).is_some(),
        }
    }
}

/// The request's lists of algorithms were altered on the way: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("algorithms of the request are not what was offered")]
pub struct AlteredAlgorithms;

/// Says by which algorithm the key of a request is made (RFC 8489, section 9.2.4).
///
/// A request with neither list nor choice is of a client that knows MD5 only, as browsers are. If the nonce shows that
/// algorithms were offered, a request with one of them must have both, the list exactly as it was sent. A client that
/// chose SHA-256 must also sign by it: an SHA-1 integrity there is somebody's attempt at the weaker one. A nonce without the
/// cookie is none of ours and ends in 438 whatever the algorithm.
pub fn password_algorithm(
    nonce: &[u8],
    carried: Carried<'_>,
) -> Result<Algorithm, AlteredAlgorithms> {
    if !offers_algorithms(nonce) {
        return Ok(Algorithm::Md5);
    }
    let (list, choice) = match (carried.algorithms, carried.algorithm) {
        (None, None) => return Ok(Algorithm::Md5),
        (Some(list), Some(choice)) => (list, choice),
        _ => return Err(AlteredAlgorithms),
    };
    if list != PASSWORD_ALGORITHMS {
        return Err(AlteredAlgorithms);
    }
    match choice {
        Ok(Algorithm::Sha256) if carried.sha256 => Ok(Algorithm::Sha256),
        Ok(Algorithm::Md5) => Ok(Algorithm::Md5),
        _ => Err(AlteredAlgorithms),
    }
}

/// Returns whether a nonce has the cookie and the bit of password algorithms, as all of ours do. One whose bits were
/// altered is foreign, and ends in 438.
fn offers_algorithms(nonce: &[u8]) -> bool {
    let Some(features) = nonce.strip_prefix(COOKIE.as_bytes()) else {
        return false;
    };
    features.starts_with(ALGORITHMS.as_bytes())
        || features.starts_with(ALGORITHMS_AND_ANONYMITY.as_bytes())
}

fn push_time(unix_s: u64, out: &mut String) {
    let bits = (unix_s as u32) << (24 - TIME_BITS);
    let mut four = String::with_capacity(4);
    base64::standard(&bits.to_be_bytes()[1..], &mut four);
    out.push_str(&four[..TIME_LEN]);
}

/// Returns the latest time not after `unix_s`, but for a step of the clock, that the nonce can be of.
fn made_at(nonce: &[u8], unix_s: u64) -> Option<u64> {
    if nonce.len() != NONCE_LEN {
        return None;
    }
    let time = nonce.get(PREFIX_LEN..PREFIX_LEN + TIME_LEN)?;
    let low = base64::eighteen_bits(time)?;
    let latest = unix_s.checked_add(CLOCK_STEP_S)?;
    let behind = latest.wrapping_sub(u64::from(low)) & ((1 << TIME_BITS) - 1);
    latest.checked_sub(behind)
}
