//! One shard thread: the whole of its I/O.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use conclave_sfu_core::{Datagram, Shard, TurnLoad};
use conclave_sfu_wire::control::{Command, Event, RoomKey};
use conclave_sfu_wire::relayed::is_relayed;
use tracing::{error, info, info_span, warn};

use crate::addresses::AddressMap;
use crate::attention::{Attention, Ready};
use crate::crossing::Crossings;
use crate::relay::Relay;
use crate::sockets::{Egress, Sockets};
use crate::stats::{IoStats, ShardStats, SharedStats};
use conclave_sfu_udp::{Lodger, ReceiveBatch, Waker};

/// How many commands one turn takes, so that a flood of them cannot hold up
/// packets for long: a command costs up to a millisecond (an offer).
const COMMANDS_PER_TURN: usize = 16;

/// The shortest wait after a turn in which nothing came: at most 10,000 such
/// turns a second, so that a timer that is always due does not take the whole
/// core. Pacing is coarser than this.
const IDLE_WAIT_MIN: Duration = Duration::from_micros(100);

/// Places of the two families in what is kept for each.
const V4: usize = 0;
const V6: usize = 1;

/// What takes the events of one shard, on the shard's thread: it must not wait.
pub type EventSink = Box<dyn FnMut(Event) + Send>;

/// What a shard thread shares with those who hold its handle.
pub(crate) struct Shared {
    pub(crate) waker: Waker,
    pub(crate) stop: AtomicBool,
    pub(crate) stats: SharedStats,
    /// Another shard has sent something that was not looked at since.
    rung: AtomicBool,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Shared> {
        Ok(Shared {
            waker: Waker::new()?,
            stop: AtomicBool::new(false),
            stats: SharedStats::default(),
            rung: AtomicBool::new(false),
        })
    }

    /// Lets the shard look at what others have sent. One that was told, and has
    /// not looked yet, is not woken again.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Returns whether there may be something to look at. To be asked before
    /// looking: what comes behind rings again.
    pub(crate) fn was_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::AcqRel)
    }
}

pub(crate) struct ShardThread {
    pub(crate) index: u8,
    pub(crate) shard: Shard,
    pub(crate) sockets: Sockets,
    pub(crate) map: AddressMap,
    pub(crate) relay: Relay,
    /// Brings what is to live in this loop.
    pub(crate) lodgers: Receiver<Box<dyn Lodger>>,
    pub(crate) crossings: Crossings,
    pub(crate) inbox: Receiver<Command>,
    pub(crate) sink: EventSink,
    pub(crate) shared: Arc<Shared>,
    pub(crate) turns: Turns,
}

/// What lives from one turn to the next.
pub(crate) struct Turns {
    received: [ReceiveBatch; 2],
    egress: Egress,
    pub(crate) io: IoStats,
    /// The rooms that the control plane believes open.
    rooms: BTreeSet<RoomKey>,
    /// More commands wait than the last turn took.
    has_commands: bool,
    /// Nothing came in the last turn but time.
    was_idle: bool,
    /// How long the last turn took.
    worked: Duration,
    /// How long of it the relay worked on what clients sent: nothing that the
    /// shard could do without, and strangers must not make it turn people away.
    lodged: Duration,
}

impl Turns {
    pub(crate) fn new() -> Turns {
        Turns {
            received: [ReceiveBatch::new(), ReceiveBatch::new()],
            egress: Egress::new(),
            io: IoStats::default(),
            rooms: BTreeSet::new(),
            has_commands: false,
            was_idle: false,
            worked: Duration::ZERO,
            lodged: Duration::ZERO,
        }
    }
}

impl ShardThread {
    /// Runs until it is told to stop. A panic of the shard, which should have
    /// ended one transport or room, ends the thread: its rooms are reported
    /// failed, and commands are refused from then on.
    pub(crate) fn run(mut self) {
        let _span = info_span!("shard", index = self.index).entered();
        info!(port = self.sockets.port(), "shard has started");
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run_turns()));
        match outcome {
            Ok(Ok(())) => {
                info!("shard has ended");
                return;
            }
            Ok(Err(error)) => error!(%error, "shard has lost its sockets"),
            Err(_) => error!("shard has panicked"),
        }
        // Whoever hears that a room has failed takes it elsewhere.
        self.shared.stop.store(true, Ordering::Release);
        for room in std::mem::take(&mut self.turns.rooms) {
            (self.sink)(Event::RoomFailed { room });
        }
    }

    fn run_turns(&mut self) -> io::Result<()> {
        let mut attention = Attention::new(&self.sockets, &self.shared.waker, &self.relay)?;
        while !self.shared.stop.load(Ordering::Acquire) {
            let ready = self.wait(&mut attention)?;
            self.turn(ready, attention.lodged())?;
            let lodger = ready.woken.then(|| self.lodgers.try_recv().ok()).flatten();
            let has_come = lodger.is_some();
            if let Some(lodger) = lodger {
                self.relay = Relay::within(lodger);
            }
            // One that has ended: others may still hold what was watched of it.
            if has_come || ready.relay && self.relay.is_none() {
                attention = Attention::new(&self.sockets, &self.shared.waker, &self.relay)?;
            }
        }
        self.shard.close(Instant::now());
        self.send_and_tell();
        Ok(())
    }

    fn wait(&self, attention: &mut Attention) -> io::Result<Ready> {
        let due = [self.shard.poll_timeout(), self.relay.due()];
        let due = due.into_iter().flatten().min();
        let due = match due.filter(|_| self.turns.was_idle) {
            Some(due) => Some(due.max(Instant::now() + IDLE_WAIT_MIN)),
            None => due,
        };
        attention.wait(due, self.has_leftovers())
    }

    /// Returns whether the last turn took less than there was.
    fn has_leftovers(&self) -> bool {
        self.turns.has_commands || self.relay.has_more() || self.crossings.has_more()
    }

    fn turn(&mut self, ready: Ready, of_relay: &[u64]) -> io::Result<()> {
        let now = Instant::now();
        let counts = [self.receive(ready.v4, V4)?, self.receive(ready.v6, V6)?];
        let is_due = self.relay.due().is_some_and(|due| due <= now);
        let relay_ready = ready.relay || is_due || self.relay.has_more();
        let crossed = self.receive_crossings(now);
        let lag = self
            .lag(counts, relay_ready)
            .max(crossed.unwrap_or_default());
        let lodged = std::mem::take(&mut self.turns.lodged);
        let busy = std::mem::take(&mut self.turns.worked).saturating_sub(lodged);
        self.shard.begin_turn(now, TurnLoad { lag, busy });
        let mut arrived = counts[V4] + counts[V6];
        for (family, count) in counts.into_iter().enumerate() {
            if count > 0 {
                self.serve(now, family);
            }
        }
        if relay_ready {
            arrived += self.take_relayed(now, of_relay);
        }
        arrived += self.serve_crossings(now);
        let commands = if ready.woken || self.turns.has_commands {
            self.take_commands(now)
        } else {
            0
        };
        self.turns.was_idle = arrived == 0 && commands == 0;
        // The time anew: what leaves is stamped with it, and to the estimators a
        // long turn would look like a queue on the way.
        self.shard.handle_timeout(Instant::now());
        self.send_crossings();
        self.send_and_tell();
        self.turns.worked = now.elapsed();
        Ok(())
    }

    /// Returns how long the oldest of what has been received had waited. Where
    /// nobody says it, it came while the last turn was served.
    fn lag(&self, counts: [usize; 2], relay_ready: bool) -> Duration {
        let received = self.turns.received.iter().zip(counts);
        let of_sockets = received
            .filter(|(_, count)| *count > 0)
            .map(|(batch, _)| batch.waited().unwrap_or(self.turns.worked));
        let of_relay = relay_ready.then_some(self.turns.worked);
        of_sockets.chain(of_relay).max().unwrap_or_default()
    }
}

impl ShardThread {
    /// Takes what has arrived at a socket that is ready; returns how much.
    fn receive(&mut self, is_ready: bool, family: usize) -> io::Result<usize> {
        let socket = match family {
            V4 => &self.sockets.v4,
            _ => &self.sockets.v6,
        };
        match socket.as_ref().filter(|_| is_ready) {
            Some(socket) => socket.receive(&mut self.turns.received[family]),
            None => Ok(0),
        }
    }

    /// Hands what was received to the shard.
    fn serve(&mut self, now: Instant, family: usize) {
        let Turns { received, io, .. } = &mut self.turns;
        for datagram in received[family].received() {
            if datagram
                .as_ref()
                .is_some_and(|datagram| is_relayed(datagram.source.ip()))
            {
                io.forged_in += 1;
                continue;
            }
            let addressed = datagram.and_then(|datagram| {
                Some(Datagram {
                    source: datagram.source,
                    destination: self.map.advertised(datagram.destination)?,
                    waited: datagram.waited.unwrap_or_default(),
                    payload: datagram.payload,
                })
            });
            let Some(datagram) = addressed else {
                io.dropped_in += 1;
                continue;
            };
            io.datagrams_in += 1;
            io.bytes_in += datagram.payload.len() as u64;
            self.shard.handle_waiting(now, datagram);
        }
    }

    /// Takes what the relay has; returns how many datagrams.
    fn take_relayed(&mut self, now: Instant, ready: &[u64]) -> usize {
        let ShardThread {
            relay,
            shard,
            turns: Turns { io, lodged, .. },
            ..
        } = self;
        let mut count = 0;
        *lodged = relay.take(ready, |source, destination, payload| {
            debug_assert!(is_relayed(source.ip()), "the relay has its own addresses");
            io.bytes_in += payload.len() as u64;
            shard.handle_datagram(now, source, destination, payload);
            count += 1;
        });
        io.relayed_in += count as u64;
        count
    }

    fn take_commands(&mut self, now: Instant) -> usize {
        for taken in 0..COMMANDS_PER_TURN {
            let command = match self.inbox.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    self.turns.has_commands = false;
                    return taken;
                }
            };
            match command {
                Command::OpenRoom { room, .. } => {
                    self.turns.rooms.insert(room);
                }
                Command::CloseRoom { room } => {
                    self.turns.rooms.remove(&room);
                }
                _ => {}
            }
            self.shard.handle_command(now, command);
        }
        self.turns.has_commands = true;
        COMMANDS_PER_TURN
    }

    fn send_and_tell(&mut self) {
        let Turns {
            egress, io, rooms, ..
        } = &mut self.turns;
        let mut sink = egress.sink(&mut self.sockets, &mut self.relay, &self.map, io);
        self.shard.flush(&mut sink);
        self.shared.stats.publish(ShardStats {
            io: *io,
            shard: self.shard.counters(),
            load: self.shard.load(),
        });
        while let Some(event) = self.shard.poll_event() {
            if let Event::RoomFailed { room } = &event {
                warn!(room = room.0, "room has failed");
                rooms.remove(room);
            }
            (self.sink)(event);
        }
    }
}
