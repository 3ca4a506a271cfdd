//! The client against receivers on loopback, which a test allows on purpose.

use std::collections::VecDeque;
use std::sync::Mutex;

use conclave_server_core::webhook::record::SigningSecret;
use conclave_server_core::webhook::signature::{sign, verify};
use conclave_signalling_wire::time::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;

const SECRET: SigningSecret = SigningSecret([7; 32]);
const AT: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);
const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_receiver_can_verify_what_it_gets() {
    let (port, received) = receiver(OK).await;
    let url = format!("http://127.0.0.1:{port}/hooks?x=1");
    let outcome = client(&["127.0.0.1"]).call(&url, message()).await;
    assert_eq!(outcome, answered(204));
    let request = received.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks?x=1 HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| *other == name).unwrap().1
    };
    assert_eq!(header("host"), format!("127.0.0.1:{port}"));
    assert_eq!(header("user-agent"), "Conclave");
    assert_eq!(header("content-type"), "application/json");
    let headers = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    assert_eq!(verify(&SECRET, headers, body.as_bytes(), AT), Ok(()));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, unasked) = receiver(OK).await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
    );
    let (port, received) = receiver(answer.leak()).await;
    let url = format!("http://127.0.0.1:{port}/");
    let outcome = client(&["127.0.0.1"]).call(&url, message()).await;
    assert_eq!(outcome, answered(307));
    assert_eq!(outcome.trouble(), Some(Trouble::Redirect));
    received.await.unwrap();
    assert!(!unasked.is_finished());
}

#[tokio::test]
async fn a_private_target_is_refused_unless_it_is_allowed() {
    let (port, unasked) = receiver(OK).await;
    let nobody = client(&[]);
    for (url, trouble) in [
        (format!("http://127.0.0.1:{port}/"), Trouble::Url),
        (format!("https://127.0.0.1:{port}/"), Trouble::Url),
        (format!("https://localhost:{port}/"), Trouble::Target),
    ] {
        let outcome = nobody.call(&url, message()).await;
        assert_eq!(outcome, Outcome::Failed(trouble), "{url}");
    }
    assert!(!unasked.is_finished());
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_asked_for_once() {
    let (port, received) = receiver(OK).await;
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let public: IpAddr = "93.184.215.14".parse().unwrap();

    // Private at first: the public answer that would follow changes nothing.
    let url = format!("https://rebind.example:{port}/");
    let mut strict = client(&[]);
    let answers = scripted(&mut strict, &[&[loopback], &[public]]);
    let outcome = strict.call(&url, message()).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Target));
    assert_eq!(answers.lock().unwrap().len(), 1);
    // Public and private together.
    scripted(&mut strict, &[&[public, loopback]]);
    let outcome = strict.call(&url, message()).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Target));

    // What was checked is what is connected to: the second answer is never asked for.
    let url = format!("http://rebind.example:{port}/");
    let mut allowing = client(&["rebind.example"]);
    let answers = scripted(
        &mut allowing,
        &[&[loopback], &["10.0.0.1".parse().unwrap()]],
    );
    assert_eq!(allowing.call(&url, message()).await, answered(204));
    assert_eq!(answers.lock().unwrap().len(), 1);
    assert!(
        received
            .await
            .unwrap()
            .contains("\r\nhost: rebind.example:")
    );
}

#[tokio::test]
async fn a_certificate_must_be_for_the_name_and_by_whom_is_trusted() {
    let made = rcgen::generate_simple_self_signed(vec!["hooks.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for (name, roots, expected) in [
        ("hooks.example", roots.clone(), answered(204)),
        ("other.example", roots, Outcome::Failed(Trouble::Tls)),
        (
            "hooks.example",
            RootCertStore::empty(),
            Outcome::Failed(Trouble::Tls),
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, OK).await;
            }
        });
        let guard = Guard::new([name], []).unwrap();
        let mut client = Client::new(Some(trusting(roots)), guard);
        scripted(&mut client, &[&["127.0.0.1".parse().unwrap()]]);
        let url = format!("https://{name}:{port}/");
        assert_eq!(client.call(&url, message()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_is_no_answer_has_a_word() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    for (answer, expected) in [
        ("", Outcome::Failed(Trouble::Http)),
        ("SSH-2.0-OpenSSH_9.7\r\n", Outcome::Failed(Trouble::Http)),
        (large.leak(), Outcome::Failed(Trouble::TooLarge)),
        (
            "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
            Outcome::Answered(Answer {
                status: 503,
                retry_after: Some(Duration::from_secs(7)),
            }),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n",
            answered(200),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbroken",
            answered(200),
        ),
    ] {
        let (port, _received) = receiver(answer).await;
        let url = format!("http://127.0.0.1:{port}/");
        let outcome = client(&["127.0.0.1"]).call(&url, message()).await;
        assert_eq!(outcome, expected, "{answer:.40}");
    }
    // Nobody listens where a listener was closed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let outcome = client(&["127.0.0.1"]).call(&url, message()).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Connect));
    let mut lost = client(&["lost.example"]);
    scripted(&mut lost, &[]);
    let outcome = lost.call("https://lost.example/", message()).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Dns));
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_given_up_after_ten_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let began = tokio::time::Instant::now();
    let outcome = client(&["127.0.0.1"]).call(&url, message()).await;
    assert_eq!(outcome, Outcome::Failed(Trouble::Timeout));
    assert!(began.elapsed() <= TIMEOUT + Duration::from_millis(10));
}

/// Listens on loopback, answers the first request, and returns it.
async fn receiver(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, answer).await
    });
    (port, serving)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    // The body of the message ends with a brace.
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            break;
        }
    }
    // A client that has read enough closes.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

fn message() -> Message {
    let body = r#"{"id":"evt_1"}"#;
    Message {
        id: "evt_1".to_owned(),
        timestamp: signature::seconds(AT),
        signature: sign([&SECRET], "evt_1", AT, body.as_bytes()),
        body: body.to_owned(),
    }
}

fn client(allow: &[&str]) -> Client {
    let guard = Guard::new(allow.iter().copied(), []).unwrap();
    Client::new(None, guard)
}

fn scripted(client: &mut Client, answers: &[&[IpAddr]]) -> Arc<Mutex<VecDeque<Vec<IpAddr>>>> {
    let answers: VecDeque<_> = answers.iter().map(|answer| answer.to_vec()).collect();
    let answers = Arc::new(Mutex::new(answers));
    client.resolver = Resolver::Script(Arc::clone(&answers));
    answers
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered(Answer {
        status,
        retry_after: None,
    })
}
