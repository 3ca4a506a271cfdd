//! Refresh (RFC 8656, section 8): of all relayed addresses of an allocation, or of one family.

use std::time::Duration;

use conclave_turn_wire::Family;
use conclave_turn_wire::error::ErrorCode;

use super::Server;
use super::allocate::lifetime_s;
use super::message::{Call, Outcome};
use crate::auth::Identity;
use crate::backend::Io;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Server {
    pub(super) fn on_refresh(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let id = self.own_allocation(call)?;
        let only = match call.request.requested_family {
            None => None,
            Some(Ok(family)) => Some(family),
            Some(Err(_)) => return Err(ErrorCode::PeerFamilyMismatch),
        };
        let allocation = self
            .allocations
            .get(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        if only.is_some_and(|family| allocation.relay(family).is_none()) {
            return Err(ErrorCode::PeerFamilyMismatch);
        }
        if call.request.lifetime_s == Some(0) {
            return self.refresh_to_nothing(call, id, only, io);
        }
        if let Identity::Test(_) = call.login.identity {
            // A test does not last longer by asking again.
            let left = self.allocations.deadline(id).map_or(Duration::ZERO, |at| {
                at.saturating_duration_since(call.now.instant)
            });
            return self.answer_refresh(call, left.as_secs() as u32, io);
        }
        let lifetime_s = lifetime_s(call, io.backend.traits());
        let expires = call.now.instant + Duration::from_secs(u64::from(lifetime_s));
        let allocation = self
            .allocations
            .get_mut(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        for family in FAMILIES {
            if only.is_none_or(|only| only == family)
                && let Some(relay) = allocation.relay_mut(family)
            {
                relay.expires = expires;
            }
        }
        self.set_timer(id);
        self.answer_refresh(call, lifetime_s, io)
    }

    fn refresh_to_nothing(
        &mut self,
        call: &Call<'_>,
        id: u32,
        only: Option<Family>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        if let Some(family) = only {
            self.close_relay(id, family, io);
        }
        if only.is_none() || self.allocations.deadline(id).is_none() {
            self.counters.ended_by_client += 1;
            self.end_allocation(call.now, id, io);
        } else {
            self.set_timer(id);
        }
        self.answer_refresh(call, 0, io)
    }

    fn answer_refresh(
        &mut self,
        call: &Call<'_>,
        lifetime_s: u32,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        self.succeed(call, io, |response| response.lifetime(lifetime_s))
    }
}
