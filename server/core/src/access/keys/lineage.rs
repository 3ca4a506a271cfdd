//! Who made whom, and so what each key may do and whom it may know of.

use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;

use super::{DEPTH_MAX, Entry, KeyError, Keys};
use crate::access::record::KeyRecord;
use crate::access::rights::{Denied, Rights};

impl Keys {
    /// Returns a key that `by` may change: it must not do more than `by`.
    pub(super) fn mine(
        &self,
        by: Actor,
        id: KeyId,
        now: Timestamp,
    ) -> Result<&KeyRecord, KeyError> {
        let asker = self.of_actor(by, now)?;
        let record = self.show(by, id)?;
        if record.revoked_at.is_some() {
            return Err(KeyError::Ended);
        }
        asker
            .cover(&Rights::written(record))
            .map_err(KeyError::Beyond)?;
        Ok(record)
    }

    /// Returns what somebody may do at `now`.
    pub(super) fn of_actor(&self, by: Actor, now: Timestamp) -> Result<Rights, KeyError> {
        match by {
            Actor::Operator => Ok(Rights::of_operator()),
            Actor::Key(id) => {
                let rights = self.rights(id).ok_or(KeyError::Denied(Denied::Revoked))?;
                rights.lives(now).map_err(KeyError::Denied)?;
                Ok(rights.clone())
            }
            _ => Err(KeyError::Denied(Denied::Revoked)),
        }
    }

    pub(super) fn sees(&self, by: Actor, entry: &Entry) -> bool {
        let asker = match by {
            Actor::Operator => return true,
            Actor::Key(id) if id == entry.record.id => return true,
            Actor::Key(id) => self.rights(id),
            _ => None,
        };
        match (asker.map(|rights| &rights.rooms), &entry.record.rooms) {
            (Some(None), _) => true,
            (Some(Some(own)), Some(others)) => others.is_within(own),
            _ => false,
        }
    }

    /// Walks from a key to the one that made it, and so on.
    pub(super) fn makers(&self, id: KeyId) -> impl Iterator<Item = &KeyRecord> {
        let next = |id: KeyId| self.entries.get(&id).map(|entry| &entry.record);
        std::iter::successors(next(id), move |record| match record.created_by {
            Actor::Key(maker) => next(maker),
            _ => None,
        })
        // One more than there may be, so that who counts sees that it is too many.
        .take(DEPTH_MAX + 1)
    }

    /// Returns what the makers of a key may do together.
    pub(super) fn above(&self, record: &KeyRecord) -> Rights {
        let mut rights = Rights::of_operator();
        let mut maker = record.created_by;
        for _ in 0..=DEPTH_MAX {
            match maker {
                Actor::Operator => return rights,
                Actor::Key(id) => match self.entries.get(&id) {
                    Some(entry) => {
                        rights = rights.meet(&Rights::written(&entry.record));
                        maker = entry.record.created_by;
                    }
                    None => return Rights::none(),
                },
                _ => return Rights::none(),
            }
        }
        // A row without end: the database was written by somebody else.
        Rights::none()
    }

    /// Finds anew what each key may do: at most [`DEPTH_MAX`] steps for each,
    /// and only when a key changes.
    pub(super) fn settle(&mut self) {
        let settled: Vec<(KeyId, Rights)> = self
            .entries
            .values()
            .map(|Entry { record, .. }| {
                (record.id, Rights::written(record).meet(&self.above(record)))
            })
            .collect();
        for (id, rights) in settled {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.rights = rights;
            }
        }
    }
}
