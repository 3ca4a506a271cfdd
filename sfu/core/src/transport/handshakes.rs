//! Handshakes of tests: how many there were, and with which profile they end.

use std::cell::Cell;
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};

thread_local! {
    static MADE: Cell<usize> = const { Cell::new(0) };
    static FORCED: Cell<Option<(SrtpProfile, usize)>> = const { Cell::new(None) };
}

/// Returns how many DTLS instances this thread has made.
pub(super) fn made() -> usize {
    MADE.get()
}

/// Makes every handshake of this thread end with `profile`, whose keys and
/// salts take `material` bytes. The library offers all profiles, and takes the
/// strongest, so that two of its make never agree on another one.
pub(super) fn force(profile: SrtpProfile, material: usize) {
    FORCED.set(Some((profile, material)));
}

/// Returns `provider` with its DTLS watched.
pub(super) fn watched(provider: CryptoProvider) -> CryptoProvider {
    let watch: &'static WatchProvider = Box::leak(Box::new(WatchProvider(provider.dtls_provider)));
    CryptoProvider {
        dtls_provider: watch,
        ..provider
    }
}

/// Gives out as much of the secret as the profile of this thread needs.
fn as_forced(output: DtlsOutput<'_>) -> DtlsOutput<'_> {
    match (output, FORCED.get()) {
        (DtlsOutput::KeyingMaterial(material, _), Some((profile, len))) => {
            DtlsOutput::KeyingMaterial(KeyingMaterial::new(&material[..len]), profile)
        }
        (output, _) => output,
    }
}

#[derive(Debug)]
struct WatchProvider(&'static dyn DtlsProvider);

impl DtlsProvider for WatchProvider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        MADE.set(MADE.get() + 1);
        let inner = self.0.new_dtls(cert, now, dtls_version, mtu)?;
        Ok(Box::new(WatchInstance(inner)))
    }
}

#[derive(Debug)]
struct WatchInstance(Box<dyn DtlsInstance>);

impl DtlsInstance for WatchInstance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        as_forced(self.0.poll_output(buf))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
