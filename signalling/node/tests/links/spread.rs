//! A room on more than one shard.

use std::sync::atomic::Ordering;

use conclave_sfu_wire::control::{Event, MemberKey};
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::stage::{Client, Server};

/// Participants of a room in turn on the two shards.
async fn spread() -> Server {
    Server::with(|config| config.spill_above_percent = 0).await
}

#[tokio::test(start_paused = true)]
async fn what_concerns_a_member_goes_to_its_shard_and_the_rest_to_all() {
    let server = spread().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    assert_eq!(
        server.shard.said(),
        [
            "0 open",
            "0 admit",
            "1 open",
            "0 span [0, 1]",
            "1 span [0, 1]",
            "1 admit"
        ]
    );
    for client in [&mut ada, &mut bob] {
        let offer = json!({"generation": 1, "sdp": "v=0"});
        client.ask("media.offer", offer).await;
    }
    assert_eq!(server.shard.said(), ["0 offer", "1 offer"]);
    bob.ask("leave", json!({})).await;
    ada.push_of("participant.left").await;
    // The room goes back to its home.
    assert_eq!(server.shard.said(), ["1 drop", "0 span [0]", "1 close"]);
    let _eve = server.joined("welcome", "Eve", 3).await;
    ada.ask("leave", json!({})).await;
    server.until(|stats| stats.participants == 1).await;
    let said = server.shard.said();
    // The home stays where it was, although nobody of the room is there.
    assert_eq!(said.last().map(String::as_str), Some("0 drop"), "{said:?}");
    assert_eq!(
        said[..4],
        ["1 open", "0 span [0, 1]", "1 span [0, 1]", "1 admit"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_ends_on_all_its_shards() {
    let server = spread().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    let room = server.shard.room.lock().unwrap().unwrap();
    server.shard.said();
    // Whichever of them fails.
    server.shard.say(Event::RoomFailed { room }).await;
    assert_eq!((ada.closed().await, bob.closed().await), (4410, 4410));
    server.until(|stats| stats.rooms == 0).await;
    let mut said = server.shard.said();
    said.sort();
    let ends = said.iter().filter(|said| said.ends_with("close"));
    assert_eq!(ends.collect::<Vec<_>>(), ["0 close", "1 close"]);
}

#[tokio::test(start_paused = true)]
async fn one_busy_shard_holds_up_its_own_members_alone() {
    let server = spread().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    server.shard.said();
    server.shard.busy_shard.store(1, Ordering::Relaxed);
    let offer = json!({"generation": 1, "sdp": "v=0"});
    bob.send("media.offer", offer.clone()).await;
    ada.ask("media.offer", offer).await;
    assert_eq!(server.shard.said(), ["0 offer"]);
    server.shard.busy_shard.store(usize::MAX, Ordering::Relaxed);
    let answer = server.later(bob.push()).await;
    assert_eq!(answer["ok"]["generation"], 1);
    assert_eq!(server.shard.said(), ["1 offer"]);
}

#[tokio::test(start_paused = true)]
async fn how_well_all_are_connected_is_told_as_one_list() {
    let server = spread().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let _bob = server.joined("welcome", "Bob", 2).await;
    let room = server.shard.room.lock().unwrap().unwrap();
    let [of_ada, of_bob] = server.shard.admitted()[..] else {
        panic!("two are in")
    };
    let says = async |member: MemberKey, level: u8| {
        let levels = vec![(member, level)];
        server.shard.say(Event::Quality { room, levels }).await;
    };
    says(of_ada, 3).await;
    assert_eq!(levels(&mut ada).await, [3]);
    says(of_bob, 1).await;
    assert_eq!(levels(&mut ada).await, [3, 1]);
    // The same again is not said again.
    says(of_bob, 1).await;
    says(of_ada, 2).await;
    assert_eq!(levels(&mut ada).await, [2, 1]);
    server.sleep(Duration::from_millis(1)).await;
}

async fn levels(client: &mut Client) -> Vec<u64> {
    let told = client.push_of("media.quality").await;
    let of = |one: &Value| one["level"].as_u64().unwrap();
    let participants = told["data"]["participants"].as_array().unwrap();
    participants.iter().map(of).collect()
}
