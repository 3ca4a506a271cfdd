//! Who may come before a room, and what it costs to try.
//!
//! A room that does not exist behaves like one with a password that nobody
//! knows, byte for byte and hash for hash.

use std::net::IpAddr;

use conclave_signalling_core::credential::{self, Check, refusal};
use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::rate::seconds;
use conclave_signalling_core::room::Claim;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::request::Credential;
use conclave_signalling_wire::secret::{InviteSecret, SecretText};
use conclave_signalling_wire::text::Slug;
use tokio::time::{Duration, Instant, sleep};
use tracing::{debug, error, warn};

use crate::directory::{Door, Lock};
use crate::hashing::{Busy, Expected, busy};
use crate::registry::Registry;
use crate::sites::{Flaw, Ticket};

/// Why somebody may not, in the words of the protocol.
pub(crate) type Refusal = Box<ErrorBody>;

/// What somebody may show to a room, which judges the rest.
pub(crate) struct Pass {
    pub(crate) room: RoomId,
    pub(crate) claim: Claim,
    /// Whether so many wrong passwords were tried that right ones wait in the lobby.
    pub(crate) to_lobby: bool,
    /// What its holder is told should the room be gone by then.
    pub(crate) refusal: Refusal,
    /// The token of an embedding site, to be spent when it has brought its holder in.
    pub(crate) token: Option<Ticket>,
}

/// Counts a try of a source, whatever comes of it, so that a guess costs as much as a hit.
pub(crate) fn count_try(registry: &Registry, address: IpAddr) -> Result<(), Refusal> {
    let now = Instant::now().into_std();
    registry.joins.take(now, address).map_err(limited)
}

/// Judges the credential that a link shows with a join.
pub(crate) async fn judge(
    registry: &Registry,
    (link, address): (LinkId, IpAddr),
    slug: &Slug,
    credential: Credential,
) -> Result<Pass, Refusal> {
    let door = registry.directory.find(slug);
    let door = door.as_deref();
    let time = registry.time();
    let is_open = door.is_some_and(|door| door.is_open() && !door.is_closed(time));
    let check = credential::judge(is_open, &credential)?;
    let refusal = Box::new(refusal(&credential));
    let mut token = None;
    let passed = match (check, credential) {
        (Check::Nothing, _) => door.map(|door| (door.id, Claim::Open)),
        (Check::Invite, Credential::Invite { secret }) => {
            let known = present(registry, door, &secret).await?;
            known.map(|(room, invite)| (room, Claim::Invite(invite)))
        }
        (Check::Password, Credential::Password { password }) => {
            guess(registry, address, slug, door, password).await?
        }
        (Check::Token, Credential::Token { jwt }) => {
            let shown = signed(registry, (link, address), slug, &jwt).await?;
            let known = shown.zip(door.map(|door| door.id));
            known.map(|((claim, ticket), room)| {
                token = Some(ticket);
                (room, claim)
            })
        }
        _ => None,
    };
    let is_password = matches!(passed, Some((_, Claim::Password { .. })));
    match passed {
        Some((room, claim)) => Ok(Pass {
            room,
            claim,
            to_lobby: is_password && registry.guesses().is_besieged(now(), slug),
            refusal,
            token,
        }),
        None if matches!(check, Check::Password | Check::Token) => {
            let wait = registry.guesses().count(now(), address, slug);
            Err(match wait {
                Some(wait) => Box::new(refusal.retry_after_s(seconds(wait))),
                None => refusal,
            })
        }
        None => Err(refusal),
    }
}

/// Judges the credential of somebody who wants to manage a room. Returns the
/// room, the invite, and what its holder is told should the room be gone by then.
pub(crate) async fn judge_manager(
    registry: &Registry,
    slug: &Slug,
    credential: Credential,
) -> Result<(RoomId, InviteHash, Refusal), Refusal> {
    let refusal = Box::new(refusal(&credential));
    let Credential::Invite { secret } = credential else {
        return Err(Box::new(ErrorBody::bad("credential.kind")));
    };
    let door = registry.directory.find(slug);
    match present(registry, door.as_deref(), &secret).await? {
        Some((room, invite)) => Ok((room, invite, refusal)),
        None => Err(refusal),
    }
}

/// Says that something was done too often.
pub(crate) fn limited(wait: Duration) -> Refusal {
    let error = ErrorBody::from(ErrorCode::RateLimited);
    Box::new(error.retry_after_s(seconds(wait)))
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Looks whether a room ever made an invite with this secret. Whether it still
/// holds is for the room to say.
async fn present(
    registry: &Registry,
    door: Option<&Door>,
    secret: &InviteSecret,
) -> Result<Option<(RoomId, InviteHash)>, Refusal> {
    let hash = InviteHash::from(secret);
    let room = door.map(|door| door.id);
    match registry.store.has_invite(room, &hash).await {
        Ok(is_known) => Ok(room.filter(|_| is_known).map(|room| (room, hash))),
        Err(error) => {
            error!(%error, "an invite could not be looked up");
            Err(Box::new(busy()))
        }
    }
}

/// Judges a token of an embedding site. Bad ones count as wrong passwords do.
async fn signed(
    registry: &Registry,
    (link, address): (LinkId, IpAddr),
    slug: &Slug,
    jwt: &SecretText,
) -> Result<Option<(Claim, Ticket)>, Refusal> {
    registry
        .guesses()
        .check(now(), address, slug)
        .map_err(limited)?;
    let at = (now(), registry.time());
    match registry.sites.judge(at, link, slug, jwt.reveal()) {
        Ok(shown) => {
            // A token that was used before a restart is never younger than that:
            // none is taken before our clock has come to its time.
            sleep(shown.wait).await;
            Ok(Some((Claim::Site(shown.claim), shown.ticket)))
        }
        Err(flaw @ Flaw::TooMany) => {
            warn!(room = %slug, %flaw, "a join token is not taken");
            Err(Box::new(busy()))
        }
        Err(flaw) => {
            debug!(room = %slug, %flaw, "a join token is not good");
            Ok(None)
        }
    }
}

/// Compares a password with that of a room, or with none in the same time.
async fn guess(
    registry: &Registry,
    address: IpAddr,
    slug: &Slug,
    door: Option<&Door>,
    password: SecretText,
) -> Result<Option<(RoomId, Claim)>, Refusal> {
    let check = || {
        registry
            .guesses()
            .check(now(), address, slug)
            .map_err(limited)
    };
    check()?;
    let turn = registry
        .pool
        .turn_of(address)
        .await
        .map_err(|Busy| Box::new(busy()))?;
    // Others of the same source may have been wrong while this one waited.
    check()?;
    let (known, hash) = match door.map(|door| (door.id, &door.lock)) {
        Some((id, Lock::Password { hash, rev })) => {
            let claim = Claim::Password { rev: *rev };
            (Some((id, claim)), Expected::Hash(hash.clone()))
        }
        _ => (None, Expected::Nothing(registry.directory.cost_of(slug))),
    };
    let is_right = turn
        .verify(hash, password)
        .await
        .map_err(|Busy| Box::new(busy()))?;
    Ok(known.filter(|_| is_right))
}
