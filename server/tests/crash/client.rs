//! A signalling link from an address of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Who somebody is to the server: a device and a network.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) device_key: String,
    from: Ipv4Addr,
}

impl Identity {
    /// Returns the person of a number. Bans are for networks too, so each has one of its own.
    pub(crate) fn of(number: u32) -> Self {
        let [_, a, b, c] = number.to_be_bytes();
        Identity {
            device_key: format!("crash{number:016}A"),
            from: Ipv4Addr::new(127, a.wrapping_add(1), b, c),
        }
    }
}

/// See the module.
pub(crate) struct Client {
    socket: Box<WebSocketStream<TcpStream>>,
    id: u32,
    /// The numbers of participants, as far as they were told.
    revs: BTreeMap<String, u64>,
}

impl Client {
    /// Opens a link and says hello.
    pub(crate) async fn open(http: &str, who: &Identity) -> Self {
        let port: u16 = http.rsplit(':').next().unwrap().parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.bind((who.from, 0).into()).unwrap();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = socket.connect(server).await.unwrap();
        let mut request = "ws://localhost/api/v1/signal"
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", http.parse().unwrap());
        headers.insert("sec-websocket-protocol", "conclave.v1".parse().unwrap());
        let (socket, _) = client_async(request, stream).await.unwrap();
        let socket = Box::new(socket);
        let mut client = Client {
            socket,
            id: 0,
            revs: BTreeMap::new(),
        };
        let hello = json!({"protocol": 1, "client": "conclave-test/1"});
        client.ask("hello", hello).await;
        client
    }

    /// Opens a link and asks to come in by an invite. Returns the whole reply.
    pub(crate) async fn knock(
        http: &str,
        room: &str,
        who: &Identity,
        secret: &str,
    ) -> (Self, Value) {
        let mut client = Client::open(http, who).await;
        let join = json!({
            "room": room,
            "credential": {"kind": "invite", "secret": secret},
            "name": "Somebody",
            "device_key": who.device_key,
        });
        let reply = client.ask("join", join).await;
        (client, reply)
    }

    /// Comes in by an invite. Returns the outcome.
    pub(crate) async fn join(
        http: &str,
        room: &str,
        who: &Identity,
        secret: &str,
    ) -> (Self, Value) {
        let (client, reply) = Client::knock(http, room, who, secret).await;
        assert_eq!(reply["ok"]["outcome"], "joined", "{reply}");
        (client, reply["ok"].clone())
    }

    /// Asks what has to be answered.
    pub(crate) async fn ask(&mut self, verb: &str, data: Value) -> Value {
        let id = self.send(verb, data).await;
        self.reply(id).await.expect("the server lives")
    }

    /// Asks for what has to be done.
    pub(crate) async fn ok(&mut self, verb: &str, data: Value) -> Value {
        let reply = self.ask(verb, data).await;
        assert!(reply.get("ok").is_some(), "{verb}: {reply}");
        reply["ok"].clone()
    }

    /// Leaves for good.
    pub(crate) async fn leave(mut self) {
        self.ok("leave", json!({})).await;
    }

    /// Sends a request; a server that has died takes it to nowhere.
    pub(crate) async fn send(&mut self, verb: &str, data: Value) -> u32 {
        self.id += 1;
        let text = json!({"id": self.id, "type": verb, "data": data}).to_string();
        let _ = self.socket.send(Message::text(text)).await;
        self.id
    }

    /// Waits for a reply; `None` if the server died before. Replies come in order.
    pub(crate) async fn reply(&mut self, id: u32) -> Option<Value> {
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == id {
                return Some(message);
            }
            let person = &message["data"]["participant"];
            if let (Some(id), Some(rev)) = (person["id"].as_str(), person["rev"].as_u64()) {
                self.revs.insert(id.to_owned(), rev);
            }
        }
        None
    }

    /// Returns the last number of a participant that was told.
    pub(crate) fn rev_of(&self, participant: &str) -> Option<u64> {
        self.revs.get(participant).copied()
    }
}
