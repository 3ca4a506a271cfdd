//! SIGHUP while people meet.

use std::fs;
use std::path::Path;

use serde_json::json;
use tokio::net::TcpStream;

use crate::link::{Guest, link};
use crate::proxy::{PUBLIC_URL, proxy};
use crate::server::{Server, conclave, folder, get_clear};

fn write(file: &Path, links: u32, more: &str) {
    let room = |slug: &str| {
        format!("[[rooms]]\nslug = \"{slug}\"\nlobby = \"off\"\nstart_without_host = true\n")
    };
    let text = format!(
        "public_url = \"{PUBLIC_URL}\"\n\
         http.trusted_proxies = [\"127.0.0.0/8\"]\n\
         limits.links_per_source = {links}\n\
         {more}\n{}",
        room("team"),
    );
    fs::write(file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_limits_and_rooms_and_a_broken_file_nothing() {
    let folder = folder("reload");
    let file = folder.join("conclave.toml");
    write(&file, 1, "");
    let mut command = conclave();
    command.stderr(fs::File::create(folder.join("log")).unwrap());
    let flags = ["--config", file.to_str().unwrap()];
    let server = Server::spawn_for_real_with(folder.clone(), command, &flags);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let nothing = || json!({"kind": "none"});
    let (ada_at, bob_at) = (
        proxy(http, "192.0.2.1").await,
        proxy(http, "192.0.2.2").await,
    );
    let mut ada = Guest::at(ada_at, PUBLIC_URL).await;
    let joined = ada.join("team", nothing(), "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let second = async || {
        let stream = TcpStream::connect(ada_at).await.unwrap();
        link(stream, "http", PUBLIC_URL).await
    };
    let refused = second().await.err().unwrap();
    assert!(refused.to_string().contains("429"), "{refused}");

    let more = "passwords.memory_mib = 64\n\
                [[rooms]]\nslug = \"second\"\nlobby = \"off\"\nstart_without_host = true\n";
    write(&file, 2, more);
    server.signal("HUP");
    let log = until_logged(&server, "the configuration was read again").await;
    let restart = "a change of this setting needs a restart";
    let line = log.lines().find(|line| line.contains(restart)).unwrap();
    assert!(line.contains("passwords.memory_mib"), "{line}");
    let line = log
        .lines()
        .find(|line| line.contains("read again"))
        .unwrap();
    assert!(line.contains("limits.links_per_source, rooms"), "{line}");
    let _link = second().await.unwrap();
    let refused = second().await.err().unwrap();
    assert!(refused.to_string().contains("429"), "{refused}");

    // The meeting goes on, and the new room is there.
    let mut bob = Guest::at(bob_at, PUBLIC_URL).await;
    let joined = bob.join("team", nothing(), "Bob").await;
    assert_eq!(joined["ok"]["roster"][0]["name"], "Ada", "{joined}");
    assert_eq!(
        ada.push("participant.joined").await["participant"]["name"],
        "Bob"
    );
    let mut cem = Guest::at(bob_at, PUBLIC_URL).await;
    let joined = cem.join("second", nothing(), "Cem").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    write(&file, 0, "");
    server.signal("HUP");
    let log = until_logged(&server, "what held still holds").await;
    let line = log
        .lines()
        .find(|line| line.contains("still holds"))
        .unwrap();
    assert!(line.contains("limits.links_per_source"), "{line}");
    assert!(line.contains("ERROR"), "{line}");
    let refused = second().await.err().unwrap();
    assert!(refused.to_string().contains("429"), "{refused}");
    bob.ask("leave", json!({})).await;
    ada.push("participant.left").await;

    let metrics = get_clear(ready["admin"].as_str().unwrap(), "/metrics");
    for result in ["applied", "refused"] {
        let line = format!("conclave_reloads_total{{result=\"{result}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

/// Waits for a line of the log, and returns all lines.
async fn until_logged(server: &Server, text: &str) -> String {
    loop {
        let log = fs::read_to_string(server.folder.join("log")).unwrap();
        if log.contains(text) {
            return log;
        }
        tokio::task::yield_now().await;
    }
}
