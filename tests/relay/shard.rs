//! A real shard, reached through the relay and otherwise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU8;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use conclave_loadtest::{Participant, ParticipantConfig};
use conclave_sfu_node::{MediaAddr, MediaNode, NodeConfig, RelayPort, Secrets};
use conclave_sfu_wire::control::{Command, Event, MemberKey, RoomKey, RoomPolicy};
use conclave_turn_node::ShardPort;
use conclave_turn_wire::Family;

use crate::client::{Client, PATIENCE};
use crate::{ADA, Stage};

const ROOM: RoomKey = RoomKey(1);
const MEMBER: MemberKey = MemberKey(1);
const CHANNEL: u16 = 0x4000;

/// Where the relay is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// On a thread of its own.
    Apart,
    /// In the loop of the shard.
    Within,
}

/// A media plane of one shard with a relay before it, and one participant.
struct Meeting {
    node: MediaNode,
    events: Receiver<Event>,
    stage: Stage,
    client: Client,
    relayed: SocketAddr,
}

impl Meeting {
    fn new(place: Place) -> Meeting {
        let (port, ends) = match place {
            Place::Apart => Some(RelayPort::pair().expect("there are descriptors")).unzip(),
            Place::Within => (None, None),
        };
        let config = NodeConfig {
            addresses: vec![MediaAddr::direct(IpAddr::V4(Ipv4Addr::LOCALHOST))],
            base_port: 0,
            shards: NonZeroU8::MIN,
            secrets: Secrets::draw().expect("the system gives random bytes"),
            relay: port.into_iter().collect(),
        };
        let (sender, events) = channel();
        let node = MediaNode::start(config, |_| {
            let sender = sender.clone();
            // Nobody listens once the test is over.
            Box::new(move |event| drop(sender.send(event)))
        });
        let node = node.expect("loopback has a free port");
        let stage = match ends {
            Some(ends) => {
                let shard = ShardPort {
                    index: 0,
                    addresses: node.advertised(0).to_vec(),
                    to_shard: ends.to_shard,
                    from_shard: ends.from_shard,
                };
                Stage::new("127.0.0.1:0", vec![shard])
            }
            None => Stage::within("127.0.0.1:0", &node),
        };
        stage.relay.handle().admit(ADA);
        let mut client = Client::new(stage.address(), stage.credential(ADA));
        let relayed = client.allocate(Family::V4).expect("an allocation").0;
        client
            .bind(CHANNEL, node.advertised(0)[0])
            .expect("a channel to the shard");
        Meeting {
            node,
            events,
            stage,
            client,
            relayed,
        }
    }

    fn media(&self) -> SocketAddr {
        self.node.advertised(0)[0]
    }

    /// Lets a participant of this address offer, and gives it the answer.
    fn join(&self, address: SocketAddr, relay_only: bool) -> Participant {
        let mut config = ParticipantConfig::new(1, address);
        config.video_slots = 1;
        config.audio_slots = 1;
        let mut participant = Participant::new(Instant::now(), config);
        let sdp = participant.offer(Instant::now());
        let policy = RoomPolicy::default();
        for command in [
            Command::OpenRoom { room: ROOM, policy },
            Command::Admit {
                room: ROOM,
                member: MEMBER,
            },
            Command::Offer {
                member: MEMBER,
                generation: 1,
                sdp,
                relay_only,
            },
        ] {
            let handle = self.node.handle();
            handle.send(0, command).expect("the shard has room");
        }
        match self.events.recv_timeout(PATIENCE) {
            Ok(Event::Answer { sdp, .. }) => participant
                .accept_answer(Instant::now(), &sdp)
                .expect("the answer fits"),
            _ => panic!("an offer is answered"),
        }
        participant
    }

    fn is_connected(&self) -> bool {
        let mut events = self.events.try_iter();
        events.any(|event| matches!(event, Event::Connected { .. }))
    }
}

#[test]
fn a_participant_who_insists_on_the_relay_connects_through_it() {
    for place in [Place::Apart, Place::Within] {
        connects_through_the_relay(place);
    }
}

fn connects_through_the_relay(place: Place) {
    let meeting = Meeting::new(place);
    let mut participant = meeting.join(meeting.relayed, true);
    let end = Instant::now() + PATIENCE;
    let mut is_connected = false;
    while !(is_connected && participant.has_connected()) {
        assert!(Instant::now() < end, "not connected within patience");
        participant.handle_timeout(Instant::now());
        while let Some(outgoing) = participant.poll_outgoing() {
            assert_eq!(outgoing.destination, meeting.media());
            meeting.client.send(CHANNEL, &outgoing.payload);
        }
        let due = participant.poll_timeout();
        let due = due.map(|due| due.saturating_duration_since(Instant::now()));
        let patience = due.unwrap_or(PATIENCE).max(Duration::from_millis(1));
        if let Some(payload) = meeting.client.receive_within(patience) {
            participant.handle_datagram(Instant::now(), meeting.media(), meeting.relayed, &payload);
        }
        is_connected |= meeting.is_connected();
    }
    let media = meeting.node.handle().stats(0).expect("a shard");
    assert_eq!((media.io.datagrams_in, media.io.datagrams_out), (0, 0));
    assert!(media.io.relayed_in > 2 && media.io.relayed_out > 2);
    assert_eq!(media.shard.not_relayed, 0);
    let relay = meeting.stage.relay.handle().stats();
    assert!(relay.server.up.packets > 2 && relay.server.down.packets > 2);
}

#[test]
fn a_direct_check_is_not_answered_to_who_insists_on_the_relay_and_is_to_who_does_not() {
    for (relay_only, place) in [
        (true, Place::Apart),
        (false, Place::Apart),
        (true, Place::Within),
        (false, Place::Within),
    ] {
        let meeting = Meeting::new(place);
        let direct = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = direct.local_addr().expect("it is bound");
        let mut participant = meeting.join(address, relay_only);
        let check = loop {
            participant.handle_timeout(Instant::now());
            if let Some(outgoing) = participant.poll_outgoing() {
                break outgoing.payload;
            }
        };
        direct
            .send_to(&check, meeting.media())
            .expect("loopback takes it");
        // The same through the relay, behind it: the answer to it shows that the
        // direct one was seen before.
        let handle = meeting.node.handle();
        crate::wait_until("the shard has the direct check", || {
            handle
                .stats(0)
                .is_some_and(|stats| stats.io.datagrams_in == 1)
        });
        meeting.client.send(CHANNEL, &check);
        let answer = meeting.client.receive_within(PATIENCE);
        let answer = answer.expect("the check over the relay is answered");
        assert_eq!(answer[..2], [1, 1], "with a success");
        direct.set_nonblocking(true).expect("a socket can be so");
        let answered = direct.recv(&mut [0; 2_048]).is_ok();
        assert_eq!(answered, !relay_only);
        let stats = handle.stats(0).expect("a shard");
        assert_eq!(stats.shard.not_relayed, u64::from(relay_only));
    }
}

#[test]
fn a_relay_in_the_loop_of_a_shard_ends_before_it_and_with_it() {
    let Meeting { node, stage, .. } = Meeting::new(Place::Within);
    let handle = stage.relay.handle();
    assert_eq!(handle.stats().server.allocations, 1);
    let address = stage.relay.addresses()[0];
    stage.relay.shutdown();
    // Its port is free again, and the shard is there for another one.
    let stage = Stage::within(&address.to_string(), &node);
    assert_eq!(stage.relay.addresses(), [address]);
    node.shutdown();
    // Nobody is left to tell, and nobody waits.
    stage.relay.handle().admit(ADA);
    stage.relay.shutdown();
}
