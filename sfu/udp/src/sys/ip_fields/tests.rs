use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use super::super::{PeerBatch, ReceiveBatch, RelayedSocket, SendBatch, UdpSocket, Way, wait};
use super::*;

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Expedited forwarding, ECT(1).
const EF: IpFields = IpFields {
    traffic_class: 46 << 2 | 0b01,
    hop_limit: Some(17),
};

const SENT: [IpFields; 6] = [
    EF,
    IpFields {
        traffic_class: 0xff,
        hop_limit: Some(255),
    },
    IpFields {
        traffic_class: 0,
        hop_limit: Some(1),
    },
    IpFields {
        traffic_class: 0b10,
        hop_limit: None,
    },
    IpFields {
        traffic_class: 0,
        hop_limit: None,
    },
    EF,
];

#[test]
fn one_hop_less_is_left_and_the_last_one_is_none() {
    let fields = |hop_limit| IpFields { hop_limit, ..EF };
    for (arrived, sent) in [(255, 254), (64, 63), (2, 1)] {
        assert_eq!(fields(Some(arrived)).onward(), Some(fields(Some(sent))));
    }
    for arrived in [1, 0] {
        assert_eq!(fields(Some(arrived)).onward(), None);
    }
    assert_eq!(fields(None).onward(), Some(fields(None)));
}

#[test]
fn what_a_header_is_to_say_arrives_beside_all_else_that_is_told() {
    for ip in LOOPBACK {
        // A host may have been booted without the family.
        let Ok(mut sender) = UdpSocket::bind_to((ip, 0).into()) else {
            continue;
        };
        let receiver = UdpSocket::bind_to((ip, 0).into()).unwrap();
        // Everything that a kernel puts beside one message at once.
        receiver.join_arrivals();
        receiver.note_arrivals();
        receiver.note_ip_fields();
        let mut batch = SendBatch::new();
        for fields in SENT {
            for _ in 0..3 {
                assert!(batch.append_by(&way(receiver.local(), fields), &[7; 4], &[8; 96]));
            }
        }
        let report = sender.send(&mut batch);
        assert_eq!((report.messages, report.datagrams), (6, 18));
        let expected: Vec<_> = SENT.iter().flat_map(|fields| [*fields; 3]).collect();
        let arrived = arrivals(&receiver, expected.len());
        assert_arrived(&arrived, &expected);
    }
}

#[test]
fn a_relayed_address_sends_and_takes_them_singly_and_in_batches() {
    for ip in LOOPBACK {
        let Ok(mut sender) = RelayedSocket::bind((ip, 0).into()) else {
            continue;
        };
        let receiver = RelayedSocket::bind((ip, 0).into()).unwrap();
        let mut waiting = SendBatch::new();
        for fields in SENT {
            let way = Way::to(receiver.local());
            let way = Way { ip: fields, ..way };
            for dont_fragment in [true, false] {
                sender.send(&way, b"alone", dont_fragment).unwrap();
            }
            assert!(waiting.append_by(&way, &[], b"together"));
        }
        sender.send_batch(&mut waiting);
        let alone = SENT.iter().flat_map(|fields| [*fields; 2]);
        let expected: Vec<_> = alone.chain(SENT).collect();
        let (mut batch, mut arrived) = (PeerBatch::new(), Vec::new());
        while arrived.len() < expected.len() {
            let [ready] = wait([Some(receiver.as_fd())], Some(PATIENCE)).unwrap();
            assert!(ready, "{} arrived", arrived.len());
            receiver.receive(&mut batch).unwrap();
            arrived.extend(batch.received().map(|datagram| datagram.unwrap().ip));
        }
        assert_arrived(&arrived, &expected);
    }
}

#[test]
fn a_socket_that_was_not_asked_tells_nothing() {
    for ip in LOOPBACK {
        let Ok(mut sender) = UdpSocket::bind_to((ip, 0).into()) else {
            continue;
        };
        let receiver = UdpSocket::bind_to((ip, 0).into()).unwrap();
        let mut batch = SendBatch::new();
        assert!(batch.append_by(&way(receiver.local(), EF), &[], b"x"));
        sender.send(&mut batch);
        assert_eq!(arrivals(&receiver, 1), [IpFields::default()]);
    }
}

#[test]
fn what_no_header_can_say_is_refused_alone() {
    let mut sender = UdpSocket::bind_to((LOOPBACK[0], 0).into()).unwrap();
    let receiver = UdpSocket::bind_to((LOOPBACK[0], 0).into()).unwrap();
    receiver.note_ip_fields();
    let spent = IpFields {
        hop_limit: Some(0),
        ..EF
    };
    let mut batch = SendBatch::new();
    for fields in [spent, spent, EF] {
        assert!(batch.append_by(&way(receiver.local(), fields), &[], b"x"));
    }
    let report = sender.send(&mut batch);
    assert_eq!((report.datagrams, report.refused), (1, 2));
    assert!(!report.segmentation_refused);
    assert_eq!(arrivals(&receiver, 1), [EF]);
}

fn way(destination: SocketAddr, ip: IpFields) -> Way {
    Way {
        source: Some(destination.ip()),
        destination,
        ip,
    }
}

/// The hop limit of a host's own is the system's: whichever it is, it is no low one.
fn assert_arrived(arrived: &[IpFields], expected: &[IpFields]) {
    assert_eq!(arrived.len(), expected.len());
    for (arrived, expected) in arrived.iter().zip(expected) {
        assert_eq!(arrived.traffic_class, expected.traffic_class);
        match expected.hop_limit {
            Some(_) => assert_eq!(arrived.hop_limit, expected.hop_limit),
            None => assert!(arrived.hop_limit.is_some_and(|limit| limit > 17)),
        }
    }
}

fn arrivals(socket: &UdpSocket, count: usize) -> Vec<IpFields> {
    let (mut batch, mut arrived) = (ReceiveBatch::joined(), Vec::new());
    while arrived.len() < count {
        let [ready] = wait([Some(socket.as_fd())], Some(PATIENCE)).unwrap();
        assert!(ready, "{} of {count} arrived", arrived.len());
        socket.receive(&mut batch).unwrap();
        arrived.extend(batch.received().map(|datagram| datagram.unwrap().ip));
    }
    arrived
}
