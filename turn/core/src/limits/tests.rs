use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const SEED: [u8; 32] = [3; 32];
const ADA: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const BOB: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn a_source_gets_ten_answers_at_once_and_ten_a_second() {
    let start = epoch();
    let mut budget = ReplyBudget::new(start, &SEED, REPLIES_PER_S_MAX);
    let asked = |budget: &mut ReplyBudget, at_ms: u64, times: u32| {
        let now = start + Duration::from_millis(at_ms);
        (0..times).filter(|_| budget.take(now, ADA)).count()
    };
    assert_eq!(asked(&mut budget, 0, 1000), 10);
    assert_eq!(asked(&mut budget, 99, 1000), 0);
    assert_eq!(asked(&mut budget, 100, 1000), 1);
    assert_eq!(asked(&mut budget, 1100, 1000), 10);
    // A minute of asking every millisecond.
    let a_minute: usize = (2100..62_100).map(|ms| asked(&mut budget, ms, 1)).sum();
    assert_eq!(a_minute, 609);
    assert_eq!(budget.suppressed(), 990 + 1000 + 999 + 990 + 60_000 - 609);
}

#[test]
fn another_source_has_a_budget_of_its_own() {
    let start = epoch();
    let mut budget = ReplyBudget::new(start, &SEED, REPLIES_PER_S_MAX);
    while budget.take(start, ADA) {}
    assert!(budget.take(start, BOB));
}

#[test]
fn a_source_is_an_ipv4_address_or_an_ipv6_64() {
    let of = |text: &str| SourcePrefix::of(text.parse().unwrap());
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::"));
    assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    assert_eq!(format!("{:?}", of("192.0.2.1")), "V4(..)");
}

/// Spoofed floods filled the tables of coturn: 18 kB per packet for a minute.
#[test]
fn a_flood_from_a_million_sources_grows_nothing_and_stays_below_the_ceiling() {
    let start = epoch();
    let mut budget = ReplyBudget::new(start, &SEED, 20_000);
    let mut answered = 0;
    for flooder in 0..1_000_000u32 {
        let now = start + Duration::from_micros(u64::from(flooder) * 2);
        let source = IpAddr::V4(Ipv4Addr::from_bits(flooder));
        answered += u32::from(budget.take(now, source));
    }
    // Two seconds: what was saved up and what came in.
    assert!((59_000..=60_000).contains(&answered), "{answered}");
    assert_eq!(budget.sources.slots(), SLOTS);
    // A second of silence later an honest client is answered.
    assert!(budget.take(start + Duration::from_secs(3), ADA));
}

#[test]
fn a_flood_below_the_ceiling_hardly_touches_others() {
    let start = epoch();
    let mut budget = ReplyBudget::new(start, &SEED, u32::MAX);
    for round in 0..20 {
        for flooder in 0..1000u32 {
            let source = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + flooder));
            budget.take(start + Duration::from_millis(round), source);
        }
    }
    let now = start + Duration::from_millis(20);
    let answered = (0..1000u32)
        .filter(|host| budget.take(now, IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 + host))))
        .count();
    assert!(answered >= 960, "{answered}: one in 65 shares a bucket");
}

#[test]
fn the_budget_holds_for_months() {
    let start = epoch();
    let mut budget = ReplyBudget::new(start, &SEED, REPLIES_PER_S_MAX);
    let end = start + Duration::from_millis((1 << 31) - 300);
    assert_eq!((0..100).filter(|_| budget.take(end, ADA)).count(), 10);
    // A new epoch begins with full buckets.
    let next = end + Duration::from_millis(500);
    assert_eq!((0..100).filter(|_| budget.take(next, ADA)).count(), 10);
    for days in 1..100 {
        let later = next + Duration::from_secs(days * 86_400);
        assert_eq!((0..100).filter(|_| budget.take(later, ADA)).count(), 10);
    }
}

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let start = epoch();
    let rate = ByteRate::new(1_000_000, 500_000);
    let mut bucket = Bucket::full(start, &rate);
    assert!(bucket.take(start, &rate, 500_000));
    assert!(!bucket.take(start, &rate, 1));
    assert!(!bucket.take(start + Duration::from_micros(999), &rate, 1000));
    assert!(bucket.take(start + Duration::from_micros(1000), &rate, 1000));
    assert!(!bucket.take(start + Duration::from_micros(1000), &rate, 1));
    let later = start + Duration::from_secs(3600);
    assert!(!bucket.take(later, &rate, 500_001));
    assert!(bucket.take(later, &rate, 500_000));
}

#[test]
fn fractions_of_a_microsecond_are_not_lost() {
    let start = epoch();
    let rate = ByteRate::new(1_000_000, 10);
    let mut bucket = Bucket::full(start, &rate);
    assert!(bucket.take(start, &rate, 10));
    let taken = (1..=10_000u64)
        .filter(|step| bucket.take(start + Duration::from_nanos(step * 300), &rate, 1))
        .count();
    assert_eq!(taken, 3000);
}

#[test]
fn a_rate_in_bits_holds_at_least_one_large_datagram() {
    let start = epoch();
    let rate = ByteRate::of_bits_per_s(8_000_000);
    assert_eq!(rate, ByteRate::new(1_000_000, 1_000_000));
    let slow = ByteRate::of_bits_per_s(8);
    assert!(Bucket::full(start, &slow).take(start, &slow, 65_535));
}

proptest! {
    #[test]
    fn a_bucket_never_gives_more_than_burst_and_rate(
        per_s in 0..=10_000_000u64,
        burst in 0..=10_000_000u64,
        takes in proptest::collection::vec((0..200_000u64, 0..3_000u64), 0..200),
    ) {
        let start = epoch();
        let rate = ByteRate::new(per_s, burst);
        let mut bucket = Bucket::full(start, &rate);
        let (mut now_us, mut given) = (0u64, 0u64);
        for (step_us, bytes) in takes {
            now_us += step_us;
            if bucket.take(start + Duration::from_micros(now_us), &rate, bytes) {
                given += bytes;
            }
            prop_assert!(given <= burst + per_s * now_us / 1_000_000);
        }
    }

    #[test]
    fn no_numbers_make_a_bucket_panic(per_s: u64, burst: u64, takes: Vec<(u32, u64)>) {
        let start = epoch();
        let rate = ByteRate::new(per_s, burst);
        let mut bucket = Bucket::full(start, &rate);
        for (at_s, bytes) in takes {
            bucket.take(start + Duration::from_secs(u64::from(at_s)), &rate, bytes);
        }
        prop_assert!(!bucket.take(start, &rate, u64::MAX));
        let bits = ByteRate::of_bits_per_s(per_s);
        Bucket::full(start, &bits).take(start, &bits, burst);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test needs some first instant")]
fn epoch() -> Instant {
    Instant::now()
}
