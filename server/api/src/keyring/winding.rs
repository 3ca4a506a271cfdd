//! What a key made and started ends with it.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_node::RoomsError;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::KeyId;
use tokio::sync::watch;

use super::{Keyring, LOOK_EVERY, entry};

/// When nothing of the key is under way any more, whatever it was.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How long to wait after the store did not do it.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Keyring {
    /// Ends what keys made whose time is over, when it is over, until `stop` turns true.
    pub(crate) async fn tend(&self, mut stop: watch::Receiver<bool>) {
        let work = async {
            let mut changed = self.0.changed.subscribe();
            loop {
                changed.mark_unchanged();
                if let Err(error) = self.ready().await {
                    tracing::error!(%error, "the keys cannot be read");
                    tokio::time::sleep(RETRY_AFTER).await;
                    continue;
                }
                let pause = match self.wind_up().await {
                    Ok(()) => self.until_next_end(),
                    Err(error) => {
                        tracing::error!(%error, "what an ended key made is not ended");
                        RETRY_AFTER
                    }
                };
                let _ = tokio::time::timeout(pause, changed.changed()).await;
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = work => {}
        }
    }

    fn until_next_end(&self) -> Duration {
        let now = crate::now();
        match self.table().keys.next_end(now) {
            None => LOOK_EVERY,
            Some(end) => {
                let ms = end.unix_ms().saturating_sub(now.unix_ms());
                Duration::from_millis(ms).min(LOOK_EVERY)
            }
        }
    }

    /// Ends what ended keys made: at once, and again when nothing of them is under way.
    pub(super) async fn wind_up(&self) -> Result<(), RoomsError> {
        let ended: BTreeSet<KeyId> = {
            let table = self.table();
            let ended = table.keys.ended(crate::now());
            ended.filter(|id| !table.wound_up.contains(id)).collect()
        };
        if ended.is_empty() {
            return Ok(());
        }
        self.end_works(&ended).await?;
        let mut table = self.table();
        for id in &ended {
            table.uses.forget(*id);
        }
        table.wound_up.extend(&ended);
        drop(table);
        let ring = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            if let Err(error) = ring.end_works(&ended).await {
                tracing::error!(%error, "what an ended key made at last is not ended");
            }
        });
        Ok(())
    }

    async fn end_works(&self, ended: &BTreeSet<KeyId>) -> Result<(), RoomsError> {
        for id in ended {
            let rooms = &self.0.rooms;
            rooms
                .revoke_made_by(Actor::Key(*id), Actor::Operator)
                .await?;
        }
        for mut webhook in self.0.store.webhooks().await.map_err(RoomsError::Store)? {
            let Actor::Key(maker) = webhook.created_by else {
                continue;
            };
            if !webhook.enabled || !ended.contains(&maker) {
                continue;
            }
            let entry = AuditEntry {
                target: Some(webhook.id.to_string()),
                detail: Some(format!("{maker} has ended")),
                ..entry(Actor::Room, "webhook.disable", None)
            };
            let before = webhook.rev;
            webhook.enabled = false;
            webhook.rev = before.wrapping_add(1);
            match self.0.store.put_webhook(webhook, Some(before), entry).await {
                // Somebody else was faster; it is looked at again.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(RoomsError::Store(error)),
            }
        }
        Ok(())
    }
}
