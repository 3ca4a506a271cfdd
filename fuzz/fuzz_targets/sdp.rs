#![no_main]

use conclave_sfu_wire::sdp::{self, Direction, MediaKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(facts) = sdp::check_offer(text) {
        assert!((1..=sdp::M_LINES_MAX).contains(&facts.media.len()));
        for (index, media) in facts.media.iter().enumerate() {
            assert!(
                facts.media[..index]
                    .iter()
                    .all(|earlier| earlier.mid != media.mid)
            );
            assert!(media.rids.is_sorted() && media.rids.len() <= 3);
            let may_simulcast =
                media.kind == MediaKind::Video && media.direction == Direction::Send;
            assert!(media.rids.is_empty() || may_simulcast);
        }
        let slots = |kind| {
            facts
                .of(kind, Direction::Slot)
                .map(|media| media.mid)
                .collect::<Vec<_>>()
        };
        let (video, audio) = (slots(MediaKind::Video), slots(MediaKind::Audio));
        let paired = sdp::pair_streams(text, &video, &audio);
        assert_eq!(paired.lines().count(), text.lines().count());
    }
    let replaced = sdp::replace_ice_credentials(text, "ufrag", "password");
    assert_eq!(
        sdp::replace_ice_credentials(&replaced, "ufrag", "password"),
        replaced
    );
    assert!(sdp::pair_streams(text, &[], &[]).len() <= text.len());
});
