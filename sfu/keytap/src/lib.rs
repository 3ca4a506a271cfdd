//! Takes the SRTP keys of a connection as the DTLS handshake gives them out.
//!
//! A DTLS provider wraps another; each `Rtc` makes exactly one DTLS instance,
//! synchronously, while it is built. A slot in thread-local storage ties that
//! instance to the connection being built. This is the only place of our own
//! that sees key bytes; they are wiped once the session keys are derived.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use conclave_sfu_srtp::{KeyError, Profile, SrtpRx, SrtpTx, contexts};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::{Rtc, RtcConfig};

/// The SRTP keys of one DTLS association, both directions.
pub struct SrtpKeys {
    /// Client key, server key, client salt, server salt (RFC 5764, section 4.2).
    material: Vec<u8>,
    profile: SrtpProfile,
    /// Whether we are the DTLS client, whose half seals what we send.
    is_client: bool,
}

impl SrtpKeys {
    /// Returns whether packets are sealed with an AEAD (RFC 7714). The other
    /// profile hashes each packet with SHA-1 and costs five times as much.
    pub fn is_aead(&self) -> bool {
        !matches!(self.profile, SrtpProfile::AES128_CM_SHA1_80)
    }

    /// Derives the session keys of both directions. To be called once: a second
    /// pair would seal the same nonces again.
    ///
    /// # Errors
    /// When the handshake gave fewer bytes than the profile needs.
    pub fn contexts(self) -> Result<(SrtpTx, SrtpRx), KeyError> {
        let profile = match self.profile {
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            _ => return Err(KeyError::Cipher),
        };
        contexts(&self.material, profile, self.is_client)
    }
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SrtpKeys(…)")
    }
}

impl Drop for SrtpKeys {
    fn drop(&mut self) {
        self.material.fill(0);
        // Keeps the writes although nobody reads them again.
        std::hint::black_box(&mut self.material);
    }
}

/// Filled once, before the connection reports that it is up.
pub type KeySlot = Arc<OnceLock<SrtpKeys>>;

thread_local! {
    static BEING_BUILT: RefCell<Option<KeySlot>> = const { RefCell::new(None) };
}

/// Returns `provider` with its DTLS tapped. To be called once for each use that
/// a process makes of it: what it returns lives as long.
pub fn tapped(provider: CryptoProvider) -> CryptoProvider {
    let tap: &'static TapProvider = Box::leak(Box::new(TapProvider {
        inner: provider.dtls_provider,
    }));
    CryptoProvider {
        dtls_provider: tap,
        ..provider
    }
}

/// Builds an `Rtc` and returns it with the slot that its keys will come in. Its
/// provider, or that of the process, must be a [`tapped`] one: else none come.
pub fn build(config: RtcConfig, now: Instant) -> (Rtc, KeySlot) {
    let slot = KeySlot::default();
    BEING_BUILT.with(|cell| *cell.borrow_mut() = Some(slot.clone()));
    let rtc = config.build(now);
    BEING_BUILT.with(|cell| *cell.borrow_mut() = None);
    (rtc, slot)
}

/// Takes the keys out of a slot that the handshake has filled.
pub fn take(slot: &mut KeySlot) -> Option<SrtpKeys> {
    // The instance has let go of the slot, so that this is the only handle.
    Arc::get_mut(slot)?.take()
}

#[derive(Debug)]
struct TapProvider {
    inner: &'static dyn DtlsProvider,
}

impl DtlsProvider for TapProvider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.inner.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.inner.new_dtls(cert, now, dtls_version, mtu)?;
        let slot = BEING_BUILT.with(|cell| cell.borrow_mut().take());
        Ok(Box::new(TapInstance { inner, slot }))
    }
}

#[derive(Debug)]
struct TapInstance {
    inner: Box<dyn DtlsInstance>,
    /// Until it is filled.
    slot: Option<KeySlot>,
}

impl DtlsInstance for TapInstance {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(slot) = self.slot.take()
        {
            // A second handshake in one association is refused by the stock
            // provider, so a slot is filled once.
            let _ = slot.set(SrtpKeys {
                material: material.as_ref().to_vec(),
                profile: *profile,
                is_client: self.inner.is_active(),
            });
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
