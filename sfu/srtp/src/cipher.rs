//! Packets under the session keys of one protocol: bytes, no rules.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq;

use crate::keys::{KeyError, KeyId, Profile, SessionKeys};

/// The fixed RTP header (RFC 3550, section 5.1).
pub(crate) const RTP_HEADER_MIN: usize = 12;
/// The RTCP header and the SSRC of the sender, which stay readable.
pub(crate) const RTCP_CLEAR: usize = 8;
/// The E bit and the index behind an SRTCP packet.
pub(crate) const RTCP_TRAILER: usize = 4;
/// The E bit: the packet is encrypted (RFC 3711, section 3.4).
pub(crate) const ENCRYPTED: u32 = 1 << 31;

const GCM_TAG: usize = 16;
const SHA1_TAG: usize = 10;

/// A packet that does not fit, or does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// A cipher with its key schedule and the salt of its nonces.
pub(crate) struct Cipher {
    profile: Profile,
    key_id: KeyId,
    salt: [u8; 14],
    keys: Keys,
}

enum Keys {
    Gcm(LessSafeKey),
    Cm(Box<CmKeys>),
}

/// Almost two kilobytes, which a transport of AES-GCM need not carry.
struct CmKeys {
    cipher: EncryptingKey,
    auth: hmac::Key,
}

impl Cipher {
    pub(crate) fn new(session: &SessionKeys) -> Result<Cipher, KeyError> {
        let gcm = |algorithm| {
            UnboundKey::new(algorithm, session.key()).map(|key| Keys::Gcm(LessSafeKey::new(key)))
        };
        let keys = match session.profile {
            Profile::AeadAes128Gcm => gcm(&AES_128_GCM),
            Profile::AeadAes256Gcm => gcm(&AES_256_GCM),
            Profile::Aes128CmSha1_80 => UnboundCipherKey::new(&AES_128, session.key())
                .and_then(EncryptingKey::ctr)
                .map(|cipher| {
                    let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &session.auth);
                    Keys::Cm(Box::new(CmKeys { cipher, auth }))
                }),
        };
        Ok(Cipher {
            profile: session.profile,
            key_id: KeyId::of(session.key()),
            salt: session.salt,
            keys: keys.map_err(|_| KeyError::Cipher)?,
        })
    }

    pub(crate) const fn profile(&self) -> Profile {
        self.profile
    }

    pub(crate) const fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(crate) const fn nonce_reader(&self) -> NonceReader {
        NonceReader {
            profile: self.profile,
            salt: self.salt,
        }
    }

    /// Seals header, payload and room for the tag in place.
    pub(crate) fn seal_rtp(
        &self,
        ssrc: u32,
        ext_seq: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Result<(), Refused> {
        let (header, body) = packet.split_at_mut_checked(header_len).ok_or(Refused)?;
        let payload_len = body
            .len()
            .checked_sub(self.profile.tag_len())
            .ok_or(Refused)?;
        match &self.keys {
            Keys::Gcm(key) => {
                let (payload, tag) = body.split_at_mut(payload_len);
                let nonce = self.gcm_nonce(ssrc, ext_seq);
                key.seal_in_place_scatter(nonce, Aad::from(&*header), payload, &[], tag)
                    .map_err(|_| Refused)
            }
            Keys::Cm(keys) => {
                let CmKeys { cipher, auth } = &**keys;
                let (payload, tag) = body.split_at_mut(payload_len);
                cipher
                    .less_safe_encrypt(payload, self.cm_counter(ssrc, ext_seq))
                    .map_err(|_| Refused)?;
                tag.copy_from_slice(&rtp_tag(auth, header, payload, ext_seq));
                Ok(())
            }
        }
    }

    /// Opens a packet in place; returns the length of its payload.
    pub(crate) fn open_rtp(
        &self,
        ssrc: u32,
        ext_seq: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Result<usize, Refused> {
        let (header, body) = packet.split_at_mut_checked(header_len).ok_or(Refused)?;
        let payload_len = body
            .len()
            .checked_sub(self.profile.tag_len())
            .ok_or(Refused)?;
        match &self.keys {
            Keys::Gcm(key) => {
                let nonce = self.gcm_nonce(ssrc, ext_seq);
                key.open_in_place(nonce, Aad::from(&*header), body)
                    .map_err(|_| Refused)?;
            }
            Keys::Cm(keys) => {
                let CmKeys { cipher, auth } = &**keys;
                let (payload, tag) = body.split_at_mut(payload_len);
                verify(&rtp_tag(auth, header, payload, ext_seq), tag)?;
                cipher
                    .less_safe_encrypt(payload, self.cm_counter(ssrc, ext_seq))
                    .map_err(|_| Refused)?;
            }
        }
        Ok(payload_len)
    }

    /// Appends the SRTCP packet of a compound to `out`; `index` is below 2^31.
    pub(crate) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        compound: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let clear: &[u8; RTCP_CLEAR] = compound.first_chunk().ok_or(Refused)?;
        let trailer = (ENCRYPTED | index).to_be_bytes();
        let start = out.len();
        let body = start + RTCP_CLEAR;
        out.reserve(compound.len() + RTCP_TRAILER + GCM_TAG);
        out.extend_from_slice(compound);
        match &self.keys {
            Keys::Gcm(key) => {
                let nonce = self.gcm_rtcp_nonce(ssrc, index);
                let aad = Aad::from(rtcp_aad(clear, trailer));
                let tag = key
                    .seal_in_place_separate_tag(nonce, aad, &mut out[body..])
                    .map_err(|_| Refused)?;
                out.extend_from_slice(tag.as_ref());
                out.extend_from_slice(&trailer);
            }
            Keys::Cm(keys) => {
                let CmKeys { cipher, auth } = &**keys;
                cipher
                    .less_safe_encrypt(&mut out[body..], self.cm_counter(ssrc, u64::from(index)))
                    .map_err(|_| Refused)?;
                out.extend_from_slice(&trailer);
                let tag = rtcp_tag(auth, &out[start..]);
                out.extend_from_slice(&tag);
            }
        }
        Ok(())
    }

    /// Appends the compound of an SRTCP packet to `out`; leaves `out` as it was on failure.
    pub(crate) fn open_rtcp(
        &self,
        packet: &RtcpPacket<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let start = out.len();
        let body = start + RTCP_CLEAR;
        let opened = match &self.keys {
            Keys::Gcm(key) => {
                out.extend_from_slice(packet.clear);
                out.resize(body + packet.sealed.len(), 0);
                let nonce = self.gcm_rtcp_nonce(packet.ssrc(), packet.index());
                let aad = Aad::from(rtcp_aad(packet.clear, packet.trailer));
                key.open_separate_gather(nonce, aad, packet.sealed, packet.tag, &mut out[body..])
                    .map_err(|_| Refused)
            }
            Keys::Cm(keys) => {
                let CmKeys { cipher, auth } = &**keys;
                out.extend_from_slice(packet.clear);
                out.extend_from_slice(packet.sealed);
                out.extend_from_slice(&packet.trailer);
                verify(&rtcp_tag(auth, &out[start..]), packet.tag).and_then(|()| {
                    out.truncate(body + packet.sealed.len());
                    let counter = self.cm_counter(packet.ssrc(), u64::from(packet.index()));
                    cipher
                        .less_safe_encrypt(&mut out[body..], counter)
                        .map(|_| ())
                        .map_err(|_| Refused)
                })
            }
        };
        if opened.is_err() {
            out.truncate(start);
        }
        opened
    }

    /// The nonce of RTP (RFC 7714, section 8.1).
    fn gcm_nonce(&self, ssrc: u32, ext_seq: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&ext_seq.to_be_bytes()[2..]);
        self.salted(nonce)
    }

    /// The nonce of RTCP (RFC 7714, section 9.1).
    fn gcm_rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[8..].copy_from_slice(&index.to_be_bytes());
        self.salted(nonce)
    }

    fn salted(&self, mut nonce: [u8; 12]) -> Nonce {
        for (byte, salt) in nonce.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// The first counter block of AES-CM (RFC 3711, section 4.1.1).
    fn cm_counter(&self, ssrc: u32, index: u64) -> EncryptionContext {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        EncryptionContext::Iv128(FixedLength::from(iv))
    }
}

/// The parts of an SRTCP datagram, which depend on the profile: AES-GCM has its
/// tag before the trailer, HMAC-SHA1 behind it.
pub(crate) struct RtcpPacket<'a> {
    clear: &'a [u8; RTCP_CLEAR],
    sealed: &'a [u8],
    tag: &'a [u8],
    trailer: [u8; RTCP_TRAILER],
}

impl<'a> RtcpPacket<'a> {
    pub(crate) fn split(profile: Profile, datagram: &'a [u8]) -> Option<RtcpPacket<'a>> {
        let (clear, rest) = datagram.split_first_chunk()?;
        let (sealed, tag, trailer) = if profile.is_aead() {
            let (rest, trailer) = rest.split_last_chunk()?;
            let (sealed, tag) = rest.split_at_checked(rest.len().checked_sub(GCM_TAG)?)?;
            (sealed, tag, trailer)
        } else {
            let (rest, tag) = rest.split_at_checked(rest.len().checked_sub(SHA1_TAG)?)?;
            let (sealed, trailer) = rest.split_last_chunk()?;
            (sealed, tag, trailer)
        };
        Some(RtcpPacket {
            clear,
            sealed,
            tag,
            trailer: *trailer,
        })
    }

    pub(crate) const fn ssrc(&self) -> u32 {
        let [.., a, b, c, d] = *self.clear;
        u32::from_be_bytes([a, b, c, d])
    }

    pub(crate) const fn is_encrypted(&self) -> bool {
        u32::from_be_bytes(self.trailer) & ENCRYPTED != 0
    }

    pub(crate) const fn index(&self) -> u32 {
        u32::from_be_bytes(self.trailer) & !ENCRYPTED
    }
}

/// Reads SSRC and index back from the nonces of one session key.
///
/// For whoever watches another sealer under the same keys. It holds the salt of
/// the nonces, not the key.
#[derive(Clone)]
pub struct NonceReader {
    profile: Profile,
    salt: [u8; 14],
}

impl NonceReader {
    /// Returns SSRC and index: 48 bits of RTP, or 31 of RTCP.
    ///
    /// `nonce` is the 12 bytes of AES-GCM or the first counter block of AES-CM,
    /// 16 bytes; `None` for another length.
    pub fn read(&self, nonce: &[u8]) -> Option<(u32, u64)> {
        let bare = self.bare(nonce)?;
        let (ssrc, index) = match self.profile.is_aead() {
            true => (&bare[2..6], &bare[6..12]),
            false => (&bare[4..8], &bare[8..14]),
        };
        Some((number(ssrc) as u32, number(index)))
    }

    fn bare(&self, nonce: &[u8]) -> Option<[u8; 16]> {
        let len = if self.profile.is_aead() { 12 } else { 16 };
        let mut bare = [0; 16];
        bare.get_mut(..len)
            .filter(|_| nonce.len() == len)?
            .copy_from_slice(nonce);
        for (byte, salt) in bare[..len].iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Some(bare)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn rtcp_aad(clear: &[u8; RTCP_CLEAR], trailer: [u8; RTCP_TRAILER]) -> [u8; 12] {
    let mut aad = [0; 12];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&trailer);
    aad
}

/// The tag over a packet and the rollover counter behind it (RFC 3711, section 4.2).
fn rtp_tag(auth: &hmac::Key, header: &[u8], payload: &[u8], ext_seq: u64) -> [u8; SHA1_TAG] {
    let mut context = hmac::Context::with_key(auth);
    context.update(header);
    context.update(payload);
    context.update(&ext_seq.to_be_bytes()[2..6]);
    truncated(context)
}

fn rtcp_tag(auth: &hmac::Key, packet: &[u8]) -> [u8; SHA1_TAG] {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    truncated(context)
}

fn truncated(context: hmac::Context) -> [u8; SHA1_TAG] {
    let tag = context.sign();
    *tag.as_ref().first_chunk().expect("SHA-1 gives 20 bytes")
}

fn verify(computed: &[u8], given: &[u8]) -> Result<(), Refused> {
    match bool::from(computed.ct_eq(given)) {
        true => Ok(()),
        false => Err(Refused),
    }
}
