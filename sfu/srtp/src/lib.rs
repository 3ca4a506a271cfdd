//! SRTP and SRTCP of one transport (RFC 3711, RFC 7714): session keys from what
//! DTLS exports, sealing in place, opening, and the rules that keep a nonce from
//! being used twice. No I/O, no clock, no randomness.
//!
//! A nonce is made of an SSRC and an index, so the rules are about both:
//!
//! - Sealing needs an [`OwnedSsrc`], which [`SrtpTx::claim`] gives once per SSRC
//!   for the life of the keys. It can be neither copied nor used with other keys.
//! - An index of RTP is sealed at most once: above the highest so far, or into a
//!   hole among the 511 below it. A resend has a stream and an index of its own.
//! - One index counts all SRTCP of the transport and never starts again.
//! - [`SrtpTx`] cannot be copied. Other keys are another `SrtpTx`.
//!
//! Debug builds also write down everything sealed: see `ledger`.

#![forbid(unsafe_code)]

mod cipher;
mod keys;
#[cfg(debug_assertions)]
pub mod ledger;
mod rx;
mod tx;
mod window;

pub use cipher::NonceReader;
pub use keys::{KeyError, KeyId, Kind, Profile, contexts};
pub use rx::{OpenError, Opened, RxStream, SrtpRx};
pub use tx::{ClaimError, OwnedSsrc, SealError, SrtpTx};

#[cfg(test)]
mod tests;
