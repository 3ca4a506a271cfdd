//! The data path (RFC 8656, sections 11 and 12): one look-up, the permission, the policy, the byte rate, and on.

use conclave_turn_wire::fast;
use conclave_turn_wire::message::Icmp;
use conclave_turn_wire::{Family, FiveTuple, PeerAddr, RelayedAddr};

use super::Server;
use crate::allocation::Relaying;
use crate::backend::{Io, Now, SendError};
use crate::channel::NoPeer;
use crate::counters::DropReason;
use crate::limits::cost;

/// What a client sends to a peer.
struct Outgoing<'a> {
    peer: PeerAddr,
    payload: &'a [u8],
    dont_fragment: bool,
}

/// ICMP "fragmentation needed" and ICMPv6 "packet too big" (RFC 792, RFC 4443).
const TOO_LARGE_V4: (u8, u8) = (3, 4);
const TOO_LARGE_V6: (u8, u8) = (2, 0);

impl Server {
    pub(super) fn on_channel_data(
        &mut self,
        now: Now,
        from: &FiveTuple,
        bytes: &[u8],
        io: &mut Io<'_>,
    ) {
        let Some((number, payload)) = fast::channel_data(bytes) else {
            return self.counters.drop(DropReason::Malformed);
        };
        let Some(id) = self.allocations.of_client(from) else {
            return self.counters.drop(DropReason::NoAllocation);
        };
        let Some(allocation) = self.allocations.get(id) else {
            return;
        };
        let peer = match allocation
            .channels
            .peer(now.instant, number, &allocation.permissions)
        {
            Ok(peer) => PeerAddr(peer),
            Err(NoPeer::NoChannel) => return self.counters.drop(DropReason::NoChannel),
            Err(NoPeer::NoPermission) => return self.counters.drop(DropReason::NoPermission),
        };
        self.relay_up(
            now,
            id,
            &Outgoing {
                peer,
                payload,
                dont_fragment: false,
            },
            io,
        );
    }

    pub(super) fn on_send(&mut self, now: Now, from: &FiveTuple, bytes: &[u8], io: &mut Io<'_>) {
        let Some(id) = self.allocations.of_client(from) else {
            return self.counters.drop(DropReason::NoAllocation);
        };
        let Some(send) = fast::send_indication(bytes) else {
            return self.counters.drop(DropReason::Malformed);
        };
        let Some(allocation) = self.allocations.get(id) else {
            return;
        };
        if allocation
            .permissions
            .find(now.instant, send.peer.0.ip())
            .is_none()
        {
            return self.counters.drop(DropReason::NoPermission);
        }
        if send.dont_fragment && !io.backend.traits().dont_fragment {
            // Not understood, so the indication is not processed (RFC 8489, section 6.3.2).
            return self.counters.drop(DropReason::Unexpected);
        }
        let outgoing = Outgoing {
            peer: send.peer,
            payload: send.data,
            dont_fragment: send.dont_fragment,
        };
        self.relay_up(now, id, &outgoing, io);
    }

    /// Sends on what has a permission.
    fn relay_up(&mut self, now: Now, id: u32, outgoing: &Outgoing<'_>, io: &mut Io<'_>) {
        let &Outgoing {
            peer,
            payload,
            dont_fragment,
        } = outgoing;
        let Some(allocation) = self.allocations.get_mut(id) else {
            return;
        };
        let Some(relay) = allocation
            .relay(Family::of(peer.0))
            .filter(|_| allocation.relaying == Relaying::Udp)
        else {
            return self.counters.drop(DropReason::NoPermission);
        };
        let relayed = relay.address;
        if now.instant >= relay.expires {
            return self.counters.drop(DropReason::NoAllocation);
        }
        if !self.policy.allows(peer) {
            return self.counters.drop(DropReason::Policy);
        }
        let cost = cost(payload.len());
        let ceiling = &mut self.ceiling;
        if !allocation.up.take(now.instant, &self.settings.rate, cost)
            || ceiling
                .as_mut()
                .is_some_and(|ceiling| !ceiling.take_up(now.instant, cost))
        {
            return self.counters.drop(DropReason::Rate);
        }
        match io.backend.send(relayed, peer, payload, dont_fragment) {
            Ok(()) => self.counters.up.count(payload.len()),
            Err(SendError::TooLarge { mtu }) => {
                self.counters.drop(DropReason::Oversize);
                let (kind, code) = if peer.0.is_ipv4() {
                    TOO_LARGE_V4
                } else {
                    TOO_LARGE_V6
                };
                self.send_icmp(
                    id,
                    peer,
                    Icmp {
                        kind,
                        code,
                        data: u32::from(mtu),
                    },
                    io,
                );
            }
            Err(SendError::Oversize) => self.counters.drop(DropReason::Oversize),
            Err(SendError::HopLimit) => self.counters.drop(DropReason::HopLimit),
            Err(SendError::QueueFull) => self.counters.drop(DropReason::QueueFull),
            Err(SendError::Unreachable) => self.counters.drop(DropReason::Unreachable),
        }
    }

    /// Passes on what a peer sent to a relayed address. `owner` is what [`crate::Backend::open`] was told, or what
    /// [`Server::owner_of`] says.
    pub fn handle_relayed(
        &mut self,
        now: Now,
        owner: u32,
        relayed: RelayedAddr,
        from: PeerAddr,
        payload: &[u8],
        io: &mut Io<'_>,
    ) {
        let family = Family::of(relayed.0);
        let Some(allocation) = self.allocations.get_mut(owner) else {
            return self.counters.drop(DropReason::NoAllocation);
        };
        // The id may have gone to somebody else while the packet was under way.
        let is_live = |relay: &crate::allocation::Relay| {
            relay.address == relayed && now.instant < relay.expires
        };
        if !allocation.relay(family).is_some_and(is_live) {
            return self.counters.drop(DropReason::NoAllocation);
        }
        let Some(permission) = allocation.permissions.find(now.instant, from.0.ip()) else {
            return self.counters.drop(DropReason::NoPermission);
        };
        if !self.policy.allows(from) {
            return self.counters.drop(DropReason::Policy);
        }
        let cost = cost(payload.len());
        let ceiling = &mut self.ceiling;
        if !allocation.down.take(now.instant, &self.settings.rate, cost)
            || ceiling
                .as_mut()
                .is_some_and(|ceiling| !ceiling.take_down(now.instant, cost))
        {
            return self.counters.drop(DropReason::Rate);
        }
        let tuple = allocation.tuple;
        let channel = allocation
            .channels
            .number(now.instant, permission, from.0.port());
        let Ok(len) = u16::try_from(payload.len()) else {
            return self.counters.drop(DropReason::Oversize);
        };
        let Some(number) = channel else {
            let Some(header) =
                fast::data_indication_header(from, payload.len(), self.transaction())
            else {
                return self.counters.drop(DropReason::Oversize);
            };
            self.counters.down.count(payload.len());
            return self.send_padded(&tuple, &header, payload, fast::padding(payload.len()), io);
        };
        self.counters.down.count(payload.len());
        // Only frames of a stream are padded (RFC 8656, section 12.5).
        let padding = if tuple.transport.is_stream() {
            fast::padding(payload.len())
        } else {
            &[]
        };
        self.send_padded(
            &tuple,
            &fast::channel_header(number, len),
            payload,
            padding,
            io,
        );
    }

    /// Tells a client what an ICMP message said about a datagram of its allocation (RFC 8656, section 11.5). `data` is
    /// the second word of that message; for "too large" the size that would pass.
    #[allow(
        clippy::too_many_arguments,
        reason = "the fields of an ICMP message, as a socket tells them"
    )]
    pub fn handle_icmp(
        &mut self,
        now: Now,
        owner: u32,
        relayed: RelayedAddr,
        peer: PeerAddr,
        kind: u8,
        code: u8,
        data: u32,
        io: &mut Io<'_>,
    ) {
        let Some(allocation) = self.allocations.get(owner) else {
            return;
        };
        let is_ours = allocation
            .relay(Family::of(relayed.0))
            .is_some_and(|relay| relay.address == relayed);
        if is_ours
            && allocation
                .permissions
                .find(now.instant, peer.0.ip())
                .is_some()
        {
            self.send_icmp(owner, peer, Icmp { kind, code, data }, io);
        }
    }

    fn send_icmp(&mut self, id: u32, peer: PeerAddr, icmp: Icmp, io: &mut Io<'_>) {
        let transaction = self.transaction();
        let Some(allocation) = self.allocations.get(id) else {
            return;
        };
        self.scratch.clear();
        fast::icmp_indication(peer, icmp, transaction, &mut self.scratch);
        io.clients
            .send(&allocation.tuple, &self.scratch, &[], false);
    }

    /// Sends header and payload. Padding goes behind both, so what must be padded is put together before.
    fn send_padded(
        &mut self,
        to: &FiveTuple,
        header: &[u8],
        payload: &[u8],
        padding: &[u8],
        io: &mut Io<'_>,
    ) {
        if padding.is_empty() {
            return io.clients.send(to, header, payload, true);
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(header);
        self.scratch.extend_from_slice(payload);
        self.scratch.extend_from_slice(padding);
        io.clients.send(to, &self.scratch, &[], true);
    }
}
