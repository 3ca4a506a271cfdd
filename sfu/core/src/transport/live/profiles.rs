//! Every profile over a real handshake, RTP and RTCP, both ways.

use conclave_sfu_srtp::Profile;
use str0m::crypto::dtls::SrtpProfile;
use str0m::media::KeyframeRequestKind;
use str0m::rtp::RtpWrite;

use super::*;

/// What is lost first, so that it is asked for, and how many follow it.
const LOST: u8 = 3;
const PACKETS: u8 = 40;

#[test]
fn aes_128_gcm_is_opened_by_both_sides() {
    opened_by_both_sides(SrtpProfile::AEAD_AES_128_GCM, Profile::AeadAes128Gcm);
}

#[test]
fn aes_256_gcm_is_opened_by_both_sides() {
    opened_by_both_sides(SrtpProfile::AEAD_AES_256_GCM, Profile::AeadAes256Gcm);
}

#[test]
fn aes_128_cm_is_opened_by_both_sides() {
    opened_by_both_sides(SrtpProfile::AES128_CM_SHA1_80, Profile::Aes128CmSha1_80);
}

fn opened_by_both_sides(profile: SrtpProfile, ours: Profile) {
    handshakes::force(profile, ours.material_len());
    let line = Line::of(100_000_000);
    let mut world = World::connected(SenderKind::Own, line, 1);
    assert_eq!(world.seen.aead, Some(ours.is_aead()));

    // Ours: every packet as it was pushed, the lost one by what its NACK brought.
    for number in 0..PACKETS {
        world.push(payload(number), true);
        world.loses_next = number == LOST;
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_secs(2));
    world.push(payload(PACKETS), true);
    world.run_for(Duration::from_millis(200));
    let mut got: Vec<(u64, Vec<u8>)> = world.seen.packets.iter().map(number_and_bytes).collect();
    got.sort();
    let sent = (0..=PACKETS).map(|number| (1_000 + u64::from(number), payload(number)));
    assert_eq!(got, sent.collect::<Vec<_>>());
    // The NACK was opened by us.
    assert_eq!(world.seen.nacked, [1_000 + u16::from(LOST)]);
    // Sender reports were opened by the browser.
    let last = world.seen.packets.last().expect("packets came");
    assert!(last.last_sender_info.is_some(), "no sender report came");
    // As were its reports by us: nothing was refused, and its estimate moved.
    assert_eq!(world.seen.refused, 0);
    assert_eq!(world.sender.take_sent().unsealed, 0);

    // Theirs: its packets are opened by the library, ours having passed on what is not ours.
    for number in 0..PACKETS {
        publish(&mut world, number);
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_millis(200));
    let came: Vec<Vec<u8>> = world.seen.media.iter().map(bytes).collect();
    assert_eq!(came, (0..PACKETS).map(payload).collect::<Vec<_>>());

    // Keyframe requests in both directions, beside each other under one key.
    let ssrc = world.seen.packets[0].header.ssrc;
    let mut direct = world.client.direct_api();
    let stream = direct.stream_rx(&ssrc).expect("it receives");
    stream.request_keyframe(KeyframeRequestKind::Pli);
    world.client_due = world.now;
    world.run_until("its request reaches us", |world| world.seen.wanted > 0);
    let mid = MidName::new(&world.camera).expect("it is a mid");
    world.transport.request_keyframe(mid, None);
    world.stirred = true;
    world.run_until("our request reaches it", |world| world.seen.asked > 0);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.seen.refused, 0);
    assert!(world.transport.is_connected());
}

/// A descriptor (RFC 7741, section 4.2), and bytes that say which packet it is.
fn payload(number: u8) -> Vec<u8> {
    let mut payload = vec![0x10];
    payload.extend([number; 700]);
    payload
}

fn number_and_bytes(packet: &RtpPacket) -> (u64, Vec<u8>) {
    (*packet.seq_no, packet.payload.to_vec())
}

fn bytes(packet: &MediaPacket) -> Vec<u8> {
    packet.payload.to_vec()
}

/// Lets the browser send a packet.
fn publish(world: &mut World, number: u8) {
    let params = world.client.codec_config().params();
    let vp8 = params
        .iter()
        .find(|params| codec_of(params.spec().codec) == Some(Codec::Vp8));
    let payload_type = vp8.expect("it is negotiated").pt();
    let (camera, now) = (world.camera, world.now);
    let mut direct = world.client.direct_api();
    let stream = direct.stream_tx_by_mid(camera, None).expect("it sends");
    stream.write_rtp(RtpWrite::new(
        payload_type,
        u64::from(number).into(),
        u32::from(number) * 3_000,
        now,
        payload(number),
    ));
    world.client_due = now;
}
