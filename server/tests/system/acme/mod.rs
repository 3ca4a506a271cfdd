//! A server that fetches its certificate, before somebody who signs.

mod binding;
mod directory;
mod proof;
mod renewal;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{Server, conclave, folder, get_clear};
use directory::{Directory, Life, Place, Said};
use renewal::Advice;

const NAME: &str = "meet.example.org";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_proved_by_tls_fetched_renewed_and_kept() {
    let folder = folder("acme-tls");
    let directory = Directory::start().await;
    // Two thirds of its life are over when it comes.
    directory.give(Life { old: 70, left: 20 });
    let server = start(&folder, &directory, "tls-alpn-01");
    let place = place(&server);

    // Before there is one, nothing but the challenge is served.
    assert!(connect(&directory, place.https).await.is_err());
    let readiness = get_clear(server.ready()["http"].as_str().unwrap(), "/readyz");
    assert!(readiness.starts_with("HTTP/1.1 503"), "{readiness}");
    assert!(
        readiness.contains("there is no TLS certificate yet"),
        "{readiness}"
    );
    directory.look_at(place);
    directory.signed(1).await;
    let mut early = connected(&directory, place.https).await;
    let first = shown(&early);

    // An open connection lives on when the next one comes.
    directory.give(Life { old: 1, left: 89 });
    server.signal("HUP");
    directory.signed(2).await;
    let second = loop {
        let stream = connected(&directory, place.https).await;
        if shown(&stream) != first {
            break shown(&stream);
        }
    };
    early
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"warnings\":[]"), "{answer}");

    // What was fetched is there after a restart, for its owner alone.
    let mut server = server;
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    let kept = files(&folder.join("data/acme"));
    assert_eq!(kept.len(), 2, "an account and a certificate");
    for file in kept {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
    }
    let again = start(&folder, &directory, "tls-alpn-01");
    let stream = connected(&directory, self::place(&again).https).await;
    assert_eq!(shown(&stream), second);
    let contact = serde_json::json!(["mailto:ada@example.org"]);
    assert_eq!(directory.books(), (1, contact, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_proved_by_http_and_a_failure_is_told_with_its_cure() {
    let folder = folder("acme-http");
    let directory = Directory::start().await;
    let server = start(&folder, &directory, "http-01");
    let place = place(&server);
    // Nobody listens there.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    directory.look_at(Place {
        http: nowhere,
        ..place
    });
    directory.refused(1).await;
    let log = logged(&folder, "no certificate:").await;
    assert!(
        log.contains("Connection refused") && log.contains("port 80 with http-01"),
        "{log}"
    );
    assert!(connect(&directory, place.https).await.is_err());

    // What is signed is used even where it cannot be kept.
    let [account] = &files(&folder.join("data/acme"))[..] else {
        panic!("an account, no certificate");
    };
    fs::create_dir(account.with_file_name(format!("{NAME}.pem"))).unwrap();
    directory.look_at(place);
    server.signal("HUP");
    directory.signed(1).await;
    let mut stream = connected(&directory, place.https).await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let log = logged(&folder, "cannot be kept").await;
    assert!(log.contains("data_dir"), "{log}");
    // The token is of no use any more.
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let path = "/.well-known/acme-challenge/token-of-order-1";
    assert!(get_clear(&http, path).starts_with("HTTP/1.1 308"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_to_one_elsewhere_by_a_key_that_is_told_to_nobody() {
    const KEY: &[u8] = b"a key of thirty-two bytes or more";
    let folder = folder("acme-bound");
    let directory = Directory::start().await;
    directory.demand("kid-1", KEY);
    let key_file = folder.join("eab.key");
    let write = |key: &[u8], mode| {
        fs::write(&key_file, BASE64URL.encode(key)).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let settings = [
        ("CONCLAVE_ACME__EAB_KEY_ID", "kid-1"),
        ("CONCLAVE_ACME__EAB_KEY_FILE", key_file.to_str().unwrap()),
    ];
    let check = || {
        let mut command = command(&folder, &directory, "tls-alpn-01", &settings);
        command.stderr(Stdio::piped()).args(["config", "check"]);
        command.arg("--data-dir").arg(folder.join("data"));
        command.output().unwrap()
    };
    write(KEY, 0o644);
    let refused = check();
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("`acme.eab_key_file`") && text.contains("everybody"),
        "{text}"
    );
    write(KEY, 0o600);
    let taken = check();
    let text = String::from_utf8(taken.stdout).unwrap();
    assert!(taken.status.success() && text.contains("kid-1"), "{text}");
    assert!(!text.contains(&BASE64URL.encode(KEY)), "{text}");

    // The key of somebody else.
    let wrong = [&KEY[1..], b"!"].concat();
    write(&wrong, 0o600);
    let server = start_with(&folder, &directory, "tls-alpn-01", &settings);
    directory.look_at(place(&server));
    let log = logged(&folder, "no certificate:").await;
    assert!(
        log.contains("the MAC is wrong") && log.contains("`acme.eab_key_file`"),
        "{log}"
    );
    assert_eq!(directory.books().0, 0);
    write(KEY, 0o600);
    server.signal("HUP");
    directory.signed(1).await;
    connected(&directory, place(&server).https).await;
    assert_eq!(directory.books().0, 1);
    let log = fs::read_to_string(folder.join("log")).unwrap();
    for key in [KEY, &wrong] {
        assert!(!log.contains(&BASE64URL.encode(key)), "{log}");
    }

    // The account is there: the key is of no use any more.
    fs::remove_file(&key_file).unwrap();
    assert!(check().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_when_whoever_signed_wants_it() {
    let folder = folder("acme-advice");
    let directory = Directory::start().await;
    directory.advise(Advice::FromDay(30));
    let mut server = start(&folder, &directory, "tls-alpn-01");
    directory.look_at(place(&server));
    directory.signed(1).await;
    directory.asked(1).await;
    logged(&folder, "the directory says when to renew").await;

    // Somebody in a hurry hears that it is not time yet.
    server.signal("HUP");
    directory.asked(2).await;
    logged(&folder, "needs no renewal yet").await;
    // Somebody in a hurry, and then nobody, while it is to be replaced.
    directory.advise(Advice::FromDay(-2));
    server.signal("HUP");
    directory.signed(2).await;
    directory.asked(4).await;
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    let again = start(&folder, &directory, "tls-alpn-01");
    directory.look_at(place(&again));
    directory.signed(3).await;
    // A new one is not replaced at once, whatever is wanted.
    directory.asked(6).await;
    let [first, second, _] = &directory.ids()[..] else {
        panic!("three were signed");
    };
    let replaces = |id: Option<&String>| Said {
        replaces: id.cloned(),
        profile: None,
    };
    assert_eq!(
        directory.orders(),
        [
            replaces(None),
            replaces(Some(first)),
            replaces(Some(second))
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_that_is_none_and_a_replacement_that_is_refused_keep_nothing_from_being_renewed() {
    let folder = folder("acme-no-advice");
    let directory = Directory::start().await;
    directory.advise(Advice::Broken);
    directory.refuse_replacements();
    directory.give(Life { old: 70, left: 20 });
    let server = start(&folder, &directory, "tls-alpn-01");
    directory.look_at(place(&server));
    directory.signed(1).await;
    let log = logged(&folder, "does not say when to renew").await;
    assert!(log.contains("ends before it begins"), "{log}");
    server.signal("HUP");
    directory.signed(2).await;
    assert_eq!(directory.orders(), [Said::default(), Said::default()]);
    assert_eq!(directory.books().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_asked_for_that_is_listed() {
    let folder = folder("acme-profile");
    let directory = Directory::start().await;
    directory.list(&["shortlived", "classic"]);
    directory.give(Life { old: 0, left: 6 });
    let wanted = |name| [("CONCLAVE_ACME__PROFILE", name)];
    let mut server = start_with(&folder, &directory, "tls-alpn-01", &wanted("short"));
    let log = logged(&folder, "no certificate:").await;
    assert!(
        log.contains("`acme.profile`: `short` is not offered")
            && log.contains("`classic`, `shortlived`"),
        "{log}"
    );
    assert_eq!(directory.orders(), []);
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    let again = start_with(&folder, &directory, "tls-alpn-01", &wanted("shortlived"));
    directory.look_at(place(&again));
    directory.signed(1).await;
    let asked = Said {
        replaces: None,
        profile: Some("shortlived".to_owned()),
    };
    assert_eq!(directory.orders(), [asked]);
    connected(&directory, place(&again).https).await;
}

fn start(folder: &Path, directory: &Directory, challenge: &str) -> Server {
    start_with(folder, directory, challenge, &[])
}

/// Starts a server with more settings, in the environment.
fn start_with(
    folder: &Path,
    directory: &Directory,
    challenge: &str,
    settings: &[(&str, &str)],
) -> Server {
    let command = command(folder, directory, challenge, settings);
    Server::spawn_for_real(folder.to_owned(), command)
}

fn command(
    folder: &Path,
    directory: &Directory,
    challenge: &str,
    settings: &[(&str, &str)],
) -> Command {
    let ca_file = folder.join("root.pem");
    fs::write(&ca_file, &directory.root_pem).unwrap();
    let mut command = conclave();
    let log = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("log"));
    command
        .env("CONCLAVE_ACME__DIRECTORY", &directory.url)
        .env("CONCLAVE_ACME__CONTACT", "ada@example.org")
        .env("CONCLAVE_ACME__TERMS_AGREED", "true")
        .env("CONCLAVE_ACME__CHALLENGE", challenge)
        .env("CONCLAVE_ACME__CA_FILE", ca_file)
        .env("CONCLAVE_PUBLIC_URL", format!("https://{NAME}"))
        .envs(settings.iter().copied())
        .stderr(log.unwrap());
    command
}

/// Returns the log as soon as it says something.
async fn logged(folder: &Path, what: &str) -> String {
    loop {
        let log = fs::read_to_string(folder.join("log")).unwrap();
        if log.contains(what) {
            return log;
        }
        tokio::task::yield_now().await;
    }
}

fn place(server: &Server) -> Place {
    let ready = server.ready();
    let address = |name: &str| {
        let origin = ready[name].as_str().unwrap();
        let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    };
    Place {
        https: address("https"),
        http: address("http"),
    }
}

/// Connects as a browser that trusts whoever signs here.
async fn connect(directory: &Directory, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(directory.root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(to).await?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(NAME.try_into().unwrap(), stream).await
}

/// Connects as soon as there is a certificate.
async fn connected(directory: &Directory, to: SocketAddr) -> TlsStream<TcpStream> {
    loop {
        if let Ok(stream) = connect(directory, to).await {
            return stream;
        }
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}
