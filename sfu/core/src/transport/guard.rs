//! Keeps the library from sealing anything under an SSRC that is ours.
//!
//! Nonces are made of the SSRC and a counter. Two sealers that count under one
//! SSRC and one key would use a nonce twice, which gives the key of an AEAD
//! away (RFC 7714, section 9). The library knows none of our SSRCs but while it
//! negotiates; should it ever seal one, its packet is not made and its
//! transport ends.

use std::cell::{Cell, RefCell};

use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, Sha1HmacProvider,
    SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

thread_local! {
    /// The SSRCs of the transport that is being served, which are not the library's.
    static OWNED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    /// A counter-mode packet was enciphered and is about to be signed.
    static SIGNING: Cell<bool> = const { Cell::new(false) };
}

/// Begins to serve a transport whose SSRCs are `owned`.
pub(super) fn enter(owned: Vec<u32>) {
    SIGNING.set(false);
    OWNED.replace(owned);
}

/// Ends serving it; gives its SSRCs back.
pub(super) fn leave() -> Vec<u32> {
    OWNED.take()
}

/// Stops the sealing of a packet that begins with `header`.
///
/// # Panics
///
/// If its SSRC is ours. The transport ends by it, and alone.
fn check(header: &[u8]) {
    // RTP and RTCP are told apart as in RFC 5761, section 4.
    let ssrc = match header.get(1) {
        Some(192..=223) => number(header, 4),
        _ => number(header, 8),
    };
    let ours = ssrc.is_none_or(|ssrc| OWNED.with_borrow(|owned| owned.contains(&ssrc)));
    assert!(!ours, "the library was about to seal an SSRC that is ours");
}

fn number(header: &[u8], at: usize) -> Option<u32> {
    let bytes = header.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Returns `stock` behind the guard. To be called once per process: what it
/// returns lives as long.
pub(super) fn guarded_srtp(stock: &'static dyn SrtpProvider) -> &'static dyn SrtpProvider {
    leak(GuardedSrtp {
        stock,
        cm: leak(Guarded(stock.aes_128_cm_sha1_80())),
        gcm_128: leak(Guarded(stock.aead_aes_128_gcm())),
        gcm_256: leak(Guarded(stock.aead_aes_256_gcm())),
    })
}

/// Returns `stock` behind the guard. To be called once per process.
pub(super) fn guarded_hmac(stock: &'static dyn Sha1HmacProvider) -> &'static dyn Sha1HmacProvider {
    leak(Guarded(stock))
}

fn leak<T>(provider: T) -> &'static T {
    Box::leak(Box::new(provider))
}

#[derive(Debug)]
struct Guarded<T>(T);

/// An AEAD cipher of the library's.
#[derive(Debug)]
struct Sealing<T> {
    cipher: T,
    #[cfg(debug_assertions)]
    key: conclave_sfu_srtp::KeyId,
}

impl<T> Sealing<T> {
    fn new(cipher: T, key: &[u8]) -> Self {
        #[cfg(not(debug_assertions))]
        let _ = key;
        Sealing {
            cipher,
            #[cfg(debug_assertions)]
            key: conclave_sfu_srtp::KeyId::of(key),
        }
    }

    /// Stops what is ours, and in debug builds writes RTCP into the book that
    /// our own sealer writes: under one key no index is used twice.
    fn check(&self, header: &[u8]) {
        check(header);
        #[cfg(debug_assertions)]
        if let (Some(192..=223), Some(ssrc), Some(index)) =
            (header.get(1), number(header, 4), number(header, 8))
        {
            use conclave_sfu_srtp::{Kind, ledger};
            ledger::note(self.key, Kind::Rtcp, ssrc, u64::from(index & 0x7fff_ffff));
        }
    }
}

#[derive(Debug)]
struct GuardedSrtp {
    stock: &'static dyn SrtpProvider,
    cm: &'static Guarded<&'static dyn SupportedAes128CmSha1_80>,
    gcm_128: &'static Guarded<&'static dyn SupportedAeadAes128Gcm>,
    gcm_256: &'static Guarded<&'static dyn SupportedAeadAes256Gcm>,
}

impl SrtpProvider for GuardedSrtp {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        self.cm
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        self.gcm_128
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        self.gcm_256
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        self.stock.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        self.stock.srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAes128CmSha1_80 for Guarded<&'static dyn SupportedAes128CmSha1_80> {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(Guarded(self.0.create_cipher(key, encrypt)))
    }
}

impl SupportedAeadAes128Gcm for Guarded<&'static dyn SupportedAeadAes128Gcm> {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Sealing::new(self.0.create_cipher(key, encrypt), &key))
    }
}

impl SupportedAeadAes256Gcm for Guarded<&'static dyn SupportedAeadAes256Gcm> {
    fn create_cipher(&self, key: [u8; 32], encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Sealing::new(self.0.create_cipher(key, encrypt), &key))
    }
}

/// Counter mode does not see the header: the packet is looked at when it is
/// signed, which comes next.
impl Aes128CmSha1_80Cipher for Guarded<Box<dyn Aes128CmSha1_80Cipher>> {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        SIGNING.set(true);
        self.0.encrypt(iv, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.decrypt(iv, input, output)
    }
}

impl AeadAes128GcmCipher for Sealing<Box<dyn AeadAes128GcmCipher>> {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.check(aad);
        self.cipher.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.cipher.decrypt(iv, aads, input, output)
    }
}

impl AeadAes256GcmCipher for Sealing<Box<dyn AeadAes256GcmCipher>> {
    fn encrypt(
        &mut self,
        iv: &[u8; 12],
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.check(aad);
        self.cipher.encrypt(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.cipher.decrypt(iv, aads, input, output)
    }
}

impl Sha1HmacProvider for Guarded<&'static dyn Sha1HmacProvider> {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        if SIGNING.take() {
            check(payloads.first().copied().unwrap_or_default());
        }
        self.0.sha1_hmac(key, payloads)
    }
}
