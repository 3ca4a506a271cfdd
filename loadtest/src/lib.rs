//! A synthetic participant without I/O.
//!
//! [`Participant`] is a WebRTC client on str0m: it offers what a browser
//! offers, sends made-up VP8 and Opus whose payload says who sent what, and
//! checks what it receives down to the single packet. It knows no socket and
//! no clock, so that a scenario can run it on a simulated network and a load
//! generator on a real one. [`LightViewer`] is one that only counts what it receives.
#![forbid(unsafe_code)]

mod audit;
mod book;
pub mod conclave;
mod connection;
pub mod demand;
pub mod engine;
mod given_up;
pub mod histogram;
pub mod janus;
mod journal;
mod light;
pub mod link;
pub mod measured;
mod observation;
mod participant;
mod receive;
mod reorder;
pub mod report;
pub mod run;
mod source;
mod stamp;
pub mod target;
mod vp8;
pub mod watched;

pub use book::Title;
pub use connection::{Outgoing, ParticipantError};
pub use journal::{Counts, Figures, Record};
pub use light::LightViewer;
pub use observation::{
    AudioObservation, AudioSeen, FrameSeen, Observation, SourceRun, VideoObservation,
};
pub use participant::{Participant, ParticipantConfig};
pub use source::{EncodingShape, PictureShape};
pub use stamp::{AudioStamp, PictureStamp, StampError, audio_stamp, picture_stamp};

/// The moment at which a test begins.
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other beginning"
)]
fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}
