//! Webhooks: who is told of what, how it is signed, when it is tried again.

pub mod record;
