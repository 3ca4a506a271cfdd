//! A second make of WebRTC on both ends of our media node, over loopback.
//!
//! The `webrtc` crate shares no line of ICE, DTLS, SRTP or SDP with the
//! library that we stand on, so it does not share its mistakes either. Only
//! the wait for conditions and the pace of the made-up media take real time.

mod node;
mod peer;

use std::time::Duration;

use conclave_sfu_wire::control::{Command, Event, MemberKey, Priority, RoomKey, Source, View};
use node::Node;
use peer::{Peer, PeerRole};

const ROOM: RoomKey = RoomKey(1);
const PUBLISHER: MemberKey = MemberKey(1);
const VIEWER: MemberKey = MemberKey(2);

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many frames and how many packets of sound are to arrive.
const WANTED: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_publishes_and_another_one_watches() {
    let mut node = Node::start();
    node.send(Command::OpenRoom {
        room: ROOM,
        policy: Default::default(),
    });
    let mut publisher = join(&mut node, PUBLISHER, PeerRole::Publisher).await;
    let mut viewer = join(&mut node, VIEWER, PeerRole::Viewer).await;
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
    sent.abort();
    assert!(seen.pictures >= WANTED && seen.sounds >= WANTED, "{seen:?}");
    assert_eq!(
        seen.foreign, 0,
        "payloads arrive as they were sent: {seen:?}"
    );
    publisher.close().await;
    viewer.close().await;
    node.shutdown();
}

/// Lets a peer offer, and gives it the answer of the node.
async fn join(node: &mut Node, member: MemberKey, role: PeerRole) -> Peer {
    let mut peer = Peer::new(role).await;
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
