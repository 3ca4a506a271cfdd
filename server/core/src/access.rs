//! API keys: what they are, and what they may do.

pub mod record;
