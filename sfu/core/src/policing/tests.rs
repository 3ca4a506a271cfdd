use proptest::prelude::*;

use super::*;
use crate::epoch::epoch;

const LIMITS: IngressLimits = IngressLimits {
    packets_per_s: 100,
    bytes_per_s: 50_000,
    ssrcs: 3,
    keyframe_requests_per_s: 5,
    offers_per_min: 4,
};
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_flood_is_cut_and_an_ordinary_sender_never() {
    let start = epoch();
    let mut policing = Policing::new(start, IngressLimits::PUBLISHER);
    let mut flood = |now| {
        (0..100_000)
            .filter(|_| policing.admit_packet(now, 100))
            .count()
    };
    assert_eq!(flood(start), 4_000);
    assert_eq!(flood(start + SECOND), 2_000);
    assert_eq!(policing.take_refused().packets, 194_000);

    let mut policing = Policing::new(start, IngressLimits::PUBLISHER);
    for packet in 0..10_000u64 {
        let now = start + Duration::from_micros(packet * 1_250);
        assert!(policing.admit_packet(now, 1_200), "packet {packet}");
    }
    assert_eq!(policing.take_refused(), Refused::default());
}

#[test]
fn bytes_are_bounded_as_well_and_cost_no_packets() {
    let start = epoch();
    let mut policing = Policing::new(start, LIMITS);
    let admitted = (0..100)
        .filter(|_| policing.admit_packet(start, 1_000))
        .count();
    assert_eq!(admitted, 100, "as many as two seconds of bytes are");
    assert!(!policing.admit_packet(start, 1));
    assert_eq!(
        (
            policing.take_refused().bytes,
            policing.take_refused().packets
        ),
        (1, 0)
    );
    // Packets are left for what is small.
    let later = start + Duration::from_millis(20);
    assert!(policing.admit_packet(later, 1_000));
}

#[test]
fn who_only_watches_sends_feedback_and_no_media() {
    let start = epoch();
    let mut policing = Policing::new(start, IngressLimits::VIEWER);
    for feedback in 0..6_000u64 {
        let now = start + Duration::from_millis(feedback * 5);
        assert!(policing.admit_packet(now, 120));
    }
    assert!(!policing.admit_ssrc(start, 1));
    assert_eq!(policing.take_refused().ssrcs, 1);
}

#[test]
fn streams_are_bounded_and_a_silent_one_leaves_its_place() {
    let start = epoch();
    let mut policing = Policing::new(start, LIMITS);
    for ssrc in [1, 2, 3] {
        assert!(policing.admit_ssrc(start, ssrc));
    }
    let mut now = start + SILENT / 2;
    assert!(!policing.admit_ssrc(now, 4));
    assert!(policing.admit_ssrc(now, 1) && policing.admit_ssrc(now, 2));
    now = start + SILENT;
    assert!(policing.admit_ssrc(now, 4), "the third was silent");
    assert!(!policing.admit_ssrc(now, 3));
    assert!(policing.admit_ssrc(now, 1) && policing.admit_ssrc(now, 2));
    policing.set_limits(IngressLimits { ssrcs: 0, ..LIMITS });
    assert!(!policing.admit_ssrc(now, 1), "it publishes no more");
}

#[test]
fn keyframes_are_asked_for_by_the_second_and_offers_by_the_minute() {
    let start = epoch();
    let mut policing = Policing::new(start, LIMITS);
    let mut asked = |now| {
        (0..50)
            .filter(|_| policing.admit_keyframe_request(now))
            .count()
    };
    assert_eq!(asked(start), 15);
    assert_eq!(asked(start + SECOND / 5), 1);
    assert_eq!(asked(start + SECOND * 10), 15);
    let mut offered = |now| (0..50).filter(|_| policing.admit_offer(now)).count();
    assert_eq!(offered(start), 4);
    assert_eq!(offered(start + SECOND * 14), 0);
    assert_eq!(offered(start + SECOND * 15), 1);
    assert_eq!(offered(start + SECOND * 120), 4);
    let refused = policing.take_refused();
    assert_eq!((refused.keyframe_requests, refused.offers), (119, 191));
}

#[test]
fn all_slots_may_ask_for_a_keyframe_at_once_and_nobody_for_more_than_five_a_second() {
    for limits in [IngressLimits::PUBLISHER, IngressLimits::VIEWER] {
        let start = epoch();
        let mut policing = Policing::new(start, limits);
        let slots = (0..12).filter(|_| policing.admit_keyframe_request(start));
        assert_eq!(slots.count(), 12);
        let mut asked = |ms| policing.admit_keyframe_request(start + Duration::from_millis(ms));
        let within = (0..20_000).filter(|ms| asked(*ms)).count();
        assert!((95..=103).contains(&within), "{within} in 20 s");
    }
}

#[test]
fn of_a_rate_of_zero_there_is_nothing() {
    let start = epoch();
    let none = IngressLimits {
        packets_per_s: 0,
        bytes_per_s: 0,
        ssrcs: 0,
        keyframe_requests_per_s: 0,
        offers_per_min: 0,
    };
    let mut policing = Policing::new(start, none);
    assert!(!policing.admit_packet(start, 10));
    assert!(!policing.admit_keyframe_request(start));
    assert!(!policing.admit_offer(start));
}

proptest! {
    #[test]
    fn over_any_time_no_more_passes_than_rate_and_burst(gaps in proptest::collection::vec((0u64..50_000, 1usize..1_500), 1..500)) {
        let start = epoch();
        let mut policing = Policing::new(start, LIMITS);
        let (mut now, mut packets, mut bytes) = (start, 0u64, 0u64);
        for (gap_us, len) in gaps {
            now += Duration::from_micros(gap_us);
            if policing.admit_packet(now, len) {
                packets += 1;
                bytes += len as u64;
            }
            let seconds = (now - start + BURST).as_secs_f64();
            prop_assert!(packets as f64 <= seconds * 100.0 + 1.0);
            prop_assert!(bytes as f64 <= seconds * 50_000.0 + 1.0);
        }
    }

    #[test]
    fn more_limits_never_admit_less(gaps in proptest::collection::vec(0u64..50_000, 1..300), more in 1u32..1_000) {
        let start = epoch();
        let mut tight = Policing::new(start, LIMITS);
        let wider = IngressLimits { packets_per_s: LIMITS.packets_per_s + more, ..LIMITS };
        let mut wide = Policing::new(start, wider);
        let (mut now, mut few, mut many) = (start, 0u32, 0u32);
        for gap_us in gaps {
            now += Duration::from_micros(gap_us);
            few += u32::from(tight.admit_packet(now, 1));
            many += u32::from(wide.admit_packet(now, 1));
            prop_assert!(few <= many);
        }
    }
}
