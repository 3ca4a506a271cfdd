#![no_main]

use conclave_signalling_wire::frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(parsed) = frame::parse_request(text) {
        // What was understood can be said again and means the same.
        let again = frame::encode_request(parsed.id, &parsed.request);
        assert_eq!(frame::parse_request(&again), Ok(parsed));
    }
    let _ = frame::parse_server_frame(text);
});
