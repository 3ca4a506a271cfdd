//! What a step said, against what the model says that it should.

use std::collections::{BTreeMap, BTreeSet};

use conclave_sfu_wire::control::{Command, MemberKey, Source as ShardSource};
use conclave_signalling_core::output::{LinkId, Output, Reply};
use conclave_signalling_core::record::Change;
use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::reply::{HelloOutcome, JoinOutcome, Joined};
use conclave_signalling_wire::secret::ResumeToken;

use crate::calling::unnamed;
use crate::client::{Client, Seat};
use crate::seen::{Said, operator_words, told, words};
use crate::verbs::from_source;
use crate::world::{Token, World};

/// Fails with a text unless both lists hold the same.
pub(crate) fn same<T: Ord + std::fmt::Debug>(
    what: &str,
    expected: impl IntoIterator<Item = T>,
    got: impl IntoIterator<Item = T>,
) -> Result<(), String> {
    let mut expected: Vec<T> = expected.into_iter().collect();
    let mut got: Vec<T> = got.into_iter().collect();
    expected.sort_unstable();
    got.sort_unstable();
    if expected == got {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}"))
}

impl World {
    pub(crate) fn compare(
        &mut self,
        outputs: &[Output],
        before: &BTreeMap<LinkId, MemberKey>,
    ) -> Result<(), String> {
        for client in self.clients.values_mut() {
            (client.is_room_new, client.is_changed) = (false, false);
            client.is_arrival = false;
            client.shown = None;
        }
        self.compare_answers(outputs)?;
        self.compare_order(outputs)?;
        self.compare_media(outputs, before)?;
        self.compare_told(outputs, before)?;
        let mut audits = Vec::new();
        for output in outputs {
            self.deliver(output)?;
            match output {
                Output::Persist(change) => {
                    self.store.keep(change);
                    self.told.hear(self.store.id, change)?;
                    if let Change::Audit(entry) = change {
                        audits.push((entry.action.clone(), entry.outcome.clone()));
                    }
                }
                Output::Media(command) => self.shard.take(command)?,
                Output::TokenIssued(token) => {
                    if !self.live_tokens.insert(*token) {
                        return Err("a token was issued twice".to_owned());
                    }
                }
                Output::TokenRevoked(token) => {
                    if !self.live_tokens.remove(token) {
                        return Err("a token was revoked that was none".to_owned());
                    }
                }
                _ => {}
            }
        }
        let expected = self.model.expected.audits.iter().cloned();
        same("audit", expected.collect::<Vec<_>>(), audits)
    }

    fn compare_answers(&self, outputs: &[Output]) -> Result<(), String> {
        let mut said = BTreeMap::new();
        let mut operator = BTreeMap::new();
        let mut closes = Vec::new();
        let mut released = Vec::new();
        for output in outputs {
            let (place, answer) = match output {
                Output::Reply { link, id, ok } => ((*link, *id), Said::Ok(words(ok))),
                Output::Refuse { link, id, error } => {
                    ((*link, *id), Said::No(error.code, error.field.clone()))
                }
                Output::Operator { ticket, answer } => {
                    let answer = match answer.as_ref() {
                        Ok(reply) => Said::Ok(operator_words(reply)),
                        Err(error) => Said::No(error.code, error.field.clone()),
                    };
                    operator.insert(*ticket, answer);
                    continue;
                }
                Output::Close { link, code } => {
                    closes.push((*link, code.number()));
                    continue;
                }
                Output::Release { link } => {
                    released.push(*link);
                    continue;
                }
                _ => continue,
            };
            if said.insert(place, answer).is_some() {
                return Err(format!("{place:?} was answered twice"));
            }
        }
        let expected = &self.model.expected;
        for (link, id, outcome) in &expected.answers {
            let answer = said.remove(&(*link, *id));
            if !answer.as_ref().is_some_and(|answer| outcome.is(answer)) {
                return Err(format!(
                    "answer {id} to {link:?}: expected {outcome:?}, got {answer:?}"
                ));
            }
        }
        if !said.is_empty() {
            return Err(format!("nobody expected the answers {said:?}"));
        }
        for (ticket, outcome) in &expected.operator {
            let answer = operator.remove(ticket);
            let is_good = match (outcome, &answer) {
                // It is shown the room, whatever its number.
                (crate::seen::Outcome::Ok(words), Some(Said::Ok(said))) => {
                    words == said || words.starts_with("room ") && said == "room"
                }
                (outcome, Some(answer)) => outcome.is(answer),
                _ => false,
            };
            if !is_good {
                return Err(format!("operator: expected {outcome:?}, got {answer:?}"));
            }
        }
        if !operator.is_empty() {
            return Err(format!("nobody expected the answers {operator:?}"));
        }
        let numbers = expected
            .closes
            .iter()
            .map(|(link, code)| (*link, code.number()));
        same("closed", numbers, closes)?;
        same("released", expected.released.iter().copied(), released)
    }

    /// What is stopped is stopped before it is acknowledged, and what is done
    /// is kept before.
    fn compare_order(&self, outputs: &[Output]) -> Result<(), String> {
        let Some((speaker, number)) = self.speaker else {
            return Ok(());
        };
        let reply = outputs.iter().position(
            |output| matches!(output, Output::Reply { link, id, .. } if (*link, *id) == (speaker, number)),
        );
        let Some(reply) = reply else {
            return Ok(());
        };
        let Output::Reply { ok, .. } = &outputs[reply] else {
            return Ok(());
        };
        let is_own = matches!(ok.as_ref(), Reply::Join(_) | Reply::Hello(_));
        let own = self.own_key(outputs, speaker);
        let stops = outputs[..reply].iter().any(|output| {
            let Output::Media(command) = output else {
                return false;
            };
            let (Command::Drop { member: whose }
            | Command::Unpublish { member: whose, .. }
            | Command::SetMuted {
                member: whose,
                muted: true,
                ..
            }) = command
            else {
                return false;
            };
            Some(*whose) != own
        });
        if stops && !is_own {
            return Err("acknowledged before the media plane has stopped".to_owned());
        }
        let late = outputs[reply..].iter().find_map(|output| match output {
            Output::Persist(Change::Audit(entry)) => Some(entry.action.as_str()),
            Output::Persist(Change::Ban(_)) => Some("a ban"),
            Output::Persist(Change::Settings(_)) => Some("settings"),
            _ => None,
        });
        match late {
            // By the room itself, which looks around after each step.
            None | Some("lobby.admit" | "room.no_host" | "invite.use") => Ok(()),
            // What was refused before is summed up when somebody goes: it is not what
            // the answer acknowledges.
            Some("participant.refused") => Ok(()),
            Some("settings") if self.model.expected.is_call_over => Ok(()),
            Some(what) => Err(format!("{what} is kept after the answer")),
        }
    }

    fn own_key(&self, _: &[Output], link: LinkId) -> Option<MemberKey> {
        self.model.of_link(link)
    }

    /// Nothing is ever unmuted but by its owner, in a step of its own.
    fn compare_media(
        &self,
        outputs: &[Output],
        before: &BTreeMap<LinkId, MemberKey>,
    ) -> Result<(), String> {
        let owner = self.speaker.and_then(|(link, _)| before.get(&link));
        for output in outputs {
            let (Output::Media(Command::SetMuted {
                member,
                muted: false,
                ..
            })
            | Output::Media(Command::Publish {
                member,
                muted: false,
                ..
            })) = output
            else {
                continue;
            };
            if Some(member) != owner {
                return Err(format!("{member:?} was opened by somebody else"));
            }
        }
        Ok(())
    }

    /// Those told: of whom something was stopped, who is asked, who asked.
    fn compare_told(
        &self,
        outputs: &[Output],
        before: &BTreeMap<LinkId, MemberKey>,
    ) -> Result<(), String> {
        let mut revoked = Vec::new();
        let mut requested = Vec::new();
        let mut answered = Vec::new();
        let mut others = Vec::new();
        // Who comes or goes in this step is told in another way.
        let stays = |key: &MemberKey| {
            let person = self.model.people.get(key);
            let link = person.and_then(|person| person.link);
            link.is_some_and(|link| before.get(&link) == Some(key))
        };
        for output in outputs {
            let Output::Push { link, notice, .. } = output else {
                continue;
            };
            let Some(key) = before.get(link).filter(|key| stays(key)) else {
                continue;
            };
            others.extend(told(notice.push()).map(|words| (*key, words)));
            match notice.push() {
                Push::MediaRevoked(told) => {
                    revoked.push((*key, told.source, format!("{:?}", told.reason)));
                }
                Push::MediaRequested(told) => requested.push((*key, told.request)),
                Push::MediaRequestAnswered(told) => {
                    // Nobody but who was asked, and was away, knows the name of this one.
                    let is_known = self.requests.contains(&told.request);
                    let id = if is_known { told.request } else { unnamed() };
                    answered.push((*key, id));
                }
                _ => {}
            }
        }
        let expected = &self.model.expected;
        let stopped = expected.revoked.iter().filter(|(key, ..)| stays(key));
        let stopped = stopped.map(|(key, source, why)| (*key, *source, format!("{why:?}")));
        same("revoked", stopped, revoked)?;
        let asked = expected.requested.iter().filter(|(key, _)| stays(key));
        same("requested", asked.copied(), requested)?;
        let told = expected.answered.iter().filter(|(key, _)| stays(key));
        same("answered", told.copied(), answered)?;
        let told = expected.told.iter().filter(|(key, _)| stays(key));
        same("told", told.cloned(), others)
    }

    // --- what arrives at clients

    fn deliver(&mut self, output: &Output) -> Result<(), String> {
        match output {
            Output::Reply { link, ok, .. } => {
                let client = self.client(*link)?;
                match ok.as_ref() {
                    Reply::Join(JoinOutcome::Joined(joined)) => {
                        client.join(joined);
                        self.note_joined(*link, joined);
                    }
                    Reply::Join(JoinOutcome::Lobby(lobby)) => client.wait(lobby),
                    Reply::Hello(HelloOutcome::Resumed(resumed)) => {
                        client.resume(resumed)?;
                        let own = client.view.as_ref().map(|view| view.own);
                        if let Some(own) = own {
                            self.note_token(*link, own, resumed.resume_token);
                        }
                    }
                    Reply::Managed(managed) => {
                        client.seat = Seat::Steward;
                        client.seq = 0;
                        client.room = Some(managed.room.clone());
                        client.is_room_new = true;
                    }
                    _ => {}
                }
            }
            Output::Refuse { link, .. } => {
                self.client(*link)?;
            }
            Output::Push { link, seq, notice } => {
                let client = self.client(*link)?;
                client.hear(*seq, notice.push())?;
                match notice.push() {
                    Push::LobbyStatus(conclave_signalling_wire::lobby::LobbyStatus::Admitted {
                        joined,
                        ..
                    }) => self.note_joined(*link, joined),
                    Push::LobbyUpdate(update) => {
                        let step = self.model.step;
                        self.model.lists.insert(update.lobby_rev, step);
                        let key = self.model.of_link(*link);
                        if !key.is_some_and(|key| self.model.holds(key, Permission::LobbyManage)) {
                            return Err(format!("{link:?} sees the lobby"));
                        }
                    }
                    _ => {}
                }
            }
            Output::Close { link, code } => {
                let client = self.client(*link)?;
                client.seat = Seat::Closed;
                let is_final = !matches!(code, CloseCode::Rate | CloseCode::Protocol);
                if is_final {
                    client.status = None;
                }
            }
            Output::Release { link } => {
                let client = self.client(*link)?;
                client.seat = Seat::Gate;
                client.status = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Somebody who can still hear something.
    fn client(&mut self, link: LinkId) -> Result<&mut Client, String> {
        match self.clients.get_mut(&link) {
            Some(client) if client.seat != Seat::Closed => Ok(client),
            _ => Err(format!("{link:?} is told something and gone")),
        }
    }

    fn note_joined(&mut self, link: LinkId, joined: &Joined) {
        self.people.push(joined.own.id);
        self.note_token(link, joined.own.id, joined.resume_token);
    }

    fn note_token(
        &mut self,
        link: LinkId,
        of: conclave_signalling_wire::ids::ParticipantId,
        token: ResumeToken,
    ) {
        for old in self.tokens.iter_mut().filter(|old| old.of == of) {
            old.is_live = false;
        }
        self.tokens.push(Token {
            token,
            of,
            link,
            is_live: true,
        });
        if self.tokens.len() > 64 {
            self.tokens.remove(0);
        }
    }

    /// What the literal shard forwards, in the words of the protocol.
    pub(crate) fn forwarded(
        &self,
    ) -> BTreeSet<(MemberKey, conclave_signalling_wire::objects::Source)> {
        let open = self.shard.forwards();
        let named = |(member, source): (MemberKey, ShardSource)| (member, from_source(source));
        open.map(named).collect()
    }
}
