//! Whether the log is what was written.

use std::collections::BTreeMap;

use thiserror::Error;

use super::canonical::RawRecord;
use super::checkpoint::{Checkpoint, Signer};
use super::{Anchor, Hash};

/// What is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("record {seq}: {why}")]
pub struct Broken {
    /// The number of the first record for which it is wrong.
    pub seq: u64,
    /// What is wrong.
    pub why: &'static str,
}

impl Broken {
    pub(crate) fn unreadable(seq: u64) -> Self {
        Broken {
            seq,
            why: "it, or a checkpoint on it, cannot be read",
        }
    }
}

/// A log that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records it has.
    pub records: u64,
    /// How many signatures fit.
    pub checkpoints: u64,
    /// How many records at its end no signature covers yet.
    pub unsigned: u64,
    /// Its end.
    pub head: Anchor,
}

/// Walks along the log, from its first record on.
pub(crate) struct Chain<'a> {
    signer: &'a Signer,
    head: Anchor,
    checkpoints: u64,
    signed: u64,
    anchors: BTreeMap<u64, Vec<Hash>>,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(signer: &'a Signer, anchors: &[Anchor]) -> Self {
        let mut by_seq: BTreeMap<u64, Vec<Hash>> = BTreeMap::new();
        for anchor in anchors {
            by_seq.entry(anchor.seq).or_default().push(anchor.hash);
        }
        Chain {
            signer,
            head: Anchor::EMPTY,
            checkpoints: 0,
            signed: 0,
            anchors: by_seq,
        }
    }

    /// Takes the next record.
    pub(crate) fn record(&mut self, record: &RawRecord) -> Result<(), Broken> {
        let due = self.head.seq + 1;
        let Some(seq) = u64::try_from(record.seq).ok().filter(|seq| *seq >= due) else {
            return Err(Broken {
                seq: due,
                why: "a record stands before the first one",
            });
        };
        if seq > due {
            return Err(Broken {
                seq: due,
                why: "it is missing",
            });
        }
        if record.prev != self.head.hash {
            return Err(Broken {
                seq,
                why: "it does not follow the one before it",
            });
        }
        let hash = record.expected_hash();
        if record.hash != hash {
            return Err(Broken {
                seq,
                why: "it was changed",
            });
        }
        self.head = Anchor { seq, hash };
        if self.contradicted() {
            return Err(Broken {
                seq,
                why: "its hash is not the one that was noted elsewhere",
            });
        }
        Ok(())
    }

    /// Returns whether somebody noted another end of the log here.
    fn contradicted(&self) -> bool {
        let noted = self.anchors.get(&self.head.seq);
        noted.is_some_and(|hashes| hashes.iter().any(|hash| *hash != self.head.hash))
    }

    /// Takes a checkpoint that is about the record taken last.
    pub(crate) fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Broken> {
        let broken = |why| Broken {
            seq: checkpoint.seq,
            why,
        };
        if !self.signer.has_signed(checkpoint) {
            return Err(broken("a checkpoint on it is not signed by our key"));
        }
        if checkpoint.anchor() != self.head {
            return Err(broken("its hash is not the one that was signed"));
        }
        self.checkpoints += 1;
        self.signed = checkpoint.seq;
        Ok(())
    }

    /// Ends the walk. `signed_until` is the last record that any checkpoint is about.
    pub(crate) fn finish(self, signed_until: u64) -> Result<Verified, Broken> {
        let missing = |why| Broken {
            seq: self.head.seq + 1,
            why,
        };
        if signed_until > self.head.seq {
            return Err(missing("it is missing, and was signed"));
        }
        let of_empty = self.anchors.get(&0).into_iter().flatten();
        if of_empty.into_iter().any(|hash| *hash != Anchor::EMPTY.hash) {
            return Err(Broken {
                seq: 0,
                why: "a hash was noted elsewhere for a log without records",
            });
        }
        let noted_until = self.anchors.last_key_value().map_or(0, |(seq, _)| *seq);
        if noted_until > self.head.seq {
            return Err(missing("it is missing, and was noted elsewhere"));
        }
        Ok(Verified {
            records: self.head.seq,
            checkpoints: self.checkpoints,
            unsigned: self.head.seq - self.signed,
            head: self.head,
        })
    }

    /// Returns the number of the record that should come next.
    pub(crate) fn due(&self) -> u64 {
        self.head.seq + 1
    }
}
