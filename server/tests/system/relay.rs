//! The relay of a running server: who may use it, by which ways, for how long,
//! and to reach what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

use crate::link::Guest;
use crate::server::{Server, conclave, errors, folder};
use crate::turn::{ByStream, Client, Way, by_udp};

/// Where all relayed addresses of a server with meetings are (RFC 7600).
const RELAYED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8));

fn place(server: &Server) -> SocketAddr {
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap();
    https.trim_start_matches("https://").parse().unwrap()
}

fn media(server: &Server, shard: usize) -> SocketAddr {
    let port = server.ready()["media_ports"][shard].as_u64().unwrap();
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
}

fn by_tls(server: &Server) -> impl Way + use<> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(server.client_config(), name).unwrap();
    ByStream(StreamOwned::new(connection, tcp(server)))
}

fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(place(server)).unwrap();
    let patience = std::time::Duration::from_secs(10);
    stream.set_read_timeout(Some(patience)).unwrap();
    stream
}

/// Starts a server with so many shards: with one, the relay is in its loop.
fn start(test: &str, shards: usize) -> Server {
    let mut command = conclave();
    command.stderr(Stdio::null());
    let flags = ["--shards", &shards.to_string()];
    Server::spawn_with(folder(&format!("{test}-{shards}")), command, &flags)
}

async fn guest(server: &Server, name: &str) -> (Guest, Value) {
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let mut guest = Guest::open(&http).await;
    let joined = guest.join("welcome", json!({"kind": "none"}), name).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    (guest, joined["ok"].clone())
}

async fn host(server: &Server) -> Guest {
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let link = ready["host_link"].as_str().unwrap();
    let secret = link.split_once("#i=").unwrap().1;
    let mut host = Guest::open(http).await;
    let invite = json!({"kind": "invite", "secret": secret});
    let joined = host.join("welcome", invite, "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    host
}

/// Waits until the relay has heard what signalling has answered already.
fn until_dead(client: &mut Client) -> u16 {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        match client.refresh() {
            Err(code) => return code,
            Ok(_) => assert!(std::time::Instant::now() < end, "the allocation lives"),
        }
    }
}

#[tokio::test]
async fn a_participant_reaches_the_media_by_every_way_and_nothing_else() {
    for shards in [1, 2] {
        reaches_the_media(shards).await;
    }
}

async fn reaches_the_media(shards: usize) {
    let server = start("relay-ways", shards);
    let (_guest, joined) = guest(&server, "Bob").await;
    let servers = &joined["ice_servers"];
    let port = place(&server).port();
    assert_eq!(
        servers[0]["urls"],
        json!([
            format!("turn:localhost:{port}?transport=udp"),
            format!("turn:localhost:{port}?transport=tcp"),
            format!("turns:localhost:{port}?transport=tcp"),
        ])
    );
    assert_eq!(servers[0]["ttl_s"], 600);
    let mut clients = [
        Client::new(by_udp(place(&server)), servers),
        Client::new(ByStream(tcp(&server)), servers),
        Client::new(by_tls(&server), servers),
    ];
    let mut relayed = Vec::new();
    for client in &mut clients {
        let address = client.allocate().unwrap().unwrap();
        assert_eq!(address.ip(), RELAYED);
        relayed.push(address);
        for shard in 0..shards {
            assert_eq!(client.permit(media(&server, shard)), Ok(None));
        }
        assert_eq!(client.bind(media(&server, 0)), Ok(None));
        // Another service of this machine, another machine, another participant.
        let pages = place(&server);
        assert_eq!(client.bind(pages), Err(403));
        let elsewhere = SocketAddr::from(([192, 0, 2, 7], 10_000));
        assert_eq!(client.permit(elsewhere), Err(403));
        assert_eq!(client.permit(relayed[0]), Err(403));
        assert_eq!(client.refresh(), Ok(None));
    }
    relayed.dedup();
    assert_eq!(relayed.len(), 3);
    // Pages are served on the same port as before.
    let https = server.ready()["https"].as_str().unwrap().to_owned();
    assert!(
        server
            .get_tls(&https, "/healthz")
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn allocations_and_credentials_end_with_whoever_leaves_is_removed_or_was_in_a_meeting_that_ended()
 {
    for shards in [1, 2] {
        allocations_and_credentials_end(shards).await;
    }
}

async fn allocations_and_credentials_end(shards: usize) {
    let server = start("relay-ends", shards);
    let mut host = host(&server).await;
    let (mut bob, of_bob) = guest(&server, "Bob").await;
    let (_carl, of_carl) = guest(&server, "Carl").await;
    let (_dora, of_dora) = guest(&server, "Dora").await;
    let mut clients: Vec<Client> = [&of_bob, &of_carl, &of_dora]
        .iter()
        .map(|joined| Client::new(by_udp(place(&server)), &joined["ice_servers"]))
        .collect();
    for client in &mut clients {
        client.allocate().unwrap();
    }
    assert_eq!(bob.ask("leave", json!({})).await["ok"], json!({}));
    assert_eq!(until_dead(&mut clients[0]), 401);
    let remove = json!({"participant": of_carl["self"]["id"]});
    let removed = host.ask("participant.remove", remove).await;
    assert!(removed["ok"].is_object(), "{removed}");
    assert_eq!(until_dead(&mut clients[1]), 401);
    assert_eq!(clients[2].refresh(), Ok(None));
    let ended = host.ask("session.end", json!({})).await;
    assert!(ended["ok"].is_object(), "{ended}");
    assert_eq!(until_dead(&mut clients[2]), 401);
    // Nor do their credentials make new ones.
    for joined in [&of_bob, &of_carl, &of_dora] {
        let mut client = Client::new(by_udp(place(&server)), &joined["ice_servers"]);
        assert_eq!(client.allocate(), Err(401));
    }
}

#[tokio::test]
async fn a_refreshed_credential_works_beside_the_first_one() {
    let server = Server::start("relay-refresh");
    let (mut bob, joined) = guest(&server, "Bob").await;
    let fresh = bob.ask("turn.refresh", json!({})).await;
    let fresh = &fresh["ok"]["ice_servers"];
    assert_ne!(fresh[0]["username"], joined["ice_servers"][0]["username"]);
    for servers in [fresh, &joined["ice_servers"]] {
        let mut client = Client::new(by_udp(place(&server)), servers);
        assert!(client.allocate().is_ok());
    }
    let mut forged = joined["ice_servers"][0].clone();
    forged["credential"] = fresh[0]["credential"].clone();
    let mut client = Client::new(by_udp(place(&server)), &forged);
    assert_eq!(client.allocate(), Err(401));
}

#[tokio::test]
async fn before_joining_the_ways_can_be_tried_and_nothing_reached() {
    let server = Server::start("relay-test");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let mut guest = Guest::open(&http).await;
    for room in ["welcome", "nowhere"] {
        let info = guest
            .ask("room.info", json!({"room": room, "connection_test": true}))
            .await;
        let test = &info["ok"]["connection_test"];
        assert_eq!(test["ttl_s"], 60);
        let mut client = Client::new(by_udp(place(&server)), test);
        assert!(client.allocate().unwrap().is_some());
        assert_eq!(client.permit(media(&server, 0)), Err(403));
        assert_eq!(client.bind(media(&server, 0)), Err(403));
        let mut client = Client::new(by_tls(&server), test);
        assert!(client.allocate().unwrap().is_some());
    }
}

#[tokio::test]
async fn a_class_behind_one_address_can_try_the_ways_at_the_same_time() {
    let server = Server::start("relay-class");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let mut guest = Guest::open(&http).await;
    let asked = json!({"room": "welcome", "connection_test": true});
    let mut held = Vec::new();
    for pupil in 0..17 {
        let info = guest.ask("room.info", asked.clone()).await;
        let test = &info["ok"]["connection_test"];
        for _ in 0..3 {
            let mut client = Client::new(by_udp(place(&server)), test);
            let allocated = client.allocate().map(|_| ());
            let expected = if pupil < 16 { Ok(()) } else { Err(486) };
            assert_eq!(allocated, expected, "{pupil} {}", held.len());
            held.push(client);
        }
    }
}

#[tokio::test]
async fn a_server_without_relay_says_so_and_lets_no_room_insist_on_it() {
    let folder = folder("relay-off");
    let mut command = conclave();
    command.env("CONCLAVE_TURN__ENABLED", "false");
    let server = Server::spawn(folder, command);
    assert!(server.ready()["turn"].is_null());
    let (_guest, joined) = guest(&server, "Bob").await;
    assert_eq!(joined["ice_servers"], json!([]));
    let mut host = host(&server).await;
    let refused = host.ask("room.update", json!({"relay_only": true})).await;
    assert_eq!(refused["error"]["code"], "not_available");
    assert_eq!(refused["error"]["field"], "relay_only");
    // What asks for TURN at the port of pages is closed.
    let mut stream = tcp(&server);
    let mut allocate = vec![0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    allocate.extend([7; 12]);
    std::io::Write::write_all(&mut stream, &allocate).unwrap();
    let mut answer = Vec::new();
    let read = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(read.is_err() || answer.is_empty());
}

#[tokio::test]
async fn the_relay_listens_where_else_it_is_told_to() {
    let folder = folder("relay-listen");
    let port = {
        // Free a moment ago.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port()
    };
    let extra = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = conclave();
    command.env("CONCLAVE_TURN__LISTEN", extra.to_string());
    command.env("CONCLAVE_TURN__URLS", "turn:{host}:3478");
    command.env("CONCLAVE_TURN__REALM", "relay.example.org");
    let server = Server::spawn(folder, command);
    let (_guest, joined) = guest(&server, "Bob").await;
    let servers = &joined["ice_servers"];
    assert_eq!(servers[0]["urls"], json!(["turn:localhost:3478"]));
    let mut client = Client::new(by_udp(extra), servers);
    assert!(client.allocate().is_ok());
    let stream = TcpStream::connect(extra).unwrap();
    let mut client = Client::new(ByStream(stream), servers);
    assert!(client.allocate().is_ok());
}

fn refused(flags: &[&str], settings: &[(&str, &str)]) -> String {
    let mut command: Command = conclave();
    command.args(["serve", "--dev"]).args(flags);
    command.envs(settings.iter().copied());
    let output = command.stdout(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    errors(&output)
}

#[test]
fn a_relay_alone_does_not_start_without_users_or_peers() {
    let alone = ["--role", "turn"];
    let text = refused(&alone, &[("CONCLAVE_TURN__PEERS", "192.0.2.7")]);
    assert!(text.contains("`turn.users`"), "{text}");
    let users = ("CONCLAVE_TURN__USERS", "ada:hunter22");
    let text = refused(&alone, &[users]);
    assert!(text.contains("`turn.peers`"), "{text}");
    let text = refused(&alone, &[users, ("CONCLAVE_TURN__OPEN", "true")]);
    assert!(text.contains("`turn.i_know = true`"), "{text}");
    let empty = folder("relay-secret").join("secret");
    std::fs::write(&empty, "\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&empty, mode).unwrap();
    let secret = ("CONCLAVE_TURN__SECRET_FILE", empty.to_str().unwrap());
    let text = refused(&alone, &[secret, ("CONCLAVE_TURN__PEERS", "192.0.2.7")]);
    assert!(text.contains("`turn.secret_file`"), "{text}");
    let text = refused(&["--role", "media"], &[]);
    assert!(text.contains("`all` and `turn`"), "{text}");
    std::fs::remove_dir_all(empty.parent().unwrap()).unwrap();
}

#[test]
fn a_relay_alone_relays_between_real_sockets_and_keeps_nothing() {
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = peer.local_addr().unwrap();
    let mut command = conclave();
    command.env("CONCLAVE_TURN__USERS", "ada:hunter22,bob:hunter23");
    command.env("CONCLAVE_TURN__PEERS", at.to_string());
    command.env("CONCLAVE_TURN__ALLOW_LOOPBACK_PEERS", "true");
    command.env("CONCLAVE_TURN__RELAY_IPS", "127.0.0.1");
    let mut server = Server::spawn_with(folder("relay-alone"), command, &["--role", "turn"]);
    let ready = server.ready();
    assert!(ready["guest_link"].is_null() && ready["media_ports"] == json!([]));
    assert_eq!(ready["turn"].as_array().unwrap().len(), 3);
    let https = ready["https"].as_str().unwrap().to_owned();
    assert!(
        server
            .get_tls(&https, "/readyz")
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        server
            .get_tls(&https, "/r/welcome")
            .starts_with("HTTP/1.1 404")
    );
    assert!(!server.folder.join("data/conclave.db").exists());
    let known = json!({"username": "ada", "credential": "hunter22"});
    for mut client in [
        Client::new(by_udp(place(&server)), &known),
        Client::new(ByStream(tcp(&server)), &known),
        Client::new(by_tls(&server), &known),
    ] {
        let relayed = client.allocate().unwrap().unwrap();
        assert!(relayed.ip().is_loopback() && relayed.port() >= 49_152);
        assert_eq!(client.permit(at), Ok(None));
        assert_eq!(client.bind(at), Ok(None));
        let pages = place(&server);
        assert_eq!(client.bind(pages), Err(403));
    }
    let wrong = json!({"username": "ada", "credential": "hunter23"});
    let mut client = Client::new(by_udp(place(&server)), &wrong);
    assert_eq!(client.allocate(), Err(401));
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}
