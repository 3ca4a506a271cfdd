//! What of the configuration changes while the node runs.

use std::time::Duration;

use crate::config::{Config, RoomsCreate};
use crate::guesses::PasswordLimits;
use crate::sites::Embedder;

/// The settings of a node that [`crate::Node::tune`] changes. They mean what
/// the fields of [`Config`] with these names do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Who may make rooms.
    pub rooms_create: RoomsCreate,
    /// Rooms an hour that one source may make, at least 1.
    pub rooms_per_source_per_hour: u32,
    /// How many wrong passwords there may be.
    pub password: PasswordLimits,
    /// Sites that sign join tokens.
    pub embedders: Vec<Embedder>,
    /// Links of one source. Fewer close none that is open.
    pub links_per_source: u32,
    /// Links in all. Fewer close none that is open.
    pub links_max: usize,
    /// Joins a second of one source, sustained, at least 1.
    pub joins_per_source_per_s: u32,
    /// Joins of one source at once, at least 1.
    pub joins_per_source_burst: u32,
    /// How long meetings may go on after the order to end.
    pub drain: Duration,
}

impl From<&Config> for Tuning {
    fn from(config: &Config) -> Self {
        Tuning {
            rooms_create: config.rooms_create,
            rooms_per_source_per_hour: config.rooms_per_source_per_hour,
            password: config.password,
            embedders: config.embedders.clone(),
            links_per_source: config.links_per_source,
            links_max: config.links_max,
            joins_per_source_per_s: config.joins_per_source_per_s,
            joins_per_source_burst: config.joins_per_source_burst,
            drain: config.drain,
        }
    }
}
