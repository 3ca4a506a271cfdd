#![no_main]

use conclave_sfu_wire::rtcp::{self, Packet, Packets, SenderInfo, TwccReport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|compound: &[u8]| {
    let mut packets = Packets::new(compound);
    let mut count = 0;
    let mut written = Vec::new();
    for packet in packets.by_ref() {
        count += 1;
        written.clear();
        match packet {
            Packet::SenderReport(report) => {
                assert!(report.blocks.count() < 32);
                let info = SenderInfo {
                    ssrc: report.ssrc,
                    ntp: report.ntp,
                    rtp_time: report.rtp_time,
                    packets: report.packets,
                    octets: report.octets,
                };
                rtcp::sender_report(&mut written, &info);
                let Some(Packet::SenderReport(again)) = Packets::new(&written).next() else {
                    panic!("we wrote it");
                };
                assert_eq!((again.ssrc, again.ntp), (report.ssrc, report.ntp));
                assert_eq!(again.blocks.count(), 0);
            }
            Packet::ReceiverReport(report) => {
                let blocks: Vec<_> = report.blocks.collect();
                rtcp::receiver_report(&mut written, report.ssrc, &blocks);
                let Some(Packet::ReceiverReport(again)) = Packets::new(&written).next() else {
                    panic!("we wrote it");
                };
                assert!(again.blocks.eq(blocks));
            }
            Packet::Sdes(sdes) => {
                assert!(sdes.items().count() <= compound.len() / 2);
                assert!(sdes.cname().is_none_or(|(_, name)| name.len() < 256));
            }
            Packet::Bye(bye) => {
                let ssrcs: Vec<_> = bye.ssrcs.collect();
                rtcp::bye(&mut written, &ssrcs);
                assert_eq!(Packets::new(&written).next(), Some(packet));
            }
            Packet::Nack(nack) => {
                let seqs: Vec<_> = nack.seqs().collect();
                assert!(seqs.len() <= 17 * compound.len() / 4);
                rtcp::nack(
                    &mut written,
                    nack.sender,
                    nack.media,
                    &seqs[..seqs.len().min(4_096)],
                );
                let Some(Packet::Nack(again)) = Packets::new(&written).next() else {
                    panic!("we wrote it");
                };
                assert!(again.seqs().eq(seqs.into_iter().take(4_096)));
            }
            Packet::Pli(pli) => {
                rtcp::pli(&mut written, pli.sender, pli.media);
                assert_eq!(Packets::new(&written).next(), Some(packet));
            }
            Packet::Fir(fir) => assert!(fir.requests().count() <= compound.len() / 8),
            Packet::Twcc(twcc) => {
                let arrivals: Vec<_> = twcc.arrivals().collect();
                assert_eq!(arrivals.len(), usize::from(twcc.status_count));
                assert_eq!(twcc.iter().count(), arrivals.len());
                let report = TwccReport {
                    sender: twcc.sender,
                    media: twcc.media,
                    base_seq: twcc.base_seq,
                    feedback_count: twcc.feedback_count,
                };
                let times: Vec<_> = arrivals.iter().map(|arrival| arrival.1).collect();
                let len = rtcp::twcc(&mut written, &report, &times);
                if len == 0 {
                    continue;
                }
                let Some(Packet::Twcc(again)) = Packets::new(&written).next() else {
                    panic!("we wrote it");
                };
                // The reference time may be written with another remainder of 2^24.
                let first = |times: &mut dyn Iterator<Item = Option<i64>>| {
                    times.flatten().next().unwrap_or_default()
                };
                let shift = first(&mut times.iter().copied())
                    - first(&mut again.arrivals().map(|arrival| arrival.1));
                assert_eq!(shift % (64_000 << 24), 0);
                assert!(
                    again
                        .arrivals()
                        .map(|(seq, at)| (seq, at.map(|at| at + shift)))
                        .eq(arrivals.into_iter().take(len))
                );
            }
            Packet::Remb(remb) => {
                let ssrcs: Vec<_> = remb.ssrcs.collect();
                rtcp::remb(&mut written, remb.sender, remb.bitrate_bps, &ssrcs);
                let Some(Packet::Remb(again)) = Packets::new(&written).next() else {
                    panic!("we wrote it");
                };
                assert!(again.bitrate_bps <= remb.bitrate_bps);
                assert!(again.ssrcs.eq(ssrcs));
            }
            Packet::Xr(_) | Packet::Other { .. } => {}
        }
    }
    assert!(count <= compound.len() / 4);
    assert!(packets.is_malformed() || compound.len().is_multiple_of(4));
    assert_eq!(packets.next(), None);
});
