#![no_main]

use conclave_sfu_wire::rtp::{
    self, ExtensionIds, Extensions, Fields, HEADER_MAX, HEADER_MIN, Header,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Some(header) = Header::parse(packet) else {
        return;
    };
    assert!((HEADER_MIN..=packet.len()).contains(&header.header_len));
    let room = header.header_len - HEADER_MIN;
    let mut taken = 0;
    for (id, content) in header.extensions() {
        assert!(id > 0);
        taken += 1 + content.len();
    }
    assert!(taken <= room);
    assert!(
        header
            .payload(packet)
            .is_none_or(|payload| payload.len() <= packet.len() - header.header_len)
    );

    // What is written with the same fields is read as the same.
    let fields = Fields {
        payload_type: header.payload_type,
        marker: header.marker,
        seq: header.seq,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        has_padding: header.has_padding,
    };
    let id = packet[2] % 16;
    let extensions = Extensions {
        ids: ExtensionIds {
            twcc: Some(id),
            mid: Some(id ^ 1),
            ..ExtensionIds::default()
        },
        twcc: Some(header.seq),
        mid: header
            .extension(id)
            .and_then(|content| std::str::from_utf8(content).ok()),
        ..Extensions::default()
    };
    let mut out = [0; HEADER_MAX];
    let len = rtp::write_header(&mut out, &fields, &extensions);
    assert_eq!(len, extensions.header_len());
    let read = Header::parse(&out[..len]).expect("we wrote it");
    assert_eq!(read.header_len, len);
    assert_eq!(
        (
            read.payload_type,
            read.marker,
            read.seq,
            read.timestamp,
            read.ssrc
        ),
        (
            header.payload_type,
            header.marker,
            header.seq,
            header.timestamp,
            header.ssrc
        )
    );
    let is_written = (1..=14).contains(&id);
    assert_eq!(
        read.extension(id),
        is_written.then_some(&header.seq.to_be_bytes()[..])
    );
});
