//! What one room says, to whom, and when: after what it speaks of is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_signalling_core::output::{LinkId, Notice, OperatorReply, Output, error_frame};
use conclave_signalling_core::record::Change;
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use tokio::sync::oneshot;

use crate::inbox::Seat;
use crate::ledger::Ledger;
use crate::outbox::Outbox;

/// What may have to wait for the store.
pub(super) enum Held {
    /// Something for a link or the operator.
    Output(Output),
    /// A link whose refusal is the last that it hears of this room. It waits for
    /// this before it tries again.
    Refused(LinkId, oneshot::Sender<Seat>),
    /// Somebody waits until everything before this is kept.
    Settled(oneshot::Sender<()>),
    /// The last word to a link that may join again at once.
    Farewell(LinkId, Arc<Notice>),
}

/// The links of a room, those who wait for an answer to an order, and what
/// waits for the store before it is said to them.
pub(super) struct Voices {
    links: BTreeMap<LinkId, Outbox>,
    orders: BTreeMap<u64, oneshot::Sender<Result<OperatorReply, ErrorBody>>>,
    ledger: Ledger<Held>,
}

impl Voices {
    pub(super) fn new() -> Self {
        Voices {
            links: BTreeMap::new(),
            orders: BTreeMap::new(),
            ledger: Ledger::new(),
        }
    }

    /// Says what is meant for a link there from here on.
    pub(super) fn seat(&mut self, link: LinkId, outbox: Outbox) {
        self.links.insert(link, outbox);
    }

    /// Says nothing more to a link that is gone.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// Gives the answer to an order there.
    pub(super) fn expect(
        &mut self,
        ticket: u64,
        done: oneshot::Sender<Result<OperatorReply, ErrorBody>>,
    ) {
        self.orders.insert(ticket, done);
    }

    /// Says what comes from here on after a change is kept.
    pub(super) fn keep_first(&mut self, change: Change) {
        self.ledger.add(change);
    }

    /// Says something as soon as everything before it is kept, but for what is
    /// only told to others by and by.
    pub(super) fn say(&mut self, held: Held) {
        if let Held::Settled(_) = held {
            self.ledger.await_all();
        }
        if let Some(held) = self.ledger.hold(held) {
            self.deliver(held);
        }
    }

    /// Returns the changes to commit next, unless a commit runs or there are none.
    pub(super) fn begin_commit(&mut self) -> Option<Vec<Change>> {
        self.ledger.begin()
    }

    /// Begins a commit of what could not be kept before. Returns whether it may begin.
    pub(super) fn begin_again(&mut self) -> bool {
        self.ledger.begin_again()
    }

    /// Says what waited for the changes that are now kept.
    pub(super) fn handle_committed(&mut self) {
        self.ledger.handle_committed();
        while let Some(held) = self.ledger.poll_released() {
            self.deliver(held);
        }
    }

    /// Ends it for everybody: what was done but not kept is answered as if it
    /// had not been done, and all links are closed with `code`.
    pub(super) fn end(&mut self, code: CloseCode) {
        for held in self.ledger.abandon() {
            match held {
                Held::Output(Output::Reply { link, id, .. } | Output::Refuse { link, id, .. }) => {
                    let error = ErrorBody::from(ErrorCode::NotAvailable);
                    self.send(link, || error_frame(id, &error));
                }
                Held::Output(Output::Close { link, code }) => self.close(link, code),
                Held::Refused(..) => self.deliver(held),
                Held::Output(_) | Held::Farewell(..) | Held::Settled(_) => {}
            }
        }
        for (_, done) in std::mem::take(&mut self.orders) {
            // Whoever asked may be gone.
            let _ = done.send(Err(ErrorCode::NotAvailable.into()));
        }
        for outbox in std::mem::take(&mut self.links).into_values() {
            outbox.close(code);
        }
    }

    /// Returns whether everything was kept and said, and all orders answered.
    pub(super) fn are_settled(&self) -> bool {
        self.ledger.is_settled() && self.orders.is_empty()
    }

    /// Returns whether nothing more should be said before the store answers.
    pub(super) fn are_full(&self) -> bool {
        self.ledger.is_full()
    }

    fn deliver(&mut self, held: Held) {
        match held {
            Held::Output(Output::Reply { link, id, ok }) => self.send(link, || ok.frame(id)),
            Held::Output(Output::Refuse { link, id, error }) => {
                self.send(link, || error_frame(id, &error))
            }
            Held::Output(Output::Push { link, seq, notice }) => {
                self.send(link, || notice.frame(seq))
            }
            Held::Output(Output::Close { link, code }) => self.close(link, code),
            Held::Output(Output::Release { link }) => {
                if let Some(outbox) = self.links.remove(&link) {
                    outbox.release();
                }
            }
            Held::Output(Output::Operator { ticket, answer }) => {
                if let Some(done) = self.orders.remove(&ticket) {
                    // Whoever asked may be gone.
                    let _ = done.send(*answer);
                }
            }
            Held::Farewell(link, notice) => {
                if let Some(outbox) = self.links.remove(&link) {
                    // First, or a quick answer to it would still go to this room.
                    outbox.release();
                    outbox.send(notice.frame(None));
                }
            }
            Held::Refused(link, done) => {
                self.links.remove(&link);
                // A link that no longer waits has no end to report.
                let _ = done.send(Seat::Refused);
            }
            Held::Settled(done) => {
                // Whoever asked may have waited long enough.
                let _ = done.send(());
            }
            // What concerns nobody outside is not held.
            Held::Output(_) => {}
        }
    }

    fn send(&self, link: LinkId, text: impl FnOnce() -> String) {
        if let Some(outbox) = self.links.get(&link) {
            outbox.send(text());
        }
    }

    fn close(&mut self, link: LinkId, code: CloseCode) {
        if let Some(outbox) = self.links.remove(&link) {
            outbox.close(code);
        }
    }
}
