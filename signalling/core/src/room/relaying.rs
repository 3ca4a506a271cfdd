//! The relay: credentials for it, and rooms that insist on it.

use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::IceServer;
use conclave_signalling_wire::push::{MediaReset, ResetReason};
use conclave_signalling_wire::reply::TurnRefreshed;

use crate::output::{Notice, Reply};
use crate::room::Room;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker};

impl Room {
    /// Gives somebody in the room a new credential for the relay.
    pub(super) fn refresh_relay(&mut self, now: Instant, asker: Asker) -> Answer {
        let member = self.members.get_mut(&asker.key);
        let member = member.ok_or(ErrorCode::NotFound)?;
        member.relay_refreshes.take(now).map_err(too_fast)?;
        let ice_servers = self.ice_servers(asker.key);
        Ok(Some(Reply::TurnRefreshed(TurnRefreshed { ice_servers })))
    }

    /// Returns the relay with a credential of somebody in the room; nothing
    /// without a relay.
    pub(super) fn ice_servers(&mut self, key: MemberKey) -> Vec<IceServer> {
        let Some(relay) = self.config.relay.clone() else {
            return Vec::new();
        };
        let random = self.random();
        let unix_s = self.time().unix_ms() / 1000;
        let member = self.members.get(&key);
        member.map_or_else(Vec::new, |member| {
            relay.member(key, &member.relay_host, unix_s, random)
        })
    }

    /// Ends the transport of everybody who may be connected past the relay, and
    /// has them offer anew: from here on the room takes media only through it.
    pub(super) fn insist_on_relay(&mut self) {
        let passing: Vec<MemberKey> = self
            .members
            .iter_mut()
            .filter_map(|(key, member)| member.negotiation.end_direct().then_some(*key))
            .collect();
        let reset = Notice::new(MediaReset {
            reason: ResetReason::RelayOnly,
        });
        for key in passing {
            self.command(Command::EndTransport { member: key });
            self.tell(key, &reset);
        }
    }
}
