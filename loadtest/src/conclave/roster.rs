//! Who publishes a picture, and which pictures one participant asks for.

use std::collections::BTreeSet;

use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::{Participant, PictureSource};
use conclave_signalling_wire::reply::Joined;
use conclave_signalling_wire::request::{Priority, View};

/// Height of a tile of many.
const GALLERY_PX: u16 = 360;
/// Height of a picture that is alone.
const LARGE_PX: u16 = 720;

/// The others of a room, as far as their pictures go.
pub(super) struct Roster {
    own: ParticipantId,
    watches: usize,
    cameras: BTreeSet<ParticipantId>,
    wished: Vec<ParticipantId>,
    rev: u32,
}

impl Roster {
    /// Begins with whom the participant met when it joined. It asks for `watches` pictures at most.
    pub(super) fn new(joined: &Joined, watches: usize) -> Self {
        let mut roster = Roster {
            own: joined.own.id,
            watches,
            cameras: BTreeSet::new(),
            wished: Vec::new(),
            rev: 0,
        };
        for participant in &joined.roster {
            roster.note(participant);
        }
        roster
    }

    pub(super) fn note(&mut self, participant: &Participant) {
        if participant.sources.camera.published && participant.id != self.own {
            self.cameras.insert(participant.id);
        } else {
            self.cameras.remove(&participant.id);
        }
    }

    pub(super) fn forget(&mut self, participant: ParticipantId) {
        self.cameras.remove(&participant);
    }

    /// Returns whether the last wish is out of date.
    pub(super) fn has_changed(&self) -> bool {
        self.chosen().ne(self.wished.iter().copied())
    }

    /// Returns the next wish with its number.
    pub(super) fn wish(&mut self) -> (u32, Vec<View>) {
        self.wished = self.chosen().collect();
        self.rev += 1;
        let is_alone = self.watches == 1;
        let views = self.wished.iter().map(|participant| View {
            participant: *participant,
            source: PictureSource::Camera,
            max_height_px: if is_alone { LARGE_PX } else { GALLERY_PX },
            min_fps: None,
            priority: if is_alone {
                Priority::Speaker
            } else {
                Priority::Gallery
            },
        });
        (self.rev, views.collect())
    }

    /// Identifiers sort by the time of joining. The first after the own one come first, so
    /// that in a large meeting each picture has about as many viewers.
    fn chosen(&self) -> impl Iterator<Item = ParticipantId> {
        let later = self.cameras.range(self.own..);
        let earlier = self.cameras.range(..self.own);
        later.chain(earlier).take(self.watches).copied()
    }
}
