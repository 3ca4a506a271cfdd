#![no_main]

use conclave_sfu_wire::h264;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let facts = h264::facts(payload);
    assert_eq!(facts.is_keyframe(), h264::is_keyframe(payload));
    assert!(!payload.is_empty() || facts == h264::Facts::default());
});
