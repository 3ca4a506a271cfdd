//! Shard threads and their UDP sockets.
