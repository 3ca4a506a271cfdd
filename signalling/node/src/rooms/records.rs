//! What the operator does with what a room remembers: its chat, its bans and its
//! invites, whether somebody is in it or not.

use std::net::IpAddr;

use conclave_signalling_core::output::{OperatorReply, Reply};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::room::{BanOn, ChatPage, InvitePatch, NewBan, OperatorRequest};
use conclave_signalling_wire::chat::{ChatClear, ChatDelete, ChatExport, ChatExported};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{BanId, InviteId, MessageId, ParticipantId, RoomId};
use conclave_signalling_wire::invite::InviteInfo;
use conclave_signalling_wire::text::{Prose, Slug};
use futures_util::stream::{self, StreamExt};

use crate::rooms::orders::unexpected;
use crate::rooms::{Rooms, RoomsError};

/// Rooms that are asked at once to take invites back: each is read from the disk.
const ROOMS_AT_ONCE: usize = 16;

/// A ban to be made.
#[derive(Clone)]
pub struct NewRoomBan {
    /// On whom.
    pub on: BanTarget,
    /// A name for those who see the list; of a participant its own.
    pub name: Option<Prose>,
    /// Why.
    pub reason: Option<Prose>,
    /// Seconds that it lasts, 60 to 31,536,000, of a network at most 86,400; a
    /// day, without it.
    pub ttl_s: Option<u32>,
    /// Whether who matches by the network alone is refused and does not wait.
    pub strict: bool,
}

/// Whom a ban is on. An address is remembered as a keyed hash only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BanTarget {
    /// Somebody in the room, who is removed.
    Participant(ParticipantId),
    /// Who came by an invite for one person.
    Invite(InviteId),
    /// Everybody from the network of an address: an IPv4 address, or the /64 of
    /// an IPv6 address.
    Network(IpAddr),
}

impl Rooms {
    /// Returns messages after a number that are not private, at most 100: of the
    /// meeting that goes on, and what is kept of others. It is written down who read.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn chat_list(
        &self,
        slug: &Slug,
        (after, limit): (u32, usize),
        by: Actor,
    ) -> Result<ChatPage, RoomsError> {
        let request = OperatorRequest::Chat { after, limit };
        match self.ask(slug, request, by).await? {
            OperatorReply::Chat(page) => Ok(*page),
            _ => Err(unexpected()),
        }
    }

    /// Returns a piece of the chat as a file, and after which number the next one begins.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn chat_export(
        &self,
        slug: &Slug,
        export: ChatExport,
        by: Actor,
    ) -> Result<ChatExported, RoomsError> {
        match self.act(slug, export, by).await? {
            Reply::ChatExported(piece) => Ok(piece),
            _ => Err(unexpected()),
        }
    }

    /// Deletes a message that is not private.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found`.
    pub async fn chat_delete(
        &self,
        slug: &Slug,
        message: MessageId,
        by: Actor,
    ) -> Result<(), RoomsError> {
        self.act(slug, ChatDelete { id: message }, by)
            .await
            .map(drop)
    }

    /// Deletes all messages that are not private, up to a number or all.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn chat_clear(
        &self,
        slug: &Slug,
        up_to: Option<u32>,
        by: Actor,
    ) -> Result<(), RoomsError> {
        let request = OperatorRequest::ClearChat(ChatClear { up_to });
        self.ask(slug, request, by).await.map(drop)
    }

    /// Makes a ban.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found` for a participant or an invite that
    /// there is not; `bad_request` for a time that is no ban, and for an invite
    /// that is for more than one person or for hosts.
    pub async fn ban_create(
        &self,
        slug: &Slug,
        ban: NewRoomBan,
        by: Actor,
    ) -> Result<BanId, RoomsError> {
        let on = match ban.on {
            BanTarget::Participant(participant) => BanOn::Participant(participant),
            BanTarget::Invite(invite) => BanOn::Invite(invite),
            BanTarget::Network(address) => {
                // The newest key comes first, and is remembered the longest.
                let newest = self.registry.networks(address).into_iter().next();
                BanOn::Network(newest.ok_or_else(unexpected)?)
            }
        };
        let new = NewBan {
            on,
            name: ban.name,
            reason: ban.reason,
            ttl_s: ban.ttl_s,
            strict: ban.strict,
        };
        let request = OperatorRequest::Ban(Box::new(new));
        match self.ask(slug, request, by).await? {
            OperatorReply::Said(reply) => match *reply {
                Reply::Removed(removed) => removed.ban.ok_or_else(unexpected),
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        }
    }

    /// Returns an invite, without its secret.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found`.
    pub async fn invite_get(
        &self,
        slug: &Slug,
        invite: InviteId,
        by: Actor,
    ) -> Result<InviteInfo, RoomsError> {
        self.invite_of(slug, OperatorRequest::ShowInvite(invite), by)
            .await
    }

    /// Changes an invite, and returns what it is then.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`]; `not_found`; `conflict` for one that was taken
    /// back; `bad_request`.
    pub async fn invite_patch(
        &self,
        slug: &Slug,
        invite: InviteId,
        patch: InvitePatch,
        by: Actor,
    ) -> Result<InviteInfo, RoomsError> {
        let request = OperatorRequest::ChangeInvite {
            invite,
            patch: Box::new(patch),
        };
        self.invite_of(slug, request, by).await
    }

    /// Takes all invites of a room back that `maker` made, and removes who is in
    /// it by them. Returns how many there were.
    ///
    /// # Errors
    /// [`RoomsError::UnknownRoom`], or `not_available`.
    pub async fn revoke_made_in(
        &self,
        slug: &Slug,
        maker: Actor,
        by: Actor,
    ) -> Result<usize, RoomsError> {
        let request = OperatorRequest::RevokeMadeBy(maker);
        match self.ask(slug, request, by).await? {
            OperatorReply::Invites(revoked) => Ok(revoked.invites.len()),
            _ => Err(unexpected()),
        }
    }

    /// Does the same in all rooms, and forgets the embedding sites that `maker` made known: to be
    /// called after nobody can make more of them as `maker`. Returns how many invites there were.
    ///
    /// # Errors
    /// The first room in which it did not succeed, after all were tried, or those
    /// of the store.
    pub async fn revoke_made_by(&self, maker: Actor, by: Actor) -> Result<usize, RoomsError> {
        let forgotten = self.forget_embedders_by(maker, by).await;
        let ids: Vec<RoomId> = self.registry.store.rooms_with_invites_by(maker).await?;
        let slugs = ids.into_iter();
        let slugs = slugs.filter_map(|id| self.registry.directory.slug_of(id));
        let revoked: Vec<Result<usize, RoomsError>> = stream::iter(slugs)
            .map(|slug| async move {
                match self.revoke_made_in(&slug, maker, by).await {
                    // It was deleted meanwhile, with its invites.
                    Err(RoomsError::UnknownRoom) => Ok(0),
                    Err(RoomsError::Refused(error)) if error.code == ErrorCode::NotFound => Ok(0),
                    revoked => revoked,
                }
            })
            .buffer_unordered(ROOMS_AT_ONCE)
            .collect()
            .await;
        forgotten?;
        revoked.into_iter().sum()
    }

    async fn invite_of(
        &self,
        slug: &Slug,
        request: OperatorRequest,
        by: Actor,
    ) -> Result<InviteInfo, RoomsError> {
        let missing = || ErrorBody::from(ErrorCode::NotFound).field("invite").into();
        match self.ask(slug, request, by).await? {
            OperatorReply::Invites(found) => found.invites.into_iter().next().ok_or_else(missing),
            _ => Err(unexpected()),
        }
    }
}
