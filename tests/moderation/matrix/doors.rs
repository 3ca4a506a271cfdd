//! What a role is worth at the door: what its holder is told that it may do,
//! whether it waits, whether it begins the meeting, whom it sees.

use serde_json::json;

use crate::rules::{PRESETS, ROLES, holds, permissions};
use crate::stage::Stage;

#[tokio::test]
async fn each_role_is_told_exactly_what_the_specification_gives_it() {
    let stage = Stage::start().await;
    let mut cells = 0;
    for preset in PRESETS {
        let room = stage
            .room(preset, json!({"start_without_host": true}))
            .await;
        for role in ROLES {
            let person = stage.invited(&room, role).await;
            assert_eq!(
                person.mirror.permissions,
                permissions(preset, role),
                "{preset} {role}"
            );
            cells += person.mirror.permissions.len();
        }
    }
    println!("doors: {cells} permissions held");
}

#[tokio::test]
async fn nobody_passes_the_lobby_by_a_role_that_does_not_bypass_it() {
    let stage = Stage::start().await;
    for preset in PRESETS {
        let update = json!({"lobby": "on", "start_without_host": true});
        let room = stage.room(preset, update).await;
        for role in ROLES {
            let invite = json!({"role": role, "max_uses": 1});
            let secret = stage.invite(&room, invite).await;
            let (_, reply) = stage.knock(&stage.entry(&room).invite(&secret)).await;
            let passes = holds(preset, role, "lobby.bypass");
            let outcome = if passes { "joined" } else { "lobby" };
            assert_eq!(reply["ok"]["outcome"], outcome, "{preset} {role}: {reply}");
        }
    }
}

#[tokio::test]
async fn nobody_begins_a_meeting_by_being_there_first() {
    let stage = Stage::start().await;
    for preset in PRESETS {
        for role in ROLES {
            let room = stage.room(preset, json!({"lobby": "off"})).await;
            let invite = json!({"role": role, "max_uses": 1, "bypass_lobby": true});
            let secret = stage.invite(&room, invite).await;
            let (mut link, reply) = stage.knock(&stage.entry(&room).invite(&secret)).await;
            if holds(preset, role, "session.start") {
                assert_eq!(reply["ok"]["outcome"], "joined", "{preset} {role}: {reply}");
                continue;
            }
            assert_eq!(reply["ok"]["outcome"], "lobby", "{preset} {role}: {reply}");
            assert_eq!(reply["ok"]["state"], "waiting_for_host", "{reply}");
            // It begins when a host comes; what the first one is stays what it was.
            let _host = stage.host(&room).await;
            let status = link
                .push_where("lobby.status", |status| status["state"] == "admitted")
                .await;
            assert_eq!(status["joined"]["self"]["role"], role, "{preset}");
        }
    }
}

#[tokio::test]
async fn nobody_sees_people_or_roles_that_it_may_not_see() {
    let stage = Stage::start().await;
    for preset in PRESETS {
        let room = stage
            .room(preset, json!({"start_without_host": true}))
            .await;
        let quiet = stage.invited(&room, "viewer").await;
        for role in ROLES {
            let person = stage.invited(&room, role).await;
            let seen = person.mirror.people.get(&quiet.id);
            let sees = holds(preset, role, "roster.see");
            assert_eq!(seen.is_some(), sees, "{preset} {role}");
            if let Some(seen) = seen {
                let shown = seen["role"] == "viewer";
                assert_eq!(
                    shown,
                    holds(preset, role, "roster.see_roles"),
                    "{preset} {role}"
                );
            }
            person.leave().await;
        }
    }
}
