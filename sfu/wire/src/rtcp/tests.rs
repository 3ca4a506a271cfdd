use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn a_compound_of_a_browser_is_read() {
    let mut compound = Vec::new();
    let info = SenderInfo {
        ssrc: 1,
        ntp: 0x0102_0304_0506_0708,
        rtp_time: 90_000,
        packets: 10,
        octets: 12_000,
    };
    sender_report(&mut compound, &info);
    sdes_cname(&mut compound, 1, "abc");
    bye(&mut compound, &[1, 2]);
    assert_eq!(
        compound,
        [
            0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0x5f, 0x90, 0, 0, 0, 10, 0,
            0, 0x2e, 0xe0, // SR
            0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 0, 0, 0, // SDES
            0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, // BYE
        ]
    );
    let mut packets = Packets::new(&compound);
    let Some(Packet::SenderReport(report)) = packets.next() else {
        panic!("no report")
    };
    assert_eq!(
        (report.ssrc, report.ntp, report.rtp_time),
        (1, info.ntp, 90_000)
    );
    assert_eq!(
        (report.packets, report.octets, report.blocks.count()),
        (10, 12_000, 0)
    );
    let Some(Packet::Sdes(sdes)) = packets.next() else {
        panic!("no description")
    };
    assert_eq!(sdes.cname(), Some((1, &b"abc"[..])));
    let Some(Packet::Bye(bye)) = packets.next() else {
        panic!("no farewell")
    };
    assert_eq!(bye.ssrcs.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(packets.next(), None);
    assert!(!packets.is_malformed());
}

#[test]
fn report_blocks_keep_their_signs() {
    let blocks = [
        ReportBlock {
            ssrc: 7,
            fraction_lost: 255,
            cumulative_lost: -3,
            highest_seq: 0x0001_ffff,
            jitter: 9,
            last_sr: 0x1234_5678,
            delay_since_last_sr: 65_536,
        },
        ReportBlock {
            ssrc: 8,
            cumulative_lost: 0x7f_ffff,
            ..ReportBlock::default()
        },
    ];
    let mut compound = Vec::new();
    receiver_report(&mut compound, 5, &blocks);
    let Some(Packet::ReceiverReport(report)) = Packets::new(&compound).next() else {
        panic!("no report")
    };
    assert_eq!(report.ssrc, 5);
    assert_eq!(report.blocks.collect::<Vec<_>>(), blocks);
    // What is out of range stays at its end; what is too much is left out.
    let block = ReportBlock {
        cumulative_lost: i32::MIN,
        ..ReportBlock::default()
    };
    compound.clear();
    receiver_report(&mut compound, 5, &[block; 40]);
    let Some(Packet::ReceiverReport(report)) = Packets::new(&compound).next() else {
        panic!("no report")
    };
    assert!(
        report
            .blocks
            .clone()
            .all(|block| block.cumulative_lost == -0x80_0000)
    );
    assert_eq!(report.blocks.count(), RECEIVER_REPORT_BLOCKS_MAX);
}

#[test]
fn descriptions_of_several_sources_are_read() {
    // Two chunks, the first with a name and a note that fills its words but for the end.
    let compound = [
        0x82, 202, 0, 7, 0, 0, 0, 1, 1, 2, b'a', b'b', 7, 1, b'c', 0, 0, 0, 0, 2, 1, 4, b'd', b'e',
        b'f', b'g', 0, 0, 0, 0, 0, 0,
    ];
    let Some(Packet::Sdes(sdes)) = Packets::new(&compound).next() else {
        panic!("no description")
    };
    assert_eq!(
        sdes.items().collect::<Vec<_>>(),
        [(1, 1, &b"ab"[..]), (1, 7, b"c"), (2, 1, b"defg")]
    );
    let mut cut = compound;
    cut[3] = 5;
    let mut packets = Packets::new(&cut[..24]);
    assert_eq!(packets.next(), None, "a text behind the end");
    assert!(packets.is_malformed());
}

#[test]
fn a_nack_of_17_takes_four_bytes() {
    let seqs: Vec<_> = (0..17).map(|n| 65_530_u16.wrapping_add(n)).collect();
    let mut compound = Vec::new();
    nack(&mut compound, 1, 2, &seqs);
    assert_eq!(compound.len(), 16);
    assert_eq!(compound[12..], [0xff, 0xfa, 0xff, 0xff]);
    let Some(Packet::Nack(nack)) = Packets::new(&compound).next() else {
        panic!("no nack")
    };
    assert_eq!((nack.sender, nack.media), (1, 2));
    assert_eq!(nack.seqs().collect::<Vec<_>>(), seqs);
}

#[test]
fn requests_for_pictures_are_read() {
    let mut compound = Vec::new();
    pli(&mut compound, 1, 2);
    fir(&mut compound, 1, 3, 200);
    let mut packets = Packets::new(&compound);
    assert_eq!(
        packets.next(),
        Some(Packet::Pli(Pli {
            sender: 1,
            media: 2
        }))
    );
    let Some(Packet::Fir(fir)) = packets.next() else {
        panic!("no fir")
    };
    assert_eq!(fir.sender, 1);
    assert_eq!(fir.requests().collect::<Vec<_>>(), [(3, 200)]);
}

#[test]
fn a_remb_of_another_stack_is_read_and_written() {
    let known = [
        0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 26, 32, 223, 72, 116,
        237, 22,
    ];
    let Some(Packet::Remb(read)) = Packets::new(&known).next() else {
        panic!("no remb")
    };
    assert_eq!((read.sender, read.bitrate_bps), (1, 8_927_168));
    assert_eq!(read.ssrcs.collect::<Vec<_>>(), [1_215_622_422]);
    let mut written = Vec::new();
    remb(&mut written, 1, 8_927_168, &[1_215_622_422]);
    assert_eq!(written, known);

    let mut other = known;
    other[12] = b'X';
    let expected = Packet::Other {
        packet_type: 206,
        count: 15,
    };
    assert_eq!(Packets::new(&other).next(), Some(expected));
    let mut huge = known;
    huge[17] = 0xff;
    let Some(Packet::Remb(read)) = Packets::new(&huge).next() else {
        panic!("no remb")
    };
    assert_eq!(read.bitrate_bps, u64::MAX);
}

#[test]
fn arrivals_of_another_stack_are_read() {
    // A run of one, and two bytes of padding.
    let run = [
        0xaf, 0xcd, 0, 5, 0xfa, 0x17, 0xfa, 0x17, 0x43, 3, 0x2f, 0xa0, 0, 0x99, 0, 1, 0x3d, 0xe8,
        2, 0x17, 0x20, 1, 0x94, 1,
    ];
    let Some(Packet::Twcc(read)) = Packets::new(&run).next() else {
        panic!("no arrivals")
    };
    assert_eq!((read.sender, read.media), (4_195_875_351, 1_124_282_272));
    assert_eq!(
        (read.base_seq, read.status_count, read.feedback_count),
        (153, 1, 23)
    );
    assert_eq!(read.reference_time, 4_057_090);
    assert_eq!(read.iter().collect::<Vec<_>>(), [(153, Some(148))]);
    assert_eq!(
        read.arrivals().collect::<Vec<_>>(),
        [(153, Some(4_057_090 * 64_000 + 37_000))]
    );
    // Symbols of two bits, one small, one large and negative.
    let vector = [
        0xaf, 0xcd, 0, 6, 0xfa, 0x17, 0xfa, 0x17, 0x19, 0x3d, 0xd8, 0xbb, 1, 0x74, 0, 2, 0x45,
        0xb1, 0x5a, 0x40, 0xd8, 0, 0xf0, 0xff, 0xd0, 0, 0, 3,
    ];
    let Some(Packet::Twcc(read)) = Packets::new(&vector).next() else {
        panic!("no arrivals")
    };
    assert_eq!((read.base_seq, read.status_count), (372, 2));
    assert_eq!(
        read.iter().collect::<Vec<_>>(),
        [(372, Some(240)), (373, Some(-48))]
    );
}

#[test]
fn arrivals_choose_the_shorter_chunk() {
    let report = TwccReport {
        sender: 1,
        media: 2,
        base_seq: 65_535,
        feedback_count: 255,
    };
    let chunks = |arrivals: &[Option<i64>]| {
        let mut out = Vec::new();
        assert_eq!(twcc(&mut out, &report, arrivals), arrivals.len());
        assert_eq!(arrivals_of(&out), rounded(65_535, arrivals));
        out[20..].to_vec()
    };
    assert_eq!(chunks(&[Some(0); 100])[..2], [0x20, 100]);
    assert_eq!(chunks(&[Some(0), None, Some(0)])[..2], [0b1010_1000, 0]);
    assert_eq!(
        chunks(&[Some(64_000), None, Some(64_000), Some(0)])[..2],
        [0b1101_0001, 0b1000_0000]
    );
    let mut lost = [None; 50];
    lost[0] = Some(1_000);
    assert_eq!(chunks(&lost)[..4], [0b1010_0000, 0, 0, 36]);
}

#[test]
fn arrivals_end_where_a_delta_does_not_fit() {
    let report = TwccReport {
        sender: 1,
        media: 2,
        base_seq: 9,
        feedback_count: 0,
    };
    let mut out = Vec::new();
    assert_eq!(twcc(&mut out, &report, &[None, None]), 0);
    assert!(out.is_empty());
    assert_eq!(
        twcc(
            &mut out,
            &report,
            &[None, Some(0), None, Some(9_000_000), Some(0)]
        ),
        3
    );
    assert_eq!(arrivals_of(&out), [(9, None), (10, Some(0)), (11, None)]);
    for extreme in [i64::MIN, i64::MAX] {
        out.clear();
        assert!(twcc(&mut out, &report, &[Some(extreme), Some(0)]) <= 1);
    }
}

#[test]
fn arrivals_that_break_their_word_are_refused() {
    let packet = |count: u8, rest: &[u8]| {
        let mut packet = vec![
            0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, count, 0, 0, 0, 0,
        ];
        packet.extend(rest);
        packet[3] = (packet.len() / 4 - 1) as u8;
        packet
    };
    let is_read = |packet: &[u8]| matches!(Packets::new(packet).next(), Some(Packet::Twcc(_)));
    assert!(is_read(&packet(2, &[0x20, 2, 1, 1])));
    assert!(!is_read(&packet(3, &[0x20, 3, 1, 1])), "a delta is missing");
    assert!(!is_read(&packet(3, &[0x20, 2, 1, 1])), "a chunk is too few");
    assert!(!is_read(&packet(3, &[0x20, 0, 0x20, 3])), "a run of none");
    assert!(
        !is_read(&packet(2, &[0x60, 2, 1, 1])),
        "a reserved symbol in a run"
    );
    assert!(
        !is_read(&packet(2, &[0xf0, 0, 1, 1])),
        "a reserved symbol in a vector"
    );
    assert!(
        is_read(&packet(2, &[0xd3, 0, 1, 1])),
        "one behind the last packet is nobody's"
    );
}

#[test]
fn what_is_cut_off_at_any_byte_is_noticed() {
    let compound = everything();
    let whole: Vec<_> = Packets::new(&compound).collect();
    assert_eq!(whole.len(), 10);
    assert!(
        whole
            .iter()
            .all(|packet| !matches!(packet, Packet::Other { .. }))
    );
    let mut ends = vec![0];
    while let Some(head) = compound
        .get(ends[ends.len() - 1]..)
        .and_then(<[u8]>::first_chunk::<4>)
    {
        ends.push(ends[ends.len() - 1] + 4 * (usize::from(head[3]) + 1));
    }
    for end in 0..compound.len() {
        let mut packets = Packets::new(&compound[..end]);
        let read: Vec<_> = packets.by_ref().collect();
        assert_eq!(read[..], whole[..read.len()], "{end} bytes");
        assert_eq!(packets.is_malformed(), !ends.contains(&end), "{end} bytes");
        assert_eq!(packets.next(), None);
    }
}

#[test]
fn padding_and_other_versions_are_minded() {
    let padded = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    assert_eq!(Packets::new(&padded).count(), 1);
    for (at, byte) in [(0, 0x60), (11, 0), (11, 9), (11, 5)] {
        let mut packet = padded;
        packet[at] = byte;
        let mut packets = Packets::new(&packet);
        assert_eq!(packets.next(), None, "byte {at} is {byte}");
        assert!(packets.is_malformed());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in vec(any::<u8>(), 0..200)) {
        walk(&bytes);
    }

    #[test]
    fn any_body_is_taken(
        first in 0x80u8..0xc0, kind in prop_oneof![200u8..208, any::<u8>()], mut body in vec(any::<u8>(), 0..120),
    ) {
        body.truncate(body.len() / 4 * 4);
        let mut packet = vec![first, kind, 0, (body.len() / 4) as u8];
        packet.extend(body);
        walk(&packet);
    }

    #[test]
    fn a_changed_byte_is_taken(at in 0usize..10_000, byte: u8) {
        let mut compound = everything();
        let at = at % compound.len();
        compound[at] = byte;
        walk(&compound);
    }

    #[test]
    fn a_nack_comes_back(first: u16, steps in vec(1u16..40, 0..200)) {
        let mut seqs = vec![first];
        for step in steps {
            seqs.push(seqs[seqs.len() - 1].wrapping_add(step));
        }
        let mut compound = Vec::new();
        nack(&mut compound, 1, 2, &seqs);
        let Some(Packet::Nack(read)) = Packets::new(&compound).next() else { panic!("no nack") };
        prop_assert_eq!(read.seqs().collect::<Vec<_>>(), seqs);
    }

    #[test]
    fn arrivals_come_back(
        base_seq: u16, start in -1_000_000_000_000i64..1_000_000_000_000,
        steps in vec(prop_oneof![4 => Just(None), 8 => (0i64..20_000).prop_map(Some), 1 => (-100_000i64..5_000_000).prop_map(Some)], 1..300),
    ) {
        let mut now = start;
        let arrivals: Vec<_> = steps.iter().map(|step| step.map(|step| { now += step; now })).collect();
        let report = TwccReport { sender: 1, media: 2, base_seq, feedback_count: 3 };
        let mut out = Vec::new();
        let written = twcc(&mut out, &report, &arrivals);
        if arrivals.iter().all(Option::is_none) {
            prop_assert_eq!(written, 0);
        } else {
            prop_assert_eq!(written, arrivals.len());
            let expected: Vec<_> = rounded(base_seq, &arrivals);
            let first = expected.iter().find_map(|arrival| arrival.1).unwrap();
            let read = arrivals_of(&out);
            // Beyond 24 bits the reference time starts again.
            let shift = first - read.iter().find_map(|arrival| arrival.1).unwrap();
            prop_assert_eq!(shift % (64_000 << 24), 0);
            let read: Vec<_> = read.into_iter().map(|(seq, at)| (seq, at.map(|at| at + shift))).collect();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_remb_loses_little(bitrate_bps: u64) {
        let mut out = Vec::new();
        remb(&mut out, 1, bitrate_bps, &[]);
        let Some(Packet::Remb(read)) = Packets::new(&out).next() else { panic!("no remb") };
        prop_assert!(read.bitrate_bps <= bitrate_bps);
        prop_assert!(bitrate_bps - read.bitrate_bps <= bitrate_bps >> 17);
    }

    #[test]
    fn a_name_comes_back(ssrc: u32, name in "[ -~]{0,300}") {
        let mut out = Vec::new();
        sdes_cname(&mut out, ssrc, &name);
        let Some(Packet::Sdes(read)) = Packets::new(&out).next() else { panic!("no description") };
        prop_assert_eq!(read.cname(), Some((ssrc, &name.as_bytes()[..name.len().min(255)])));
    }
}

/// One of everything that is written.
fn everything() -> Vec<u8> {
    let mut out = Vec::new();
    let info = SenderInfo {
        ssrc: 1,
        ntp: 2,
        rtp_time: 3,
        packets: 4,
        octets: 5,
    };
    sender_report(&mut out, &info);
    receiver_report(&mut out, 1, &[ReportBlock::default(); 2]);
    sdes_cname(&mut out, 1, "name");
    nack(&mut out, 1, 2, &[3, 4, 40]);
    pli(&mut out, 1, 2);
    fir(&mut out, 1, 2, 3);
    remb(&mut out, 1, 1_000_000, &[2, 3]);
    let report = TwccReport {
        sender: 1,
        media: 2,
        base_seq: 3,
        feedback_count: 4,
    };
    twcc(
        &mut out,
        &report,
        &[Some(0), None, Some(100_000), Some(200_000), Some(0)],
    );
    out.extend([
        0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    bye(&mut out, &[1]);
    out
}

/// Walks everything in a compound.
fn walk(compound: &[u8]) {
    for packet in Packets::new(compound) {
        match packet {
            Packet::SenderReport(report) => assert!(report.blocks.count() < 32),
            Packet::ReceiverReport(report) => assert!(report.blocks.count() < 32),
            Packet::Sdes(sdes) => assert!(sdes.items().count() <= compound.len() / 2),
            Packet::Bye(bye) => assert!(bye.ssrcs.count() < 32),
            Packet::Nack(nack) => assert!(nack.seqs().count() <= 17 * compound.len() / 4),
            Packet::Fir(fir) => assert!(fir.requests().count() <= compound.len() / 8),
            Packet::Remb(remb) => assert!(remb.ssrcs.count() < 256),
            Packet::Twcc(twcc) => {
                let count = usize::from(twcc.status_count);
                assert_eq!(twcc.iter().count(), count);
                assert_eq!(twcc.arrivals().count(), count);
            }
            Packet::Pli(_) | Packet::Xr(_) | Packet::Other { .. } => {}
        }
    }
}

fn arrivals_of(compound: &[u8]) -> Vec<(u16, Option<i64>)> {
    let Some(Packet::Twcc(twcc)) = Packets::new(compound).next() else {
        panic!("no arrivals")
    };
    twcc.arrivals().collect()
}

/// What should come of `arrivals` from `base_seq` on.
fn rounded(base_seq: u16, arrivals: &[Option<i64>]) -> Vec<(u16, Option<i64>)> {
    let round = |arrival: i64| (arrival + 125).div_euclid(250) * 250;
    let seqs = (0..).map(|n: u16| base_seq.wrapping_add(n));
    seqs.zip(arrivals)
        .map(|(seq, arrival)| (seq, arrival.map(round)))
        .collect()
}
