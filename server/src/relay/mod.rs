//! The relay of this process: started, told who is in, and described to clients.

mod alone;
mod counts;
mod mint;
mod own;
mod secrets;
mod serve;
mod start;
mod surroundings;

pub(crate) use alone::{Alone, check};
pub(crate) use mint::{Minting, Places, session_of};
pub(crate) use own::{OwnRelay, ways};
pub(crate) use serve::Served;
pub(crate) use start::{Sockets, bind};
