//! A stream is cut into the same frames however it arrives. The first byte says how many of the
//! following are lengths of portions, the rest is the stream.
#![no_main]

use conclave_turn_wire::deframe::{BUFFERED_MAX, DeframeError, Deframer, FRAME_LEN_MAX};
use conclave_turn_wire::fast::Kind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let (cuts, stream) = rest.split_at(usize::from(count).min(rest.len()));
    let whole = cut(stream, std::iter::empty());
    let portions = cuts.iter().map(|cut| usize::from(*cut).max(1));
    assert_eq!(cut(stream, portions), whole);
    for frame in &whole.0 {
        assert!(Kind::of(frame).is_some() && frame.len() <= FRAME_LEN_MAX);
    }
});

/// The frames of a stream read in these portions and then at once, what waits at its end, and how it ended.
fn cut(
    stream: &[u8],
    portions: impl Iterator<Item = usize>,
) -> (Vec<Vec<u8>>, Result<Vec<u8>, DeframeError>) {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    let mut rest = stream;
    for portion in portions.chain(std::iter::repeat(BUFFERED_MAX)) {
        let (now, later) = rest.split_at(portion.min(rest.len()));
        rest = later;
        deframer.push(now).expect("all frames were taken out");
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    (frames, Ok(deframer.into_rest()))
}
