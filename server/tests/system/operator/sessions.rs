//! Meetings, seen and moderated from the command line.

use std::fs;

use serde_json::{Value, json};

use super::host;
use crate::link::Guest;
use crate::server::{Server, errors};

fn nobody() -> Value {
    json!({"kind": "none"})
}

#[tokio::test]
async fn an_operator_moderates_a_meeting_by_the_name_of_its_room() {
    let server = Server::start("cli-session");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let made = server.cli_json(&["room", "create", "club", "lobby=off"]);
    let empty = server.cli(&["session", "people", "club"]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(errors(&empty).contains("nobody is in club"), "{empty:?}");

    let mut ada = host(&http, &made).await;
    let mut bob = Guest::open(&http).await;
    let joined = bob.join("club", nobody(), "Bob").await;
    let bob_id = joined["ok"]["self"]["id"].as_str().unwrap();

    let live = server.cli_json(&["session", "list", "--live"]);
    assert_eq!(live.as_array().unwrap().len(), 1, "{live}");
    let session = live[0]["id"].as_str().unwrap();
    assert_eq!(live[0]["slug"], "club");
    for name in ["club", session] {
        let shown = server.cli_json(&["session", "show", name]);
        assert_eq!(
            (&shown["id"], &shown["participants"]),
            (&json!(session), &json!(2))
        );
    }
    let people = text(&server, &["session", "people", "club"]);
    let line = people.lines().find(|line| line.starts_with(bob_id));
    assert!(line.unwrap().contains("  Bob   attendee  "), "{people}");

    text(&server, &["session", "announce", "club", "Five minutes"]);
    ada.push("announcement").await;
    let muted = text(&server, &["session", "mute", "club", bob_id]);
    assert_eq!(muted, "nothing of this was open\n");
    let promoted = server.cli_json(&["session", "role", "club", bob_id, "presenter"]);
    assert_eq!(promoted["role"], "presenter");
    text(&server, &["session", "lock", "club"]);
    assert_eq!(server.cli_json(&["room", "show", "club"])["locked"], true);
    text(&server, &["session", "unlock", "club"]);

    let remove = ["session", "remove", "club", bob_id, "--ban=7d"];
    let removed = server.cli_json(&[&remove[..], &["--reason", "Music"]].concat());
    assert_eq!(bob.close_code().await, Some(4403));
    let bans = text(&server, &["ban", "list"]);
    let ban = removed["ban"].as_str().unwrap();
    let line = bans.lines().find(|line| line.starts_with(ban)).unwrap();
    assert!(line.contains("  club  "), "{bans}");
    let gone = server.cli(&["session", "mute", "club", bob_id]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");

    let too_long = server.cli(&["session", "end", "club", "--in", "2m"]);
    assert_eq!(too_long.status.code(), Some(2));
    assert_eq!(text(&server, &["session", "end", "club"]), "it is over\n");
    assert!(ada.close_code().await.is_some());
    let ended = server.cli_json(&["session", "list", "--ended", "--room", "club"]);
    assert_eq!(ended[0]["id"], session);
    let before = ["session", "list", "--until", "2026-01-01T00:00:00Z"];
    assert_eq!(server.cli_json(&before), json!([]));
    let audit = text(&server, &["audit", "tail", "--target", bob_id]);
    assert!(
        audit.contains("  operator  participant.remove  "),
        "{audit}"
    );
    let over = server.cli(&["session", "announce", session, "Hello"]);
    assert_eq!(over.status.code(), Some(1), "{over:?}");

    let attendance = server.cli_json(&["session", "attendance", session]);
    assert_eq!(attendance["people"].as_array().unwrap().len(), 2);
    let file = server.folder.join("attendance.csv");
    let to = file.to_str().unwrap();
    text(
        &server,
        &["session", "attendance", session, "--csv", "--to", to],
    );
    let csv = fs::read_to_string(&file).unwrap();
    assert!(csv.contains("Ada") && csv.contains("Bob"), "{csv}");
    let file = server.folder.join("chat.txt");
    let to = file.to_str().unwrap();
    let none = server.cli(&["session", "chat", session, "--to", to]);
    assert_eq!(none.status.code(), Some(1), "nothing is kept: {none:?}");
    assert!(!file.exists());
}

#[tokio::test]
async fn an_operator_lets_in_and_sends_away_who_waits() {
    let server = Server::start("cli-lobby");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let made = server.cli_json(&["room", "create", "desk", "lobby=on"]);
    let _ada = host(&http, &made).await;
    let mut guests = Vec::new();
    for name in ["Bob", "Eve"] {
        let mut guest = Guest::open(&http).await;
        let waiting = guest.join("desk", nobody(), name).await;
        assert_eq!(waiting["ok"]["outcome"], "lobby", "{waiting}");
        guests.push(guest);
    }
    let lobby = server.cli_json(&["lobby", "list", "desk"]);
    let names = [0, 1].map(|place: usize| &lobby["entries"][place]["name"]);
    assert_eq!(names, ["Bob", "Eve"]);
    let bob = lobby["entries"][0]["knock"].as_str().unwrap();
    let nothing = server.cli(&["lobby", "admit", "desk"]);
    assert_eq!(nothing.status.code(), Some(2), "whom? {nothing:?}");
    let admitted = text(&server, &["lobby", "admit", "desk", bob]);
    let line = admitted.lines().find(|line| line.starts_with(bob));
    assert!(line.unwrap().ends_with("  admitted"), "{admitted}");
    let denied = server.cli_json(&["lobby", "deny", "desk", "--all", "--block", "1h"]);
    assert_eq!(denied["results"][0]["result"], "denied", "{denied}");
    let people = server.cli_json(&["session", "people", "desk"]);
    assert_eq!(people[1]["name"], "Bob", "{people}");
    assert_eq!(people.as_array().unwrap().len(), 2);
}

#[test]
fn many_are_invited_at_once_and_a_room_is_duplicated() {
    let server = Server::start("cli-bulk");
    server.cli_json(&["room", "create", "team", "title=Team"]);
    let table = server.folder.join("people.csv");
    fs::write(&table, "name,role\nAda,co_host\n\"Liskov, B.\",\n").unwrap();
    let bulk = ["invite", "bulk", "team", table.to_str().unwrap()];
    let dry = text(&server, &[&bulk[..], &["--dry-run"]].concat());
    assert_eq!(dry, "2 invites would be made\n");
    let made = server.cli_json(&bulk);
    assert_eq!(made["invites"][1]["name"], "Liskov, B.", "{made}");
    let link = made["invites"][0]["link"].as_str().unwrap();
    assert!(link.contains("/r/team#i="), "{link}");
    fs::write(&table, "name,role\nAda,queen\n").unwrap();
    let refused = server.cli(&bulk);
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors(&refused).contains("line 2"), "{refused:?}");

    let copy = server.cli_json(&["room", "duplicate", "team", "team-2", "--tag", "b"]);
    assert_eq!(
        (&copy["slug"], &copy["title"], &copy["tags"]),
        (&json!("team-2"), &json!("Team"), &json!(["b"]))
    );
    let invite = made["invites"][0]["id"].as_str().unwrap();
    let ban = ["ban", "create", "team", "--invite", invite];
    let ban = server.cli_json(&[&ban[..], &["--expires-in", "30d"]].concat());
    let bans = server.cli_json(&["ban", "list", "team"]);
    assert_eq!(bans[0]["id"], ban["id"]);
    let whom = server.cli(&["ban", "create", "team"]);
    assert_eq!(whom.status.code(), Some(2), "{whom:?}");
}

fn text(server: &Server, words: &[&str]) -> String {
    let output = server.cli(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
