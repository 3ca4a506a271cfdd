//! A network that loses, reorders and doubles datagrams, and cuts streams anywhere.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub enum Packet {
    ToServer(usize, Vec<u8>),
    ToClient(usize, Vec<u8>),
}

pub struct Network {
    pub rng: StdRng,
    loss: f64,
    /// By arrival and order of sending.
    under_way: BTreeMap<(u64, u64), Packet>,
    sequence: u64,
    /// When the last bytes of each stream arrive, in each direction: they keep their order.
    last_ms: BTreeMap<(usize, bool), u64>,
}

impl Network {
    /// Loses `loss` of all datagrams each way, and doubles half as many.
    pub fn new(seed: u64, loss: f64) -> Network {
        Network {
            rng: StdRng::seed_from_u64(seed),
            loss,
            under_way: BTreeMap::new(),
            sequence: 0,
            last_ms: BTreeMap::new(),
        }
    }

    /// When the next packet arrives.
    pub fn due_ms(&self) -> Option<u64> {
        let ((at, _), _) = self.under_way.first_key_value()?;
        Some(*at)
    }

    /// Takes the next packet that has arrived by `now_ms`.
    pub fn arrived(&mut self, now_ms: u64) -> Option<Packet> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }

    pub fn send(&mut self, now_ms: u64, is_stream: bool, packet: Packet) {
        let (who, up, bytes) = match packet {
            Packet::ToServer(who, bytes) => (who, true, bytes),
            Packet::ToClient(who, bytes) => (who, false, bytes),
        };
        if is_stream {
            // Cut anywhere.
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(self.rng.random_range(1..=rest.len()));
                let last = self.last_ms.entry((who, up)).or_default();
                *last = (*last).max(now_ms + self.rng.random_range(1..50));
                let at = *last;
                self.put(at, who, up, part.to_vec());
                rest = behind;
            }
            return;
        }
        let copies = if self.rng.random_bool(self.loss / 2.0) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if !self.rng.random_bool(self.loss) {
                let at = now_ms
                    + self
                        .rng
                        .random_range(1..=if self.loss > 0.0 { 200 } else { 20 });
                self.put(at, who, up, bytes.clone());
            }
        }
    }

    fn put(&mut self, at: u64, who: usize, up: bool, bytes: Vec<u8>) {
        self.sequence += 1;
        let packet = if up {
            Packet::ToServer(who, bytes)
        } else {
            Packet::ToClient(who, bytes)
        };
        self.under_way.insert((at, self.sequence), packet);
    }
}
