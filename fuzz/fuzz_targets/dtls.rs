#![no_main]

use conclave_sfu_wire::dtls::{self, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let _ = dtls::is_client_hello(datagram);
    if dtls::before_handshake(datagram) == Verdict::Pass {
        // Whole records from end to end, none of them a plaintext alert.
        let mut rest = datagram;
        while !rest.is_empty() {
            let len = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
            assert!(len > 0 && rest[1] == 0xfe && matches!(rest[2], 0xfd | 0xff));
            assert!(rest[0] != 21 || rest[3..5] != [0, 0]);
            rest = &rest[13 + len..];
        }
    }
});
