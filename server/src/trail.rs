//! What the server itself leaves in the audit log, and the log's signed heads.

use anyhow::Context;
use conclave_signalling_core::record::{Actor, AuditEntry, EndReason};
use conclave_signalling_store::{Checkpoint, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::storage;

/// The task that logs signed heads; it gives back what it watched.
pub(crate) struct Heads(JoinHandle<watch::Receiver<Option<Checkpoint>>>);

/// Notes the start, and logs the key that heads are signed by.
///
/// # Errors
/// When the store does not write.
pub(crate) async fn begin(store: &Store) -> anyhow::Result<()> {
    note(store, "server.start").await?;
    let key = hex(&store.audit_public_key());
    tracing::info!(key, "heads of the audit log are signed by this key");
    Ok(())
}

/// Logs each signed head until `stop` turns true.
pub(crate) fn tell(store: &Store, stop: watch::Receiver<bool>) -> Heads {
    Heads(tokio::spawn(tell_all(store.checkpoints(), stop)))
}

/// Notes in the audit log what the server itself does.
async fn note(store: &Store, action: &str) -> anyhow::Result<()> {
    let entry = AuditEntry {
        at: storage::now(),
        actor: Actor::Operator,
        action: action.to_owned(),
        target: None,
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    store
        .audit(entry)
        .await
        .context("cannot write the audit log")
}

/// Ends the store, and the sessions in it that go on; to be called when nothing acts in rooms any
/// more. The last signed head is logged too.
pub(crate) async fn close(store: &Store, heads: Heads) {
    let ended = store.end_sessions(None, storage::now(), EndReason::Drained);
    if let Err(error) = ended.await {
        tracing::error!(%error, "sessions that go on end at the next start, as failed");
    }
    if let Err(error) = note(store, "server.stop").await {
        tracing::error!(%error, "the end is not in the audit log");
    }
    let newest = heads.0.await;
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store was not closed cleanly");
    }
    if let Ok(mut newest) = newest
        && newest.has_changed().unwrap_or(true)
    {
        log(newest.borrow_and_update().as_ref());
    }
}

/// Logs each signed head of the audit log, so that whoever gathers logs
/// elsewhere can prove what was in it.
async fn tell_all(
    mut newest: watch::Receiver<Option<Checkpoint>>,
    mut stop: watch::Receiver<bool>,
) -> watch::Receiver<Option<Checkpoint>> {
    log(newest.borrow_and_update().as_ref());
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return newest,
            changed = newest.changed() => match changed {
                Ok(()) => log(newest.borrow_and_update().as_ref()),
                Err(_) => return newest,
            },
        }
    }
}

fn log(checkpoint: Option<&Checkpoint>) {
    if let Some(Checkpoint {
        seq,
        hash,
        at,
        signature,
    }) = checkpoint
    {
        tracing::info!(
            seq,
            hash = hex(hash),
            at = %at,
            signature = hex(signature),
            "audit checkpoint"
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
