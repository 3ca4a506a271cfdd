//! The example of `docs/embedding.md`, as a site runs it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_signalling_wire::objects::Role;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::link::Guest;
use crate::server::{Server, conclave, folder};

const GUIDE: &str = include_str!("../../../docs/embedding.md");
/// RFC 8037, appendix A.1: the private half of the key in the guide.
const SITE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                        -----END PRIVATE KEY-----\n";

/// Returns the first block of the guide in a language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    let (_, rest) = GUIDE.split_once(&start).unwrap();
    rest.split_once("```").unwrap().0
}

/// Puts the program of the guide into a folder, and its key.
fn put_site(folder: &Path) {
    fs::write(folder.join("token.mjs"), block("js")).unwrap();
    fs::write(folder.join("site.key"), SITE_KEY).unwrap();
}

/// Lets the program of the guide make a token.
fn token(server: &Server, public_url: &str) -> String {
    let made = Command::new("node")
        .arg(server.folder.join("token.mjs"))
        .env("SITE_KEY_FILE", server.folder.join("site.key"))
        .env("CONCLAVE_SERVER", public_url)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn by_token(jwt: &str) -> Value {
    json!({"kind": "token", "jwt": jwt})
}

fn unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test]
async fn the_example_of_the_guide_sends_somebody_into_a_meeting() {
    let folder = folder("embedding");
    let config = folder.join("conclave.toml");
    let room = "[[rooms]]\nslug = \"maths\"\nlobby = \"on\"\nstart_without_host = true\n";
    fs::write(&config, format!("{room}{}", block("toml"))).unwrap();
    put_site(&folder);
    let mut command = conclave();
    command
        .env(
            "CONCLAVE_LOG__FILTER",
            "info,conclave_signalling_node=debug",
        )
        .stderr(fs::File::create(folder.join("log")).unwrap());
    let config = config.to_str().unwrap().to_owned();
    let server = Server::spawn_with(folder, command, &["--config", &config]);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let public_url = ready["guest_link"].as_str().unwrap();
    let public_url = public_url.strip_suffix("/r/welcome").unwrap();
    let token = || token(&server, public_url);
    let used = token();
    let mut grace = Guest::open(http).await;
    let joined = grace.join("maths", by_token(&used), "Typed").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let own = &joined["ok"]["self"];
    assert_eq!(own["role"], json!(Role::Presenter));
    assert_eq!(
        (&own["name"], &own["identity"]),
        (&json!("Grace Hopper"), &json!("verified"))
    );

    let mut thief = Guest::open(http).await;
    let refused = thief.join("maths", by_token(&used), "Thief").await;
    assert_eq!(refused["error"]["code"], "bad_credentials", "{refused}");
    assert_eq!(refused["error"]["field"], "credential.jwt");
    let refused = thief.join("welcome", by_token(&token()), "Thief").await;
    assert_eq!(refused["error"]["code"], "bad_credentials", "{refused}");
    let mut other = Guest::open(http).await;
    let joined = other.join("maths", by_token(&token()), "Typed").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    let uses = ["audit", "tail", "--action", "token.use", "--output", "json"];
    let uses = String::from_utf8(server.cli(&uses).stdout).unwrap();
    let targets = uses.lines().map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        entry["target"].clone()
    });
    assert_eq!(targets.collect::<Vec<_>>(), ["school-2026"; 2]);
}

#[tokio::test]
async fn a_site_of_the_api_sends_people_until_it_is_deleted() {
    let server = Server::start("embedder");
    let begun_s = unix_s();
    put_site(&server.folder);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let public_url = ready["guest_link"].as_str().unwrap();
    let public_url = public_url.strip_suffix("/r/welcome").unwrap();
    let admin = Caller::new(&server, "admin", &[]);
    let room = json!({"slug": "maths", "start_without_host": true});
    assert_eq!(admin.ask("POST", "/rooms", Some(&room)).status, 201);
    let site = json!({
        "kid": "school-2026",
        "issuer": "https://school.example",
        // RFC 8037, appendix A.2.
        "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "max_role": "presenter",
        "rooms": ["maths"],
    });
    let added = admin.ask("POST", "/embedders", Some(&site));
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.body["audience"], public_url);

    // Tokens of the second in which the server started are not taken.
    while unix_s() <= begun_s {
        thread::yield_now();
    }
    let jwt = token(&server, public_url);
    let mut grace = Guest::open(http).await;
    let joined = grace.join("maths", by_token(&jwt), "Typed").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    let asked_at = Instant::now();
    let deleted = admin.ask("DELETE", "/embedders/school-2026", None);
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert_eq!(grace.close_code().await, Some(4403));
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    let mut other = Guest::open(http).await;
    let jwt = token(&server, public_url);
    let refused = other.join("maths", by_token(&jwt), "Typed").await;
    assert_eq!(refused["error"]["code"], "bad_credentials", "{refused}");
    assert_eq!(refused["error"]["field"], "credential.jwt");
}
