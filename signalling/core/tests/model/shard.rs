//! A media plane that does literally what it is told, and answers when the
//! history lets it.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::{Command, Event, MemberKey, PublishError, Rid, RoomKey, Source};

#[derive(Default)]
pub(crate) struct Shard {
    room: Option<RoomKey>,
    /// Whether each publication is muted.
    members: BTreeMap<MemberKey, BTreeMap<Source, bool>>,
    /// What it has to say, in no order.
    pub(crate) answers: Vec<Event>,
    pub(crate) refuses_next: bool,
}

impl Shard {
    /// What is forwarded to others.
    pub(crate) fn forwards(&self) -> impl Iterator<Item = (MemberKey, Source)> {
        self.members.iter().flat_map(|(member, sources)| {
            let open = sources.iter().filter(|(_, muted)| !**muted);
            open.map(|(source, _)| (*member, *source))
        })
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = MemberKey> {
        self.members.keys().copied()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.room.is_some()
    }

    pub(crate) fn take(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::OpenRoom { room, .. } => {
                if self.room.replace(*room).is_some() {
                    return Err("the room was opened twice".to_owned());
                }
            }
            Command::CloseRoom { room } => {
                if self.room.take() != Some(*room) {
                    return Err("a room was closed that is not open".to_owned());
                }
                self.members.clear();
            }
            Command::Admit { room, member } => {
                let is_new = self.members.insert(*member, BTreeMap::new()).is_none();
                if self.room != Some(*room) || !is_new {
                    return Err(format!("{member:?} was admitted twice or nowhere"));
                }
            }
            Command::Drop { member } => {
                if self.members.remove(member).is_none() {
                    return Err(format!("{member:?} was dropped and not there"));
                }
            }
            Command::Publish {
                member,
                attempt,
                source,
                muted,
                ..
            } => {
                let (member, attempt, source) = (*member, *attempt, *source);
                let sources = self.members.get_mut(&member);
                let sources = sources.ok_or("a stranger publishes")?;
                let answer = if std::mem::take(&mut self.refuses_next) {
                    Event::PublishRefused {
                        member,
                        attempt,
                        source,
                        error: PublishError::UnknownMid,
                    }
                } else {
                    sources.insert(source, *muted);
                    Event::Published {
                        member,
                        attempt,
                        source,
                        rids: Rid::ALL.to_vec(),
                    }
                };
                self.answers.push(answer);
            }
            Command::SetMuted {
                member,
                source,
                muted,
            } => {
                // One that was refused is muted in vain.
                let sources = self.members.get_mut(member);
                if let Some(state) = sources.and_then(|sources| sources.get_mut(source)) {
                    *state = *muted;
                }
            }
            Command::Unpublish { member, source } => {
                if let Some(sources) = self.members.get_mut(member) {
                    sources.remove(source);
                }
            }
            Command::Barrier { room, number } => self.answers.push(Event::Passed {
                room: *room,
                number: *number,
            }),
            Command::Span { .. }
            | Command::Offer { .. }
            | Command::EndTransport { .. }
            | Command::Wish { .. }
            | Command::AckSlots { .. }
            | Command::SetLink { .. } => {}
        }
        Ok(())
    }
}
