#![no_main]

use conclave_sfu_wire::vp8::Descriptor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let Ok(descriptor) = Descriptor::parse(payload) else {
        return;
    };
    assert!((1..=6).contains(&descriptor.len) && descriptor.len <= payload.len());
    assert!(descriptor.partition < 8);
    if let Some(id) = descriptor.picture_id {
        assert!(id.value <= if id.is_long { 0x7fff } else { 0x7f });
    }
    assert!(descriptor.tl0_pic_idx.is_none() || descriptor.temporal_layer.is_some());
    assert!(descriptor.starts_frame() || !descriptor.is_keyframe(payload));
    assert!(descriptor.is_keyframe(payload) || descriptor.dimensions(payload).is_none());
});
