//! Attempts to lead a meeting without being asked to, to stay in one that has
//! ended, to speak out of turn.

#[path = "life/end.rs"]
mod end;
#[path = "life/handover.rs"]
mod handover;
#[path = "life/hands.rs"]
mod hands;
#[path = "life/shares.rs"]
mod shares;
#[path = "life/suspended.rs"]
mod suspended;

use serde_json::json;

use crate::stage::{Room, Stage};

/// Makes a meeting that anybody enters.
async fn open_room(stage: &Stage) -> Room {
    let update = json!({"lobby": "off", "start_without_host": true});
    stage.room("meeting", update).await
}
