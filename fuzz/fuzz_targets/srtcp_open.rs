//! Any bytes into what opens SRTP and SRTCP; and what was sealed, changed at one
//! byte, sent twice or cut off.
#![no_main]

use arbitrary::Arbitrary;
use conclave_sfu_srtp::{OpenError, Profile, RxStream, contexts};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    profile: u8,
    body: &'a [u8],
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// A datagram of the peer.
    Sealed,
    /// The same again.
    Replayed,
    Changed {
        at: u16,
        mask: u8,
    },
    Cut {
        len: u16,
    },
    Bytes {
        bytes: &'a [u8],
        header_len: u8,
    },
}

const SSRC: u32 = 7;

fuzz_target!(|input: Input| {
    // One input seals what the former did, with the same keys.
    conclave_sfu_srtp::ledger::clear();
    let profile = match input.profile % 3 {
        0 => Profile::AeadAes128Gcm,
        1 => Profile::AeadAes256Gcm,
        _ => Profile::Aes128CmSha1_80,
    };
    let material = vec![9; profile.material_len()];
    let (mut tx, _) = contexts(&material, profile, true).expect("the length is right");
    let (_, mut rx) = contexts(&material, profile, false).expect("the length is right");
    let ssrc = tx.claim(SSRC).expect("it is the first");
    let mut compound = vec![0x80, 201, 0, 1];
    compound.extend(SSRC.to_be_bytes());
    compound.extend(input.body);
    let mut last = Vec::new();
    let mut out = Vec::new();
    for step in input.steps.iter().take(256) {
        out.clear();
        match step {
            Step::Sealed => {
                last.clear();
                tx.seal_rtcp(&ssrc, &compound, &mut last)
                    .expect("few are sealed");
                assert_eq!(last.len(), compound.len() + tx.rtcp_overhead());
                rx.open_rtcp(&last, &mut out).expect("it is the peer's");
                assert_eq!(out, compound);
            }
            Step::Replayed => {
                let expected = if last.is_empty() {
                    OpenError::Malformed
                } else {
                    OpenError::Replayed
                };
                assert_eq!(rx.open_rtcp(&last, &mut out), Err(expected));
            }
            Step::Changed { at, mask } => {
                let mut changed = last.clone();
                if let Some(byte) = changed.get_mut(usize::from(*at)) {
                    *byte ^= mask;
                }
                assert!(rx.open_rtcp(&changed, &mut out).is_err());
            }
            Step::Cut { len } => {
                let cut = &last[..last.len().min(usize::from(*len))];
                assert!(rx.open_rtcp(cut, &mut out).is_err());
            }
            Step::Bytes { bytes, header_len } => {
                assert!(rx.open_rtcp(bytes, &mut out).is_err());
                let mut stream = RxStream::new(SSRC);
                let mut packet = bytes.to_vec();
                let opened = rx.open_rtp(&mut stream, usize::from(*header_len), &mut packet);
                assert!(opened.is_err());
                assert_eq!(stream.highest(), None);
            }
        }
        assert!(matches!(step, Step::Sealed) || out.is_empty());
    }
});
