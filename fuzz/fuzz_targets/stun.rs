#![no_main]

use conclave_sfu_wire::stun;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let is_request = stun::is_binding_request(datagram);
    let is_response = stun::is_success_response(datagram);
    assert!(!(is_request && is_response));
    if let Some(ufrag) = stun::local_ufrag(datagram) {
        assert!(is_request && !ufrag.is_empty() && !ufrag.contains(&b':'));
    }
    assert!(is_request || !stun::has_use_candidate(datagram));
});
