//! The server from its start to its end.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use crate::link::{Guest, close_code, link, nonblocking};
use crate::server::{Server, conclave, errors, folder, get_clear, without_settings};

#[test]
fn a_development_server_says_where_it_is_serves_there_and_ends_when_told() {
    let mut server = Server::start("life");
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap();
    let http = ready["http"].as_str().unwrap();
    assert_eq!(
        ready["guest_link"],
        format!("{}/r/welcome", https.replace("127.0.0.1", "localhost"))
    );
    assert!(
        ready["host_link"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}#i=", ready["guest_link"].as_str().unwrap()))
    );
    assert_eq!(ready["media_ports"].as_array().unwrap().len(), 2);
    let port = https.rsplit(':').next().unwrap();
    assert_eq!(
        ready["turn"],
        json!([
            format!("turn:localhost:{port}?transport=udp"),
            format!("turn:localhost:{port}?transport=tcp"),
            format!("turns:localhost:{port}?transport=tcp"),
        ])
    );
    assert!(
        server.output.contains(ready["host_link"].as_str().unwrap()),
        "{}",
        server.output
    );

    assert!(
        server
            .get_tls(https, "/healthz")
            .starts_with("HTTP/1.1 200 OK")
    );
    let readiness = server.get_tls(https, "/readyz");
    assert!(
        readiness.starts_with("HTTP/1.1 200 OK") && readiness.contains("{\"ready\":true"),
        "{readiness}"
    );
    assert!(get_clear(http, "/healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(
        get_clear(http, "/nowhere").contains("\r\ncontent-security-policy: default-src 'none'")
    );
    let health = server.run(&[
        "health",
        "--dev",
        "--https",
        https.trim_start_matches("https://"),
    ]);
    assert!(health.status.success(), "{health:?}");

    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    assert!(!server.ready_file().exists());
    let health = server.run(&[
        "health",
        "--dev",
        "--https",
        https.trim_start_matches("https://"),
    ]);
    assert_eq!(health.status.code(), Some(1));
}

#[tokio::test]
async fn links_of_allowed_pages_over_tls_and_loopback_are_closed_with_4503_at_the_end() {
    let mut server = Server::start("links");
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap();
    let http = ready["http"].as_str().unwrap();
    let clear = || async { tokio::net::TcpStream::from_std(nonblocking(http)).unwrap() };
    let tls = || async {
        let connector = tokio_rustls::TlsConnector::from(server.client_config());
        let stream = tokio::net::TcpStream::from_std(nonblocking(https)).unwrap();
        connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    };

    let refused = link(clear().await, "http", "https://evil.example")
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("403"), "{refused}");
    let mut first = link(clear().await, "http", http).await.unwrap();
    let mut second = link(tls().await, "https", https).await.unwrap();
    server.signal("TERM");
    assert_eq!(close_code(&mut first).await, Some(4503));
    assert_eq!(close_code(&mut second).await, Some(4503));
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[test]
fn connections_fit_into_the_hard_limit_of_open_files_which_becomes_the_soft_one() {
    let folder = folder("descriptors");
    let log = folder.join("log");
    let mut command = Command::new("sh");
    let script = "ulimit -S -n 64 && ulimit -H -n 400 && exec \"$0\" \"$@\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_conclave")])
        .stderr(fs::File::create(&log).unwrap());
    without_settings(&mut command);
    let server = Server::spawn(folder, command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<_> = files.unwrap().split_whitespace().collect();
    assert_eq!(files[3..5], ["400", "400"]);
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("`limits.connections` is lowered") && log.contains("\"connections\":144"),
        "{log}"
    );
}

#[test]
fn the_certificate_survives_a_restart() {
    let folder = folder("restart");
    let certificate = || fs::read(folder.join("data/dev-certificate.pem")).unwrap();
    let mut first = Server::start_in(folder.clone());
    let before = certificate();
    first.signal("INT");
    assert_eq!(first.process.wait().unwrap().code(), Some(0));
    let mut second = Server::start_in(folder.clone());
    assert_eq!(certificate(), before);
    second.signal("INT");
    second.process.wait().unwrap();
}

#[test]
fn the_host_link_survives_a_restart_and_is_for_its_owner_alone() {
    let folder = folder("host-link");
    let mut first = Server::start_in(folder.clone());
    let secret_of = |server: &Server| {
        let link = server.ready()["host_link"].as_str().unwrap().to_owned();
        link.split_once("#i=").unwrap().1.to_owned()
    };
    let before = secret_of(&first);
    assert_eq!(before.len(), 22, "an invite secret");
    let file = fs::metadata(folder.join("data/dev-host-secret")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    first.signal("INT");
    first.process.wait().unwrap();
    let second = Server::start_in(folder);
    assert_eq!(secret_of(&second), before);
}

#[tokio::test]
async fn the_host_link_of_dev_makes_a_host_and_the_guest_link_a_guest() {
    let server = Server::start("roles");
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let secret = ready["host_link"].as_str().unwrap();
    let secret = secret.split_once("#i=").unwrap().1;
    let mut guest = Guest::open(http).await;
    let joined = guest.join("welcome", json!({"kind": "none"}), "Bob").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    assert_eq!(joined["ok"]["self"]["role"], "attendee");
    let mut host = Guest::open(http).await;
    let invite = json!({"kind": "invite", "secret": secret});
    let joined = host.join("welcome", invite, "Ada").await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
}

#[tokio::test]
async fn a_source_with_too_many_links_is_told_so() {
    let folder = folder("many");
    let mut command = conclave();
    command
        .env("CONCLAVE_LIMITS__CONNECTIONS_PER_SOURCE", "5")
        .stderr(fs::File::create(folder.join("log")).unwrap());
    let server = Server::spawn(folder, command);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(Guest::open(http).await);
    }
    let stream = tokio::net::TcpStream::from_std(nonblocking(http)).unwrap();
    let refused = link(stream, "http", http).await.err().unwrap();
    assert!(refused.to_string().contains("429"), "{refused}");
}

#[tokio::test]
async fn a_page_makes_rooms_only_where_the_configuration_says_so() {
    let ask = async |server: &Server| {
        let http = server.ready()["http"].as_str().unwrap().to_owned();
        let mut guest = Guest::open(&http).await;
        let made = guest.ask("room.create", json!({"title": "Circle"})).await;
        (guest, made)
    };
    let closed = Server::start("create-closed");
    let (_, refused) = ask(&closed).await;
    assert_eq!(refused["error"]["code"], "forbidden", "{refused}");

    let folder = folder("create-open");
    let mut command = conclave();
    command
        .env("CONCLAVE_MEETINGS__CREATE", "anyone")
        .stderr(fs::File::create(folder.join("log")).unwrap());
    let open = Server::spawn(folder, command);
    let (mut guest, made) = ask(&open).await;
    let slug = made["ok"]["slug"].as_str().unwrap();
    let invite = json!({"kind": "invite", "secret": made["ok"]["secret"]});
    let joined = guest.join(slug, invite, "Ada").await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    let shown = open.cli_json(&["room", "show", slug]);
    assert_eq!(shown["title"], "Circle");
    assert_eq!(shown["lobby"], "on");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start("second");
    let output = conclave()
        .args(["serve", "--dev", "--https", "127.0.0.1:0", "--http", "off"])
        .args(["--media-port", "0", "--data-dir"])
        .arg(server.folder.join("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(errors(&output).contains("in use"), "{}", errors(&output));
    // The first is still there, with its control socket.
    assert!(server.folder.join("data/control.sock").exists());
}

#[test]
fn a_key_that_others_may_read_or_that_is_another_one_is_refused() {
    let folder = folder("key");
    let mut server = Server::start_in(folder.clone());
    server.signal("TERM");
    server.process.wait().unwrap();
    let key = folder.join("data/master.key");
    let serve = || {
        let output = conclave()
            .args(["serve", "--dev", "--https", "127.0.0.1:0", "--http", "off"])
            .args(["--media-port", "0", "--data-dir"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        (output.status.code(), errors(&output))
    };
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let (code, text) = serve();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("`storage.master_key_file`: "), "{text}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, [7; 32]).unwrap();
    let (code, text) = serve();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("`storage.master_key_file`"), "{text}");
}

#[test]
fn the_control_socket_is_for_its_owner_replaces_a_stale_one_and_goes_at_the_end() {
    let folder = folder("socket");
    let socket = folder.join("data/control.sock");
    let mut killed = Server::start_in(folder.clone());
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    killed.process.kill().unwrap();
    killed.process.wait().unwrap();
    assert!(socket.exists(), "a killed server leaves it");
    let mut next = Server::start_in(folder);
    let rooms = next.cli(&["room", "list"]);
    assert!(rooms.status.success(), "{rooms:?}");
    next.signal("TERM");
    next.process.wait().unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_room_of_the_file_has_its_password_and_follows_the_file() {
    let folder = folder("configured");
    let file = folder.join("conclave.toml");
    let password = folder.join("password");
    let write = |title: &str, mode: u32| {
        let room = format!(
            "[[rooms]]\nslug = \"council\"\ntitle = {title:?}\npassword_file = \"password\"\nstart_without_host = true\n"
        );
        fs::write(&file, room).unwrap();
        fs::write(&password, "eight till late\n").unwrap();
        fs::set_permissions(&password, Permissions::from_mode(mode)).unwrap();
    };
    let start = || {
        let mut command = conclave();
        command.stderr(fs::File::create(folder.join("log")).unwrap());
        Server::spawn_with(
            folder.clone(),
            command,
            &["--config", file.to_str().unwrap()],
        )
    };
    write("Council", 0o600);
    let mut server = start();
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let password_of = |text: &str| json!({"kind": "password", "password": text});
    let mut guest = Guest::open(&http).await;
    let refused = guest
        .join("council", password_of("eight till nine"), "Eve")
        .await;
    assert_eq!(refused["error"]["code"], "bad_credentials", "{refused}");
    let joined = guest
        .join("council", password_of("eight till late"), "Eve")
        .await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let set = server.cli(&["room", "set", "council", "title=By hand"]);
    assert!(set.status.success(), "{set:?}");
    server.signal("TERM");
    server.process.wait().unwrap();

    // What somebody changed stays as long as the file says the same.
    let mut server = start();
    assert_eq!(
        server.cli_json(&["room", "show", "council"])["title"],
        "By hand"
    );
    server.signal("TERM");
    server.process.wait().unwrap();
    write("By file", 0o600);
    let mut server = start();
    assert_eq!(
        server.cli_json(&["room", "show", "council"])["title"],
        "By file"
    );
    server.signal("TERM");
    server.process.wait().unwrap();

    write("By file", 0o604);
    let check = conclave()
        .args(["config", "check", "--dev", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    let text = errors(&check);
    assert!(
        text.contains("`password_file` of `council`") && text.contains("mode 0604"),
        "{text}"
    );
}

#[test]
fn a_port_that_is_taken_is_a_failure_and_names_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder("taken");
    let data = folder.join("data");
    let flags = [
        "serve",
        "--dev",
        "--https",
        &address,
        "--http",
        "off",
        "--media-port",
        "0",
        "--data-dir",
    ];
    let output = conclave().args(flags).arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains(&address), "{}", errors(&output));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_why() {
    let cases: [(&[&str], &str); 6] = [
        (&["serve", "--nonsense"], "--nonsense"),
        (&["serve"], "`public_url` is missing"),
        (
            &["serve", "--dev", "--role", "media"],
            "this version has `all`",
        ),
        (&["serve", "--dev", "--media-ip", "here"], "`media.ips`"),
        (&["serve", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (
            &["config", "check", "--public-url", "http://a"],
            "flag --public-url",
        ),
    ];
    for (flags, reason) in cases {
        let output = conclave().args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {output:?}");
        assert!(
            errors(&output).contains(reason),
            "{flags:?}: {}",
            errors(&output)
        );
    }
    let output = conclave()
        .args(["config", "check", "--dev"])
        .env("CONCLAVE_SHARDS", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("the nearest is CONCLAVE_MEDIA__SHARDS"),
        "{}",
        errors(&output)
    );
}

#[test]
fn config_check_prints_every_value_and_where_it_is_from() {
    let folder = folder("check");
    let file = folder.join("conclave.toml");
    fs::write(&file, "[media]\nport_base = 20000\n").unwrap();
    let output = conclave()
        .args(["config", "check", "--dev", "--shards", "3", "--config"])
        .arg(&file)
        .env("CONCLAVE_LOG__FILTER", "warn")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let has = |start: &str, end: &str| {
        text.lines()
            .any(|line| line.starts_with(start) && line.ends_with(end))
    };
    assert!(
        has(
            "media.port_base = 20000 ",
            &format!("# file {}", file.display())
        ),
        "{text}"
    );
    assert!(
        has(
            "log.filter = \"warn\" ",
            "# environment CONCLAVE_LOG__FILTER"
        ),
        "{text}"
    );
    assert!(has("media.shards = 3 ", "# flag --shards"), "{text}");
    assert!(has("listen.https = \"[::]:8443\" ", "# default"), "{text}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn certificate_files_that_cannot_be_used_are_a_wrong_configuration() {
    let folder = folder("certificate");
    let file = folder.join("conclave.toml");
    let missing = folder.join("none.pem");
    let text = format!(
        "public_url = \"https://a.example\"\n[tls]\ncertificate_file = {missing:?}\nkey_file = {missing:?}\n"
    );
    fs::write(&file, text).unwrap();
    for command in [["config", "check"].as_slice(), &["serve"]] {
        let output = conclave()
            .args(command)
            .arg("--config")
            .arg(&file)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = errors(&output);
        assert!(errors.contains("none.pem"), "{errors}");
        assert!(
            errors.contains(&format!("file {}: `tls.", file.display())),
            "{errors}"
        );
    }
    fs::remove_dir_all(folder).unwrap();
}
