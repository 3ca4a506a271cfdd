//! Between the words of the protocol and those of the media plane.

use conclave_sfu_wire::control;
use conclave_signalling_wire::objects::{Codec, PictureSource, Rid, Source};
use conclave_signalling_wire::push::{PauseReason, ResetReason};
use conclave_signalling_wire::request::Priority;
use conclave_signalling_wire::text::Mid;

pub(crate) fn to_source(source: Source) -> control::Source {
    match source {
        Source::Microphone => control::Source::Microphone,
        Source::Camera => control::Source::Camera,
        Source::Screen => control::Source::Screen,
        Source::ScreenAudio => control::Source::ScreenAudio,
    }
}

pub(crate) fn from_source(source: control::Source) -> Source {
    match source {
        control::Source::Microphone => Source::Microphone,
        control::Source::Camera => Source::Camera,
        control::Source::Screen => Source::Screen,
        control::Source::ScreenAudio => Source::ScreenAudio,
    }
}

/// Returns `None` for sound.
pub(crate) fn to_picture(source: control::Source) -> Option<PictureSource> {
    match source {
        control::Source::Camera => Some(PictureSource::Camera),
        control::Source::Screen => Some(PictureSource::Screen),
        control::Source::Microphone | control::Source::ScreenAudio => None,
    }
}

pub(crate) fn to_codec(codec: Codec) -> control::Codec {
    match codec {
        Codec::Vp8 => control::Codec::Vp8,
        Codec::H264 => control::Codec::H264,
    }
}

/// Returns `None` for a codec of sound, which nobody is told about.
pub(crate) fn from_codec(codec: control::Codec) -> Option<Codec> {
    match codec {
        control::Codec::Vp8 => Some(Codec::Vp8),
        control::Codec::H264 => Some(Codec::H264),
        control::Codec::Opus => None,
    }
}

pub(crate) fn from_rid(rid: control::Rid) -> Rid {
    match rid {
        control::Rid::Q => Rid::Q,
        control::Rid::H => Rid::H,
        control::Rid::F => Rid::F,
    }
}

pub(crate) fn to_priority(priority: Priority) -> control::Priority {
    match priority {
        Priority::Pinned => control::Priority::Pinned,
        Priority::Speaker => control::Priority::Speaker,
        Priority::Gallery => control::Priority::Gallery,
    }
}

pub(crate) fn from_pause(reason: control::PauseReason) -> PauseReason {
    match reason {
        control::PauseReason::Bandwidth => PauseReason::Bandwidth,
        control::PauseReason::Overload => PauseReason::Overload,
        control::PauseReason::Muted => PauseReason::Muted,
        control::PauseReason::SourceEnded => PauseReason::SourceEnded,
        control::PauseReason::CodecUnsupported => PauseReason::CodecUnsupported,
    }
}

pub(crate) fn from_failure(failure: control::TransportFailure) -> ResetReason {
    match failure {
        control::TransportFailure::Dtls => ResetReason::DtlsFailed,
        control::TransportFailure::Ice => ResetReason::IceFailed,
        control::TransportFailure::Panic => ResetReason::Internal,
    }
}

pub(crate) fn to_mid(mid: &Mid) -> Option<control::MidName> {
    control::MidName::new(mid.as_str())
}

pub(crate) fn from_mid(mid: control::MidName) -> Mid {
    Mid::new(mid.as_str()).expect("both are 1 to 16 letters, digits, '-' or '_'")
}
