//! The m-lines that we send on ourselves.
//!
//! The library negotiates them and draws their SSRCs, which the answer names;
//! then it loses its streams, so that it sends nothing for them: neither
//! packets, nor reports, nor anything else under their SSRCs. An SSRC never
//! changes hands as long as the keys live (nonces are made of it).

use conclave_sfu_wire::control::{Codec, MidName};
use conclave_sfu_wire::rtp::ExtensionIds;
use str0m::rtp::Extension;

use super::{Transport, codec_of};
use crate::sender::SenderKind;

/// An m-line that we send on, as it was negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutgoingLine {
    /// The m-line.
    pub(crate) mid: MidName,
    /// The SSRC of its packets.
    pub(crate) ssrc: u32,
    /// The SSRC of what is sent again (RFC 4588), if that was negotiated.
    pub(crate) rtx: Option<u32>,
    /// How each codec is named on it.
    pub(crate) formats: Vec<Format>,
    /// How each header extension is named on it.
    pub(crate) extensions: ExtensionIds,
    /// The canonical name that the answer gives (RFC 3550, section 6.5.1).
    pub(crate) cname: String,
}

/// The payload types of one codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    pub(crate) rtx: Option<u8>,
}

impl Transport {
    /// Returns what was negotiated for an m-line that we send on.
    pub(crate) fn outgoing(&self, mid: MidName) -> Option<&OutgoingLine> {
        self.outgoing.iter().find(|line| line.mid == mid)
    }

    /// Gives the library its streams back for the time of a negotiation: for a
    /// sending m-line without one it would draw new SSRCs.
    pub(crate) fn lend_streams(&mut self) {
        let mut direct = self.rtc.direct_api();
        for line in &self.outgoing {
            let rtx = line.rtx.map(Into::into);
            direct.declare_stream_tx(line.ssrc.into(), rtx, line.mid.as_str().into(), None);
        }
    }

    /// Takes the streams of the m-lines `mids` from the library.
    ///
    /// # Panics
    ///
    /// If they are not those of the last time: the answer names SSRCs that
    /// nobody will send under. The transport ends by it, and alone.
    pub(super) fn take_streams(&mut self, mids: &[MidName]) {
        if self.kind != SenderKind::Own {
            return;
        }
        for mid in mids {
            let mut direct = self.rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(mid.as_str().into(), None) else {
                continue;
            };
            let (ssrc, rtx) = (*stream.ssrc(), stream.rtx().map(|rtx| *rtx));
            direct.remove_stream_tx(ssrc.into());
            let Some(line) = self.line(*mid, ssrc, rtx) else {
                continue;
            };
            match self.outgoing.iter_mut().find(|known| known.mid == *mid) {
                Some(known) => {
                    let before = (known.ssrc, known.rtx);
                    assert_eq!(before, (ssrc, rtx), "a stream was given new SSRCs");
                    *known = line;
                }
                None => {
                    self.owned.extend([Some(ssrc), rtx].into_iter().flatten());
                    self.outgoing.push(line);
                }
            }
        }
    }

    fn line(&self, mid: MidName, ssrc: u32, rtx: Option<u32>) -> Option<OutgoingLine> {
        let media = self.rtc.media(mid.as_str().into())?;
        let remote = media.remote_pts();
        let mut formats: Vec<Format> = Vec::new();
        for params in self.rtc.codec_config().params() {
            let Some(codec) = codec_of(params.spec().codec) else {
                continue;
            };
            let known = formats.iter().any(|format| format.codec == codec);
            if remote.contains(&params.pt()) && !known {
                formats.push(Format {
                    codec,
                    payload_type: *params.pt(),
                    rtx: params.resend().map(|rtx| *rtx),
                });
            }
        }
        let extensions = media.remote_extmap();
        Some(OutgoingLine {
            mid,
            ssrc,
            rtx,
            formats,
            extensions: ExtensionIds {
                twcc: extensions.id_of(Extension::TransportSequenceNumber),
                mid: extensions.id_of(Extension::RtpMid),
                audio_level: extensions.id_of(Extension::AudioLevel),
                orientation: extensions.id_of(Extension::VideoOrientation),
                // Encodings are chosen for a subscriber, who need not know which.
                rid: None,
                repaired_rid: None,
            },
            cname: media.cname().to_owned(),
        })
    }
}
