//! Whether anybody is there who leads, and what happens when nobody is.
//!
//! Nobody is made a host because the hosts are gone: others wait, go on or go
//! home, as the room says.

use std::time::{Duration, Instant};

use conclave_signalling_wire::objects::{NoHost, Permission};
use conclave_signalling_wire::push::LeftReason;

use crate::record::{Actor, EndReason};
use crate::room::Room;
use crate::room::audit::Act;

/// Since the meeting began. Whoever may start a meeting is a host here; one
/// whose link broke is there until its place is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    /// There was none yet.
    NotBegun,
    /// There is one.
    Present,
    /// The last one has just gone.
    Missed {
        /// When the room acts on it.
        until: Instant,
    },
    /// There is none, and the room has acted on it.
    Gone,
}

impl Hosts {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Hosts::Missed { until } => Some(until),
            _ => None,
        }
    }
}

impl Room {
    /// Returns whether newcomers wait because no host is there.
    pub(super) fn is_waiting_for_host(&self) -> bool {
        match self.hosts {
            Hosts::NotBegun => !self.settings.start_without_host,
            Hosts::Present | Hosts::Missed { .. } => false,
            Hosts::Gone => self.settings.no_host == NoHost::Wait,
        }
    }

    /// Takes account of hosts who came and went.
    pub(super) fn settle_hosts(&mut self) {
        let mut members = self.members.values();
        let is_led = members.any(|member| member.permissions.contains(Permission::SessionStart));
        let grace = Duration::from_secs(self.settings.no_host_grace_s.into());
        self.hosts = match self.hosts {
            _ if self.members.is_empty() => Hosts::NotBegun,
            _ if is_led => Hosts::Present,
            Hosts::Present => Hosts::Missed {
                until: self.now + grace,
            },
            since => since,
        };
        if self.hosts.deadline().is_some_and(|until| until <= self.now) {
            self.hosts = Hosts::Gone;
            let policy = match self.settings.no_host {
                NoHost::Wait => "wait",
                NoHost::Continue => "continue",
                NoHost::End => "end",
            };
            self.audit(Act {
                actor: Actor::Room,
                prefix: None,
                action: "room.no_host",
                target: None,
                detail: Some(policy.to_owned()),
            });
        }
        if self.hosts == Hosts::Gone && self.settings.no_host == NoHost::End {
            self.over = Some((EndReason::NoHost, None));
            self.end_meeting(None, None, LeftReason::Ended);
            self.hosts = Hosts::NotBegun;
        }
        let is_waiting = self.is_waiting_for_host();
        if is_waiting != self.told_waiting {
            self.told_waiting = is_waiting;
            // Whoever comes into an empty room has just been told.
            if self.members.len() > 1 || is_waiting || !self.stewards.is_empty() {
                self.announce_room(None);
            }
        }
    }
}
