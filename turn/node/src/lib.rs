//! The relay of this process: its clients, and the ways to the shards and to peers.
