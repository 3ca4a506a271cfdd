//! The TURN server: authentication, allocations, permissions, channels. No I/O.
