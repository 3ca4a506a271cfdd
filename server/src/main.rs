//! Conclave: self-hosted meetings.

fn main() {}
