//! How much, how often and how many: of connections, links, joins, new rooms,
//! wrong passwords.

use super::layers::Layers;
use super::reader::Reader;

/// From where on argon2id with one pass is not too cheap to be guessed against
/// (OWASP's floor for one pass; `spec/security.md` 2.6).
const PASSWORD_MEMORY_MIB: u32 = 46;
/// Nobody waits for more: some seconds for each join.
const PASSWORD_MEMORY_MIB_MAX: u32 = 1024;

/// Bounds on TCP connections. A source is an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All together.
    pub(crate) connections: usize,
    /// From one source, without those of the relay.
    pub(crate) connections_per_source: usize,
    /// From one source, before the first bytes after the TLS handshake.
    pub(crate) half_open_per_source: usize,
    /// From one source, of those that the relay serves.
    pub(crate) relayed_per_source: usize,
}

/// Bounds on what happens over signalling. A source is as in [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Open signalling links of one source.
    pub(crate) links_per_source: u32,
    /// Joins of one source in a second, sustained.
    pub(crate) joins_per_source_per_s: u32,
    /// Joins of one source at once.
    pub(crate) joins_per_source_burst: u32,
    /// Rooms that one source makes in an hour, where anybody may.
    pub(crate) rooms_per_source_per_hour: u32,
    /// Wrong passwords of one source.
    pub(crate) password_failures_per_source_per_min: u32,
    /// Wrong passwords of one source for one room.
    pub(crate) password_failures_per_source_and_room_per_min: u32,
    /// Wrong passwords for one room, beyond which who has the right one waits in the lobby.
    pub(crate) password_failures_per_room_per_min: u32,
}

/// How passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passwords {
    /// Memory of one hash by argon2id, in MiB.
    pub(crate) memory_mib: u32,
}

/// Sets what nobody said.
pub(super) fn add_defaults(layers: &mut Layers) {
    // A connection costs about 24 KiB before it has said who it is: 400 MiB at worst.
    layers.set_default("limits.connections", 16_384);
    layers.set_default("limits.connections_per_source", 320);
    // Enough for a school behind one address opening its browsers at nine o'clock.
    layers.set_default("limits.half_open_per_source", 64);
    // A browser has one or two while it is in a meeting, and as many again when it restarts ICE: enough for
    // as many as may have links, all in a network that lets nothing out but TCP.
    layers.set_default("limits.relayed_per_source", 1_024);
    // The rest are pages, and the links too many that are answered with 429.
    let of_source = layers.get("limits.connections_per_source");
    let of_source = of_source.and_then(|setting| setting.value.as_integer());
    let links = (of_source.unwrap_or(320) / 5).saturating_mul(4).max(1);
    layers.set_default("limits.links_per_source", links);
    layers.set_default("limits.joins_per_source_per_s", 2);
    layers.set_default("limits.joins_per_source_burst", 60);
    layers.set_default("limits.rooms_per_source_per_hour", 20);
    layers.set_default("limits.password_failures_per_source_per_min", 30);
    layers.set_default("limits.password_failures_per_source_and_room_per_min", 10);
    layers.set_default("limits.password_failures_per_room_per_min", 60);
    layers.set_default("passwords.memory_mib", i64::from(PASSWORD_MEMORY_MIB));
}

impl Reader<'_> {
    /// Reads what `[limits]` says of connections.
    pub(super) fn limits(&mut self) -> Limits {
        Limits {
            connections: self.positive("limits.connections"),
            connections_per_source: self.positive("limits.connections_per_source"),
            half_open_per_source: self.positive("limits.half_open_per_source"),
            relayed_per_source: self.positive("limits.relayed_per_source"),
        }
    }

    /// Reads what `[limits]` says of signalling.
    pub(super) fn pace(&mut self) -> Pace {
        let mut rate = |name: &str| self.within(&format!("limits.{name}"), 1, 1_000_000);
        Pace {
            links_per_source: rate("links_per_source"),
            joins_per_source_per_s: rate("joins_per_source_per_s"),
            joins_per_source_burst: rate("joins_per_source_burst"),
            rooms_per_source_per_hour: rate("rooms_per_source_per_hour"),
            password_failures_per_source_per_min: rate("password_failures_per_source_per_min"),
            password_failures_per_source_and_room_per_min: rate(
                "password_failures_per_source_and_room_per_min",
            ),
            password_failures_per_room_per_min: rate("password_failures_per_room_per_min"),
        }
    }

    /// Reads `[passwords]`.
    pub(super) fn passwords(&mut self) -> Passwords {
        Passwords {
            memory_mib: self.within(
                "passwords.memory_mib",
                PASSWORD_MEMORY_MIB,
                PASSWORD_MEMORY_MIB_MAX,
            ),
        }
    }
}
