//! The relay in a process of its own, for measurements: this binary again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::thread;

use conclave_sfu_udp::{HandOver, Receiver, Sender, hand_over, wait};
use conclave_turn_core::auth::CredentialsConfig;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::quota::QuotaLimits;
use conclave_turn_core::{AllocationLimits, ServerConfig};
use conclave_turn_node::{
    BackendConfig, ClientSocket, RealConfig, Relay, RelayConfig, RelayHandle, RelayIp, ShardPort,
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
/// Where the echo is that stands for a shard: the ports of `turnutils_peer`.
pub(crate) const ECHO_PORTS: [u16; 2] = [3480, 3481];
/// The name of the thread that is not the relay's.
pub(crate) const ECHO_THREAD: &str = "echo";

const HERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Serves until it is killed; `backend` is `real` or `virtual`.
pub(crate) fn serve(backend: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("threads start");
    runtime.block_on(async {
        let backend = match backend {
            "real" => real(),
            "virtual" => echo(),
            other => panic!("no backend {other}"),
        };
        let relay = Relay::start(RelayConfig {
            listeners: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT))],
            server: server(),
            backend,
        })
        .expect("it starts");
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

fn real() -> BackendConfig {
    BackendConfig::Real(RealConfig {
        addresses: HERE.map(RelayIp::from).to_vec(),
        ports: 49_152..=65_535,
    })
}

/// A thread that sends back what it gets, in the place of a shard.
fn echo() -> BackendConfig {
    let (up, down) = (way(), way());
    let (from_relay, to_relay) = (up.receiver, down.sender);
    thread::Builder::new()
        .name(ECHO_THREAD.to_owned())
        .spawn(move || send_back(&from_relay, to_relay))
        .expect("a thread starts");
    let addresses = HERE
        .iter()
        .flat_map(|ip| ECHO_PORTS.map(|port| (*ip, port).into()));
    BackendConfig::Virtual(vec![ShardPort {
        index: 0,
        addresses: addresses.collect(),
        to_shard: up.sender,
        from_shard: down.receiver,
    }])
}

fn way() -> HandOver {
    hand_over(1_024).expect("descriptors are there")
}

fn send_back(from_relay: &Receiver, mut to_relay: Sender) {
    while wait([Some(from_relay.as_fd())], None).is_ok() {
        from_relay.drain();
        while let Some(mut parcel) = from_relay.take() {
            for (source, destination, payload) in parcel.datagrams() {
                to_relay.push(destination, source, payload);
            }
            from_relay.give_back(parcel);
        }
        to_relay.flush();
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
