use std::collections::BTreeSet;

use super::*;

const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
const V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 1);

#[test]
fn ports_are_unique_in_range_and_of_the_family_asked_for() {
    let mut world = World::new();
    let mut seen = BTreeSet::new();
    for _ in 0..5000 {
        let v4 = world.open(Family::V4, PortWish::Any).unwrap().0;
        let v6 = world.open(Family::V6, PortWish::Any).unwrap().0;
        assert_eq!((v4.ip(), v6.ip()), (IpAddr::from(V4), IpAddr::from(V6)));
        assert!(v4.port() >= 1024 && v6.port() >= 1024);
        assert!(seen.insert(v4) && seen.insert(v6));
    }
    assert_eq!(world.ports.open_count(), 10_000);
}

#[test]
fn ports_of_another_seed_differ_and_do_not_count_up() {
    let ports = |seed| {
        let mut world = World::with_seed(seed);
        (0..64)
            .map(|_| world.open(Family::V4, PortWish::Any).unwrap().0.port())
            .collect::<Vec<_>>()
    };
    assert_eq!(ports(1), ports(1));
    assert_ne!(ports(1), ports(2));
    let steps: BTreeSet<_> = ports(1)
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    assert!(steps.len() > 60);
}

#[test]
fn every_port_is_given_out_before_there_is_none() {
    let mut world = World::new();
    for _ in 0..PORTS {
        world.open(Family::V4, PortWish::Any).unwrap();
    }
    assert_eq!(
        world.open(Family::V4, PortWish::Any),
        Err(OpenError::NoPort)
    );
    assert!(world.open(Family::V6, PortWish::Any).is_ok());
}

#[test]
fn a_port_that_was_used_rests_five_minutes_before_it_is_given_out_again() {
    let mut world = World::new();
    let all: Vec<_> = (0..PORTS)
        .map(|_| world.open(Family::V4, PortWish::Any).unwrap())
        .collect();
    world.send(all[7], "198.51.100.1:10000", 1, false).unwrap();
    world.close(all[7]);
    world.now += QUARANTINE - Duration::from_millis(1);
    assert_eq!(
        world.open(Family::V4, PortWish::Any),
        Err(OpenError::NoPort)
    );
    world.now += Duration::from_millis(1);
    assert_eq!(world.open(Family::V4, PortWish::Any), Ok(all[7]));
}

#[test]
fn ports_that_nobody_used_need_no_rest() {
    let mut world = World::new();
    for _ in 0..2 * PORTS {
        let relayed = world.open(Family::V4, PortWish::Any).unwrap();
        world.close(relayed);
    }
    assert!(world.ports.v4.resting.is_empty());
    // The next owner of a port does not inherit that it was used.
    let all: Vec<_> = (0..PORTS)
        .map(|_| world.open(Family::V4, PortWish::Any).unwrap())
        .collect();
    world.send(all[7], "198.51.100.1:10000", 1, false).unwrap();
    world.close(all[7]);
    world.now += QUARANTINE;
    assert_eq!(world.open(Family::V4, PortWish::Any), Ok(all[7]));
    world.close(all[7]);
    assert_eq!(world.open(Family::V4, PortWish::Any), Ok(all[7]));
}

#[test]
fn an_even_port_does_not_cost_its_odd_neighbour() {
    let mut world = World::new();
    for _ in 0..PORTS / 2 {
        assert_eq!(
            world.open(Family::V4, PortWish::Even).unwrap().0.port() % 2,
            0
        );
    }
    assert_eq!(
        world.open(Family::V4, PortWish::Even),
        Err(OpenError::NoPort)
    );
    for _ in 0..PORTS / 2 {
        assert_eq!(
            world.open(Family::V4, PortWish::Any).unwrap().0.port() % 2,
            1
        );
    }
}

#[test]
fn a_reserved_neighbour_is_kept_until_taken_or_given_back() {
    let mut world = World::new();
    let mut kept = BTreeSet::new();
    for _ in 0..1000 {
        let even = world
            .open(Family::V4, PortWish::EvenAndReserveNext)
            .unwrap()
            .0;
        assert_eq!(even.port() % 2, 0);
        kept.insert(even.port() + 1);
    }
    assert_eq!(world.ports.open_count(), 2000);
    for _ in 0..30_000 {
        assert!(!kept.contains(&world.open(Family::V4, PortWish::Any).unwrap().0.port()));
    }
    let odd = RelayedAddr(SocketAddr::new(V4.into(), *kept.first().unwrap()));
    assert_eq!(world.open(Family::V4, PortWish::Reserved(odd)), Ok(odd));
    world.close(odd);
    assert_eq!(world.ports.open_count(), 31_999);
}

#[test]
fn a_datagram_reaches_the_shard_that_has_the_port_and_no_other_port() {
    let mut world = World::new();
    let relayed = world.open(Family::V4, PortWish::Any).unwrap();
    assert_eq!(
        world.send(relayed, "198.51.100.1:10001", 1200, false),
        Ok(())
    );
    assert_eq!(world.sent, [(1, relayed.0, at("198.51.100.1:10001"), 1200)]);
    assert_eq!(
        world.send(relayed, "198.51.100.1:10002", 1200, false),
        Err(SendError::Unreachable)
    );
    assert_eq!(
        world.send(relayed, "198.51.100.2:10001", 1200, false),
        Err(SendError::Unreachable)
    );
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_datagram_larger_than_an_ethernet_packet_is_lost() {
    let mut world = World::new();
    let relayed = world.open(Family::V4, PortWish::Any).unwrap();
    assert_eq!(
        world.send(relayed, "198.51.100.1:10000", 1472, true),
        Ok(())
    );
    assert_eq!(
        world.send(relayed, "198.51.100.1:10000", 1473, true),
        Err(SendError::TooLarge { mtu: 1500 })
    );
    assert_eq!(
        world.send(relayed, "198.51.100.1:10000", 1473, false),
        Err(SendError::Oversize)
    );
    let relayed = world.open(Family::V6, PortWish::Any).unwrap();
    assert_eq!(
        world.send(relayed, "[2001:db8::1]:10000", 1453, false),
        Err(SendError::Oversize)
    );
}

#[test]
fn a_full_queue_is_told() {
    let mut world = World::new();
    let relayed = world.open(Family::V4, PortWish::Any).unwrap();
    world.full = true;
    assert_eq!(
        world.send(relayed, "198.51.100.1:10000", 100, false),
        Err(SendError::QueueFull)
    );
}

struct World {
    now: Instant,
    ports: VirtualPorts,
    sent: Vec<(u8, SocketAddr, SocketAddr, usize)>,
    full: bool,
}

impl World {
    fn new() -> World {
        World::with_seed(7)
    }

    #[allow(clippy::disallowed_methods, reason = "a test needs a first instant")]
    fn with_seed(seed: u8) -> World {
        let peers = PeerTable::new([
            (at("198.51.100.1:10001"), 1),
            (at("198.51.100.1:10000"), 0),
            (at("[2001:db8::1]:10000"), 0),
        ]);
        World {
            now: Instant::now(),
            ports: VirtualPorts::new(V4, V6, peers, [seed; 32]),
            sent: Vec::new(),
            full: false,
        }
    }

    fn lend<R>(&mut self, act: impl FnOnce(&mut VirtualBackend<'_>) -> R) -> R {
        let mut queue = Queue {
            sent: &mut self.sent,
            full: self.full,
        };
        act(&mut self.ports.lend(self.now, &mut queue))
    }

    fn open(&mut self, family: Family, wish: PortWish) -> Result<RelayedAddr, OpenError> {
        self.lend(|backend| backend.open(0, family, wish))
    }

    fn close(&mut self, relayed: RelayedAddr) {
        self.lend(|backend| backend.close(relayed));
    }

    fn send(
        &mut self,
        from: RelayedAddr,
        to: &str,
        size: usize,
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        self.lend(|backend| backend.send(from, PeerAddr(at(to)), &vec![0; size], dont_fragment))
    }
}

struct Queue<'a> {
    sent: &'a mut Vec<(u8, SocketAddr, SocketAddr, usize)>,
    full: bool,
}

impl SfuPort for Queue<'_> {
    fn send(
        &mut self,
        shard: u8,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        if !self.full {
            self.sent.push((shard, source, destination, payload.len()));
        }
        !self.full
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
