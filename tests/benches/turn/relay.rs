//! The relay in a process of its own, for measurements: this binary again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU8;
use std::time::Instant;

use conclave_sfu_node::{MediaAddr, MediaNode, NodeConfig, Secrets};
use conclave_sfu_udp::{Lodger, Parcel, Watch};
use conclave_turn_core::auth::CredentialsConfig;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::{AllocationLimits, ServerConfig};
use conclave_turn_node::{
    BackendConfig, ClientSocket, RealConfig, Relay, RelayConfig, RelayHandle, RelayIp,
};
use conclave_turn_wire::ClientTransport;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certificate;

/// Who all clients are.
pub(crate) const USER: &str = "bench";
pub(crate) const PASSWORD: &str = "for-measurements-only";
pub(crate) const REALM: &str = "bench.invalid";
/// Where UDP and TCP clients come to.
pub(crate) const PORT: u16 = 3478;
/// Where TLS clients come to.
pub(crate) const TLS_PORT: u16 = 5349;
/// Where the echo is: the first port of `turnutils_peer`, and that of the shard.
pub(crate) const ECHO_PORT: u16 = 3480;

const HERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Serves until it is killed; `backend` is `real` or `virtual`.
pub(crate) fn serve(backend: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("threads start");
    runtime.block_on(async {
        let (relay, _node) = match backend {
            "real" => (on_sockets(), None),
            "virtual" => {
                let (relay, node) = with_shard();
                (relay, Some(node))
            }
            other => panic!("no backend {other}"),
        };
        let listen = async |port| {
            let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            TcpListener::bind(address).await.expect("the port is free")
        };
        let (plain, secure) = (listen(PORT).await, listen(TLS_PORT).await);
        println!("ready");
        tokio::join!(
            accept(plain, relay.handle(), None),
            accept(secure, relay.handle(), Some(certificate::acceptor())),
        );
    });
}

fn server() -> ServerConfig {
    let list = PeerList::new(
        HERE.map(|address| address.to_string().parse().expect("an address is a rule"))
            .to_vec(),
        true,
    );
    ServerConfig {
        realm: REALM.to_owned(),
        credentials: CredentialsConfig {
            tickets: None,
            rest: None,
            users: vec![format!("{USER}:{PASSWORD}").parse().expect("it is one")],
        },
        policy: PeerPolicy::Closed(list.expect("loopback is allowed here")),
        // All clients are of one user and one source.
        quotas: QuotaLimits {
            per_user: u32::MAX,
            per_source: u32::MAX,
            ..QuotaLimits::default()
        },
        allocation: AllocationLimits {
            bits_per_s: 100_000_000,
            ..AllocationLimits::default()
        },
        replies_per_s: 1_000_000,
        seed: [7; 32],
        // The clients of Debian need it.
        legacy_channel_numbers: true,
    }
}

fn listeners() -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))]
}

fn on_sockets() -> Relay {
    Relay::start(RelayConfig {
        listeners: listeners(),
        server: server(),
        backend: BackendConfig::Real(RealConfig {
            addresses: HERE.map(RelayIp::from).to_vec(),
            ports: 49_152..=65_535,
        }),
    })
    .expect("it starts")
}

/// The relay in the loop of a shard as a server has both, but that the shard sends
/// back what it gets: everything runs but what media costs, of which coturn does nothing.
fn with_shard() -> (Relay, MediaNode) {
    let node = MediaNode::start(
        NodeConfig {
            addresses: HERE.map(MediaAddr::direct).to_vec(),
            base_port: ECHO_PORT,
            shards: NonZeroU8::MIN,
            secrets: Secrets::draw().expect("the system gives random bytes"),
            relay: Vec::new(),
        },
        |_| Box::new(drop),
    )
    .expect("the port is free");
    // The client of Debian asks for the next port as well, for RTCP.
    let addresses = HERE
        .iter()
        .flat_map(|ip| [ECHO_PORT, ECHO_PORT + 1].map(|port| (*ip, port).into()));
    let (relay, lodger) =
        Relay::within(&listeners(), server(), addresses.collect()).expect("it starts");
    let echo = Echo {
        relay: lodger,
        arrived: Parcel::default(),
    };
    node.lodge(Box::new(echo)).expect("the shard runs");
    (relay, node)
}

/// A relay that gets back what it has for the shard.
struct Echo {
    relay: Box<dyn Lodger>,
    arrived: Parcel,
}

impl Lodger for Echo {
    fn watch(&self) -> Watch {
        self.relay.watch()
    }

    fn due(&self) -> Option<Instant> {
        self.relay.due()
    }

    fn has_more(&self) -> bool {
        self.relay.has_more()
    }

    fn serve(&mut self, ready: &[u64], _: &mut Parcel) -> bool {
        let goes_on = self.relay.serve(ready, &mut self.arrived);
        for (source, destination, payload) in self.arrived.datagrams() {
            self.relay.send(destination, source, payload);
        }
        self.arrived.clear();
        goes_on
    }

    fn send(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        self.relay.send(source, destination, payload);
    }

    fn flush(&mut self) {
        self.relay.flush();
    }
}

async fn accept(listener: TcpListener, relay: RelayHandle, tls: Option<TlsAcceptor>) {
    let (_stop, stopped) = watch::channel(false);
    while let Ok((stream, client)) = listener.accept().await {
        let (relay, tls, stopped) = (relay.clone(), tls.clone(), stopped.clone());
        tokio::spawn(async move {
            // A client that left meanwhile is none.
            if let Ok(local) = stream.local_addr() {
                serve_client(stream, (client, local), relay, tls, stopped).await;
            }
        });
    }
}

async fn serve_client(
    stream: TcpStream,
    (client, local): (SocketAddr, SocketAddr),
    relay: RelayHandle,
    tls: Option<TlsAcceptor>,
    stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = ClientSocket::new(stream);
    let socket = stream.handle();
    let Some(tls) = tls else {
        let plain = ClientTransport::Tcp;
        return relay
            .serve_stream(stream, Some(socket), plain, client, local, stopped)
            .await;
    };
    if let Ok(stream) = tls.accept(stream).await {
        let secure = ClientTransport::Tls;
        relay
            .serve_stream(stream, Some(socket), secure, client, local, stopped)
            .await;
    }
}
