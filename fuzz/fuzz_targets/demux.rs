#![no_main]

use conclave_sfu_wire::demux::Class;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let Some(class) = Class::of(datagram) {
        let min = match class {
            Class::Stun => 20,
            Class::Dtls => 13,
            Class::Rtp => 12,
            Class::Rtcp => 8,
            Class::ChannelData => 4,
        };
        assert!(datagram.len() >= min);
    }
});
