//! One shard of the SFU: decisions without I/O.
