#![no_main]

use conclave_turn_wire::fast::Kind;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the file is that of the server, whole")]
#[path = "../../server/src/listen/first_bytes.rs"]
mod first_bytes;

use first_bytes::{LONGEST, Protocol, classify};

// Whatever a connection begins with: a verdict comes in time, more bytes do not
// change it, and what goes to the relay is the beginning of a STUN message.
fuzz_target!(|input: &[u8]| {
    let mut verdict = None;
    for len in 0..=input.len().min(2 * LONGEST) {
        let now = classify(&input[..len]);
        assert!(verdict.is_none() || now == verdict);
        assert!(now.is_some() || len < LONGEST);
        verdict = now;
    }
    if verdict == Some(Protocol::Turn) {
        assert!(input.len() >= LONGEST && Kind::of(input) == Some(Kind::Stun));
    }
});
