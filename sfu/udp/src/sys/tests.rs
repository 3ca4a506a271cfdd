use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn six_segments_arrive_as_six_datagrams() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let payload: Vec<u8> = (0..6)
        .flat_map(|index| vec![index; if index < 5 { 1_100 } else { 300 }])
        .collect();
    let mut batch = SendBatch::new();
    batch.push(
        None,
        (Ipv4Addr::LOCALHOST, receiver.port()).into(),
        1_100,
        &payload,
    );
    let report = sender.send(&mut batch);
    assert_eq!(
        report,
        SendReport {
            messages: 1,
            datagrams: 6,
            ..SendReport::default()
        }
    );
    assert!(batch.is_empty());
    let arrived = arrivals(&receiver, 6);
    for (index, arrival) in arrived.iter().enumerate() {
        assert_eq!(
            arrival.payload,
            vec![index as u8; if index < 5 { 1_100 } else { 300 }]
        );
        assert_eq!(arrival.source.port(), sender.port());
    }
}

#[test]
fn what_the_kernel_joins_is_taken_apart_again_and_what_is_too_long_is_not_taken() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    receiver.join_arrivals();
    let to = SocketAddr::new(LOCALHOST, receiver.port());
    let mut batch = SendBatch::new();
    for (index, len) in [1_100, 1_100, 300, 20, 1_100].into_iter().enumerate() {
        assert!(batch.append(None, to, &[index as u8], &vec![9; len]));
    }
    sender.send(&mut batch);
    let arrived = arrivals_in(ReceiveBatch::joined(), &receiver, 5);
    for (index, (arrival, len)) in arrived
        .iter()
        .zip([1_100, 1_100, 300, 20, 1_100])
        .enumerate()
    {
        assert_eq!(arrival.payload[0], index as u8);
        assert_eq!(arrival.payload.len(), 1 + len);
        assert_eq!(arrival.source.port(), sender.port());
        assert_eq!(arrival.destination, LOCALHOST);
    }
    batch.push(None, to, 3_000, &[0; 3_000]);
    sender.send(&mut batch);
    let [ready] = wait([Some(receiver.as_fd())], Some(PATIENCE)).unwrap();
    assert!(ready);
    let mut received = ReceiveBatch::joined();
    assert_eq!(receiver.receive(&mut received).unwrap(), 1);
    assert!(received.received().next().unwrap().is_none());
}

#[test]
fn a_socket_that_notes_arrivals_says_how_long_the_oldest_has_waited() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let to = SocketAddr::new(LOCALHOST, receiver.port());
    let mut batch = SendBatch::new();
    let mut received = ReceiveBatch::new();
    assert!(batch.append(None, to, b"one", &[]));
    sender.send(&mut batch);
    wait([Some(receiver.as_fd())], Some(PATIENCE)).unwrap();
    assert_eq!(receiver.receive(&mut received).unwrap(), 1);
    assert_eq!(received.waited(), None, "nobody asked for it");
    receiver.note_arrivals();
    // The kernel begins a moment later, and until then notes what is taken.
    let begun = Instant::now();
    loop {
        let sent = Instant::now();
        for payload in [b"two", b"six"] {
            assert!(batch.append(None, to, payload, &[0; 9]));
            sender.send(&mut batch);
        }
        wait([None], Some(Duration::from_millis(30))).unwrap();
        assert_eq!(receiver.receive(&mut received).unwrap(), 2);
        let waited = received.waited().unwrap();
        assert!(waited <= sent.elapsed() + Duration::from_millis(5));
        let each: Vec<_> = received.received().flatten().map(|it| it.waited).collect();
        assert!(each[1] <= each[0] && each[0] >= Some(waited), "{each:?}");
        if waited >= Duration::from_millis(25) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{waited:?}");
    }
    assert_eq!(receiver.receive(&mut received).unwrap(), 0);
    assert_eq!(received.waited(), None);
}

#[test]
fn a_set_wakes_when_its_deadline_comes_and_for_each_wake_once() {
    let mut set = ReadySet::new().unwrap();
    let waker = Waker::new().unwrap();
    set.watch().add_waker(waker.as_fd(), 3).unwrap();
    let due = Instant::now() + Duration::from_millis(20);
    set.wait(Some(due), false).unwrap();
    assert!(Instant::now() >= due);
    assert_eq!(set.ready().count(), 0);
    // One that has passed already.
    set.wait(Some(due), false).unwrap();
    for _ in 0..2 {
        waker.wake();
        set.wait(Some(Instant::now() + PATIENCE), false).unwrap();
        assert_eq!(set.ready().collect::<Vec<_>>(), [3]);
        set.wait(None, true).unwrap();
        assert_eq!(set.ready().count(), 0);
    }
    set.watch().remove(waker.as_fd()).unwrap();
    waker.wake();
    set.wait(None, true).unwrap();
    assert_eq!(set.ready().count(), 0);
}

#[test]
fn appended_datagrams_to_one_destination_are_one_message_and_their_order_stays() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let other = UdpSocket::bind(Family::V4, 0).unwrap();
    let to = |socket: &UdpSocket| SocketAddr::new(LOCALHOST, socket.port());
    let mut batch = SendBatch::new();
    // Two equal ones, a shorter one that ends the message, one elsewhere, and one more.
    for (receiver, payload) in [
        (&receiver, &[1; 100][..]),
        (&receiver, &[2; 100]),
        (&receiver, &[3; 50]),
        (&receiver, &[4; 50]),
        (&other, &[5; 50]),
        (&receiver, &[6; 50]),
    ] {
        assert!(batch.append(Some(LOCALHOST), to(receiver), b"head", payload));
    }
    let report = sender.send(&mut batch);
    assert_eq!((report.messages, report.datagrams), (4, 6));
    let arrived: Vec<_> = arrivals(&receiver, 5)
        .into_iter()
        .map(|arrival| {
            (
                arrival.payload[..4].to_vec(),
                arrival.payload[4],
                arrival.payload.len(),
            )
        })
        .collect();
    let head = || b"head".to_vec();
    assert_eq!(
        arrived,
        [
            (head(), 1, 104),
            (head(), 2, 104),
            (head(), 3, 54),
            (head(), 4, 54),
            (head(), 6, 54)
        ]
    );
}

#[test]
fn an_empty_datagram_is_a_message_and_leaves() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let to = SocketAddr::new(LOCALHOST, receiver.port());
    let payloads: [&[u8]; 6] = [b"", b"a", b"b", b"", b"", b"c"];
    for may_segment in [true, false] {
        sender.segments = may_segment;
        let mut batch = SendBatch::new();
        for payload in payloads {
            assert!(batch.append(None, to, &[], payload));
        }
        assert!(!batch.is_empty());
        let report = sender.send(&mut batch);
        let messages = if may_segment { 5 } else { 6 };
        assert_eq!((report.messages, report.datagrams), (messages, 6));
        let arrived = arrivals(&receiver, 6).into_iter();
        let arrived: Vec<_> = arrived.map(|arrival| arrival.payload).collect();
        assert_eq!(arrived, payloads);
    }
}

#[test]
fn bursts_after_quiet_arrive_whole_and_in_order() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut received = ReceiveBatch::new();
    for burst in [1u8, 1, 60, 2, 64] {
        let mut batch = SendBatch::new();
        for number in 0..burst {
            let destination = SocketAddr::new(LOCALHOST, receiver.port());
            assert!(batch.append(None, destination, &[burst], &[number]));
        }
        assert_eq!(sender.send(&mut batch).datagrams, u64::from(burst));
        let mut payloads = Vec::new();
        while payloads.len() < usize::from(burst) {
            let [ready] = wait([Some(receiver.as_fd())], Some(PATIENCE)).unwrap();
            assert!(ready, "{} of {burst}", payloads.len());
            let count = receiver.receive(&mut received).unwrap();
            let before = payloads.len();
            payloads.extend(
                received
                    .received()
                    .flatten()
                    .map(|one| one.payload.to_vec()),
            );
            assert_eq!(payloads.len() - before, count);
        }
        let expected: Vec<_> = (0..burst).map(|number| vec![burst, number]).collect();
        assert_eq!(payloads, expected);
    }
}

#[test]
fn what_exceeds_a_batch_is_refused_until_it_is_sent() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    let destination = SocketAddr::new(LOCALHOST, sender.port());
    // Ever longer datagrams never join.
    for len in 1..=BATCH {
        assert!(batch.append(None, destination, &[], &vec![0; len]));
    }
    assert!(!batch.append(None, destination, &[], &[0; BATCH + 1]));
    // Shorter ones end the last message: still no room for more.
    assert!(batch.append(None, destination, &[], &[0; 1]));
    assert!(!batch.append(None, destination, &[], &[0; 1]));
    assert_eq!(sender.send(&mut batch).datagrams, BATCH as u64 + 1);
    assert!(batch.append(None, destination, &[], &[0; BATCH + 1]));
}

#[test]
fn a_socket_of_one_address_takes_what_is_for_it_alone() {
    let [one, two] = [Ipv4Addr::new(127, 0, 0, 21), Ipv4Addr::new(127, 0, 0, 22)];
    let first = UdpSocket::bind_to((one, 0).into()).unwrap();
    let second = UdpSocket::bind_to((two, first.port()).into()).unwrap();
    assert_eq!(first.local(), (one, first.port()).into());
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    batch.push(None, first.local(), 3, b"one");
    batch.push(None, second.local(), 3, b"two");
    sender.send(&mut batch);
    for (socket, expected) in [(&first, b"one"), (&second, b"two")] {
        let arrived = arrivals(socket, 1);
        assert_eq!(arrived[0].payload, expected);
        assert_eq!(arrived[0].destination, socket.local().ip());
    }
}

#[test]
fn a_list_tells_which_of_its_descriptors_is_ready() {
    let wakers = [(); 3].map(|()| Waker::new().unwrap());
    wakers[1].wake();
    let mut list = WaitList::default();
    list.wait(wakers.iter().map(AsFd::as_fd), Some(PATIENCE))
        .unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(|index| list.is_ready(index)),
        [false, true, false, false]
    );
    list.wait(wakers[..1].iter().map(AsFd::as_fd), Some(Duration::ZERO))
        .unwrap();
    assert!(!list.is_ready(0) && !list.is_ready(1));
}

#[test]
fn the_destination_is_reported_and_the_source_is_obeyed() {
    let [one, two] = [Ipv4Addr::new(127, 0, 0, 11), Ipv4Addr::new(127, 0, 0, 12)];
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    batch.push(Some(one.into()), (two, receiver.port()).into(), 3, b"one");
    batch.push(
        Some(two.into()),
        (one, receiver.port()).into(),
        3,
        b"twotwo",
    );
    assert_eq!(sender.send(&mut batch).datagrams, 3);
    let arrived = arrivals(&receiver, 3);
    let facts: Vec<_> = arrived
        .iter()
        .map(|arrival| (arrival.source.ip(), arrival.destination))
        .collect();
    assert_eq!(
        facts,
        [
            (one.into(), two.into()),
            (two.into(), one.into()),
            (two.into(), one.into())
        ]
    );
}

#[test]
fn both_directions_work_over_ipv6() {
    let localhost = IpAddr::V6(Ipv6Addr::LOCALHOST);
    // A host may have been booted without the family.
    let Ok(mut sender) = UdpSocket::bind(Family::V6, 0) else {
        return;
    };
    let receiver = UdpSocket::bind(Family::V6, 0).unwrap();
    let mut batch = SendBatch::new();
    batch.push(
        Some(localhost),
        (Ipv6Addr::LOCALHOST, receiver.port()).into(),
        4,
        b"seg1seg2s3",
    );
    assert_eq!(sender.send(&mut batch).datagrams, 3);
    let arrived = arrivals(&receiver, 3);
    let payloads: Vec<_> = arrived
        .iter()
        .map(|arrival| arrival.payload.as_slice())
        .collect();
    assert_eq!(payloads, [&b"seg1"[..], b"seg2", b"s3"]);
    assert!(
        arrived
            .iter()
            .all(|arrival| arrival.destination == localhost && arrival.source.ip() == localhost)
    );
}

#[test]
fn the_two_families_share_a_port() {
    let Ok(six) = UdpSocket::bind(Family::V6, 0) else {
        return;
    };
    let four = UdpSocket::bind(Family::V4, six.port()).unwrap();
    assert_eq!(four.port(), six.port());
}

#[test]
fn a_socket_that_may_not_segment_sends_single_datagrams() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    sender.segments = false;
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    // More datagrams than fit one call.
    for _ in 0..2 {
        batch.push(
            Some(LOCALHOST),
            (Ipv4Addr::LOCALHOST, receiver.port()).into(),
            1,
            &[7; 40],
        );
    }
    let report = sender.send(&mut batch);
    assert_eq!((report.messages, report.datagrams), (80, 80));
    assert_eq!(arrivals(&receiver, 80).len(), 80);
}

#[test]
fn one_refused_message_does_not_hold_back_the_next() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let here: SocketAddr = (Ipv4Addr::LOCALHOST, receiver.port()).into();
    let mut batch = SendBatch::new();
    batch.push(None, here, 1, b"ab");
    // Port 0 is refused with or without segmentation, which is therefore not to blame.
    batch.push(None, (Ipv4Addr::LOCALHOST, 0).into(), 1, b"xy");
    batch.push(None, here, 1, b"cd");
    let report = sender.send(&mut batch);
    assert_eq!(
        report,
        SendReport {
            messages: 2,
            datagrams: 4,
            refused: 2,
            ..SendReport::default()
        }
    );
    assert!(sender.segments);
    let text: Vec<u8> = arrivals(&receiver, 4)
        .iter()
        .flat_map(|arrival| arrival.payload.clone())
        .collect();
    assert_eq!(text, b"abcd");
}

#[test]
fn a_message_of_segments_above_the_mtu_goes_out_without_segmentation() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    // 65 segments are more than any kernel of the day takes at once by default (64, or 128).
    batch.push(
        None,
        (Ipv4Addr::LOCALHOST, receiver.port()).into(),
        1,
        &[1; 129],
    );
    batch.push(
        None,
        (Ipv4Addr::LOCALHOST, receiver.port()).into(),
        1,
        &[2; 3],
    );
    let report = sender.send(&mut batch);
    assert_eq!((report.datagrams, report.refused, report.full), (132, 0, 0));
    assert_eq!(arrivals(&receiver, 132).len(), 132);
}

#[test]
fn a_datagram_too_long_is_reported_as_cut_off() {
    let mut sender = UdpSocket::bind(Family::V4, 0).unwrap();
    let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
    let mut batch = SendBatch::new();
    batch.push(
        None,
        (Ipv4Addr::LOCALHOST, receiver.port()).into(),
        4_000,
        &[1; 4_000],
    );
    sender.send(&mut batch);
    let mut received = ReceiveBatch::new();
    wait([Some(receiver.as_fd())], Some(PATIENCE)).unwrap();
    assert_eq!(receiver.receive(&mut received).unwrap(), 1);
    assert!(received.received().all(|datagram| datagram.is_none()));
    assert_eq!(receiver.receive(&mut received).unwrap(), 0);
    assert_eq!(received.received().count(), 0);
}

#[test]
fn a_wake_ends_the_wait_of_another_thread() {
    let waker = std::sync::Arc::new(Waker::new().unwrap());
    let other = waker.clone();
    let waking = thread::spawn(move || other.wake());
    assert_eq!(
        wait([None, Some(waker.as_fd())], Some(PATIENCE)).unwrap(),
        [false, true]
    );
    waking.join().unwrap();
    waker.drain();
    assert_eq!(
        wait([Some(waker.as_fd())], Some(Duration::ZERO)).unwrap(),
        [false]
    );
}

#[test]
fn a_wait_below_a_millisecond_is_no_busy_turn_and_no_long_one() {
    let waker = Waker::new().unwrap();
    let start = Instant::now();
    assert_eq!(
        wait([Some(waker.as_fd())], Some(Duration::from_micros(300))).unwrap(),
        [false]
    );
    assert!(start.elapsed() >= Duration::from_micros(300));
}

#[test]
fn buffers_are_granted_up_to_a_cap_that_is_told() {
    let socket = UdpSocket::bind(Family::V4, 0).unwrap();
    let sizes = socket.wish_buffers(64 * 1024).unwrap();
    assert_eq!(
        sizes,
        BufferSizes {
            receive: 64 * 1024,
            send: 64 * 1024
        }
    );
}

struct Arrival {
    source: SocketAddr,
    destination: IpAddr,
    payload: Vec<u8>,
}

fn arrivals(socket: &UdpSocket, count: usize) -> Vec<Arrival> {
    arrivals_in(ReceiveBatch::new(), socket, count)
}

fn arrivals_in(mut batch: ReceiveBatch, socket: &UdpSocket, count: usize) -> Vec<Arrival> {
    let mut arrived = Vec::new();
    while arrived.len() < count {
        let [ready] = wait([Some(socket.as_fd())], Some(PATIENCE)).unwrap();
        assert!(ready, "{} of {count} arrived", arrived.len());
        socket.receive(&mut batch).unwrap();
        for received in batch.received() {
            let received = received.unwrap();
            arrived.push(Arrival {
                source: received.source,
                destination: received.destination,
                payload: received.payload.to_vec(),
            });
        }
    }
    arrived
}
