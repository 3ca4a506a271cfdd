//! Join tokens of sites that embed meetings: short JSON Web Tokens (RFC 7519)
//! that a site signs with its own Ed25519 key and that open one room once.
//!
//! Everything that the format leaves open is closed: one algorithm, one key of a name, one audience,
//! a life of minutes, and nothing in it that is not known here. Whoever shows a
//! token that is not good is not told why; the log is, at `debug`.

mod jws;
mod spent;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::room::SiteClaim;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use thiserror::Error;

use jws::{Claims, Jws};
use spent::Spent;

/// Bytes of a token. A good one has some 400.
const TOKEN_BYTES: usize = 4096;
/// The longest life of a token. More would only give a thief more time.
const LIFE_S: u64 = 300;
/// By how much the clock of a site may be ahead of ours.
const AHEAD_MS: u64 = 5000;

/// A site that signs join tokens: one key of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedder {
    /// What its tokens say in `iss`.
    pub issuer: String,
    /// What they say in `kid`. No two have the same.
    pub kid: String,
    /// Its public key.
    pub key: SiteKey,
    /// The highest role that it may give.
    pub role: Role,
    /// Which rooms it may open.
    pub rooms: SiteRooms,
    /// What its tokens say in `aud`: this server.
    pub audience: String,
}

/// The rooms of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteRooms {
    /// All there are.
    All,
    /// Those of these names, whether there are such rooms or not.
    These(BTreeSet<Slug>),
}

impl SiteRooms {
    fn contain(&self, slug: &Slug) -> bool {
        match self {
            SiteRooms::All => true,
            SiteRooms::These(slugs) => slugs.contains(slug),
        }
    }
}

/// An Ed25519 public key (RFC 8032).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteKey(pub [u8; 32]);

impl SiteKey {
    /// Reads one in base64url without padding: 43 characters, as `x` of a JWK (RFC 8037).
    pub fn from_base64url(text: &str) -> Option<Self> {
        Some(SiteKey(jws::base64url(text)?.try_into().ok()?))
    }

    /// Writes it as [`SiteKey::from_base64url`] reads it.
    pub fn to_base64url(self) -> String {
        jws::to_base64url(&self.0)
    }
}

/// What is wrong with a token. For the log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Flaw {
    #[error("it is no compact JWS of at most 4096 bytes")]
    Form,
    #[error("its header is not alg EdDSA and a kid, and nothing else but typ JWT")]
    Header,
    #[error("no embedder has its kid")]
    Key,
    #[error("its signature is not that of the embedder")]
    Signature,
    #[error("its claims are not those of a join token, each once")]
    Claims,
    #[error("its iss is not that of the embedder")]
    Issuer,
    #[error("its aud is not this server")]
    Audience,
    #[error("its room is another, or not one of the embedder")]
    Room,
    #[error("its role is above that of the embedder")]
    Role,
    #[error("its exp is not after its iat and nbf, or more than 300 s after its iat")]
    Life,
    #[error("it has expired")]
    Expired,
    #[error("its iat or nbf is in the future")]
    NotYet,
    #[error("it was made before this server started")]
    BeforeStart,
    #[error("it was used")]
    Used,
    #[error("more tokens of the embedder were used lately than can be remembered")]
    TooMany,
}

/// A good token, shown by one link.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) claim: SiteClaim,
    /// How long to wait before it counts: its site's clock is ahead by so much.
    pub(crate) wait: Duration,
    pub(crate) ticket: Ticket,
}

/// Names a token that a link has shown.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Its `kid`.
    site: Arc<str>,
    /// With which it was found good.
    key: SiteKey,
    jti: [u8; 32],
}

/// The sites that there are.
#[derive(Clone)]
struct Known {
    /// Of the configuration.
    configured: Arc<[Embedder]>,
    /// Made known while the server runs, or before. One with the `kid` of a configured one is
    /// not there as long as that is.
    added: Arc<[Embedder]>,
}

impl Known {
    fn find(&self, kid: &str) -> Option<&Embedder> {
        let mut all = self.configured.iter().chain(&*self.added);
        all.find(|site| site.kid == kid)
    }
}

/// Judges tokens.
pub(crate) struct Sites {
    sites: RwLock<Known>,
    /// The first whole second of this process: who used a token that is older is not known.
    since_s: u64,
    /// By the `kid` of the site, also of one that is gone: it may come back.
    spent: Mutex<BTreeMap<Arc<str>, Spent>>,
}

impl Sites {
    /// Judges tokens that were made in the second `since_s` since 1970 or later, of sites of the
    /// configuration and of others.
    pub(crate) fn new(configured: Vec<Embedder>, added: Vec<Embedder>, since_s: u64) -> Self {
        Sites {
            spent: Mutex::default(),
            since_s,
            sites: RwLock::new(Known {
                configured: configured.into(),
                added: added.into(),
            }),
        }
    }

    /// Judges tokens of these sites of the configuration from here on. Who is in by a token stays in.
    pub(crate) fn replace(&self, configured: Vec<Embedder>) {
        self.write().configured = configured.into();
    }

    /// Judges tokens of these other sites from here on.
    pub(crate) fn replace_added(&self, added: Vec<Embedder>) {
        self.write().added = added.into();
    }

    /// Judges tokens of one of them no more.
    pub(crate) fn forget_added(&self, kid: &str) {
        let mut known = self.write();
        let others = known.added.iter().filter(|site| site.kid != kid);
        known.added = others.cloned().collect();
    }

    /// Returns the sites of the configuration.
    pub(crate) fn configured(&self) -> Arc<[Embedder]> {
        Arc::clone(&self.read().configured)
    }

    /// Sends somebody to a room unless the site that vouched is gone meanwhile, or is known by
    /// another key. Who removes the site comes after that, and finds them there.
    pub(crate) fn while_known<T>(&self, ticket: &Ticket, act: impl FnOnce() -> T) -> Option<T> {
        let known = self.read();
        let site = known.find(&ticket.site)?;
        (site.key == ticket.key).then(act)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.sites.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.sites.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a token for a room at `now`, which the wall clock calls `time`, and remembers that
    /// `link` has shown it.
    pub(crate) fn judge(
        &self,
        (now, time): (Instant, Timestamp),
        link: LinkId,
        room: &Slug,
        token: &str,
    ) -> Result<Shown, Flaw> {
        if token.len() > TOKEN_BYTES {
            return Err(Flaw::Form);
        }
        let jws = Jws::parse(token)?;
        let sites = self.read().clone();
        let site = sites.find(&jws.kid).ok_or(Flaw::Key)?;
        UnparsedPublicKey::new(&ED25519, site.key.0)
            .verify(jws.signed.as_bytes(), &jws.signature)
            .map_err(|_| Flaw::Signature)?;
        let claims = Claims::parse(&jws.payload)?;
        check(site, room, &claims)?;
        let wait = self.check_times(time, &claims)?;
        let ticket = Ticket {
            site: Arc::from(site.kid.as_str()),
            key: site.key,
            jti: jws::digest(&claims.jti),
        };
        self.with_spent(&ticket, |spent| spent.show(now, ticket.jti, link))?;
        let claim = SiteClaim {
            site: Arc::clone(&ticket.site),
            role: claims.role,
            name: claims.name,
        };
        Ok(Shown {
            claim,
            wait,
            ticket,
        })
    }

    /// Remembers that a token has brought its holder in: nobody shows it again, not even the same link.
    pub(crate) fn spend(&self, ticket: &Ticket) {
        self.with_spent(ticket, |spent| {
            spent.spend(&ticket.jti);
            Ok(())
        })
        // Only showing one is ever refused.
        .unwrap_or_default();
    }

    fn with_spent(
        &self,
        ticket: &Ticket,
        act: impl FnOnce(&mut Spent) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        act(spent.entry(Arc::clone(&ticket.site)).or_default())
    }

    /// Returns for how long the token is still in the future of our clock.
    fn check_times(&self, time: Timestamp, claims: &Claims) -> Result<Duration, Flaw> {
        let Claims { iat, nbf, exp, .. } = *claims;
        let from = nbf.map_or(iat, |nbf| nbf.max(iat));
        // Nothing beyond this year 5,000 is a time, and nothing below overflows.
        if exp > 100_000_000_000 || exp <= from || exp - iat > LIFE_S {
            return Err(Flaw::Life);
        }
        let now_ms = time.unix_ms();
        if exp * 1000 <= now_ms {
            return Err(Flaw::Expired);
        }
        let wait_ms = (from * 1000).saturating_sub(now_ms);
        if wait_ms > AHEAD_MS {
            return Err(Flaw::NotYet);
        }
        if iat < self.since_s {
            return Err(Flaw::BeforeStart);
        }
        Ok(Duration::from_millis(wait_ms))
    }
}

fn check(site: &Embedder, room: &Slug, claims: &Claims) -> Result<(), Flaw> {
    if claims.iss != site.issuer {
        return Err(Flaw::Issuer);
    }
    if claims.aud.only() != site.audience {
        return Err(Flaw::Audience);
    }
    if claims.room != *room || !site.rooms.contain(room) {
        return Err(Flaw::Room);
    }
    if claims.role.outranks(site.role) {
        return Err(Flaw::Role);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
