use std::net::SocketAddr;

use conclave_turn_wire::ClientAddr;
use proptest::prelude::*;

use super::*;

const SEED: [u8; 32] = [7; 32];
const NOON: u64 = 1_790_000_000;

#[test]
fn a_nonce_is_28_characters_with_cookie_and_features() {
    let nonce = nonces().issue(&ada(), NOON);
    assert_eq!((nonce.len(), NONCE_LEN), (28, 28));
    assert!(nonce.starts_with("obMatJos2"));
}

/// Clients differ about the side from which the bits are counted (RFC 8489, section 18.1 and erratum 6290).
#[test]
fn both_readings_of_the_features_say_the_same() {
    let mut nonces = nonces();
    for is_anonymous in [false, true, false] {
        nonces.offer_anonymity(is_anonymous);
        let nonce = nonces.issue(&ada(), NOON);
        let bits = bits_of(&nonce[COOKIE.len()..PREFIX_LEN]);
        let from_left = |bit: u32| bits >> (23 - bit) & 1 == 1;
        let from_right = |bit: u32| bits >> bit & 1 == 1;
        assert_eq!([from_left(0), from_right(0)], [true; 2]);
        assert_eq!([from_left(1), from_right(1)], [is_anonymous; 2]);
        assert_eq!((bits & 0x3f_fffc) >> 2, 0, "what is unassigned");
        let verdict = nonces.verify(&ada(), NOON, nonce.as_bytes());
        assert_eq!(verdict, Verdict::Fresh);
        assert!(offers_algorithms(nonce.as_bytes()));
    }
}

fn bits_of(four: &str) -> u32 {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    four.chars().fold(0, |bits, letter| {
        bits << 6 | ALPHABET.find(letter).unwrap() as u32
    })
}

#[test]
fn a_nonce_is_fresh_for_half_an_hour_and_stale_after() {
    let nonces = nonces();
    let nonce = nonces.issue(&ada(), NOON);
    let at = |unix_s| nonces.verify(&ada(), unix_s, nonce.as_bytes());
    assert_eq!(at(NOON), Verdict::Fresh);
    assert_eq!(at(NOON + NONCE_LIFE_S - 1), Verdict::Fresh);
    assert_eq!(at(NOON + NONCE_LIFE_S), Verdict::Stale);
    assert_eq!(at(NOON + 48 * 3600), Verdict::Stale);
    // Its time was cut to three days; the whole time is in the MAC.
    assert_eq!(at(NOON + (1 << TIME_BITS)), Verdict::Foreign);
    assert_eq!(at(NOON + 10 * (1 << TIME_BITS)), Verdict::Foreign);
}

#[test]
fn a_clock_that_is_set_back_a_little_keeps_nonces() {
    let nonces = nonces();
    let nonce = nonces.issue(&ada(), NOON);
    let at = |unix_s| nonces.verify(&ada(), unix_s, nonce.as_bytes());
    assert_eq!(at(NOON - CLOCK_STEP_S), Verdict::Fresh);
    assert_eq!(at(NOON - CLOCK_STEP_S - 1), Verdict::Foreign);
}

/// turn-rs never looked at the nonce; an observed one must be of no use elsewhere.
#[test]
fn a_nonce_is_of_one_address_port_transport_realm_and_server() {
    let nonce = nonces().issue(&ada(), NOON);
    let verify = |nonces: &Nonces, from: &FiveTuple| nonces.verify(from, NOON, nonce.as_bytes());
    let others = [
        client("192.0.2.8:5000", ClientTransport::Udp),
        client("192.0.2.7:5001", ClientTransport::Udp),
        client("[::ffff:192.0.2.7]:5000", ClientTransport::Udp),
        client("192.0.2.7:5000", ClientTransport::Tcp),
        client("192.0.2.7:5000", ClientTransport::Tls),
    ];
    for other in others {
        assert_eq!(verify(&nonces(), &other), Verdict::Foreign, "{other:?}");
    }
    assert_eq!(
        verify(&Nonces::new(&SEED, "south.gov"), &ada()),
        Verdict::Foreign
    );
    assert_eq!(
        verify(&Nonces::new(&[8; 32], "north.gov"), &ada()),
        Verdict::Foreign
    );
    assert_eq!(
        verify(&Nonces::new(&SEED, "north.gov"), &ada()),
        Verdict::Fresh
    );
}

/// CVE-2025-69217: nonces of coturn could be computed from earlier ones.
#[test]
fn the_second_stream_of_a_client_may_use_the_nonce_of_the_first() {
    for transport in [ClientTransport::Tcp, ClientTransport::Tls] {
        let nonce = nonces().issue(&client("192.0.2.7:5000", transport), NOON);
        let verdict = |from| nonces().verify(&from, NOON, nonce.as_bytes());
        let second = client("192.0.2.7:5001", transport);
        assert_eq!(verdict(second), Verdict::Fresh);
        let other = client("192.0.2.8:5000", transport);
        assert_eq!(verdict(other), Verdict::Foreign);
    }
}

#[test]
fn nonces_of_one_second_do_not_tell_each_other() {
    let mut macs: Vec<String> = (1..=1000)
        .map(|port| {
            let from = client(&format!("192.0.2.7:{port}"), ClientTransport::Udp);
            nonces().issue(&from, NOON)[PREFIX_LEN + TIME_LEN..].to_owned()
        })
        .collect();
    macs.sort();
    macs.dedup();
    assert_eq!(macs.len(), 1000);
}

#[test]
fn any_change_of_a_nonce_makes_it_foreign() {
    let nonces = nonces();
    let nonce = nonces.issue(&ada(), NOON).into_bytes();
    for place in 0..nonce.len() {
        for bit in 0..8 {
            let mut altered = nonce.clone();
            altered[place] ^= 1 << bit;
            let verdict = nonces.verify(&ada(), NOON, &altered);
            assert_eq!(verdict, Verdict::Foreign, "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn an_algorithm_is_chosen_as_rfc_8489_section_9_2_4_says() {
    const LIST: &[u8] = &PASSWORD_ALGORITHMS;
    const SHA: Option<Result<Algorithm, UnknownAlgorithm>> = Some(Ok(Algorithm::Sha256));
    const MD5: Option<Result<Algorithm, UnknownAlgorithm>> = Some(Ok(Algorithm::Md5));
    let altered = Err(AlteredAlgorithms);
    let table = [
        // A browser, which knows nothing of this.
        (None, None, false, Ok(Algorithm::Md5)),
        (None, None, true, Ok(Algorithm::Md5)),
        (Some(LIST), SHA, true, Ok(Algorithm::Sha256)),
        (Some(LIST), MD5, true, Ok(Algorithm::Md5)),
        (Some(LIST), MD5, false, Ok(Algorithm::Md5)),
        // SHA-256 was chosen, and somebody signs by SHA-1.
        (Some(LIST), SHA, false, altered),
        // One without the other.
        (Some(LIST), None, true, altered),
        (None, SHA, true, altered),
        (None, MD5, false, altered),
        // The list was cut, turned round, grown, emptied; the choice is not in it.
        (Some(&[0, 1, 0, 0][..]), MD5, true, altered),
        (Some(&[0, 1, 0, 0, 0, 2, 0, 0]), SHA, true, altered),
        (
            Some(&[0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0]),
            SHA,
            true,
            altered,
        ),
        (Some(&[]), MD5, false, altered),
        (Some(LIST), Some(Err(UnknownAlgorithm(3))), true, altered),
    ];
    let nonce = nonces().issue(&ada(), NOON);
    for (algorithms, algorithm, sha256, expected) in table {
        let carried = Carried {
            algorithms,
            algorithm,
            sha256,
        };
        assert_eq!(
            password_algorithm(nonce.as_bytes(), carried),
            expected,
            "{carried:?}"
        );
    }
}

/// Taking the cookie off a nonce talks a client down, and does not help: the nonce is then none of ours.
#[test]
fn a_nonce_without_the_cookie_ends_in_a_new_nonce() {
    let nonces = nonces();
    let nonce = nonces.issue(&ada(), NOON);
    let without_bits = nonce.replacen(ALGORITHMS, "AAAA", 1);
    let of_one_reading = nonce.replacen(ALGORITHMS, "gAAA", 1);
    let carried = Carried {
        algorithms: None,
        algorithm: None,
        sha256: false,
    };
    for stripped in [
        &nonce[PREFIX_LEN..],
        &without_bits,
        &of_one_reading,
        "",
        "obMatJos2",
        "obMatJos2gAA",
    ] {
        let chosen = password_algorithm(stripped.as_bytes(), carried);
        assert_eq!(chosen, Ok(Algorithm::Md5));
        assert_eq!(
            nonces.verify(&ada(), NOON, stripped.as_bytes()),
            Verdict::Foreign
        );
    }
}

proptest! {
    #[test]
    fn whatever_was_issued_is_fresh(
        unix_s in 0..u64::MAX / 2,
        age in 0..NONCE_LIFE_S,
        ip: std::net::IpAddr,
        port: u16,
    ) {
        let from = FiveTuple {
            client: ClientAddr(SocketAddr::new(ip, port)),
            ..ada()
        };
        let nonce = nonces().issue(&from, unix_s);
        let verdict = nonces().verify(&from, unix_s + age, nonce.as_bytes());
        prop_assert_eq!(verdict, Verdict::Fresh);
    }

    /// coturn indexed its base64 table with signed characters.
    #[test]
    fn any_bytes_are_foreign(bytes: Vec<u8>, tail in proptest::collection::vec(any::<u8>(), NONCE_LEN - PREFIX_LEN), unix_s: u64) {
        prop_assert_eq!(nonces().verify(&ada(), unix_s, &bytes), Verdict::Foreign);
        let mut shaped = b"obMatJos2gAAB".to_vec();
        shaped.extend(&tail);
        prop_assert_eq!(nonces().verify(&ada(), unix_s, &shaped), Verdict::Foreign);
        let carried = Carried { algorithms: Some(&tail), algorithm: None, sha256: true };
        let _ = password_algorithm(&bytes, carried);
        prop_assert_eq!(password_algorithm(&shaped, carried), Err(AlteredAlgorithms));
    }
}

fn nonces() -> Nonces {
    Nonces::new(&SEED, "north.gov")
}

fn ada() -> FiveTuple {
    client("192.0.2.7:5000", ClientTransport::Udp)
}

fn client(address: &str, transport: ClientTransport) -> FiveTuple {
    FiveTuple {
        transport,
        client: ClientAddr(address.parse().unwrap()),
        server: SocketAddr::from(([198, 51, 100, 1], 443)),
    }
}
