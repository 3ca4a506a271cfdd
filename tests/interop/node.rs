//! Our media node on loopback, and its events.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use conclave_sfu_core::Counters;
use conclave_sfu_node::{MediaAddr, MediaHandle, MediaNode, NodeConfig, Secrets};
use conclave_sfu_wire::control::{Command, Event, OfferError, PublishError};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A node with one shard.
pub(crate) struct Node {
    node: MediaNode,
    handle: MediaHandle,
    events: UnboundedReceiver<Event>,
}

impl Node {
    pub(crate) fn start() -> Node {
        let config = NodeConfig {
            addresses: vec![MediaAddr::direct(IpAddr::V4(Ipv4Addr::LOCALHOST))],
            base_port: 0,
            shards: NonZeroU8::MIN,
            secrets: Secrets::draw().expect("the system gives random bytes"),
            relay: Vec::new(),
        };
        let (sender, events) = unbounded_channel();
        let node = MediaNode::start(config, |_| {
            let sender = sender.clone();
            Box::new(move |event| {
                // Nobody listens once the test is over.
                let _ = sender.send(event);
            })
        });
        let node = node.expect("loopback has a free port");
        Node {
            handle: node.handle(),
            node,
            events,
        }
    }

    pub(crate) fn send(&self, command: Command) {
        self.handle
            .send(0, command)
            .expect("the shard runs and its queue has room");
    }

    /// Waits for an event; a refusal or a failure meanwhile ends the test.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Event) -> bool,
    ) -> Event {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the shard runs");
                if let Some(trouble) = trouble(&event) {
                    panic!("while waiting for {what}: {trouble}");
                }
                if is_it(&event) {
                    return event;
                }
            }
        };
        let found = tokio::time::timeout(patience, search).await;
        found.unwrap_or_else(|_| panic!("not within {patience:?}: {what}"))
    }

    /// Waits until the shard has counted what is waited for, and returns all that it has.
    pub(crate) async fn counted(
        &self,
        what: &str,
        patience: Duration,
        is_it: impl Fn(&Counters) -> bool,
    ) -> Counters {
        let search = async {
            // Shards tell what they have counted once a second.
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                pace.tick().await;
                let stats = self.handle.stats(0).expect("there is a shard");
                if is_it(&stats.shard) {
                    return stats.shard;
                }
            }
        };
        let found = tokio::time::timeout(patience, search).await;
        found.unwrap_or_else(|_| panic!("not within {patience:?}: {what}"))
    }

    pub(crate) fn shutdown(self) {
        self.node.shutdown();
    }
}

fn trouble(event: &Event) -> Option<String> {
    let offer = |error: &OfferError| format!("offer refused: {error:?}");
    let publish = |error: &PublishError| format!("publication refused: {error:?}");
    match event {
        Event::OfferRefused { error, .. } => Some(offer(error)),
        Event::PublishRefused { error, .. } => Some(publish(error)),
        Event::TransportFailed { failure, .. } => Some(format!("transport failed: {failure:?}")),
        _ => None,
    }
}
