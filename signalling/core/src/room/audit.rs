//! What is written down about acts.

use conclave_signalling_wire::error::ErrorBody;

use crate::origin::Prefix;
use crate::output::Output;
use crate::record::{Actor, AuditEntry, Change};
use crate::room::Room;

/// An act to be written down.
pub(super) struct Act<'a> {
    /// Who acts.
    pub(super) actor: Actor,
    /// From where.
    pub(super) prefix: Option<Prefix>,
    /// The name of the message or command.
    pub(super) action: &'a str,
    /// On whom or what, as an identifier.
    pub(super) target: Option<String>,
    /// A few words; never content, never a name.
    pub(super) detail: Option<String>,
}

impl Room {
    /// Writes down that an act was done.
    pub(super) fn audit(&mut self, act: Act<'_>) {
        self.write_down(act, "ok".to_owned());
    }

    /// Writes down that an act was refused.
    pub(super) fn audit_refusal(&mut self, act: Act<'_>, error: &ErrorBody) {
        self.write_down(act, error.code.name().to_owned());
    }

    fn write_down(&mut self, act: Act<'_>, outcome: String) {
        let entry = AuditEntry {
            at: self.time(),
            actor: act.actor,
            action: act.action.to_owned(),
            target: act.target,
            room: Some(self.id),
            session: self.session,
            prefix: act.prefix.map(|prefix| prefix.to_string()),
            outcome,
            detail: act.detail,
        };
        self.persist(Change::Audit(Box::new(entry)));
    }

    /// Keeps a change.
    pub(super) fn persist(&mut self, change: Change) {
        self.outputs.push_back(Output::Persist(change));
    }
}
