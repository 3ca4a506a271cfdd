//! Any text as the secret of an invite link, a device key and a resume token:
//! what is read is written again as it came, and shows in no log.
#![no_main]

use conclave_signalling_wire::secret::{DeviceKey, InviteSecret, ResumeToken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(secret) = InviteSecret::parse(text) {
        assert_eq!(secret.reveal(), text);
        assert_eq!(format!("{secret:?}"), "InviteSecret(redacted)");
    }
    if let Ok(secret) = DeviceKey::parse(text) {
        assert_eq!(secret.reveal(), text);
        assert_eq!(format!("{secret:?}"), "DeviceKey(redacted)");
    }
    if let Ok(secret) = ResumeToken::parse(text) {
        assert_eq!(secret.reveal(), text);
        assert_eq!(format!("{secret:?}"), "ResumeToken(redacted)");
    }
});
