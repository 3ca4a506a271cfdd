//! Takes the SRTP keys of a transport as the DTLS handshake gives them out.
//!
//! The DTLS provider of the process wraps the stock one; each `Rtc` makes
//! exactly one DTLS instance, synchronously, while it is built. A slot in
//! thread-local storage ties that instance to the transport being built. This
//! is the only place of our own that sees key bytes.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Once, OnceLock};
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::{Rtc, RtcConfig};

/// The SRTP keys of one DTLS association, both directions.
pub(crate) struct SrtpKeys {
    /// Client key, server key, client salt, server salt (RFC 5764, section 4.2).
    material: Vec<u8>,
    profile: SrtpProfile,
}

impl SrtpKeys {
    /// Returns whether packets are sealed with an AEAD (RFC 7714). The other
    /// profile hashes each packet with SHA-1 and costs five times as much.
    pub(crate) fn is_aead(&self) -> bool {
        !matches!(self.profile, SrtpProfile::AES128_CM_SHA1_80)
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

/// Filled once, before the transport reports that it is connected.
pub(crate) type KeySlot = Arc<OnceLock<SrtpKeys>>;

thread_local! {
    static BEING_BUILT: RefCell<Option<KeySlot>> = const { RefCell::new(None) };
}

/// Builds an `Rtc` and returns it with the slot that its keys will come in.
pub(crate) fn build(config: RtcConfig, now: Instant) -> (Rtc, KeySlot) {
    install();
    let slot = KeySlot::default();
    BEING_BUILT.with(|cell| *cell.borrow_mut() = Some(slot.clone()));
    let rtc = config.build(now);
    BEING_BUILT.with(|cell| *cell.borrow_mut() = None);
    (rtc, slot)
}

/// Makes the wrapped provider the one of this process.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stock = str0m::crypto::from_feature_flags();
        // One per process: the provider must live as long as the process does.
        let tap: &'static TapProvider = Box::leak(Box::new(TapProvider {
            inner: stock.dtls_provider,
        }));
        CryptoProvider {
            dtls_provider: tap,
            ..stock
        }
        .install_process_default();
    });
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
        let slot = BEING_BUILT
            .with(|cell| cell.borrow_mut().take())
            .unwrap_or_default();
        Ok(Box::new(TapInstance { inner, slot }))
    }
}

#[derive(Debug)]
struct TapInstance {
    inner: Box<dyn DtlsInstance>,
    slot: KeySlot,
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
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            // A second handshake in one association is refused by the stock
            // provider, so a filled slot stays as it is.
            let _ = self.slot.set(SrtpKeys {
                material: material.as_ref().to_vec(),
                profile: *profile,
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
