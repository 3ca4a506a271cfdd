//! What holds only while a key does: requests that are being answered, and streams.

use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use conclave_server_core::access::keys::State;
use conclave_server_core::access::rights::Rights;
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::KeyId;
use futures_util::{FutureExt, StreamExt, stream};

use super::{Keyring, LOOK_EVERY};
use crate::auth::Caller;
use crate::problem::Problem;

/// For what is being answered when its key ends: also the answer to the request that ends it.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// Why something is not done to its end.
const OVER: &str = "the key has ended, or may do less by now";

impl Keyring {
    /// Does something for a caller, unless its key meanwhile ends or may do less.
    ///
    /// # Errors
    /// 401 then, and what `work` says.
    pub(crate) async fn while_it_holds<T>(
        &self,
        by: &Caller,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let Actor::Key(id) = by.actor else {
            return work.await;
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.end_of(id, &by.rights) => Err(Problem::unauthorized(OVER)),
        }
    }

    /// Lets something long go on for a caller.
    ///
    /// # Errors
    /// 401 once its key has ended, or may do less than when it began.
    pub(crate) fn still_holds(&self, by: &Caller) -> Result<(), Problem> {
        match by.actor {
            Actor::Key(id) if !self.holds(id, &by.rights) => Err(Problem::unauthorized(OVER)),
            _ => Ok(()),
        }
    }

    /// Returns a body that breaks off when the key of its reader ends or may do less.
    pub(crate) fn cut(&self, by: Caller, body: Body) -> Body {
        let Actor::Key(id) = by.actor else {
            return body;
        };
        let ring = self.clone();
        let mut end: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { ring.end_of(id, &by.rights).await });
        let mut pieces = body.into_data_stream();
        let mut is_cut = false;
        Body::from_stream(stream::poll_fn(move |context| {
            if is_cut {
                return Poll::Ready(None);
            }
            if end.poll_unpin(context).is_ready() {
                is_cut = true;
                let error = io::Error::other(OVER);
                return Poll::Ready(Some(Err(axum::Error::new(error))));
            }
            pieces.poll_next_unpin(context)
        }))
    }

    /// Waits until a key has ended, or may do less than `begun`, which was
    /// decided by, and then for [`GRACE`].
    async fn end_of(&self, id: KeyId, begun: &Rights) {
        let mut changed = self.0.changed.subscribe();
        while self.holds(id, begun) {
            let _ = tokio::time::timeout(LOOK_EVERY, changed.changed()).await;
        }
        tokio::time::sleep(GRACE).await;
    }

    fn holds(&self, id: KeyId, begun: &Rights) -> bool {
        let table = self.table();
        let rights = table.keys.rights(id);
        table.keys.state(id, crate::now()) == State::Active
            && rights.is_some_and(|rights| rights.cover(begun).is_ok())
    }
}
