//! CreatePermission and ChannelBind (RFC 8656, sections 10 and 12): whom an allocation may reach.

use std::net::IpAddr;

use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::{Family, PeerAddr};

use super::Server;
use super::message::{Call, Outcome};
use crate::allocation::Relaying;
use crate::backend::Io;
use crate::channel::BindError;

impl Server {
    /// Grants all peers of the request, or none.
    pub(super) fn on_create_permission(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let id = self.own_allocation(call)?;
        let now = call.now.instant;
        let max = self.settings.allocation.permissions;
        if call.request.peer.is_none() {
            return Err(ErrorCode::BadRequest);
        }
        for peer in call.request.peers() {
            self.check_family(id, peer)?;
        }
        // A message has room for hundreds of peers: each is compared with no more than may be granted.
        let mut ips: Vec<IpAddr> = Vec::with_capacity(usize::from(max));
        let mut is_too_many = false;
        for peer in call.request.peers() {
            let ip = peer.0.ip();
            if call.login.identity.is_test() || !self.policy.allows_address(ip) {
                return Err(ErrorCode::Forbidden);
            }
            if ips.contains(&ip) {
                continue;
            }
            is_too_many |= ips.len() == usize::from(max);
            if !is_too_many {
                ips.push(ip);
            }
        }
        let allocation = self
            .allocations
            .get_mut(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        allocation.purge(now);
        if is_too_many || !allocation.permissions.has_room_for(&ips, max) {
            return Err(ErrorCode::InsufficientCapacity);
        }
        for ip in ips {
            allocation.permissions.grant(now, ip, max);
        }
        self.succeed(call, io, |response| response)
    }

    /// Binds a number to a peer, and grants the peer's address.
    pub(super) fn on_channel_bind(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let id = self.own_allocation(call)?;
        let now = call.now.instant;
        let limits = self.settings.allocation;
        let (Some(number), Some(peer)) = (call.request.channel, call.request.peer) else {
            return Err(ErrorCode::BadRequest);
        };
        if !self.settings.channels.contains(&number) {
            return Err(ErrorCode::BadRequest);
        }
        self.check_family(id, peer)?;
        if call.login.identity.is_test() || !self.policy.allows(peer) {
            return Err(ErrorCode::Forbidden);
        }
        let allocation = self
            .allocations
            .get_mut(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        if allocation.relaying != Relaying::Udp {
            return Err(ErrorCode::BadRequest);
        }
        allocation.purge(now);
        let (ip, port) = (peer.0.ip(), peer.0.port());
        let known = allocation.permissions.index_of(ip);
        allocation
            .channels
            .check(number, known, port, limits.channels)
            .map_err(|error| match error {
                BindError::Conflict => ErrorCode::BadRequest,
                BindError::Full => ErrorCode::InsufficientCapacity,
            })?;
        let permission = allocation
            .permissions
            .grant(now, ip, limits.permissions)
            .ok_or(ErrorCode::InsufficientCapacity)?;
        allocation
            .channels
            .bind(now, number, permission, port, limits.channels);
        self.succeed(call, io, |response| response)
    }

    /// A peer must be of a family in which the allocation has a relayed address.
    pub(super) fn check_family(&self, id: u32, peer: PeerAddr) -> Result<(), ErrorCode> {
        let allocation = self
            .allocations
            .get(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        match allocation.relay(Family::of(peer.0)) {
            Some(_) => Ok(()),
            None => Err(ErrorCode::PeerFamilyMismatch),
        }
    }
}
