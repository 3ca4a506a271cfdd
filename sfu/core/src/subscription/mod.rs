//! What one participant receives: its video slots, the wishes that fill them,
//! and the numbers it sees.

mod rewriter;
mod slot;
mod table;

pub(crate) use rewriter::{Beginnings, Rewriter};
pub(crate) use slot::VideoSlot;
pub(crate) use table::{Change, SlotTable, Wanted};
