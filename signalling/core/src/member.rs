//! One participant as the room knows it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::ids::SessionId;
use conclave_signalling_wire::limits::{
    ANNOUNCEMENTS_PER_MINUTE, INVITES_OWN_PER_MINUTE, MESSAGES_BURST, MESSAGES_PER_S,
    REACTIONS_BURST, REACTIONS_PER_S, TURN_REFRESHES_PER_MINUTE, WISHES_PER_S,
};
use conclave_signalling_wire::objects::{Override, Participant, Role};
use conclave_signalling_wire::text::RoleName;

use crate::digest::{DeviceHash, NetworkTag, TokenHash};
use crate::log::PushLog;
use crate::negotiation::Negotiation;
use crate::origin::Prefix;
use crate::output::{LinkId, Notice};
use crate::permission::{PermissionSet, Subject};
use crate::publications::Publications;
use crate::rate::{PerMinute, Rate};
use crate::room::{Claim, Refusals};
use crate::slots::Mirror;

/// Hands that one participant raises a second, sustained: each is told to everybody.
const HANDS_PER_S: u32 = 1;
/// The same, at once.
const HANDS_BURST: u32 = 5;

/// Whether a participant can be told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Over this link.
    Connected(LinkId),
    /// Its link broke.
    Dropped {
        /// How long its place is kept.
        until: Instant,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) presence: Presence,
    /// The how many-th it was to come in.
    pub(crate) arrival: u64,
    /// What others see.
    pub(crate) face: Participant,
    pub(crate) session: SessionId,
    pub(crate) device: DeviceHash,
    pub(crate) token: TokenHash,
    pub(crate) prefix: Prefix,
    /// For a ban: the network under each live key, the newest first.
    pub(crate) networks: Vec<NetworkTag>,
    /// The host of its page: see [`crate::relay::Relay`].
    pub(crate) relay_host: Arc<str>,
    /// What it showed at the door.
    pub(crate) claim: Claim,
    /// By which invite it came in.
    pub(crate) invite: Option<InviteId>,
    /// What it is by that alone, whatever it was given since.
    pub(crate) by_claim: (Role, Option<RoleName>),
    /// Its exceptions.
    pub(crate) overrides: Vec<Override>,
    /// Whether it knows who waits in the lobby.
    pub(crate) knows_lobby: bool,
    /// What it may do: what the last `permissions` push or `joined` said.
    pub(crate) permissions: PermissionSet,
    pub(crate) log: PushLog,
    pub(crate) messages: Rate,
    pub(crate) wishes: Rate,
    /// Of credentials for the relay.
    pub(crate) relay_refreshes: PerMinute,
    /// Of changes of the room.
    pub(crate) changes: Rate,
    /// Of invites, where it does not manage them.
    pub(crate) invitations: PerMinute,
    /// Of raised hands.
    pub(crate) hands: Rate,
    pub(crate) reactions: Rate,
    pub(crate) announcements: PerMinute,
    /// The raised hands that it was told last, if there were any.
    pub(crate) hands_told: Option<Arc<Notice>>,
    /// What it was refused, for the audit log.
    pub(crate) refusals: Refusals,
    pub(crate) negotiation: Negotiation,
    pub(crate) publications: Publications,
    pub(crate) mirror: Mirror,
    /// Whose screens it has in sight, by its last wish.
    pub(crate) screens: BTreeSet<MemberKey>,
}

/// What a participant brings and is given when it comes in.
pub(crate) struct Arrival {
    pub(crate) link: LinkId,
    pub(crate) face: Participant,
    pub(crate) session: SessionId,
    pub(crate) device: DeviceHash,
    pub(crate) token: TokenHash,
    pub(crate) prefix: Prefix,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) relay_host: Arc<str>,
    pub(crate) claim: Claim,
    pub(crate) invite: Option<InviteId>,
    pub(crate) by_claim: (Role, Option<RoleName>),
    pub(crate) overrides: Vec<Override>,
    pub(crate) changes: Rate,
}

impl Member {
    pub(crate) fn new(arrival: Arrival) -> Self {
        Member {
            presence: Presence::Connected(arrival.link),
            arrival: 0,
            face: arrival.face,
            session: arrival.session,
            device: arrival.device,
            token: arrival.token,
            prefix: arrival.prefix,
            networks: arrival.networks,
            relay_host: arrival.relay_host,
            claim: arrival.claim,
            invite: arrival.invite,
            by_claim: arrival.by_claim,
            knows_lobby: false,
            overrides: arrival.overrides,
            permissions: PermissionSet::default(),
            log: PushLog::default(),
            messages: Rate::new(MESSAGES_PER_S, MESSAGES_BURST),
            wishes: Rate::new(WISHES_PER_S, WISHES_PER_S),
            relay_refreshes: PerMinute::new(TURN_REFRESHES_PER_MINUTE),
            changes: arrival.changes,
            invitations: PerMinute::new(INVITES_OWN_PER_MINUTE),
            hands: Rate::new(HANDS_PER_S, HANDS_BURST),
            reactions: Rate::new(REACTIONS_PER_S, REACTIONS_BURST),
            announcements: PerMinute::new(ANNOUNCEMENTS_PER_MINUTE),
            hands_told: None,
            refusals: Refusals::default(),
            negotiation: Negotiation::new(),
            publications: Publications::default(),
            mirror: Mirror::default(),
            screens: BTreeSet::new(),
        }
    }

    /// Returns the link over which it can be told something.
    pub(crate) fn link(&self) -> Option<LinkId> {
        match self.presence {
            Presence::Connected(link) => Some(link),
            Presence::Dropped { .. } => None,
        }
    }

    /// Returns about whom the permission engine decides.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            role: self.face.role,
            custom_role: self.face.custom_role.as_ref(),
            overrides: &self.overrides,
            device: Some(&self.device),
        }
    }

    /// Returns whether a request of this number still waits for its reply.
    pub(crate) fn awaits(&self, link: LinkId, id: u32) -> bool {
        self.negotiation.awaits(link, id)
            || self.publications.awaits(link, id)
            || self
                .mirror
                .acks
                .values()
                .any(|ack| ack.link == link && ack.id == id)
    }

    /// Returns the first deadline of what waits for the shard.
    pub(crate) fn media_deadline(&self) -> Option<Instant> {
        let ack = self.mirror.acks.values().map(|ack| ack.deadline).min();
        [
            self.negotiation.deadline(),
            self.publications.deadline(),
            ack,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
