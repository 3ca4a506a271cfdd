//! Connections that ask for the relay, handed to it.

use conclave_turn_node::RelayHandle;
use conclave_turn_wire::ClientTransport;
use tokio::sync::watch;

use crate::listen::{Asking, Relay, Serving};

/// The relay, as the listeners of TCP see it.
pub(crate) struct Served(pub(crate) RelayHandle);

impl Relay for Served {
    fn serve(&self, asking: Asking, stop: watch::Receiver<bool>) -> Serving<'_> {
        let Asking {
            stream,
            socket,
            through_tls,
            client,
            local,
        } = asking;
        let transport = if through_tls {
            ClientTransport::Tls
        } else {
            ClientTransport::Tcp
        };
        Box::pin(async move {
            self.0
                .serve_stream(stream, Some(socket), transport, client, local, stop)
                .await;
        })
    }
}
