//! Published vectors, and both halves against each other.

use proptest::prelude::*;

use crate::cipher::{Cipher, RtcpPacket};
use crate::keys::SessionKeys;
use crate::*;

const PROFILES: [Profile; 3] = [
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
    Profile::Aes128CmSha1_80,
];

/// A packet, plain and sealed, with the session keys that it is sealed with.
struct Vector {
    profile: Profile,
    key: &'static str,
    salt: &'static str,
    auth: &'static str,
    index: u64,
    plain: &'static str,
    sealed: &'static str,
}

/// RFC 7714, sections 16.1.1 and 16.2.1, and the packet of RFC 3711's reference
/// implementation under the keys of RFC 3711, appendix B.3.
const RTP: [Vector; 3] = [
    Vector {
        profile: Profile::AeadAes128Gcm,
        key: "000102030405060708090a0b0c0d0e0f",
        salt: "517569642070726f2071756f",
        auth: "",
        index: 0xf17b,
        plain: "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
        sealed: "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
    },
    Vector {
        profile: Profile::AeadAes256Gcm,
        key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt: "517569642070726f2071756f",
        auth: "",
        index: 0xf17b,
        plain: "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
        sealed: "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
    },
    Vector {
        profile: Profile::Aes128CmSha1_80,
        key: "c61e7a93744f39ee10734afe3ff7a087",
        salt: "30cbbc08863d8c85d49db34a9ae1",
        auth: "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
        index: 0x1234,
        plain: "800f1234decafbadcafebabeabababababababababababababababab",
        sealed: "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
    },
];

/// RFC 7714, sections 17.1 and 17.3.
const RTCP: [Vector; 2] = [
    Vector {
        profile: Profile::AeadAes128Gcm,
        key: "000102030405060708090a0b0c0d0e0f",
        salt: "517569642070726f2071756f",
        auth: "",
        index: 0x5d4,
        plain: "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        sealed: "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    },
    Vector {
        profile: Profile::AeadAes256Gcm,
        key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        salt: "517569642070726f2071756f",
        auth: "",
        index: 0x5d4,
        plain: "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        sealed: "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    },
];

#[test]
fn rtp_is_sealed_and_opened_as_published() {
    for vector in RTP {
        let (cipher, plain) = (vector.cipher(), hex(vector.plain));
        let ssrc = u32::from_be_bytes(*plain[8..].first_chunk().unwrap());
        let mut packet = plain.clone();
        packet.resize(plain.len() + vector.profile.tag_len(), 0);
        cipher
            .seal_rtp(ssrc, vector.index, 12, &mut packet)
            .unwrap();
        assert_eq!(packet, hex(vector.sealed), "{:?}", vector.profile);
        let payload_len = cipher
            .open_rtp(ssrc, vector.index, 12, &mut packet)
            .unwrap();
        assert_eq!(packet[..12 + payload_len], plain);
    }
}

#[test]
fn rtcp_is_sealed_and_opened_as_published() {
    for vector in RTCP {
        let (cipher, plain) = (vector.cipher(), hex(vector.plain));
        let ssrc = u32::from_be_bytes(*plain[4..].first_chunk().unwrap());
        let mut sealed = vec![1, 2, 3];
        cipher
            .seal_rtcp(ssrc, vector.index as u32, &plain, &mut sealed)
            .unwrap();
        assert_eq!(sealed[3..], hex(vector.sealed), "{:?}", vector.profile);
        let packet = RtcpPacket::split(vector.profile, &sealed[3..]).unwrap();
        let mut opened = vec![4];
        cipher.open_rtcp(&packet, &mut opened).unwrap();
        assert_eq!(opened[1..], plain);
    }
}

/// RFC 7714, sections 17.2 and 17.4: authenticated, not encrypted.
#[test]
fn rtcp_that_is_not_encrypted_is_refused_as_published() {
    let tagged = hex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4",
    );
    let mut rx = SrtpRx::new(RTCP[0].cipher(), RTCP[0].cipher());
    let mut out = Vec::new();
    assert_eq!(rx.open_rtcp(&tagged, &mut out), Err(OpenError::Unencrypted));
    assert!(out.is_empty());
}

/// A datagram as another stack sealed it, from the material that its DTLS gave.
#[test]
fn rtcp_of_another_stack_is_opened_with_the_keys_of_its_material() {
    let material = hex(
        "2cb02346b42276a672cfd143aec2d5eeddde55f0ad7bcac22666f1c6386173ed6eb25cb7d26a61a1ee2c210adae760aaa2fd67b672c41aed105f9d36",
    );
    let datagram = hex(
        "80c800063cd7cc13b7c831dcb776cd8dc26fda1d9bfc8ee6589a1a8a49289caeb264200c37d2d0a4afac6385ffc60dec7d06d4873dd3a8cc80000001b7bb526521d1e73c0fc0",
    );
    let compound = hex(
        "80c800063cd7cc13e2ee35c8604e618c26f32734000000430000140781ca00063cd7cc130110386e467532685766724d44724766346f0000",
    );
    let (_, mut rx) = contexts(&material, Profile::Aes128CmSha1_80, false).unwrap();
    let mut out = Vec::new();
    rx.open_rtcp(&datagram, &mut out).unwrap();
    assert_eq!(out, compound);
    assert_eq!(rx.open_rtcp(&datagram, &mut out), Err(OpenError::Replayed));
    assert_eq!(out, compound);

    let (mut tx, _) = contexts(&material, Profile::Aes128CmSha1_80, true).unwrap();
    let ssrc = tx.claim(0x3cd7_cc13).unwrap();
    let mut first = Vec::new();
    tx.seal_rtcp(&ssrc, &compound, &mut first).unwrap();
    let mut second = Vec::new();
    tx.seal_rtcp(&ssrc, &compound, &mut second).unwrap();
    assert_eq!(second, datagram);
}

#[test]
fn both_ends_open_what_the_other_seals() {
    for (seed, profile) in PROFILES.into_iter().enumerate() {
        let ((client_tx, client_rx), (server_tx, server_rx)) = pair(profile, 10 + seed as u8);
        for (mut tx, mut rx) in [(client_tx, server_rx), (server_tx, client_rx)] {
            assert_eq!((tx.profile(), rx.profile()), (profile, profile));
            let mut ssrc = tx.claim(7).unwrap();
            let mut stream = RxStream::new(7);
            for ext_seq in [30_000, 30_001, 30_004, 30_002] {
                let mut packet = sealed(&mut tx, &mut ssrc, ext_seq, b"words").unwrap();
                assert!(packet.windows(5).all(|window| window != b"words"));
                let opened = rx.open_rtp(&mut stream, 12, &mut packet).unwrap();
                assert_eq!(
                    opened,
                    Opened {
                        ext_seq,
                        payload_len: 5
                    }
                );
                assert_eq!(&packet[12..17], b"words");
            }
            let compound = compound(7);
            let mut datagram = Vec::new();
            tx.seal_rtcp(&ssrc, &compound, &mut datagram).unwrap();
            assert_eq!(datagram.len(), compound.len() + tx.rtcp_overhead());
            let mut out = Vec::new();
            rx.open_rtcp(&datagram, &mut out).unwrap();
            assert_eq!(out, compound);
        }
    }
}

#[test]
fn an_index_is_sealed_once() {
    let ((mut tx, _), _) = pair(Profile::AeadAes128Gcm, 20);
    let mut ssrc = tx.claim(7).unwrap();
    assert_eq!(ssrc.highest(), None);
    sealed(&mut tx, &mut ssrc, 100, b"a").unwrap();
    sealed(&mut tx, &mut ssrc, 611, b"a").unwrap();
    sealed(&mut tx, &mut ssrc, 101, b"a").unwrap();
    for used in [100, 101, 611, 99, 0] {
        assert_eq!(
            sealed(&mut tx, &mut ssrc, used, b"b"),
            Err(SealError::Reused),
            "{used}"
        );
    }
    assert_eq!(ssrc.highest(), Some(611));
}

#[test]
fn an_ssrc_is_claimed_once_and_stays_with_its_keys() {
    let ((mut tx, _), (mut other, _)) = pair(Profile::AeadAes256Gcm, 21);
    let mut ssrc = tx.claim(7).unwrap();
    assert_eq!(ssrc.get(), 7);
    assert_eq!(tx.claim(7).err(), Some(ClaimError::Claimed(7)));
    assert_eq!(tx.bar(7), Err(ClaimError::Claimed(7)));
    tx.bar(8).unwrap();
    assert_eq!(tx.claim(8).err(), Some(ClaimError::Barred(8)));
    assert!(tx.is_claimed(7) && !tx.is_claimed(8));
    assert_eq!(
        sealed(&mut other, &mut ssrc, 1, b"a"),
        Err(SealError::ForeignSsrc)
    );
    let mut out = Vec::new();
    assert_eq!(
        other.seal_rtcp(&ssrc, &compound(7), &mut out),
        Err(SealError::ForeignSsrc)
    );
}

#[test]
fn a_stream_begins_low_and_ends_with_its_indices() {
    let ((mut tx, _), _) = pair(Profile::AeadAes128Gcm, 22);
    let mut ssrc = tx.claim(7).unwrap();
    assert_eq!(
        sealed(&mut tx, &mut ssrc, 1 << 15, b"a"),
        Err(SealError::FirstTooHigh)
    );
    sealed(&mut tx, &mut ssrc, (1 << 15) - 1, b"a").unwrap();
    sealed(&mut tx, &mut ssrc, (1 << 48) - 1, b"a").unwrap();
    assert_eq!(
        sealed(&mut tx, &mut ssrc, 1 << 48, b"a"),
        Err(SealError::Exhausted)
    );
}

#[test]
fn a_packet_of_another_stream_or_number_is_not_sealed() {
    let ((mut tx, _), _) = pair(Profile::AeadAes128Gcm, 23);
    let mut ssrc = tx.claim(7).unwrap();
    let mut packet = rtp(7, 5, b"words", 16);
    let mut attempt = |ext_seq, header_len, packet: &mut [u8]| {
        tx.seal_rtp(&mut ssrc, ext_seq, header_len, packet)
    };
    let malformed = Err(SealError::Malformed);
    assert_eq!(attempt(6, 12, &mut packet.clone()), malformed);
    assert_eq!(attempt(5, 11, &mut packet.clone()), malformed);
    assert_eq!(attempt(5, 18, &mut packet.clone()), malformed);
    assert_eq!(attempt(5, usize::MAX, &mut packet.clone()), malformed);
    assert_eq!(attempt(5, 12, &mut packet[..27]), malformed);
    assert_eq!(attempt(5, 12, &mut []), malformed);
    assert_eq!(attempt(5, 12, &mut rtp(8, 5, b"words", 16)), malformed);
    attempt(5, 17, &mut rtp(7, 5, b"words", 16)).unwrap();
    let mut out = vec![1];
    assert_eq!(tx.seal_rtcp(&ssrc, &compound(8), &mut out), malformed);
    assert_eq!(tx.seal_rtcp(&ssrc, &compound(7)[..7], &mut out), malformed);
    assert_eq!(out, [1]);
}

#[test]
fn the_rollover_counter_is_followed_over_the_end_with_loss() {
    for (seed, profile) in PROFILES.into_iter().enumerate() {
        let ((mut tx, _), (_, mut rx)) = pair(profile, 30 + seed as u8);
        let mut ssrc = tx.claim(7).unwrap();
        let mut stream = RxStream::new(7);
        let lossy = [
            100, 30_000, 60_000, 65_530, 65_537, 65_533, 65_535, 65_536, 90_000, 120_000,
        ];
        for ext_seq in lossy.into_iter().chain([140_000, 131_072 + 32_000]) {
            let mut packet = sealed(&mut tx, &mut ssrc, ext_seq, b"words").unwrap();
            let opened = rx.open_rtp(&mut stream, 12, &mut packet).unwrap();
            assert_eq!(opened.ext_seq, ext_seq);
        }
        assert_eq!(stream.highest(), Some(163_072));
    }
}

#[test]
fn a_number_from_before_the_start_is_guessed_without_wrapping() {
    let ((mut tx, _), (_, mut rx)) = pair(Profile::AeadAes128Gcm, 35);
    let mut ssrc = tx.claim(7).unwrap();
    let mut stream = RxStream::new(7);
    let mut packet = sealed(&mut tx, &mut ssrc, 3, b"words").unwrap();
    rx.open_rtp(&mut stream, 12, &mut packet).unwrap();
    let mut foreign = rtp(7, 65_534, b"words", 16);
    assert_eq!(
        rx.open_rtp(&mut stream, 12, &mut foreign),
        Err(OpenError::AuthFailed)
    );
    assert_eq!(stream.highest(), Some(3));
}

#[test]
fn rtp_is_opened_once_and_only_as_it_was_sealed() {
    for (seed, profile) in PROFILES.into_iter().enumerate() {
        let ((mut tx, _), (_, mut rx)) = pair(profile, 40 + seed as u8);
        let mut ssrc = tx.claim(7).unwrap();
        let mut stream = RxStream::new(7);
        let packet = sealed(&mut tx, &mut ssrc, 9, b"words").unwrap();
        for at in 0..packet.len() {
            let mut tampered = packet.clone();
            tampered[at] ^= 0x10;
            assert!(
                rx.open_rtp(&mut stream, 12, &mut tampered).is_err(),
                "byte {at}"
            );
            assert!(
                rx.open_rtp(&mut stream, 12, &mut packet.clone()[..at])
                    .is_err()
            );
        }
        assert_eq!(stream.highest(), None, "forgeries move nothing");
        rx.open_rtp(&mut stream, 12, &mut packet.clone()).unwrap();
        let again = rx.open_rtp(&mut stream, 12, &mut packet.clone());
        assert_eq!(again, Err(OpenError::Replayed));
    }
}

#[test]
fn rtcp_is_opened_once_and_only_as_it_was_sealed() {
    for (seed, profile) in PROFILES.into_iter().enumerate() {
        let ((mut tx, _), (_, mut rx)) = pair(profile, 50 + seed as u8);
        let ssrc = tx.claim(7).unwrap();
        let mut datagram = Vec::new();
        tx.seal_rtcp(&ssrc, &compound(7), &mut datagram).unwrap();
        let mut out = Vec::new();
        for at in 0..datagram.len() {
            let mut tampered = datagram.clone();
            tampered[at] ^= 0x80;
            assert!(rx.open_rtcp(&tampered, &mut out).is_err(), "byte {at}");
            assert!(rx.open_rtcp(&datagram[..at], &mut out).is_err());
        }
        assert!(out.is_empty());
        rx.open_rtcp(&datagram, &mut out).unwrap();
        let len = out.len();
        assert_eq!(rx.open_rtcp(&datagram, &mut out), Err(OpenError::Replayed));
        assert_eq!(out.len(), len);
    }
}

#[test]
fn senders_of_rtcp_are_few() {
    let ((mut tx, _), (_, mut rx)) = pair(Profile::AeadAes128Gcm, 60);
    let mut out = Vec::new();
    let mut open = |number| {
        let ssrc = tx.claim(number).unwrap();
        let mut datagram = Vec::new();
        tx.seal_rtcp(&ssrc, &compound(number), &mut datagram)
            .unwrap();
        rx.open_rtcp(&datagram, &mut out)
    };
    for number in 0..256 {
        open(number).unwrap();
    }
    assert_eq!(open(256), Err(OpenError::TooManySenders));
}

#[test]
fn rtcp_ends_at_the_last_index() {
    let ((mut tx, _), (_, mut rx)) = pair(Profile::AeadAes128Gcm, 61);
    let ssrc = tx.claim(7).unwrap();
    tx.skip_rtcp_indices((1 << 31) - 1);
    let mut datagram = Vec::new();
    tx.seal_rtcp(&ssrc, &compound(7), &mut datagram).unwrap();
    assert_eq!(datagram[datagram.len() - 4..], [0xff; 4]);
    let mut out = Vec::new();
    rx.open_rtcp(&datagram, &mut out).unwrap();
    for _ in 0..2 {
        let refused = tx.seal_rtcp(&ssrc, &compound(7), &mut datagram);
        assert_eq!(refused, Err(SealError::Exhausted));
    }
}

#[test]
fn nonces_are_read_back() {
    // Of the vectors above: salt xor what they were made of.
    let rtp = RTP[0].cipher().nonce_reader();
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&0x5501_a0b2_u32.to_be_bytes());
    nonce[6..].copy_from_slice(&0x0001_f17b_u64.to_be_bytes()[2..]);
    for (byte, salt) in nonce.iter_mut().zip(hex(RTP[0].salt)) {
        *byte ^= salt;
    }
    assert_eq!(rtp.read(&nonce), Some((0x5501_a0b2, 0x1_f17b)));
    assert_eq!(rtp.read(&nonce[1..]), None);

    let rtcp = RTP[2].cipher().nonce_reader();
    let mut counter = [0; 16];
    counter[4..8].copy_from_slice(&7_u32.to_be_bytes());
    counter[8..14].copy_from_slice(&9_u64.to_be_bytes()[2..]);
    for (byte, salt) in counter.iter_mut().zip(hex(RTP[2].salt)) {
        *byte ^= salt;
    }
    assert_eq!(rtcp.read(&counter), Some((7, 9)));
    assert_eq!(rtcp.read(&nonce), None);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a nonce is used twice")]
fn the_same_keys_twice_are_noticed_at_the_first_packet() {
    for _ in 0..2 {
        let ((mut tx, _), _) = pair(Profile::AeadAes128Gcm, 62);
        let mut ssrc = tx.claim(7).unwrap();
        sealed(&mut tx, &mut ssrc, 1, b"a").unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), header_len in 0usize..90) {
        for profile in PROFILES {
            let (_, (_, mut rx)) = pair(profile, 70);
            let mut out = vec![5];
            prop_assert!(rx.open_rtcp(&bytes, &mut out).is_err());
            prop_assert_eq!(&out, &[5]);
            let mut stream = RxStream::new(bytes.get(8..12).map_or(0, |ssrc| u32::from_be_bytes(*ssrc.first_chunk().unwrap())));
            prop_assert!(rx.open_rtp(&mut stream, header_len, &mut bytes).is_err());
        }
    }

    #[test]
    fn any_payload_comes_through(payload in proptest::collection::vec(any::<u8>(), 0..1_300), ext_seq in 0u64..1 << 15, ssrc: u32, key: u64) {
        for profile in PROFILES {
            let material: Vec<_> = key.to_be_bytes().into_iter().cycle().take(profile.material_len()).collect();
            #[cfg(debug_assertions)]
            ledger::clear();
            let (mut tx, _) = contexts(&material, profile, true).unwrap();
            let (_, mut rx) = contexts(&material, profile, false).unwrap();
            let mut owned = tx.claim(ssrc).unwrap();
            let mut packet = sealed(&mut tx, &mut owned, ext_seq, &payload).unwrap();
            let opened = rx.open_rtp(&mut RxStream::new(ssrc), 12, &mut packet).unwrap();
            prop_assert_eq!(opened.ext_seq, ext_seq);
            prop_assert_eq!(&packet[12..12 + opened.payload_len], &payload[..]);
        }
    }
}

/// Prints what sealing a packet costs: `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "tells a time and asserts nothing"]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)] // It is there to look at the clock and to print.
fn the_cost_of_sealing() {
    const PACKETS: u32 = 200_000;
    for (seed, profile) in PROFILES.into_iter().enumerate() {
        let ((mut tx, _), _) = pair(profile, 80 + seed as u8);
        let mut ssrc = tx.claim(7).unwrap();
        let mut packet = rtp(7, 0, &[1; 1_100], profile.tag_len());
        let start = std::time::Instant::now();
        for ext_seq in 0..u64::from(PACKETS) {
            packet[2..4].copy_from_slice(&(ext_seq as u16).to_be_bytes());
            tx.seal_rtp(&mut ssrc, ext_seq, 12, &mut packet).unwrap();
        }
        println!(
            "{profile:?}: {:?} a packet of 1,100 bytes",
            start.elapsed() / PACKETS
        );
    }
}

type Contexts = (SrtpTx, SrtpRx);

/// Client and server; `seed` is of one test alone, so that nothing is sealed twice.
fn pair(profile: Profile, seed: u8) -> (Contexts, Contexts) {
    let material: Vec<_> = (0..profile.material_len() as u8)
        .map(|at| at ^ seed.rotate_left(3))
        .collect();
    let client = contexts(&material, profile, true).unwrap();
    (client, contexts(&material, profile, false).unwrap())
}

fn sealed(
    tx: &mut SrtpTx,
    ssrc: &mut OwnedSsrc,
    ext_seq: u64,
    payload: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut packet = rtp(ssrc.get(), ext_seq as u16, payload, tx.tag_len());
    tx.seal_rtp(ssrc, ext_seq, 12, &mut packet)?;
    Ok(packet)
}

fn rtp(ssrc: u32, seq: u16, payload: &[u8], room: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(seq.to_be_bytes());
    packet.extend(1_000_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet.resize(packet.len() + room, 0);
    packet
}

/// An empty receiver report and an empty BYE behind it.
fn compound(ssrc: u32) -> Vec<u8> {
    let mut compound = vec![0x80, 201, 0, 1];
    compound.extend(ssrc.to_be_bytes());
    compound.extend([0x80, 203, 0, 0]);
    compound
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| (digit(&pair[0]) << 4) | digit(&pair[1]))
        .collect()
}

impl Vector {
    fn cipher(&self) -> Cipher {
        let keys = SessionKeys::given(
            self.profile,
            &hex(self.key),
            &hex(self.salt),
            &hex(self.auth),
        );
        Cipher::new(&keys).unwrap()
    }
}
