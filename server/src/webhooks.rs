//! What sends webhooks, as this server is configured.

use std::net::IpAddr;

use conclave_server_api::Webhooks;
use conclave_signalling_store::Store;

use crate::config;
use crate::tls;

/// Returns what sends webhooks of `store`. `own` are the addresses of this machine, which nobody may have it call.
pub(crate) fn sender(store: &Store, config: &config::Webhooks, own: &[IpAddr]) -> Webhooks {
    let trusted = tls::client_config(config.ca_file.as_deref(), "webhooks.ca_file");
    let trusted = trusted
        .inspect_err(|error| tracing::warn!("no webhook can be delivered by https: {error:#}"));
    Webhooks::new(store.clone(), trusted.ok(), config.guard(own))
}
