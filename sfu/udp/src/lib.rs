//! UDP of Linux in batches, a wait with a waker, the queue that hands datagrams
//! from one thread to another without a socket between them, and what a shard's
//! loop needs to know of a relay that lives in it.
//!
//! The shards of the SFU and the relay share it: all unsafe code of the media
//! plane is in its module `sys`.

mod hand_over;
mod lodger;
#[allow(
    unsafe_code,
    reason = "batched sockets need system calls that std does not wrap"
)]
mod sys;

pub use hand_over::{HandOver, Parcel, Receiver, Sender, hand_over};
pub use lodger::{LOOP_NUMBERS, Lodger};
pub use sys::{
    BufferSizes, Family, IcmpError, IpFields, PeerBatch, PeerDatagram, ReadySet, ReceiveBatch,
    Received, RelayedSocket, SendBatch, SendRefused, SendReport, UdpSocket, WaitList, Waker, Watch,
    Way, wait,
};
