use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::super::ReadySet;
use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn bind(host: &str) -> RelayedSocket {
    RelayedSocket::bind(SocketAddr::new(host.parse().unwrap(), 0)).unwrap()
}

#[test]
fn only_sockets_with_something_are_ready_and_give_it_with_its_source() {
    let (mut first, second) = (bind("127.0.0.1"), bind("127.0.0.1"));
    let mut set = ReadySet::new().unwrap();
    set.watch().add(first.as_fd(), 1).unwrap();
    set.watch().add(second.as_fd(), 2).unwrap();
    set.wait(None, true).unwrap();
    assert_eq!(set.ready().count(), 0);
    first.send(&Way::to(second.local()), b"ab", false).unwrap();
    first.send(&Way::to(second.local()), b"", true).unwrap();
    set.wait(Some(Instant::now() + PATIENCE), false).unwrap();
    assert_eq!(set.ready().collect::<Vec<_>>(), [2]);
    let mut batch = PeerBatch::new();
    assert_eq!(second.receive(&mut batch).unwrap(), 2);
    let received = batch.received();
    let received: Vec<_> = received
        .map(|it| it.map(|it| (it.source, it.payload)))
        .collect();
    assert_eq!(
        received,
        [
            Some((first.local(), &b"ab"[..])),
            Some((first.local(), &b""[..]))
        ]
    );
    assert_eq!(second.receive(&mut batch).unwrap(), 0);
    assert_eq!(batch.received().count(), 0);
}

#[test]
fn a_port_where_nobody_listens_is_told_with_its_address_and_the_socket_stays_good() {
    for (host, kind, code) in [("127.0.0.1", 3, 3), ("::1", 1, 4)] {
        let closed = bind(host).local();
        let listening = bind(host);
        let mut socket = bind(host);
        let mut set = ReadySet::new().unwrap();
        set.watch().add(socket.as_fd(), 7).unwrap();
        socket.send(&Way::to(closed), b"anybody?", false).unwrap();
        set.wait(Some(Instant::now() + PATIENCE), false).unwrap();
        assert_eq!(set.ready().collect::<Vec<_>>(), [7]);
        socket
            .send(&Way::to(listening.local()), b"you", false)
            .unwrap();
        let error = socket.take_error().unwrap();
        assert_eq!(
            error,
            IcmpError {
                destination: closed,
                kind,
                code,
                mtu: 0
            }
        );
        assert_eq!(socket.take_error(), None);
        set.wait(None, true).unwrap();
        assert_eq!(set.ready().count(), 0);
        let mut batch = PeerBatch::new();
        assert_eq!(listening.receive(&mut batch).unwrap(), 1);
    }
}

#[test]
fn what_is_sent_together_leaves_in_order_and_may_arrive_as_one_message() {
    let (mut sender, receiver) = (bind("127.0.0.1"), bind("127.0.0.1"));
    // A fragment is allowed again behind one that was not.
    sender
        .send(&Way::to(receiver.local()), b"first", true)
        .unwrap();
    let mut waiting = SendBatch::new();
    for len in [900, 900, 900, 40, 900] {
        assert!(waiting.append(None, receiver.local(), &[], &vec![7; len]));
    }
    assert_eq!(sender.send_batch(&mut waiting).datagrams, 5);
    let mut set = ReadySet::new().unwrap();
    set.watch().add(receiver.as_fd(), 1).unwrap();
    let (mut batch, mut lens) = (PeerBatch::new(), Vec::new());
    while lens.len() < 6 {
        set.wait(Some(Instant::now() + PATIENCE), false).unwrap();
        assert_eq!(set.ready().count(), 1);
        receiver.receive(&mut batch).unwrap();
        let received = batch.received().map(Option::unwrap);
        lens.extend(received.map(|datagram| {
            assert_eq!(datagram.source, sender.local());
            datagram.payload.len()
        }));
    }
    assert_eq!(lens, [5, 900, 900, 900, 40, 900]);
}

#[test]
fn what_a_closed_port_refuses_costs_what_follows_nothing() {
    let (mut sender, receiver) = (bind("127.0.0.1"), bind("127.0.0.1"));
    let closed = bind("127.0.0.1").local();
    let mut waiting = SendBatch::new();
    assert!(waiting.append(None, closed, &[], b"anybody?"));
    assert_eq!(sender.send_batch(&mut waiting).datagrams, 1);
    assert!(waiting.append(None, receiver.local(), &[], b"you"));
    let report = sender.send_batch(&mut waiting);
    assert_eq!((report.datagrams, report.refused), (1, 0));
}

#[test]
fn what_fits_into_no_packet_is_refused_and_what_is_too_long_to_take_is_cut_off() {
    let (mut sender, receiver) = (bind("127.0.0.1"), bind("127.0.0.1"));
    assert!(matches!(
        sender.send(&Way::to(receiver.local()), &[0; 66_000], true),
        Err(SendRefused::TooLarge(_))
    ));
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    assert_eq!(
        sender.send(&Way::to(nowhere), b"x", false),
        Err(SendRefused::Unreachable)
    );
    sender
        .send(&Way::to(receiver.local()), &[0; 3_000], false)
        .unwrap();
    let mut batch = PeerBatch::new();
    assert_eq!(receiver.receive(&mut batch).unwrap(), 1);
    assert_eq!(batch.received().collect::<Vec<_>>(), [None]);
}
