#![no_main]

use conclave_sfu_wire::ufrag::{Ufrag, UfragKey};
use libfuzzer_sys::fuzz_target;

const KEY: UfragKey = UfragKey([0x2f; 16]);

fuzz_target!(|input: (&[u8], u8, u32, u16)| {
    let (text, shard, slot, generation) = input;
    if let Some(ufrag) = KEY.decode(text) {
        // There is one way to write each.
        assert_eq!(KEY.encode(ufrag).as_bytes(), text);
    }
    let ufrag = Ufrag {
        shard,
        slot,
        generation,
    };
    assert_eq!(KEY.decode(KEY.encode(ufrag).as_bytes()), Some(ufrag));
});
