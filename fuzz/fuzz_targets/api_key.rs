//! Any text as an API key: what is read is written again as it came.
#![no_main]

use conclave_server_core::access::text::{CHARS, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok((id, secret)) = parse(text) {
        assert_eq!(text.len(), CHARS);
        assert_eq!(*write(id, &secret), *text);
        assert_eq!(format!("{secret:?}"), "KeySecret(redacted)");
    }
});
