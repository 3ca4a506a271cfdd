//! One room: who is in it, what they may do, what they are told.
