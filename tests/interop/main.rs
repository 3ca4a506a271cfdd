//! A second make of WebRTC on both ends of our media node, over loopback.
//!
//! The `webrtc` crate shares no line of ICE, DTLS, SRTP or SDP with the
//! library that we stand on, so it does not share its mistakes either. Only
//! the wait for conditions and the pace of the made-up media take real time.

mod node;
mod peer;

use std::time::Duration;

use conclave_sfu_core::Counters;
use conclave_sfu_wire::control::{Command, Event, MemberKey, Priority, RoomKey, Source, View};
use node::Node;
use peer::{Peer, PeerRole};
use webrtc::peer_connection::SrtpProtectionProfile;

const AES_128_GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
const AES_256_GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm;
const AES_128_CM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;

const ROOM: RoomKey = RoomKey(1);
const PUBLISHER: MemberKey = MemberKey(1);
const VIEWER: MemberKey = MemberKey(2);

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many frames and how many packets of sound are to arrive.
const WANTED: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_publishes_and_another_one_watches() {
    let all = [AES_128_GCM, AES_256_GCM, AES_128_CM];
    let counted = one_publishes_and_another_watches(all.to_vec()).await;
    assert_eq!((counted.aead, counted.not_aead), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_aes_128_gcm_alone_are_served() {
    let counted = one_publishes_and_another_watches(vec![AES_128_GCM]).await;
    assert_eq!((counted.aead, counted.not_aead), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_aes_256_gcm_alone_are_served() {
    let counted = one_publishes_and_another_watches(vec![AES_256_GCM]).await;
    assert_eq!((counted.aead, counted.not_aead), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_without_an_aead_are_served() {
    let counted = one_publishes_and_another_watches(vec![AES_128_CM]).await;
    assert_eq!((counted.aead, counted.not_aead), (0, 2));
}

/// Returns what the node has counted, when media had come through.
async fn one_publishes_and_another_watches(profiles: Vec<SrtpProtectionProfile>) -> Counters {
    let mut node = Node::start();
    node.send(Command::OpenRoom {
        room: ROOM,
        policy: Default::default(),
    });
    let mut publisher = join(&mut node, PUBLISHER, PeerRole::Publisher, profiles.clone()).await;
    let mut viewer = join(&mut node, VIEWER, PeerRole::Viewer, profiles).await;
    publisher.connected(PATIENCE).await;
    viewer.connected(PATIENCE).await;

    for (source, mid) in [
        (Source::Microphone, publisher.sending_mid("audio")),
        (Source::Camera, publisher.sending_mid("video")),
    ] {
        node.send(Command::Publish {
            member: PUBLISHER,
            attempt: 1,
            mid,
            source,
            muted: false,
        });
        node.wait("published", PATIENCE, |event| {
            matches!(event, Event::Published { source: published, .. } if *published == source)
        })
        .await;
    }
    let view = View {
        member: PUBLISHER,
        source: Source::Camera,
        max_height_px: 720,
        priority: Priority::Pinned,
    };
    node.send(Command::Wish {
        member: VIEWER,
        views: vec![view],
    });
    let slots = node
        .wait("a slot is given", PATIENCE, |event| {
            matches!(event, Event::Slots { member: VIEWER, slots, .. }
                if slots.iter().any(|slot| slot.feed.is_some()))
        })
        .await;
    let Event::Slots { rev, .. } = slots else {
        unreachable!("waited for slots")
    };
    node.send(Command::AckSlots {
        member: VIEWER,
        rev,
    });

    let sent = publisher.send_media();
    let seen = viewer.receive(WANTED, PATIENCE).await;
    let counters = node
        .counted("it reports on both", PATIENCE, |counters| {
            counters.sender_reports >= 2
        })
        .await;
    sent.abort();
    // Whatever RTCP came was opened, and all that was to leave was sealed.
    assert_eq!(counters.rtcp_refused, 0, "{counters:?}");
    assert_eq!(counters.unsealed, 0, "{counters:?}");
    assert!(seen.pictures >= WANTED && seen.sounds >= WANTED, "{seen:?}");
    assert_eq!(
        seen.foreign, 0,
        "payloads arrive as they were sent: {seen:?}"
    );
    publisher.close().await;
    viewer.close().await;
    node.shutdown();
    counters
}

/// Lets a peer offer, and gives it the answer of the node.
async fn join(
    node: &mut Node,
    member: MemberKey,
    role: PeerRole,
    profiles: Vec<SrtpProtectionProfile>,
) -> Peer {
    let mut peer = Peer::new(role, profiles).await;
    let sdp = peer.offer().await;
    node.send(Command::Admit { room: ROOM, member });
    node.send(Command::Offer {
        member,
        generation: 1,
        sdp,
        relay_only: false,
    });
    let event = node
        .wait(
            "an answer",
            PATIENCE,
            |event| matches!(event, Event::Answer { member: answered, .. } if *answered == member),
        )
        .await;
    let Event::Answer { sdp, .. } = event else {
        unreachable!("waited for an answer")
    };
    peer.accept_answer(sdp).await;
    peer
}
