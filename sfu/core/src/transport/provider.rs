//! The provider of keys and ciphers that the transports of this process share:
//! its DTLS is tapped, and its ciphers seal nothing that is ours.

use std::sync::Once;
use std::time::Instant;

use conclave_sfu_keytap::{KeySlot, tapped};
use str0m::config::CryptoProvider;
use str0m::{Rtc, RtcConfig};

use super::guard;
#[cfg(test)]
use super::handshakes::watched;

/// Builds an `Rtc` and returns it with the slot that its keys will come in.
pub(super) fn build(config: RtcConfig, now: Instant) -> (Rtc, KeySlot) {
    install();
    conclave_sfu_keytap::build(config, now)
}

/// Makes the wrapped provider the one of this process.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stock = str0m::crypto::from_feature_flags();
        let guarded = CryptoProvider {
            srtp_provider: guard::guarded_srtp(stock.srtp_provider),
            sha1_hmac_provider: guard::guarded_hmac(stock.sha1_hmac_provider),
            ..stock
        };
        #[cfg(test)]
        let guarded = watched(guarded);
        tapped(guarded).install_process_default();
    });
}
