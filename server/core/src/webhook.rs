//! Webhooks: who is told of what, how it is signed, when it is tried again.

pub mod attempt;
pub mod desk;
pub mod edit;
pub mod following;
pub mod guard;
pub mod payload;
pub mod record;
pub mod signature;
pub mod target;
