//! Sealing: who may seal what, and every index once.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::cipher::{Cipher, NonceReader, RTCP_CLEAR, RTCP_TRAILER, RTP_HEADER_MIN};
use crate::keys::{KeyId, Profile};
use crate::window::Window;

/// A stream begins below this sequence number, so that a receiver that misses its
/// first packets still guesses a rollover counter of zero (RFC 3711, section 3.3.1).
const FIRST_SEQ_LIMIT: u64 = 1 << 15;
/// How far back a hole may be filled, in words of 64. A packet that was lost on its
/// way to us comes a round trip later: half a second of a shared screen at full rate.
const SEALED_WORDS: usize = 8;
/// Rollover counter and sequence number together have 48 bits.
const EXT_SEQ_LIMIT: u64 = 1 << 48;
/// The index of SRTCP has 31 bits and never starts again.
const RTCP_INDEX_LIMIT: u32 = 1 << 31;

/// Why an SSRC cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ClaimError {
    /// It was claimed under these keys before; giving it back does not exist.
    #[error("ssrc {0} was claimed before")]
    Claimed(u32),
    /// It was left to another sealer by [`SrtpTx::bar`].
    #[error("ssrc {0} belongs to another sealer")]
    Barred(u32),
}

/// Why a packet is not sealed. Nothing was sealed then, but an index that passed
/// the checks counts as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum SealError {
    /// Too short, or its header names another SSRC or sequence number.
    #[error("packet does not fit its stream")]
    Malformed,
    /// The SSRC was claimed under other keys.
    #[error("ssrc belongs to other keys")]
    ForeignSsrc,
    /// The index was sealed before, or is too far behind to tell.
    #[error("index was sealed before")]
    Reused,
    /// The first sequence number of a stream is 2^15 or more.
    #[error("first sequence number leaves the rollover counter open")]
    FirstTooHigh,
    /// The indices under these keys are used up: the transport has to end.
    #[error("indices of these keys are used up")]
    Exhausted,
    /// The cipher refused.
    #[error("cipher refused the packet")]
    Cipher,
}

/// The right to seal packets of one SSRC under one pair of keys.
///
/// There is one per SSRC and pair of keys: it cannot be copied, and what is
/// dropped cannot be claimed again.
#[derive(Debug)]
pub struct OwnedSsrc {
    ssrc: u32,
    key_id: KeyId,
    sealed: Window<SEALED_WORDS>,
}

impl OwnedSsrc {
    /// Returns the SSRC.
    pub const fn get(&self) -> u32 {
        self.ssrc
    }

    /// Returns the highest extended sequence number that was sealed.
    pub const fn highest(&self) -> Option<u64> {
        self.sealed.highest()
    }
}

/// The sealing half of a transport.
pub struct SrtpTx {
    rtp: Cipher,
    rtcp: Cipher,
    claimed: BTreeSet<u32>,
    barred: BTreeSet<u32>,
    next_rtcp_index: u32,
}

impl SrtpTx {
    pub(crate) const fn new(rtp: Cipher, rtcp: Cipher) -> SrtpTx {
        SrtpTx {
            rtp,
            rtcp,
            claimed: BTreeSet::new(),
            barred: BTreeSet::new(),
            next_rtcp_index: 0,
        }
    }

    /// Takes an SSRC for good: each can be had once for the life of the keys.
    ///
    /// # Errors
    /// When it was claimed or barred before.
    pub fn claim(&mut self, ssrc: u32) -> Result<OwnedSsrc, ClaimError> {
        if self.barred.contains(&ssrc) {
            return Err(ClaimError::Barred(ssrc));
        }
        if !self.claimed.insert(ssrc) {
            return Err(ClaimError::Claimed(ssrc));
        }
        Ok(OwnedSsrc {
            ssrc,
            key_id: self.rtp.key_id(),
            sealed: Window::default(),
        })
    }

    /// Leaves an SSRC to another sealer under the same keys, for good.
    ///
    /// # Errors
    /// [`ClaimError::Claimed`] when it was claimed before: two sealers would share it.
    pub fn bar(&mut self, ssrc: u32) -> Result<(), ClaimError> {
        if self.claimed.contains(&ssrc) {
            return Err(ClaimError::Claimed(ssrc));
        }
        self.barred.insert(ssrc);
        Ok(())
    }

    /// Returns whether an SSRC was claimed here.
    pub fn is_claimed(&self, ssrc: u32) -> bool {
        self.claimed.contains(&ssrc)
    }

    /// Seals an RTP packet in place.
    ///
    /// `packet` is header, payload and [`SrtpTx::tag_len`] bytes of room;
    /// `header_len` counts the header with its extensions. `ext_seq` is the
    /// sequence number with 2^16 times the rollover counter added, below 2^48.
    ///
    /// # Errors
    /// See [`SealError`]; a packet that was refused must not be sent.
    pub fn seal_rtp(
        &mut self,
        ssrc: &mut OwnedSsrc,
        ext_seq: u64,
        header_len: usize,
        packet: &mut [u8],
    ) -> Result<(), SealError> {
        self.check_owner(ssrc)?;
        let header: &[u8; RTP_HEADER_MIN] = packet.first_chunk().ok_or(SealError::Malformed)?;
        let fits = header[2..4] == ext_seq.to_be_bytes()[6..]
            && header[8..12] == ssrc.ssrc.to_be_bytes()
            && header_len >= RTP_HEADER_MIN
            && packet.len() >= header_len.saturating_add(self.tag_len());
        if !fits {
            return Err(SealError::Malformed);
        }
        if ext_seq >= EXT_SEQ_LIMIT {
            return Err(SealError::Exhausted);
        }
        if ssrc.sealed.highest().is_none() && ext_seq >= FIRST_SEQ_LIMIT {
            return Err(SealError::FirstTooHigh);
        }
        if !ssrc.sealed.insert(ext_seq) {
            return Err(SealError::Reused);
        }
        #[cfg(debug_assertions)]
        crate::ledger::note(
            self.rtp.key_id(),
            crate::keys::Kind::Rtp,
            ssrc.ssrc,
            ext_seq,
        );
        self.rtp
            .seal_rtp(ssrc.ssrc, ext_seq, header_len, packet)
            .map_err(|_| SealError::Cipher)
    }

    /// Appends the SRTCP packet of a plain compound to `out`.
    ///
    /// The first packet of the compound must be sent by `ssrc`. It grows by
    /// [`SrtpTx::rtcp_overhead`] bytes.
    ///
    /// # Errors
    /// See [`SealError`]; `out` is as it was. After [`SealError::Exhausted`] the
    /// transport can send no RTCP and has to end.
    pub fn seal_rtcp(
        &mut self,
        ssrc: &OwnedSsrc,
        compound: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.check_owner(ssrc)?;
        let clear: &[u8; RTCP_CLEAR] = compound.first_chunk().ok_or(SealError::Malformed)?;
        if clear[4..] != ssrc.ssrc.to_be_bytes() {
            return Err(SealError::Malformed);
        }
        let index = self.next_rtcp_index;
        if index >= RTCP_INDEX_LIMIT {
            return Err(SealError::Exhausted);
        }
        self.next_rtcp_index = index + 1;
        #[cfg(debug_assertions)]
        crate::ledger::note(
            self.rtcp.key_id(),
            crate::keys::Kind::Rtcp,
            ssrc.ssrc,
            u64::from(index),
        );
        let start = out.len();
        self.rtcp
            .seal_rtcp(ssrc.ssrc, index, compound, out)
            .map_err(|_| {
                out.truncate(start);
                SealError::Cipher
            })
    }

    /// Returns how packets are protected.
    pub const fn profile(&self) -> Profile {
        self.rtp.profile()
    }

    /// Returns the bytes that sealing adds to an RTP packet, 10 or 16.
    pub const fn tag_len(&self) -> usize {
        self.rtp.profile().tag_len()
    }

    /// Returns the bytes that sealing adds to an RTCP compound, 14 or 20.
    pub const fn rtcp_overhead(&self) -> usize {
        self.tag_len() + RTCP_TRAILER
    }

    /// Returns the ids of the session keys of RTP and of RTCP, by which another
    /// sealer under the same keys is told.
    pub const fn key_ids(&self) -> (KeyId, KeyId) {
        (self.rtp.key_id(), self.rtcp.key_id())
    }

    /// Returns what reads the nonces of RTP and of RTCP under these keys.
    pub const fn nonce_readers(&self) -> (NonceReader, NonceReader) {
        (self.rtp.nonce_reader(), self.rtcp.nonce_reader())
    }

    #[cfg(test)]
    pub(crate) const fn skip_rtcp_indices(&mut self, count: u32) {
        self.next_rtcp_index += count;
    }

    fn check_owner(&self, ssrc: &OwnedSsrc) -> Result<(), SealError> {
        match ssrc.key_id == self.rtp.key_id() {
            true => Ok(()),
            false => Err(SealError::ForeignSsrc),
        }
    }
}
