//! The commands of an operator, on a server that runs and on one that does not.

mod remote;
mod sessions;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::link::Guest;
use crate::server::{Server, conclave, errors, folder};

#[test]
fn rooms_invites_and_audit_are_the_same_with_a_server_and_without() {
    let server = Server::start("operator-online");
    let public_url = server.ready()["guest_link"].as_str().unwrap().to_owned();
    let public_url = public_url.strip_suffix("/r/welcome").unwrap().to_owned();
    live(&Operator {
        data: server.folder.join("data"),
        public_url,
    });

    let folder = folder("operator-offline");
    live(&Operator {
        data: folder.join("data"),
        public_url: "https://meet.example.org".to_owned(),
    });
    fs::remove_dir_all(folder).unwrap();
}

/// What an operator does with a room from its beginning to its end.
fn live(operator: &Operator) {
    let url = &operator.public_url;
    let made = operator.json(&[
        "room",
        "create",
        "team",
        "title=Team",
        "attendees.screen=false",
    ]);
    assert_eq!(made["slug"], "team");
    assert_eq!(made["title"], "Team");
    assert_eq!(made["lobby"], "on", "a room without password");
    assert_eq!(made["guest_link"], format!("{url}/r/team"));
    let host_link = made["host_link"].as_str().unwrap();
    assert!(
        host_link.starts_with(&format!("{url}/r/team#i=")),
        "{host_link}"
    );
    assert_eq!(made["attendees"]["screen"], false);
    assert_eq!(
        made["attendees"]["microphone"], true,
        "the rest is as usual"
    );

    let generated = operator.text(&["room", "create"]);
    assert!(generated.contains("host link ") && generated.contains("not shown again"));
    let taken = operator.refused(&["room", "create", "team"], 1);
    assert_eq!(taken, "conclave: another room has this name\n");

    let shown = operator.text(&["room", "show", "team"]);
    assert!(shown.contains("\nattendees.screen=false\n"), "{shown}");
    assert!(!shown.contains("#i="), "the host link is shown once");
    let by_id = operator.json(&["room", "show", made["id"].as_str().unwrap()]);
    assert_eq!(by_id["slug"], "team");

    let set = operator.json(&[
        "room",
        "set",
        "team",
        "lobby=off",
        "caps.participants=40",
        "attendees.rename=false",
        "opens_at=2026-11-22T10:00:00Z",
        "allowed_networks=192.0.2.0/24",
    ]);
    assert_eq!(set["lobby"], "off");
    assert_eq!(
        set["caps"],
        json!({"participants": 40, "microphone": null, "camera": null})
    );
    assert_eq!(set["attendees"]["screen"], false, "what is not named stays");
    assert_eq!(set["attendees"]["rename"], false);
    assert_eq!(set["opens_at"], "2026-11-22T10:00:00Z");
    let cleared = operator.json(&["room", "set", "team", "opens_at=", "caps.participants="]);
    assert_eq!(cleared["opens_at"], Value::Null);
    assert_eq!(cleared["caps"]["participants"], Value::Null);
    for (words, expected) in [
        (
            &["loby=on"][..],
            "`loby`: there is no such setting; the nearest is `lobby`",
        ),
        (&["lobby=perhaps"], "`lobby`: unknown variant `perhaps`"),
        (
            &["no_host_grace_s=4000"],
            "`no_host_grace_s`: must be 0 to 3600",
        ),
        (
            &["default_role=host"],
            "`default_role`: must be `attendee` or `viewer`",
        ),
        (&["password=hunter22"], "`password`: "),
        (&[], "there is nothing to change"),
    ] {
        let text = operator.refused(&[&["room", "set", "team"], words].concat(), 2);
        assert!(text.starts_with(&format!("conclave: {expected}")), "{text}");
    }

    let invite = operator.json(&[
        "invite",
        "create",
        "team",
        "--name",
        "Ada",
        "--max-uses",
        "1",
        "--role",
        "presenter",
        "--expires-in",
        "7d",
    ]);
    assert!(
        invite["link"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{url}/r/team#i="))
    );
    let id = invite["id"].as_str().unwrap();
    let invites = operator.json(&["invite", "list", "team"]);
    let listed: Vec<_> = invites.as_array().unwrap().iter().collect();
    assert_eq!(
        listed.len(),
        2,
        "that of the host link, and this: {invites}"
    );
    assert!(listed.iter().all(|invite| invite["secret"].is_null()));
    operator.text(&["invite", "revoke", "team", id]);
    let table = operator.text(&["invite", "list", "team"]);
    let line = table.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(line.contains("revoked"), "{table}");
    let unknown = "inv_01h455vb4pex5vsknk084sn02q";
    operator.refused(&["invite", "revoke", "team", unknown], 1);
    operator.refused(&["invite", "list", "nowhere"], 1);
    let bans = operator.json(&["ban", "list", "team"]);
    assert_eq!(bans, json!([]));
    operator.refused(
        &["ban", "lift", "team", "ban_01h455vb4pex5vsknk084sn02q"],
        1,
    );

    let rooms = operator.text(&["room", "list"]);
    assert!(
        rooms.lines().any(|line| line.starts_with("team  ")),
        "{rooms}"
    );
    operator.text(&["room", "delete", "team"]);
    operator.refused(&["room", "show", "team"], 1);
    operator.refused(&["room", "delete", "team"], 1);

    let tail = operator.text(&["audit", "tail", "--actor", "operator"]);
    assert!(tail.contains("  operator  room.create"), "{tail}");
    let verified = operator.text(&["audit", "verify"]);
    assert!(verified.starts_with("intact: "), "{verified}");
    let export = operator.text(&["audit", "export"]);
    let numbers: Vec<u64> = export
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert!(numbers.len() > 5);
    assert!(
        numbers
            .iter()
            .zip(1..)
            .all(|(seq, expected)| *seq == expected),
        "{numbers:?}"
    );
    let head = verified
        .lines()
        .find_map(|line| line.strip_prefix("head: "))
        .unwrap();
    let shown = operator.text(&["audit", "head"]);
    assert_eq!(shown, format!("{head}\n"), "the same, without a check");
    operator.text(&["audit", "verify", "--anchor", head]);
    let forged = format!("1:{}", "0".repeat(64));
    let broken = operator.refused(&["audit", "verify", "--anchor", &forged], 1);
    assert!(broken.contains("broken at record 1"), "{broken}");
    operator.refused(&["audit", "verify", "--anchor", "here"], 2);
}

#[tokio::test]
async fn what_an_operator_does_reaches_those_who_are_in_the_room() {
    let server = Server::start("live");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let made = server.cli_json(&["room", "create", "club", "lobby=off"]);
    let secret = made["host_link"].as_str().unwrap();
    let secret = secret.split_once("#i=").unwrap().1;
    let mut host = Guest::open(&http).await;
    let invite = json!({"kind": "invite", "secret": secret});
    let hosting = host.join("club", invite, "Ada").await;
    assert_eq!(hosting["ok"]["self"]["role"], "host", "{hosting}");
    let mut guest = Guest::open(&http).await;
    let nobody = || json!({"kind": "none"});
    let joined = guest.join("club", nobody(), "Bob").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    // A change is told to whoever is in.
    server.cli_json(&[
        "room",
        "set",
        "club",
        "title=The club",
        "attendees.rename=false",
    ]);
    let updated = guest.push("room.updated").await;
    assert_eq!(updated["room"]["title"], "The club");
    let permissions = guest.push("permissions").await;
    let may_rename = json!("self.rename");
    let held = permissions["permissions"].as_array().unwrap();
    assert!(!held.contains(&may_rename), "{permissions}");

    // A ban of a host is listed, holds, and is lifted.
    let remove = json!({
        "participant": joined["ok"]["self"]["id"],
        "ban": {"scope": "room"},
    });
    let removed = host.ask("participant.remove", remove).await;
    let ban = removed["ok"]["ban"].as_str().unwrap().to_owned();
    assert_eq!(guest.close_code().await, Some(4403));
    let bans = server.cli_json(&["ban", "list", "club"]);
    assert_eq!(bans[0]["id"], ban, "{bans}");
    assert_eq!(bans[0]["name"], "Bob");
    let mut again = guest.again(&http).await;
    let refused = again.join("club", nobody(), "Rob").await;
    assert_eq!(refused["error"]["code"], "banned", "{refused}");
    assert!(server.cli(&["ban", "lift", "club", &ban]).status.success());
    assert_eq!(server.cli_json(&["ban", "list", "club"]), json!([]));
    let admitted = again.join("club", nobody(), "Rob").await;
    assert!(admitted["error"].is_null(), "{admitted}");

    // A room that is deleted ends, and is unknown from then on.
    assert!(server.cli(&["room", "delete", "club"]).status.success());
    assert_eq!(host.close_code().await, Some(4410));
    let mut late = Guest::open(&http).await;
    let unknown = late.join("club", nobody(), "Eve").await;
    assert_eq!(unknown["error"]["code"], "password_required", "{unknown}");

    let audit = server.cli(&["audit", "tail", "--limit", "100"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    for action in [
        "participant.remove",
        "ban.lift",
        "room.update",
        "room.delete",
    ] {
        assert!(
            audit.contains(&format!("  {action}  ")),
            "{action}: {audit}"
        );
    }
}

#[tokio::test]
async fn a_record_that_somebody_edits_removes_or_adds_is_found() {
    for (edit, name) in [
        (
            "UPDATE audit SET action = 'room.delete' WHERE seq = 2",
            "edit",
        ),
        ("DELETE FROM audit WHERE seq = 2", "removal"),
        (
            "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
            "cut",
        ),
    ] {
        let folder = folder(&format!("audit-{name}"));
        let operator = Operator {
            data: folder.join("data"),
            public_url: "https://meet.example.org".to_owned(),
        };
        for room in ["one", "two", "three"] {
            operator.text(&["room", "create", room]);
        }
        operator.text(&["audit", "verify"]);
        let database = format!("sqlite://{}", operator.data.join("conclave.db").display());
        let mut connection = SqliteConnection::connect(&database).await.unwrap();
        sqlx::query(edit).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let broken = operator.refused(&["audit", "verify"], 1);
        assert!(
            broken.contains("the audit log is broken at record"),
            "{name}: {broken}"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn without_a_server_there_is_nothing_to_follow() {
    let folder = folder("follow");
    let operator = Operator {
        data: folder.join("data"),
        public_url: "https://meet.example.org".to_owned(),
    };
    operator.text(&["room", "create", "team"]);
    let text = operator.refused(&["audit", "tail", "--follow"], 1);
    assert!(text.contains("nothing comes to follow"), "{text}");
    operator.text(&["audit", "tail"]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_others_write_to_or_own_is_not_used() {
    let folder = folder("foreign");
    let operator = Operator {
        data: folder.join("data"),
        public_url: "https://meet.example.org".to_owned(),
    };
    fs::create_dir(&operator.data).unwrap();
    fs::set_permissions(&operator.data, Permissions::from_mode(0o777)).unwrap();
    let text = operator.refused(&["room", "create", "team"], 1);
    assert!(text.contains("mode 0777"), "{text}");
    fs::set_permissions(&operator.data, Permissions::from_mode(0o700)).unwrap();
    // Only root can give a folder away.
    if std::os::unix::fs::chown(&operator.data, Some(4711), None).is_ok() {
        let text = operator.refused(&["room", "create", "team"], 1);
        assert!(text.contains("the user with the number 4711"), "{text}");
        assert_eq!(fs::read_dir(&operator.data).unwrap().count(), 0);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_damaged_room_does_not_stop_the_server() {
    let folder = folder("damaged");
    let mut server = Server::start_in(folder.clone());
    server.cli_json(&["room", "create", "team"]);
    server.signal("TERM");
    server.process.wait().unwrap();
    let database = format!("sqlite://{}", folder.join("data/conclave.db").display());
    let mut connection = SqliteConnection::connect(&database).await.unwrap();
    sqlx::query("UPDATE room SET settings = '{}'")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let server = Server::start_in(folder);
    assert!(server.ready()["host_link"].is_null());
    for room in ["team", "welcome"] {
        assert_eq!(server.cli(&["room", "show", room]).status.code(), Some(1));
        let deleted = server.cli(&["room", "delete", room]);
        assert!(deleted.status.success(), "{}", errors(&deleted));
    }
    server.cli_json(&["room", "create", "team"]);
}

#[test]
fn without_a_server_and_without_its_data_there_is_nothing_to_ask() {
    let folder = folder("nothing");
    let operator = Operator {
        data: folder.join("data"),
        public_url: "https://meet.example.org".to_owned(),
    };
    let text = operator.refused(&["room", "list"], 1);
    assert!(text.contains("is it the right --data-dir?"), "{text}");
    assert!(!operator.data.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_server_whose_socket_is_gone_still_has_its_data_for_itself() {
    let server = Server::start("no-socket");
    fs::remove_file(server.folder.join("data/control.sock")).unwrap();
    let output = server.cli(&["room", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("in use"), "{}", errors(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = folder("unread");
    let data = folder.join("data");
    for command in ["room create", "room list", "audit export", "audit tail"] {
        // Standard output is a pipe that nobody reads.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = conclave()
            .args(command.split(' '))
            .arg("--data-dir")
            .arg(&data)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        assert_eq!(errors(&output), "", "{command}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn help_has_an_example_and_every_setting() {
    for words in [
        &["room", "set", "--help"][..],
        &["room", "create", "--help"],
    ] {
        let output = conclave().args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("Examples:") && text.contains("attendees.screen="),
            "{text}"
        );
    }
    let output = conclave().args(["room", "fly"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Lets Ada come in by the host link of a room that was made.
async fn host(http: &str, made: &Value) -> Guest {
    let link = made["host_link"].as_str().unwrap();
    let secret = link.split_once("#i=").unwrap().1;
    let mut host = Guest::open(http).await;
    let invite = json!({"kind": "invite", "secret": secret});
    let slug = made["slug"].as_str().unwrap();
    let hosting = host.join(slug, invite, "Ada").await;
    assert_eq!(hosting["ok"]["self"]["role"], "host", "{hosting}");
    host
}

/// Somebody at the command line.
struct Operator {
    data: PathBuf,
    public_url: String,
}

impl Operator {
    fn run(&self, words: &[&str]) -> Output {
        conclave()
            .args(words)
            .args(["--public-url", &self.public_url, "--data-dir"])
            .arg(&self.data)
            .output()
            .unwrap()
    }

    fn text(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let text = self.text(&[words, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Returns what a command says that is refused with an exit code.
    fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        errors(&output)
    }
}
