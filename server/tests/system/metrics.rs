//! What the server tells whoever watches it.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::link::Guest;
use crate::server::{Server, conclave, folder, get_clear};

/// Absent until the first signed head, which is made now and then.
const LATER: [&str; 2] = [
    "conclave_audit_head_sequence",
    "conclave_audit_head_time_seconds",
];

#[tokio::test]
async fn every_documented_metric_is_answered_on_the_listener_of_its_own() {
    let server = Server::start("metrics");
    let ready = server.ready();
    let admin = ready["admin"].as_str().unwrap();
    let http = ready["http"].as_str().unwrap();
    let mut guest = Guest::open(http).await;
    let joined = guest.join("welcome", json!({"kind": "none"}), "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    let listed = server.cli(&["room", "list"]);
    assert!(listed.status.success(), "{listed:?}");

    let answer = get_clear(admin, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/plain; version=0.0.4"));
    let names = answer.lines().filter_map(|it| it.strip_prefix("# TYPE "));
    let names: BTreeSet<&str> = names.filter_map(|it| it.split(' ').next()).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    let known = page.lines().filter_map(|it| it.strip_prefix("| `"));
    let known = known.filter_map(|it| it.split('`').next());
    let known: BTreeSet<&str> = known.filter(|it| !it.contains(['=', '('])).collect();
    let missing: Vec<_> = known.difference(&names).collect();
    assert!(missing.iter().all(|it| LATER.contains(it)), "{missing:?}");
    assert!(names.is_subset(&known), "{names:?}");
    for line in [
        "conclave_ready 1",
        "conclave_participants 1",
        "conclave_joins_total{outcome=\"taken\"} 1",
        "conclave_links 1",
        "conclave_connections_undecided 0",
        "conclave_relay_peer_connections_total 0",
        "conclave_api_requests_total{class=\"2xx\"} 1",
        "conclave_api_request_seconds_count 1",
        "conclave_webhook_deliveries_pending 0",
    ] {
        assert!(answer.lines().any(|it| it == line), "{line}: {answer}");
    }
    // Nobody learns from it who meets where.
    assert!(!answer.contains("welcome") && !answer.contains("Ada") && !answer.contains("127.0.0"));

    assert!(get_clear(admin, "/readyz").starts_with("HTTP/1.1 200 OK"));
    assert!(get_clear(admin, "/healthz").starts_with("HTTP/1.1 200 OK"));
    for path in ["/", "/r/welcome", "/api/v1/rooms", "/api/v1/signal"] {
        assert!(get_clear(admin, path).starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(!get_clear(http, "/metrics").contains("conclave_ready"));
}

#[test]
fn a_development_server_yields_the_port_of_metrics_and_another_does_not() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder("metrics-port");
    let log = folder.join("log");
    let start = |command: &mut std::process::Command| {
        command.env("CONCLAVE_ADMIN__LISTEN", &address);
        command.stderr(fs::File::create(&log).unwrap());
    };
    let mut command = conclave();
    start(&mut command);
    let mut server = Server::spawn(folder.clone(), command);
    let admin = server.ready()["admin"].as_str().unwrap().to_owned();
    assert_ne!(admin, format!("http://{address}"));
    assert!(get_clear(&admin, "/metrics").contains("conclave_ready 1"));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("a free port is taken"), "{text}");
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));

    let mut command = conclave();
    start(&mut command);
    let refused = command
        .args(["serve", "--https", "127.0.0.1:0", "--http", "off"])
        .env("CONCLAVE_PUBLIC_URL", "https://meet.example.org")
        .env("CONCLAVE_HTTP__TRUSTED_PROXIES", "127.0.0.1")
        .args(["--data-dir", folder.join("data").to_str().unwrap()])
        .status()
        .unwrap();
    assert_eq!(refused.code(), Some(1));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("`admin.listen`"), "{text}");
}

#[test]
fn there_is_no_listener_for_metrics_where_it_is_off() {
    let folder = folder("metrics-off");
    let mut command = conclave();
    command
        .env("CONCLAVE_ADMIN__LISTEN", "off")
        .stderr(fs::File::create(folder.join("log")).unwrap());
    let server = Server::spawn(folder, command);
    assert!(server.ready()["admin"].is_null());
}
