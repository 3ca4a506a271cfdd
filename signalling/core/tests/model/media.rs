//! The model of what somebody publishes, and of what the media plane answers.

use conclave_sfu_wire::control::{Event, MemberKey};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::{Permission, Source};
use conclave_signalling_wire::request::{MediaPublish, TrackState};

use crate::model::{Answer, Asked, Model, Publication, SHARE, To};
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, done, from_source};

impl Model {
    pub(crate) fn track_state(&mut self, key: MemberKey, state: &TrackState) -> Answer {
        let may = self.holds(key, Permission::to_publish(state.source));
        if !state.muted && !may {
            return Err(FORBIDDEN);
        }
        let Some(person) = self.people.get_mut(&key) else {
            return Err((ErrorCode::NotFound, None));
        };
        let (live, asked) = (
            person.live.get_mut(&state.source),
            person.asked.get_mut(&state.source),
        );
        if live.is_none() && asked.is_none() {
            return Err((ErrorCode::NotFound, Some("source")));
        }
        if let Some(live) = live.filter(|live| live.muted != state.muted) {
            (live.muted, live.by) = (state.muted, None);
        }
        if let Some(asked) = asked.filter(|asked| asked.muted != state.muted) {
            (asked.muted, asked.by) = (state.muted, None);
        }
        done()
    }

    /// Ten a minute, each with a credential of its own.
    pub(crate) fn refresh_relay(&mut self, key: MemberKey) -> Answer {
        let now = self.now;
        if let Some(person) = self.people.get_mut(&key) {
            person.refreshed.retain(|time| now - time < 60_000);
            if person.refreshed.len() >= 10 {
                return Err((ErrorCode::RateLimited, None));
            }
            person.refreshed.push(now);
        }
        Ok(Some(Outcome::ok(format!("relay [\"{}\"]", key.0))))
    }

    pub(crate) fn publish(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        to: To,
        publish: &MediaPublish,
    ) -> Answer {
        let source = publish.source;
        let is_sound = source == Source::ScreenAudio;
        if !self.holds(key, Permission::to_publish(source))
            || is_sound && !self.holds(key, Permission::PublishScreen)
        {
            self.end(key, &[source], ErrorCode::Conflict);
            return Err(FORBIDDEN);
        }
        let cap = match source {
            Source::Microphone => self.room.caps.microphone,
            Source::Camera => self.room.caps.camera,
            Source::Screen | Source::ScreenAudio => None,
        };
        let others = self.people.iter().filter(|(other, person)| {
            **other != key
                && (person.live.contains_key(&source) || person.asked.contains_key(&source))
        });
        if cap.is_some_and(|cap| others.count() >= cap as usize) {
            self.end(key, &[source], ErrorCode::Conflict);
            return Err((ErrorCode::Full, Some("source")));
        }
        if SHARE.contains(&source) {
            self.acquire(key)?;
        }
        let To::Link(link, id) = to else {
            return Ok(None);
        };
        let deadline = self.now + 10_000;
        let Some(person) = self.people.get_mut(&key) else {
            return Ok(None);
        };
        if person
            .asked
            .get(&source)
            .is_some_and(|asked| asked.link == link)
        {
            return Err((ErrorCode::Conflict, None));
        }
        let Some(attempt) = seen.attempts.pop() else {
            // The command that is missing is complained about: nobody answers.
            return Ok(Some(Outcome::ok("publish")));
        };
        let asked = Asked {
            link,
            id,
            attempt,
            muted: publish.muted,
            by: None,
            deadline,
        };
        person.asked.insert(source, asked);
        Ok(None)
    }

    pub(crate) fn media(&mut self, seen: &mut Seen, event: &Event) {
        match event {
            Event::Published {
                member,
                attempt,
                source,
                ..
            } => self.published(*member, *attempt, from_source(*source)),
            Event::PublishRefused {
                member,
                attempt,
                source,
                ..
            } => self.publish_refused(*member, *attempt, from_source(*source)),
            Event::Passed { number, .. } => {
                if let Some((key, words, _)) = self.late.remove(number) {
                    self.expected.told.push((key, words));
                }
                if let Some((to, outcome, _)) = self.held.remove(number) {
                    self.tell_if_there(to, outcome);
                }
            }
            _ => {}
        }
        self.settle(seen);
    }

    pub(crate) fn take_asked(
        &mut self,
        key: MemberKey,
        attempt: u32,
        source: Source,
    ) -> Option<Asked> {
        let person = self.people.get_mut(&key)?;
        let asked = person.asked.get(&source)?;
        (asked.attempt == attempt).then(|| person.asked.remove(&source))?
    }

    pub(crate) fn published(&mut self, key: MemberKey, attempt: u32, source: Source) {
        let Some(asked) = self.take_asked(key, attempt, source) else {
            return;
        };
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        let publication = Publication {
            muted: asked.muted,
            by: asked.by,
        };
        person.live.insert(source, publication);
        let is_here = person.link == Some(asked.link);
        if source == Source::Screen {
            for share in self.shares.iter_mut().filter(|share| share.holder == key) {
                share.until = None;
            }
        }
        if is_here {
            self.tell(To::Link(asked.link, asked.id), Outcome::ok("published"));
        }
    }

    pub(crate) fn publish_refused(&mut self, key: MemberKey, attempt: u32, source: Source) {
        let Some(asked) = self.take_asked(key, attempt, source) else {
            return;
        };
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        person.live.remove(&source);
        if person.link == Some(asked.link) {
            let to = To::Link(asked.link, asked.id);
            self.tell(to, Outcome::no(ErrorCode::BadRequest));
        }
        if source == Source::Screen {
            self.end_share(key, ErrorCode::Conflict);
        }
    }
}
