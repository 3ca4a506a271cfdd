//! Who calls, and what that may do.

use std::net::IpAddr;
use std::sync::Arc;

use conclave_server_core::access::record::Scope;
use conclave_server_core::access::rights::Rights;
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_node::RoomEntry;
use conclave_signalling_wire::time::Timestamp;
use futures_util::future::BoxFuture;
use http::HeaderMap;

use crate::problem::Problem;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// In whose name things are done and recorded.
    pub(crate) actor: Actor,
    /// What it may do, and where.
    pub(crate) rights: Rights,
    /// From where it calls, unless that is this machine's control socket.
    pub(crate) from: Option<Prefix>,
    /// What the request is called.
    pub(crate) request_id: Option<Arc<str>>,
}

impl Caller {
    /// Returns whoever may open the control socket: all scopes, every room.
    pub(crate) fn operator() -> Self {
        Caller {
            actor: Actor::Operator,
            rights: Rights::of_operator(),
            from: None,
            request_id: None,
        }
    }

    /// Returns who did not say: somebody who may nothing.
    pub(crate) fn nobody() -> Self {
        Caller {
            actor: Actor::Operator,
            rights: Rights::none(),
            from: None,
            request_id: None,
        }
    }

    /// Returns whether it has a scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.rights.scopes.contains(&scope)
    }

    /// Returns whether a room exists for it.
    pub(crate) fn sees(&self, room: &RoomEntry) -> bool {
        self.rights.reaches(room.id, &room.tags)
    }

    /// Begins a record of what it did, outside rooms and with success.
    pub(crate) fn did(&self, action: &str, target: Option<String>) -> AuditEntry {
        AuditEntry {
            at: crate::now(),
            actor: self.actor,
            action: action.to_owned(),
            target,
            room: None,
            session: None,
            prefix: self.from.as_ref().map(Prefix::to_string),
            request_id: self.request_id.as_deref().map(str::to_owned),
            outcome: "ok".to_owned(),
            detail: None,
        }
    }
}

/// What a request brings by which it is known who sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knock<'a> {
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Where it is from, unless that is this machine's control socket.
    pub(crate) client: Option<IpAddr>,
    /// When it came.
    pub(crate) now: Timestamp,
}

/// Knows callers.
pub(crate) trait Authenticate: Send + Sync {
    /// Returns who sent a request, or a refusal with 401 or 403.
    fn authenticate<'a>(&'a self, knock: Knock<'a>) -> BoxFuture<'a, Result<Caller, Problem>>;
}

/// Where the file of a socket decides who may open it, everybody is the operator.
#[derive(Debug)]
pub(crate) struct OperatorOnly;

impl Authenticate for OperatorOnly {
    fn authenticate<'a>(&'a self, _: Knock<'a>) -> BoxFuture<'a, Result<Caller, Problem>> {
        Box::pin(async { Ok(Caller::operator()) })
    }
}
