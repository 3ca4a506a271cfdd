//! Those who manage the room without being in it.
