//! The whole system under test: a simulated network, and meetings on it.
//!
//! A [`Meeting`] puts synthetic participants and real shards on a virtual clock
//! and a seeded lossy network. Time jumps from event to event, so a minute of
//! meeting takes a second or two, and nothing ever sleeps. str0m draws its keys
//! and ICE credentials from the operating system, so one seed gives the same
//! network and the same media, not the same bytes: scenarios judge by oracles.
#![forbid(unsafe_code)]

pub mod fanout;
pub mod lab;
pub mod meeting;
pub mod network;
pub mod seeds;

pub use conclave_loadtest::link;
pub use meeting::{JoinOptions, Meeting};
