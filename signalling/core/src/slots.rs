//! A mirror of what the shard decided about one participant: which picture
//! feeds which slot, and which encodings of its own anybody wants.

use std::collections::BTreeMap;
use std::time::Instant;

use conclave_signalling_wire::objects::PictureSource;
use conclave_signalling_wire::push::{MediaLayers, MediaSlots, Slot};
use conclave_signalling_wire::text::Mid;

use crate::output::LinkId;

/// An acknowledgement that the shard has not answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingAck {
    pub(crate) link: LinkId,
    pub(crate) id: u32,
    pub(crate) deadline: Instant,
}

/// What a participant was last told about its slots and layers.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    rev: u32,
    slots: BTreeMap<Mid, Slot>,
    layers: BTreeMap<PictureSource, MediaLayers>,
    pub(crate) acks: BTreeMap<u32, PendingAck>,
}

impl Mirror {
    /// Merges the slots that changed.
    pub(crate) fn merge(&mut self, changed: &MediaSlots) {
        self.rev = changed.rev;
        for slot in &changed.slots {
            self.slots.insert(slot.mid.clone(), slot.clone());
        }
    }

    /// Keeps the newest layers of a source.
    pub(crate) fn set_layers(&mut self, layers: &MediaLayers) {
        self.layers.insert(layers.source, layers.clone());
    }

    /// Forgets the layers of a source that is no longer published.
    pub(crate) fn forget_layers(&mut self, source: PictureSource) {
        self.layers.remove(&source);
    }

    /// Forgets the slots of a peer connection that is gone; their mids mean nothing in the next one.
    pub(crate) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    /// Returns the number of the newest change.
    pub(crate) fn rev(&self) -> u32 {
        self.rev
    }

    /// Returns everything for a link that knows nothing: all slots under the newest number.
    pub(crate) fn whole(&self) -> (Option<MediaSlots>, impl Iterator<Item = &MediaLayers>) {
        let slots = (!self.slots.is_empty()).then(|| MediaSlots {
            rev: self.rev,
            slots: self.slots.values().cloned().collect(),
        });
        (slots, self.layers.values())
    }
}
