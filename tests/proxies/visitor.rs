//! Somebody who comes to the proxy, from an address of the own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use conclave_signalling_wire::secret::DeviceKey;
use conclave_tests::lab::HOST;
use conclave_turn_wire::message::{Builder, Class, Method, Reply};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::scene::{NAME, Scene};

/// A browser, in as far as it is needed.
pub(crate) struct Visitor {
    from: Ipv4Addr,
    connector: TlsConnector,
}

impl Visitor {
    /// Trusts the certificate of the scene.
    pub(crate) fn new(scene: &Scene, from: [u8; 4]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(scene.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Visitor {
            from: from.into(),
            connector: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Returns the whole answer to a request; `headers` are lines of their own.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = self.connect().await;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {NAME}\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Not everybody says that the end is the end.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a signalling link and says hello.
    pub(crate) async fn link(&self) -> tungstenite::Result<Link> {
        let mut request = format!("wss://{NAME}/api/v1/signal").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("origin", format!("https://{NAME}").parse()?);
        headers.insert("sec-websocket-protocol", "conclave.v1".parse()?);
        let stream = self.connect().await;
        let (stream, _) = tokio_tungstenite::client_async(request, stream).await?;
        let mut link = Link(stream);
        let hello = json!({"protocol": 1, "client": "conclave-test/1"});
        link.ask(1, "hello", hello).await;
        Ok(link)
    }

    /// Asks the relay through TLS for the own address. Returns what it is, and what was told.
    pub(crate) async fn binding(&self) -> (SocketAddr, SocketAddr) {
        let mut stream = self.connect().await;
        let mut request = Vec::new();
        let builder = Builder::new(Class::Request, Method::Binding, [7; 12], &mut request);
        builder.finish(None).unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = vec![0; 20];
        stream.read_exact(&mut answer).await.unwrap();
        let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
        answer.resize(20 + length, 0);
        stream.read_exact(&mut answer[20..]).await.unwrap();
        let told = Reply::parse(&answer).unwrap().mapped.unwrap();
        (stream.get_ref().0.local_addr().unwrap(), told.0)
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.from, 0).into()).unwrap();
        let proxy = format!("{HOST}:443").parse().unwrap();
        let stream = socket.connect(proxy).await.unwrap();
        let name = NAME.try_into().unwrap();
        self.connector.connect(name, stream).await.unwrap()
    }
}

/// A signalling link.
pub(crate) struct Link(WebSocketStream<TlsStream<TcpStream>>);

impl Link {
    /// Asks to come in. Returns what became of it.
    pub(crate) async fn join(&mut self, room: &str, name: &str) -> String {
        let join = json!({
            "room": room,
            "credential": {"kind": "none"},
            "name": name,
            "device_key": DeviceKey::new(rand::random()).reveal(),
            "consent_hash": null,
        });
        let answer = self.ask(2, "join", join).await;
        let outcome = answer["ok"]["outcome"].as_str();
        outcome.map_or_else(|| answer.to_string(), str::to_owned)
    }

    async fn ask(&mut self, id: u64, kind: &str, data: Value) -> Value {
        let text = json!({"id": id, "type": kind, "data": data}).to_string();
        self.0.send(Message::text(text)).await.unwrap();
        loop {
            let Message::Text(text) = self.0.next().await.unwrap().unwrap() else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }
}
