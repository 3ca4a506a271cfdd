use proptest::prelude::*;

use super::*;
use crate::control::{Codec, MidName, Rid};

const SHA_256: &str = "sha-256 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

#[test]
fn the_offer_of_our_client_is_understood() {
    let facts = check_offer(&offer()).unwrap();
    assert_eq!(facts.ice_ufrag, "S5hk");
    let [microphone, camera, slot, heard] = &facts.media[..] else {
        panic!("four m-lines")
    };
    assert_eq!(
        *microphone,
        OfferMedia {
            mid: mid("0"),
            kind: MediaKind::Audio,
            direction: Direction::Send,
            rids: vec![],
            codecs: vec![Codec::Opus],
        }
    );
    assert_eq!(
        *camera,
        OfferMedia {
            mid: mid("1"),
            kind: MediaKind::Video,
            direction: Direction::Send,
            rids: vec![Rid::Q, Rid::H, Rid::F],
            codecs: vec![Codec::H264, Codec::Vp8],
        }
    );
    assert_eq!(
        (slot.kind, slot.direction, slot.rids.len()),
        (MediaKind::Video, Direction::Slot, 0)
    );
    assert_eq!(
        (heard.kind, heard.direction),
        (MediaKind::Audio, Direction::Slot)
    );
    assert_eq!(facts.of(MediaKind::Video, Direction::Slot).count(), 1);
}

#[test]
fn the_offers_of_real_browsers_are_understood() {
    // Microphone, camera with q, h and an inactive f, screen and its sound, 12 + 4 slots.
    let offers = [
        (
            include_str!("offers/chromium-156.sdp"),
            vec![Codec::Vp8, Codec::H264],
        ),
        // A Firefox that has not downloaded its H.264.
        (include_str!("offers/firefox-153.sdp"), vec![Codec::Vp8]),
    ];
    for (offer, video_codecs) in offers {
        let facts = check_offer(offer).unwrap();
        let count = |kind, direction| facts.of(kind, direction).count();
        assert_eq!(count(MediaKind::Audio, Direction::Send), 2);
        assert_eq!(count(MediaKind::Video, Direction::Send), 2);
        assert_eq!(count(MediaKind::Video, Direction::Slot), 12);
        assert_eq!(count(MediaKind::Audio, Direction::Slot), 4);
        assert_eq!(facts.media[1].rids, Rid::ALL);
        for media in &facts.media {
            let expected = if media.kind == MediaKind::Audio {
                &[Codec::Opus][..]
            } else {
                &video_codecs
            };
            assert_eq!(media.codecs, expected);
        }
    }
}

#[test]
fn bare_line_feeds_and_session_level_attributes_are_fine() {
    assert!(check_offer(&offer().replace("\r\n", "\n")).is_ok());
    // As Firefox: fingerprint once, at the session; further m-lines bundle-only on port 0.
    let firefox = offer()
        .replace("m=video 9", "a=bundle-only\r\nm=video 0")
        .replace("a=recvonly\r\n", "a=recvonly\r\na=bundle-only\r\n")
        .replace("a=sendonly\r\n", "a=sendonly\r\na=bundle-only\r\n");
    assert!(check_offer(&firefox).is_ok());
}

#[test]
fn an_encoding_may_begin_inactive() {
    assert!(check_offer(&offer().replace("send f;h;q", "send ~f;h;~q")).is_ok());
}

#[test]
fn each_broken_rule_has_its_word() {
    let cases: &[(&str, &str, SdpError)] = &[
        ("v=0\r\n", "v=1\r\n", SdpError::Malformed),
        ("t=0 0\r\n", "nonsense\r\n", SdpError::Malformed),
        ("t=0 0\r\n", "tt=0 0\r\n", SdpError::Malformed),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF",
            "m=application 9 UDP/DTLS/SCTP",
            SdpError::MediaKind,
        ),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF",
            "m=audio 9 RTP/AVP",
            SdpError::MediaKind,
        ),
        ("m=audio 9", "m=audio 0", SdpError::Stopped),
        ("a=mid:1\r\n", "", SdpError::Mid),
        ("a=mid:1\r\n", "a=mid:a b\r\n", SdpError::Mid),
        ("a=mid:1\r\n", "a=mid:12345678901234567\r\n", SdpError::Mid),
        ("a=mid:1\r\n", "a=mid:0\r\n", SdpError::MidTwice),
        ("a=sendonly\r\n", "a=sendrecv\r\n", SdpError::Direction),
        ("a=sendonly\r\n", "a=inactive\r\n", SdpError::Direction),
        ("a=sendonly\r\n", "", SdpError::Direction),
        ("a=rtcp-mux\r\n", "", SdpError::RtcpMux),
        ("a=group:BUNDLE 0 1 2 3\r\n", "", SdpError::Bundle),
        (
            "a=group:BUNDLE 0 1 2 3\r\n",
            "a=group:BUNDLE 0 1 2\r\n",
            SdpError::Bundle,
        ),
        (
            "a=group:BUNDLE 0 1 2 3\r\n",
            "a=group:BUNDLE 0 1 2 3 4\r\n",
            SdpError::Bundle,
        ),
        (
            "a=group:BUNDLE 0 1 2 3\r\n",
            "a=group:BUNDLE 0 1\r\na=group:BUNDLE 2 3\r\n",
            SdpError::Bundle,
        ),
        ("a=ice-ufrag:S5hk\r\n", "", SdpError::IceCredentials),
        (
            "a=ice-ufrag:S5hk\r\n",
            "a=ice-ufrag:a:b!\r\n",
            SdpError::IceCredentials,
        ),
        (
            "a=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\n",
            "a=ice-pwd:short\r\n",
            SdpError::IceCredentials,
        ),
        ("a=rid:q send", "a=rid:x send", SdpError::Simulcast),
        ("a=rid:q send", "a=rid:h send", SdpError::Simulcast),
        ("a=rid:q send", "a=rid:q recv", SdpError::Simulcast),
        ("a=rid:q send\r\n", "", SdpError::Simulcast),
        ("a=simulcast:send f;h;q\r\n", "", SdpError::Simulcast),
        (
            "a=simulcast:send f;h;q\r\n",
            "a=simulcast:send f;h,q\r\n",
            SdpError::Simulcast,
        ),
        (
            "a=simulcast:send f;h;q\r\n",
            "a=simulcast:recv f;h;q\r\n",
            SdpError::Simulcast,
        ),
        (
            "a=mid:2\r\n",
            "a=mid:2\r\na=rid:q send\r\na=simulcast:send q\r\n",
            SdpError::Simulcast,
        ),
    ];
    for (from, to, error) in cases {
        let broken = offer().replacen(from, to, 1);
        assert_ne!(broken, offer(), "{from:?} is in the offer");
        assert_eq!(
            check_offer(&broken).err(),
            Some(*error),
            "{from:?} as {to:?}"
        );
    }
}

#[test]
fn only_one_long_fingerprint_is_trusted() {
    let with = |line: &str| check_offer(&offer().replace(SHA_256, line)).err();
    assert_eq!(
        with("sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"),
        Some(SdpError::Fingerprint)
    );
    assert_eq!(
        with("md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B"),
        Some(SdpError::Fingerprint)
    );
    assert_eq!(with("sha-256 00:11"), Some(SdpError::Fingerprint));
    assert_eq!(
        with(&SHA_256.replace("00:", "0g:")),
        Some(SdpError::Fingerprint)
    );
    assert_eq!(with(&format!("sha-384 {}", vec!["ab"; 48].join(":"))), None);
    assert_eq!(with(&format!("SHA-512 {}", vec!["ab"; 64].join(":"))), None);
    assert_eq!(
        check_offer(&offer().replace(&format!("a=fingerprint:{SHA_256}\r\n"), "")).err(),
        Some(SdpError::FingerprintMissing)
    );
    let second = format!(
        "a=mid:1\r\na=fingerprint:sha-256 {}\r\n",
        vec!["ab"; 32].join(":")
    );
    assert_eq!(
        check_offer(&offer().replace("a=mid:1\r\n", &second)).err(),
        Some(SdpError::FingerprintDiffers)
    );
    let weak = "a=mid:1\r\na=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n";
    assert_eq!(
        check_offer(&offer().replace("a=mid:1\r\n", weak)).err(),
        Some(SdpError::Fingerprint)
    );
}

#[test]
fn the_limits_hold_exactly() {
    let many = |count: usize| {
        let mids: Vec<String> = (0..count).map(|index| index.to_string()).collect();
        let lines: String = mids
            .iter()
            .map(|mid| m_line("audio", mid, "recvonly", "a=rtpmap:111 opus/48000/2\r\n"))
            .collect();
        session(&mids.join(" ")) + &lines
    };
    assert_eq!(
        check_offer(&many(M_LINES_MAX)).unwrap().media.len(),
        M_LINES_MAX
    );
    assert_eq!(
        check_offer(&many(M_LINES_MAX + 1)).err(),
        Some(SdpError::TooManyMedia)
    );
    let candidates =
        |count: usize| offer() + &"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(count);
    assert!(check_offer(&candidates(CANDIDATES_MAX)).is_ok());
    assert_eq!(
        check_offer(&candidates(CANDIDATES_MAX + 1)).err(),
        Some(SdpError::TooManyCandidates)
    );
    let padded = |len: usize| {
        let offer = offer() + "a=x-padding:";
        let padding = "x".repeat(len - offer.len());
        offer + &padding
    };
    assert!(check_offer(&padded(SDP_BYTES_MAX)).is_ok());
    assert_eq!(
        check_offer(&padded(SDP_BYTES_MAX + 1)).err(),
        Some(SdpError::TooLarge)
    );
    assert_eq!(check_offer(&session("0")).err(), Some(SdpError::NoMedia));
    assert_eq!(check_offer("").err(), Some(SdpError::Malformed));
}

#[test]
fn only_constrained_baseline_in_mode_1_is_our_h264() {
    let with = |from: &str, to: &str| {
        check_offer(&offer().replace(from, to)).unwrap().media[1]
            .codecs
            .clone()
    };
    let ours = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    assert_eq!(
        with(ours, "packetization-mode=1;profile-level-id=42e034"),
        [Codec::H264, Codec::Vp8]
    );
    assert_eq!(
        with(ours, "packetization-mode=0;profile-level-id=42e01f"),
        [Codec::Vp8]
    );
    assert_eq!(with(ours, "profile-level-id=42e01f"), [Codec::Vp8]);
    assert_eq!(
        with(ours, "packetization-mode=1;profile-level-id=42001f"),
        [Codec::Vp8]
    );
    assert_eq!(
        with(ours, "packetization-mode=1;profile-level-id=640c1f"),
        [Codec::Vp8]
    );
    assert_eq!(with(ours, "packetization-mode=1"), [Codec::Vp8]);
}

#[test]
fn all_credentials_are_replaced_and_nothing_else() {
    let replaced = replace_ice_credentials(ANSWER, "fragment", "word");
    let expected = ANSWER
        .replace("S5hk", "fragment")
        .replace("0zV/Yu3y8aDzbHgqWhnVQhqP", "word");
    assert_ne!(expected, ANSWER);
    assert_eq!(replaced, expected);
}

#[test]
fn a_candidate_repeats_the_replaced_fragment() {
    let host = "a=candidate:1 1 udp 2130706175 192.0.2.1 10000 typ host";
    let answer = format!(
        "a=ice-ufrag:old\r\n{host} ufrag old network-id 1\r\n{host} ufrag old\r\n{host}\r\n"
    );
    let expected = format!(
        "a=ice-ufrag:new\r\n{host} ufrag new network-id 1\r\n{host} ufrag new\r\n{host}\r\n"
    );
    assert_eq!(replace_ice_credentials(&answer, "new", "word"), expected);
}

#[test]
fn slots_of_equal_index_share_a_stream() {
    let video = [mid("4"), mid("5")];
    let audio = [mid("6")];
    let paired = pair_streams(ANSWER, &video, &audio);
    let expected = ANSWER
        .replace("WMS mic v0 v1 a0", "WMS mic a0 v1")
        .replace("a=msid:v0 v0-track", "a=msid:a0 v0-track")
        .replace("msid:v0 v0-track", "msid:a0 v0-track");
    assert_ne!(expected, ANSWER);
    assert_eq!(paired, expected);
    assert_eq!(
        pair_streams(&paired, &video, &audio),
        paired,
        "a second time changes nothing"
    );
    assert_eq!(pair_streams(ANSWER, &video, &[]), ANSWER);
}

#[test]
fn a_slot_without_a_stream_stays_alone() {
    let answer = ANSWER.replace("a=msid:a0 a0-track", "a=msid:- a0-track");
    assert_eq!(pair_streams(&answer, &[mid("4")], &[mid("6")]), answer);
    assert_eq!(pair_streams(ANSWER, &[mid("4")], &[mid("9")]), ANSWER);
}

proptest! {
    #[test]
    fn any_text_is_taken(text in "(?s).{0,300}") {
        let _ = check_offer(&text);
        let _ = replace_ice_credentials(&text, "a", "b");
        let _ = pair_streams(&text, &[mid("0")], &[mid("1")]);
    }

    #[test]
    fn an_offer_with_bytes_exchanged_is_taken(at in 0..2000usize, len in 0..20usize, patch in "[ -~\r\n]{0,20}") {
        let mut text = offer();
        let at = at.min(text.len());
        let end = (at + len).min(text.len());
        text.replace_range(at..end, &patch);
        if let Ok(facts) = check_offer(&text) {
            prop_assert!(facts.media.len() <= M_LINES_MAX);
            for media in &facts.media {
                prop_assert!(media.rids.is_sorted() && media.rids.len() <= 3);
            }
        }
    }

    #[test]
    fn rewriting_keeps_every_line_that_is_not_its_own(text in "(a=[a-z:0-9 ]{0,20}|m=audio 9|\r|\n|\r\n){0,20}") {
        prop_assert_eq!(&pair_streams(&text, &[], &[]), &text);
        if !text.contains("a=ice-") {
            prop_assert_eq!(replace_ice_credentials(&text, "u", "p"), text);
        }
    }
}

fn mid(text: &str) -> MidName {
    MidName::new(text).unwrap()
}

fn session(bundle: &str) -> String {
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {bundle}\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\na=ice-ufrag:S5hk\r\na=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\n\
         a=fingerprint:{SHA_256}\r\n"
    )
}

fn m_line(kind: &str, mid: &str, direction: &str, more: &str) -> String {
    let payload_types = if kind == "audio" { "111" } else { "102 96 97" };
    format!(
        "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_types}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=setup:actpass\r\n\
         a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{more}"
    )
}

fn offer() -> String {
    let opus = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
    let video = "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\n\
        a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
    let rids = "a=rid:f send\r\na=rid:h send\r\na=rid:q send\r\na=simulcast:send f;h;q\r\n";
    session("0 1 2 3")
        + &m_line("audio", "0", "sendonly", opus)
        + &m_line("video", "1", "sendonly", &format!("{video}{rids}"))
        + &m_line("video", "2", "recvonly", video)
        + &m_line("audio", "3", "recvonly", opus)
}

const ANSWER: &str = "v=0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 4 5 6\r\na=msid-semantic: WMS mic v0 v1 a0\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:S5hk\r\na=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\na=mid:0\r\na=recvonly\r\na=msid:mic mic-track\r\n\
a=candidate:1 1 udp 2130706175 192.0.2.1 10000 typ host\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:S5hk\r\na=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\na=mid:4\r\na=sendonly\r\na=msid:v0 v0-track\r\n\
a=ssrc:11 cname:c\r\na=ssrc:11 msid:v0 v0-track\r\na=ssrc:12 cname:c\r\na=ssrc:12 msid:v0 v0-track\r\na=ssrc-group:FID 11 12\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:S5hk\r\na=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\na=mid:5\r\na=sendonly\r\na=msid:v1 v1-track\r\n\
a=ssrc:21 cname:c\r\na=ssrc:21 msid:v1 v1-track\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:S5hk\r\na=ice-pwd:0zV/Yu3y8aDzbHgqWhnVQhqP\r\na=mid:6\r\na=sendonly\r\na=msid:a0 a0-track\r\n\
a=ssrc:31 cname:c\r\na=ssrc:31 msid:a0 a0-track\r\n";
