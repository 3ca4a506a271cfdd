//! A media plane that agrees to everything and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use conclave_sfu_wire::control::{Command, Event, MemberKey, MidName, Rid, Source};
use conclave_signalling_node::{Media, MediaBusy};
use tokio::sync::mpsc;

/// What a member publishes, and whether it is muted.
type Publications = BTreeMap<Source, bool>;

/// A shard without packets.
pub(crate) struct FakeShard {
    events: mpsc::Sender<Event>,
    members: Mutex<BTreeMap<MemberKey, Publications>>,
}

impl FakeShard {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        FakeShard {
            events,
            members: Mutex::default(),
        }
    }

    /// Returns what all members publish, sorted: source, and whether it is muted.
    pub(crate) fn published(&self) -> Vec<(Source, bool)> {
        let members = self.members.lock().unwrap();
        let mut all: Vec<_> = members
            .values()
            .flatten()
            .map(|(source, muted)| (*source, *muted))
            .collect();
        all.sort();
        all
    }

    fn report(&self, event: Event) {
        // The queue is longer than what one test says before it listens.
        let _ = self.events.try_send(event);
    }
}

impl Media for FakeShard {
    fn shards(&self) -> usize {
        1
    }

    fn send(&self, _: usize, command: Command) -> Result<(), MediaBusy> {
        let mut members = self.members.lock().unwrap();
        match command {
            Command::Admit { member, .. } => {
                members.insert(member, Publications::new());
            }
            Command::Drop { member } => {
                members.remove(&member);
            }
            Command::Offer {
                member,
                generation,
                sdp,
                ..
            } => self.report(Event::Answer {
                member,
                generation,
                sdp,
                video_slots: vec![mid("4")],
                audio_slots: vec![mid("16")],
            }),
            Command::Publish {
                member,
                attempt,
                source,
                muted,
                ..
            } => {
                if let Some(publications) = members.get_mut(&member) {
                    publications.insert(source, muted);
                }
                self.report(Event::Published {
                    member,
                    attempt,
                    source,
                    rids: Rid::ALL.to_vec(),
                });
            }
            Command::SetMuted {
                member,
                source,
                muted,
            } => {
                if let Some(known) = members
                    .get_mut(&member)
                    .and_then(|publications| publications.get_mut(&source))
                {
                    *known = muted;
                }
            }
            Command::Unpublish { member, source } => {
                if let Some(publications) = members.get_mut(&member) {
                    publications.remove(&source);
                }
            }
            Command::AckSlots { member, rev } => self.report(Event::SlotsAcked {
                member,
                rev,
                first_rtp_timestamps: Vec::new(),
            }),
            Command::Barrier { room, number } => self.report(Event::Passed { room, number }),
            Command::OpenRoom { .. }
            | Command::Span { .. }
            | Command::CloseRoom { .. }
            | Command::EndTransport { .. }
            | Command::Wish { .. }
            | Command::SetLink { .. } => {}
        }
        Ok(())
    }
}

fn mid(text: &str) -> MidName {
    MidName::new(text).unwrap()
}
