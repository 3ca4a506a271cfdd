//! What is written down about acts.
//!
//! Every request that concerns others or the room leaves one entry, whether it
//! was done or refused. Who is refused again and again is not written down each
//! time: the next entry says how many were left out.

use std::time::Instant;

use conclave_signalling_wire::error::ErrorBody;

use crate::origin::Prefix;
use crate::output::{Output, Reply};
use crate::rate::Rate;
use crate::record::{Actor, AuditEntry, Change};
use crate::room::Room;
use crate::room::deeds::Deed;
use crate::room::requests::Answer;

/// Refusals of one participant a second that are written down, sustained.
const REFUSALS_PER_S: u32 = 1;
/// The same, at once.
const REFUSALS_BURST: u32 = 10;

/// Bounds what one participant can write into the audit log by asking for what
/// it may not do.
#[derive(Debug)]
pub(crate) struct Refusals {
    rate: Rate,
    suppressed: u32,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            rate: Rate::new(REFUSALS_PER_S, REFUSALS_BURST),
            suppressed: 0,
        }
    }
}

impl Refusals {
    /// Counts a refusal. Returns how many before it were left out, or `None` if
    /// this one is too.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u32> {
        if self.rate.take(now).is_err() {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Returns how many were left out since the last that was written down.
    fn left_out(&self) -> u32 {
        self.suppressed
    }
}

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

/// What the step that is being taken says about itself.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// What came of it, in a few words.
    pub(super) outcome: Option<String>,
    /// Whether it is done later, and written down then.
    pub(super) is_put_off: bool,
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

    /// Writes down how many refusals of somebody who goes were left out.
    pub(super) fn audit_left_out(
        &mut self,
        (actor, prefix): (Actor, Option<Prefix>),
        refusals: &Refusals,
    ) {
        let left_out = refusals.left_out();
        if left_out > 0 {
            let act = Act {
                actor,
                prefix,
                action: "participant.refused",
                target: None,
                detail: Some(format!("{left_out} refusals left out")),
            };
            self.audit(act);
        }
    }

    /// Writes down what came of a request. `refusals` bounds the refusals of its
    /// sender.
    pub(super) fn record(
        &mut self,
        (actor, prefix): (Actor, Option<Prefix>),
        deed: Deed,
        answer: &Answer,
        refusals: Option<&mut Refusals>,
    ) {
        let Deeds {
            outcome,
            is_put_off,
        } = std::mem::take(&mut self.deeds);
        if is_put_off {
            return;
        }
        let Deed {
            action,
            mut target,
            detail,
            is_reading,
        } = deed;
        let mut words: Vec<String> = detail.into_iter().collect();
        words.extend(outcome);
        match answer {
            Ok(_) if is_reading => {}
            Ok(reply) => {
                if let Some(Reply::Invited(created)) = reply {
                    target = Some(created.invite.id.to_string());
                }
                self.audit(Act {
                    actor,
                    prefix,
                    action,
                    target,
                    detail: join(words),
                });
            }
            Err(error) => {
                let now = self.now;
                let Some(suppressed) = refusals.map_or(Some(0), |refusals| refusals.take(now))
                else {
                    return;
                };
                if suppressed > 0 {
                    words.push(format!("{suppressed} refusals left out"));
                }
                let act = Act {
                    actor,
                    prefix,
                    action,
                    target,
                    detail: join(words),
                };
                self.audit_refusal(act, error);
            }
        }
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
            request_id: None,
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

fn join(words: Vec<String>) -> Option<String> {
    (!words.is_empty()).then(|| words.join(", "))
}
