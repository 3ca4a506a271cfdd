//! The room once more, as plain maps: what follows from each step is worked out
//! anew, from all that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::{DeviceHash, InviteHash, NetworkTag};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::{Actor, Ban, Invite, Standing};
use conclave_signalling_core::room::Claim;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{InviteId, KnockId, ParticipantId, RequestId};
use conclave_signalling_wire::lobby::WaitingState;
use conclave_signalling_wire::objects::{Identity, Override, Permission, Role, Room, Source};
use conclave_signalling_wire::request::{DuplicateChoice, RoomUpdate};
use conclave_signalling_wire::text::{DisplayName, RoleName};
use conclave_signalling_wire::time::Timestamp;

use crate::calling::Hands;
use crate::chat::Chat;
use crate::rules::{Bucket, LockState, Who};
use crate::seen::{Expected, Outcome};
use crate::sharing::{Share, Takeover};
use crate::suspend::Snapshot;
use crate::transfer::Offer;

pub(crate) const SHARE: [Source; 2] = [Source::Screen, Source::ScreenAudio];

#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(crate) muted: bool,
    pub(crate) by: Option<ParticipantId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    pub(crate) attempt: u32,
    pub(crate) muted: bool,
    pub(crate) by: Option<ParticipantId>,
    pub(crate) deadline: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    /// The how many-th it was to come in.
    pub(crate) arrival: u64,
    pub(crate) link: Option<LinkId>,
    /// Until when the place of a broken link is kept.
    pub(crate) until: u64,
    pub(crate) device: DeviceHash,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) claim: Claim,
    pub(crate) invite: Option<InviteId>,
    pub(crate) by_claim: (Role, Option<RoleName>),
    /// Whether a host handed the meeting over to it.
    pub(crate) was_lent: bool,
    pub(crate) role: Role,
    pub(crate) custom: Option<RoleName>,
    pub(crate) identity: Identity,
    pub(crate) name: DisplayName,
    pub(crate) joined_at: u64,
    pub(crate) overrides: Vec<Override>,
    pub(crate) live: BTreeMap<Source, Publication>,
    pub(crate) asked: BTreeMap<Source, Asked>,
    pub(crate) messages: Bucket,
    pub(crate) changes: Bucket,
    pub(crate) reactions: Bucket,
    pub(crate) hands: Bucket,
    /// When it asked for credentials of the relay, in the last minute.
    pub(crate) refreshed: Vec<u64>,
    /// When it announced something, in the last minute.
    pub(crate) announced: Vec<u64>,
    /// When it made invites, in the last minute.
    pub(crate) invited: Vec<u64>,
    pub(crate) refusals: Bucket,
}

#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) visitor: Visitor,
    pub(crate) link: Option<LinkId>,
    pub(crate) state: WaitingState,
    pub(crate) note: Option<String>,
    pub(crate) since: u64,
    pub(crate) gone_at: u64,
    pub(crate) messages: Bucket,
    /// What those who admit were shown.
    pub(crate) marks: (Role, Identity),
    /// The step in which it appeared as what it is.
    pub(crate) listed: u64,
}

/// Somebody who shows something.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) member: Option<MemberKey>,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) name: DisplayName,
    pub(crate) device: DeviceHash,
    pub(crate) claim: Claim,
    pub(crate) distrusted: bool,
    pub(crate) address: Option<IpAddr>,
    pub(crate) consent: Option<String>,
    pub(crate) choice: Option<DuplicateChoice>,
}

#[derive(Debug, Clone)]
pub(crate) struct Steward {
    pub(crate) invite: InviteHash,
    pub(crate) device: DeviceHash,
    pub(crate) networks: Vec<NetworkTag>,
    pub(crate) messages: Bucket,
    pub(crate) changes: Bucket,
    pub(crate) refusals: Bucket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    NotBegun,
    Present,
    Missed { until: u64 },
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Link(LinkId, u32),
    Operator(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) id: RequestId,
    pub(crate) asker: MemberKey,
    pub(crate) asked: MemberKey,
    pub(crate) source: Source,
    pub(crate) until: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Hashing {
    pub(crate) to: To,
    pub(crate) authority: Authority,
    pub(crate) update: RoomUpdate,
}

#[derive(Debug, Clone)]
pub(crate) struct Authority {
    pub(crate) actor: Actor,
    pub(crate) role: Role,
    pub(crate) may: BTreeSet<Permission>,
}

impl Authority {
    /// Returns whether it may act on somebody: the operator on everybody.
    pub(crate) fn reaches(&self, role: Role) -> bool {
        self.actor == Actor::Operator || crate::rules::outranks(self.role, role)
    }
}

/// Why not; the member where the model knows it.
pub(crate) type Refusal = (ErrorCode, Option<&'static str>);
/// `None`: later.
pub(crate) type Answer = Result<Option<Outcome>, Refusal>;

pub(crate) struct Model {
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    pub(crate) step: u64,
    pub(crate) room: Room,
    pub(crate) locks: [LockState; 3],
    pub(crate) allowed_networks: Vec<String>,
    pub(crate) password_rev: u32,
    pub(crate) people: BTreeMap<MemberKey, Person>,
    pub(crate) waiting: BTreeMap<KnockId, Waiter>,
    pub(crate) handled: BTreeMap<KnockId, Option<ParticipantId>>,
    /// How many came in.
    pub(crate) arrivals: u64,
    /// Whether the last who went wanted to, or somebody wanted it to.
    pub(crate) by_will: bool,
    pub(crate) recent_knocks: Vec<u64>,
    pub(crate) flood_until: u64,
    pub(crate) invites: BTreeMap<InviteId, Invite>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) standings: BTreeMap<DeviceHash, Standing>,
    pub(crate) stewards: BTreeMap<LinkId, Steward>,
    pub(crate) session_since: Option<u64>,
    pub(crate) lead: Lead,
    /// Who has a place for a screen, in the order in which they got it.
    pub(crate) shares: Vec<Share>,
    pub(crate) share_count: u64,
    pub(crate) takeovers: Vec<Takeover>,
    pub(crate) taken: BTreeMap<(MemberKey, MemberKey), Vec<u64>>,
    /// What somebody is told when the media plane has stopped, or does not say so in time.
    pub(crate) late: BTreeMap<u64, (MemberKey, String, u64)>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) prompted: BTreeMap<(MemberKey, MemberKey), Vec<u64>>,
    pub(crate) held: BTreeMap<u64, (To, Outcome, u64)>,
    pub(crate) hashing: BTreeMap<u64, Hashing>,
    pub(crate) door: Bucket,
    pub(crate) is_deleted: bool,
    pub(crate) chat: Chat,
    pub(crate) hands: Hands,
    /// Who offers the meeting to whom.
    pub(crate) offers: Vec<Offer>,
    pub(crate) offered: BTreeMap<(MemberKey, MemberKey), Vec<u64>>,
    /// The policies from before everything was suspended.
    pub(crate) snapshot: Option<Snapshot>,
    /// When somebody lets the meeting end.
    pub(crate) countdown: Option<u64>,
    /// When the longest duration ends it at the earliest.
    pub(crate) not_before: u64,
    pub(crate) participants_max: usize,
    /// How often each participant changed before this step, as the room counts it.
    pub(crate) revs: BTreeMap<ParticipantId, u32>,
    /// In which step each list of the lobby was told, by its number.
    pub(crate) lists: BTreeMap<u32, u64>,
    /// What the step is to say.
    pub(crate) expected: Expected,
}

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

pub(crate) fn refusals() -> Bucket {
    Bucket::new(1, 10)
}

pub(crate) fn who(person: &Person) -> Who<'_> {
    Who {
        role: person.role,
        custom: person.custom.as_ref(),
        overrides: &person.overrides,
        device: &person.device,
    }
}
