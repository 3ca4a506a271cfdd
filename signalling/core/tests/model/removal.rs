//! The model of removals and bans.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::record::{Actor, Ban};
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::request::{BanOrder, ParticipantRemove};

use crate::door::Verdict;
use crate::model::{Answer, Authority, Model, Refusal, To, at};
use crate::seen::{Outcome, Seen};
use crate::verbs::{bad, done, require};

impl Model {
    pub(crate) fn remove(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &ParticipantRemove,
    ) -> Answer {
        require(by, Permission::ParticipantRemove)?;
        let target = self.lower(by, order.participant)?;
        if order.ban.is_some() {
            require(by, Permission::ParticipantBan)?;
        }
        let device = self.people[&target].device;
        if let Some(ban) = &order.ban {
            self.ban(seen, by, target, ban, order)?;
        }
        self.mark(target, true);
        let removals = self
            .standing(&device)
            .map_or(0, |standing| standing.removals);
        let is_banned = order.ban.is_some();
        for key in self.lower_pages(by, device) {
            self.send_away(key);
        }
        self.once_stopped(seen, to, format!("removed {removals} ban {is_banned}"))
    }

    pub(crate) fn send_away(&mut self, key: MemberKey) {
        let Some(person) = self.take_out(key) else {
            return;
        };
        self.forget_reader(person.device);
        if let Some(link) = person.link {
            self.close(link, CloseCode::Removed);
        }
    }

    pub(crate) fn ban(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        target: MemberKey,
        order: &BanOrder,
        removal: &ParticipantRemove,
    ) -> Result<(), Refusal> {
        let ttl_s = order.ttl_s.unwrap_or(86_400);
        if !(60..=31_536_000).contains(&ttl_s) {
            return Err(bad("ban.ttl_s"));
        }
        let person = &self.people[&target];
        let (person_device, person_id) = (person.device, person.id);
        let known = person.invite.and_then(|id| self.invites.get(&id));
        // That of a host, or of many, is not banned with one of them.
        let known = known.filter(|invite| {
            (invite.max_uses == Some(1) || invite.name.is_some()) && invite.role != Role::Host
        });
        let now = self.now;
        let expires_at = now + 1000 * u64::from(ttl_s);
        let Some(id) = seen.bans.pop().map(|ban| ban.id) else {
            return Ok(());
        };
        let ban = Ban {
            id,
            invite: known.map(|invite| invite.id),
            device: Some(person.device),
            network: person.networks.first().copied(),
            network_until: at(expires_at.min(now + 86_400_000)),
            strict: order.strict,
            name: Some(person.name.as_str().to_owned()),
            reason: removal
                .reason
                .as_ref()
                .map(|reason| reason.as_str().to_owned()),
            by: by.actor,
            created_at: at(now),
            expires_at: at(expires_at),
        };
        self.bans.retain(|ban| now < ban.expires_at.unix_ms());
        self.bans.push(ban);
        let (device, maker) = (person_device, Actor::Participant(person_id));
        let made = self.invites.values().filter(|invite| {
            let is_own = invite.maker == Some(device) || invite.created_by == maker;
            is_own && invite.revoked_at.is_none()
        });
        for made in made.map(|invite| invite.id).collect::<Vec<_>>() {
            self.take_back(seen, by, made);
        }
        let waiting: Vec<KnockId> = self
            .waiting
            .iter()
            .filter(|(_, waiter)| {
                let candidate = self.candidate(waiter.visitor.clone());
                candidate.is_ok_and(|one| one.verdict == Verdict::Banned)
            })
            .map(|(knock, _)| *knock)
            .collect();
        for knock in waiting {
            self.dismiss(seen, knock, by.actor.participant(), 0);
        }
        Ok(())
    }

    pub(crate) fn list_bans(&self, by: &Authority) -> Answer {
        require(by, Permission::BanManage)?;
        let now = self.now;
        let mut ids: Vec<_> = self
            .bans
            .iter()
            .filter(|ban| now < ban.expires_at.unix_ms())
            .map(|ban| ban.id)
            .collect();
        ids.sort_unstable();
        ids.reverse();
        Ok(Some(Outcome::ok(format!("bans {ids:?}"))))
    }

    pub(crate) fn lift(&mut self, id: conclave_signalling_wire::ids::BanId) -> Answer {
        let before = self.bans.len();
        self.bans.retain(|ban| ban.id != id);
        if self.bans.len() == before {
            return Err((ErrorCode::NotFound, Some("ban")));
        }
        done()
    }
}
