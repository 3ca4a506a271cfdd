//! Screens: who shares, who takes over, who looks.

use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{RequestId, TrackId};
use conclave_signalling_wire::limits::{REQUEST_WITHIN, SCREENS};
use conclave_signalling_wire::moderation::{RequestAnswer, RevokedReason};
use conclave_signalling_wire::objects::{Permission, ScreenPolicy, Source};
use conclave_signalling_wire::request::{ScreenPause, ScreenStart, ScreenTakeoverReply};
use conclave_signalling_wire::screen::{
    ScreenOutcome, ScreenTakeoverAnswered, ScreenTakeoverRequested, ScreenViewers,
};

use crate::handover::Offer;
use crate::media::to_source;
use crate::output::{Notice, Reply};
use crate::permission::may_act_on;
use crate::rate::seconds;
use crate::record::Actor;
use crate::room::Room;
use crate::room::audit::Act;
use crate::room::enforce::SHARE;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker, not_published};

impl Room {
    pub(super) fn start_screen(
        &mut self,
        now: Instant,
        asker: Asker,
        start: ScreenStart,
    ) -> Answer {
        self.require(asker.key, Permission::PublishScreen)?;
        if start.audio {
            self.require(asker.key, Permission::PublishScreenAudio)?;
        }
        let track = TrackId::new(self.clock.at(now).unix_ms(), self.random());
        let busy = match self.acquire_screen(now, asker.key, track) {
            Ok(share_id) => return Ok(Some(Reply::Screen(ScreenOutcome::Granted { share_id }))),
            Err(busy) => busy,
        };
        let may_take_over = start.take_over && self.settings.screen == ScreenPolicy::OneTakeover;
        match self.screens.only_holder().filter(|_| may_take_over) {
            Some(holder) => self.take_over(asker, holder, track, busy),
            None => Err(busy),
        }
    }

    /// Gives somebody a place for a share, or says by whom it is taken.
    pub(super) fn acquire_screen(
        &mut self,
        now: Instant,
        key: MemberKey,
        track: TrackId,
    ) -> Result<TrackId, ErrorBody> {
        let most = match self.settings.screen {
            ScreenPolicy::Off => 0,
            ScreenPolicy::One | ScreenPolicy::OneTakeover => 1,
            ScreenPolicy::Many => SCREENS,
        };
        let acquired = self.screens.acquire(now, key, track, most);
        acquired.map_err(|_| {
            let busy = ErrorBody::from(ErrorCode::Busy);
            let holder = self.screens.only_holder();
            let holder = holder.and_then(|holder| self.members.get(&holder));
            match holder {
                Some(member) if self.is_known_to(key, member.face.id) => busy.by(member.face.id),
                _ => busy,
            }
        })
    }

    /// Takes the share from its holder, or asks it.
    fn take_over(
        &mut self,
        asker: Asker,
        holder: MemberKey,
        track: TrackId,
        busy: ErrorBody,
    ) -> Answer {
        let own = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let other = self.members.get(&holder).ok_or(ErrorCode::NotFound)?;
        let outranks = may_act_on(own.face.role, other.face.role);
        if outranks && self.require(asker.key, Permission::ScreenTakeover).is_ok() {
            let share_id = self.pass_screen(holder, asker.key, track, "at once")?;
            let granted = ScreenOutcome::Granted { share_id };
            return self.once_stopped(asker.to(), Reply::Screen(granted));
        }
        let by = own.face.id;
        let share = self.screens.track_of(holder).ok_or(ErrorCode::NotFound)?;
        if let Some((_, pending)) = self.takeovers.iter().next() {
            let is_own = pending.asker == asker.key;
            return Err(if is_own {
                ErrorCode::Conflict.into()
            } else {
                busy
            });
        }
        let request = RequestId::new(self.time().unix_ms(), self.random());
        let pair = (asker.key, holder);
        let made = self.takeovers.make(self.now, request, pair, share);
        made.map_err(too_fast)?;
        let requested = ScreenTakeoverRequested {
            request,
            by: Some(by).filter(|by| self.is_known_to(holder, *by)),
            expires_s: seconds(REQUEST_WITHIN),
        };
        self.tell(holder, &Notice::new(requested));
        Ok(Some(Reply::Screen(ScreenOutcome::Asked { request })))
    }

    /// Ends the share of one and gives its place to another.
    fn pass_screen(
        &mut self,
        from: MemberKey,
        to: MemberKey,
        track: TrackId,
        how: &str,
    ) -> Result<TrackId, ErrorBody> {
        let taker = self.members.get(&to).ok_or(ErrorCode::NotFound)?;
        let (by, prefix) = (taker.face.id, taker.prefix);
        let holder = self.members.get(&from).map(|holder| holder.face.id);
        self.audit(Act {
            actor: Actor::Participant(by),
            prefix: Some(prefix),
            action: "screen.takeover",
            target: holder.map(|holder| holder.to_string()),
            detail: Some(how.to_owned()),
        });
        let seen = Some(by).filter(|by| self.is_known_to(from, *by));
        self.revoke(from, Source::Screen, RevokedReason::TakenOver, seen);
        self.acquire_screen(self.now, to, track)
    }

    pub(super) fn answer_takeover(
        &mut self,
        now: Instant,
        asker: Asker,
        reply: ScreenTakeoverReply,
    ) -> Answer {
        let ScreenTakeoverReply { request, answer } = reply;
        let offer = self.takeovers.answer(now, request, asker.key);
        let offer = offer.ok_or_else(|| ErrorBody::from(ErrorCode::NotFound).field("request"))?;
        if answer != RequestAnswer::Accept || !self.is_takeover_open(&offer) {
            self.tell_taker(request, &offer, None);
            return Ok(Some(Reply::Done));
        }
        let track = TrackId::new(self.time().unix_ms(), self.random());
        let share_id = self.pass_screen(offer.asked, offer.asker, track, "accepted")?;
        // Both hear of it when the old share is seen by nobody any more.
        let answered = ScreenTakeoverAnswered {
            request,
            share_id: Some(share_id),
        };
        self.tell_once_stopped(offer.asker, Notice::new(answered));
        self.once_stopped(asker.to(), Reply::Done)
    }

    fn tell_taker(
        &mut self,
        request: RequestId,
        offer: &Offer<TrackId>,
        share_id: Option<TrackId>,
    ) {
        let answered = ScreenTakeoverAnswered { request, share_id };
        self.tell(offer.asker, &Notice::new(answered));
    }

    /// Returns whether the share in question is still there to be given, and may
    /// be taken by who asked for it.
    fn is_takeover_open(&self, offer: &Offer<TrackId>) -> bool {
        self.settings.screen == ScreenPolicy::OneTakeover
            && self.screens.track_of(offer.asked) == Some(offer.what)
            && self.screens.only_holder() == Some(offer.asked)
            && self.require(offer.asker, Permission::PublishScreen).is_ok()
    }

    /// Answers those who asked for a share where nobody does it in time or can.
    fn settle_takeovers(&mut self) {
        let pending = self.takeovers.iter();
        let void: Vec<_> = pending
            .filter(|(_, offer)| offer.is_over(self.now) || !self.is_takeover_open(offer))
            .collect();
        for (request, offer) in void {
            self.takeovers.withdraw(request);
            self.tell_taker(request, &offer, None);
        }
    }

    /// Pauses the own share, or lets it go on. Its sound goes on only if it was
    /// not muted before.
    pub(super) fn pause_screen(&mut self, asker: Asker, pause: ScreenPause) -> Answer {
        let ScreenPause { on } = pause;
        let member = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let publications = &member.publications;
        let is_paused = publications.is_muted(Source::Screen);
        if is_paused.ok_or_else(not_published)? == on {
            return Ok(Some(Reply::Done));
        }
        let is_silent = publications.is_muted(Source::ScreenAudio) == Some(true);
        if on {
            self.screens.note_silence(asker.key, is_silent);
        } else {
            self.require(asker.key, Permission::PublishScreen)?;
        }
        let sounds = self.require(asker.key, Permission::PublishScreenAudio);
        let keeps_silent = !on && (self.screens.was_silent(asker.key) || sounds.is_err());
        let sources = if keeps_silent {
            &SHARE[..1]
        } else {
            &SHARE[..]
        };
        for source in sources.iter().copied() {
            let member = self.members.get_mut(&asker.key);
            let changed = member.and_then(|member| member.publications.set_muted(source, on, None));
            if changed == Some(true) {
                self.command(Command::SetMuted {
                    member: asker.key,
                    source: to_source(source),
                    muted: on,
                });
            }
        }
        self.update_sources(asker.key);
        Ok(Some(Reply::Done))
    }

    /// Takes account of what happened to shares and of who looks at them.
    pub(super) fn settle_screens(&mut self) {
        self.settle_takeovers();
        for holder in self.screens.live() {
            let members = self.members.values();
            let viewers = members.filter(|member| member.screens.contains(&holder));
            let count = u32::try_from(viewers.count()).unwrap_or(u32::MAX);
            if self.screens.count_viewers(self.now, holder, count) {
                self.tell(holder, &Notice::new(ScreenViewers { count }));
            }
        }
    }

    /// Tells somebody who shares how many see it, whose link knows nothing.
    pub(super) fn tell_viewers(&mut self, key: MemberKey) {
        if let Some(count) = self.screens.viewers_of(key) {
            self.tell(key, &Notice::new(ScreenViewers { count }));
        }
    }
}
