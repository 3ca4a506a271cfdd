//! API keys: what they are, and what they may do.
//!
//! [`keys::Keys`] holds all of them and says what each may do, be it less than
//! its record says: a key never does more than the one that made it.
//! [`rights::Rights`] is what is decided by.

pub mod guesses;
pub mod keys;
pub mod level;
pub mod networks;
pub mod record;
pub mod rights;
pub mod tagging;
pub mod text;
