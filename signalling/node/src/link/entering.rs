//! What a link asks at the door of a room.

use std::ops::ControlFlow;
use std::sync::Arc;

use conclave_signalling_core::digest::{DeviceHash, TokenHash};
use conclave_signalling_core::room::{Entrant, Managing, Returning, resume_failed};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::encode_reply;
use conclave_signalling_wire::invite::{RoomCreate, RoomManage};
use conclave_signalling_wire::request::{Join, Resume};
use conclave_signalling_wire::text::Slug;
use tokio::sync::oneshot;

use crate::door;
use crate::inbox::{Inbox, Seat, ToRoom};
use crate::joins::Outcome;
use crate::link::{End, Link};
use crate::rooms;

impl Link {
    pub(super) async fn resume(&mut self, id: u32, resume: Resume) {
        let token = TokenHash::from(&resume.token);
        let Some(room) = self.registry.room_of_token(&token) else {
            return self.refuse(id, &resume_failed());
        };
        let returning = Returning {
            link: self.id,
            prefix: self.prefix,
            address: self.address,
            networks: self.registry.networks(self.address),
            id,
            token,
            last_seq: resume.last_seq,
            relay_host: Arc::clone(&self.host),
        };
        let (done, seat) = oneshot::channel();
        let message = ToRoom::Resume {
            returning: Box::new(returning),
            outbox: self.outbox.clone(),
            done,
        };
        self.asked = Some(Arc::clone(&room));
        if room.messages.send(message).await.is_err() {
            self.asked = None;
            return self.refuse(id, &resume_failed());
        }
        let seat = seat.await;
        self.asked = None;
        match seat {
            Ok(Seat::Taken) => self.room = Some(room),
            // The room has answered.
            Ok(Seat::Refused) => {}
            // The room ended before it came to this.
            Ok(Seat::Unknown | Seat::Unavailable) | Err(_) => self.refuse(id, &resume_failed()),
        }
    }

    pub(super) async fn join(&mut self, id: u32, join: Join) -> ControlFlow<End> {
        let registry = Arc::clone(&self.registry);
        let pass = match door::count_try(&registry, self.address) {
            Ok(()) => {
                let from = (self.id, self.address);
                door::judge(&registry, from, &join.room, join.credential).await
            }
            Err(error) => Err(error),
        };
        let pass = match pass {
            Ok(pass) => pass,
            Err(error) => {
                registry.join_counts.count(Outcome::TurnedAway);
                return self.turned_away(id, &join.room, &error);
            }
        };
        let entrant = Entrant {
            link: self.id,
            member: registry.draw_member(),
            prefix: self.prefix,
            address: self.address,
            networks: registry.networks(self.address),
            id,
            name: join.name,
            device: DeviceHash::from(&join.device_key),
            claim: pass.claim,
            to_lobby: pass.to_lobby,
            consent_hash: join.consent_hash,
            duplicate: join.duplicate,
            relay_host: Arc::clone(&self.host),
        };
        let (done, seat) = oneshot::channel();
        let message = ToRoom::Join {
            entrant: Box::new(entrant),
            outbox: self.outbox.clone(),
            done,
        };
        let enter = || registry.enter(pass.room, &join.room, message);
        let room = match &pass.token {
            Some(token) => match registry.sites.while_known(token, enter) {
                Some(room) => room,
                None => {
                    registry.join_counts.count(Outcome::TurnedAway);
                    return self.turned_away(id, &join.room, &pass.refusal);
                }
            },
            None => enter(),
        };
        let (outcome, went_on) = self.sit_down(id, &pass.refusal, room, seat).await;
        registry.join_counts.count(outcome);
        // A link that is in its room, or in the lobby of it.
        if let (Some(token), Some(_)) = (&pass.token, &self.room) {
            registry.sites.spend(token);
        }
        went_on
    }

    pub(super) async fn manage(&mut self, id: u32, manage: RoomManage) -> ControlFlow<End> {
        let registry = Arc::clone(&self.registry);
        let pass = match door::count_try(&registry, self.address) {
            Ok(()) => door::judge_manager(&registry, &manage.room, manage.credential).await,
            Err(error) => Err(error),
        };
        let (room, invite, refusal) = match pass {
            Ok(pass) => pass,
            Err(error) => return self.turned_away(id, &manage.room, &error),
        };
        let managing = Managing {
            link: self.id,
            id,
            invite,
            device: DeviceHash::from(&manage.device_key),
            prefix: self.prefix,
            networks: registry.networks(self.address),
            address: self.address,
        };
        let (done, seat) = oneshot::channel();
        let message = ToRoom::Manage {
            managing: Box::new(managing),
            outbox: self.outbox.clone(),
            done,
        };
        let room = registry.enter(room, &manage.room, message);
        self.sit_down(id, &refusal, room, seat).await.1
    }

    /// Waits for what a room says to a link at its door.
    async fn sit_down(
        &mut self,
        id: u32,
        refusal: &ErrorBody,
        room: Option<Arc<Inbox>>,
        seat: oneshot::Receiver<Seat>,
    ) -> (Outcome, ControlFlow<End>) {
        let unavailable = || ErrorBody::from(ErrorCode::NotAvailable).retry_after_s(1);
        let Some(room) = room else {
            self.refuse(id, &unavailable());
            return (Outcome::Unavailable, ControlFlow::Continue(()));
        };
        self.asked = Some(Arc::clone(&room));
        let seat = seat.await;
        self.asked = None;
        let outcome = match seat {
            Ok(Seat::Taken) => {
                self.room = Some(room);
                Outcome::Taken
            }
            // The room has answered.
            Ok(Seat::Refused) => Outcome::Refused,
            Ok(Seat::Unknown) => {
                self.refuse(id, refusal);
                Outcome::TurnedAway
            }
            Ok(Seat::Unavailable) => {
                self.refuse(id, &unavailable());
                Outcome::Unavailable
            }
            // The room failed over this.
            Err(_) => {
                let end = End::Close(CloseCode::Ended);
                return (Outcome::Unavailable, ControlFlow::Break(end));
            }
        };
        (outcome, ControlFlow::Continue(()))
    }

    fn turned_away(&self, id: u32, room: &Slug, error: &ErrorBody) -> ControlFlow<End> {
        let registry = &self.registry;
        let room = registry.directory.find(room).map(|door| door.id);
        registry.refusals.count(error.code, room, self.prefix);
        self.refuse(id, error);
        ControlFlow::Continue(())
    }

    pub(super) async fn create(&mut self, id: u32, create: RoomCreate) {
        let made = rooms::create_over_link(&self.registry, self.address, create).await;
        match made {
            Ok(created) => self.outbox.send(encode_reply(id, &created)),
            Err(error) => self.refuse(id, &error),
        }
    }
}
