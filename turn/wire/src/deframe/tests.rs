use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fast::channel_header;
use crate::message::{Builder, Class, Method};

#[test]
fn frames_come_out_as_soon_as_they_are_whole() {
    let mut deframer = Deframer::new();
    let stream = [stun(4), channel(0x4000, b"hello"), stun(0)].concat();
    let mut frames = Vec::new();
    for byte in stream {
        deframer.push(&[byte]).unwrap();
        while let Some(frame) = deframer.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
    }
    assert_eq!(deframer.buffered(), 0);
    let unpadded = channel(0x4000, b"hello")[..9].to_vec();
    assert_eq!(frames, [stun(4), unpadded, stun(0)]);
}

#[test]
fn channel_data_wait_for_their_padding() {
    let mut deframer = Deframer::new();
    let frame = channel(0x4001, b"x");
    deframer.push(&frame[..5]).unwrap();
    assert_eq!(deframer.next_frame(), Ok(None));
    assert_eq!(deframer.buffered(), 5);
    deframer.push(&frame[5..]).unwrap();
    assert_eq!(deframer.next_frame(), Ok(Some(&frame[..5])));
    assert_eq!(deframer.next_frame(), Ok(None));
    assert_eq!(deframer.buffered(), 0);
}

#[test]
fn garbage_is_seen_at_the_first_wrong_byte() {
    for (bytes, first_bad) in [
        (&b"GET / HTTP/1.1\r\n"[..], None),
        (b"\x16\x03\x01\x02\x00", Some(0)),
        (b"\x80\x60", Some(0)),
        (b"\x00\x01\x00\x00\x21\x13", Some(5)),
        (b"\x00\x01\x00\x03", Some(3)),
        (b"\x04\x00", Some(0)),
    ] {
        let mut deframer = Deframer::new();
        let bad = bytes.iter().position(|byte| {
            deframer.push(&[*byte]).unwrap();
            deframer.next_frame() == Err(DeframeError::Garbage)
        });
        assert_eq!(bad, first_bad, "{bytes:?}");
        if bad.is_some() {
            assert_eq!(
                deframer.next_frame(),
                Err(DeframeError::Garbage),
                "for ever after"
            );
        }
    }
}

#[test]
fn a_frame_beyond_the_bound_is_refused_by_its_header() {
    let mut deframer = Deframer::new();
    deframer.push(&channel_header(0x4000, 65_533)).unwrap();
    assert_eq!(deframer.next_frame(), Err(DeframeError::TooLong));
    let mut deframer = Deframer::new();
    deframer.push(&channel_header(0x4000, 65_532)).unwrap();
    deframer.push(&[0; 65_531]).unwrap();
    assert_eq!(deframer.next_frame(), Ok(None));
    deframer.push(&[0]).unwrap();
    assert_eq!(deframer.next_frame().unwrap().unwrap().len(), FRAME_LEN_MAX);
}

#[test]
fn what_is_wrong_with_a_stream_does_not_depend_on_its_portions() {
    let too_long_without_cookie = [1, 1, 0xff, 0xfc, 0xf8, 0x27, 7];
    for portion in 1..8 {
        let (frames, end) = cut(&too_long_without_cookie, std::iter::repeat(portion));
        assert_eq!((frames, end), (vec![], Err(DeframeError::TooLong)));
    }
}

#[test]
fn who_takes_no_frames_out_fills_no_memory() {
    let mut deframer = Deframer::new();
    deframer.push(&vec![0; BUFFERED_MAX]).unwrap();
    assert_eq!(deframer.push(&[0]), Err(DeframeError::Overflow));
    assert_eq!(deframer.buffered(), BUFFERED_MAX);
}

#[test]
fn an_idle_stream_gives_its_memory_back() {
    let mut deframer = Deframer::new();
    let frame = channel(0x4000, &[7; 50_000]);
    deframer.push(&frame).unwrap();
    assert!(deframer.next_frame().unwrap().is_some());
    deframer.push(&stun(0)).unwrap();
    assert!(deframer.buffer.capacity() <= IDLE_CAPACITY_MAX);
    assert_eq!(deframer.next_frame(), Ok(Some(&stun(0)[..])));
}

#[test]
fn what_follows_the_last_frame_is_kept_for_the_raw_stream() {
    let mut deframer = Deframer::new();
    deframer
        .push(&[stun(8), b"raw \xff bytes".to_vec()].concat())
        .unwrap();
    assert_eq!(deframer.next_frame(), Ok(Some(&stun(8)[..])));
    assert_eq!(deframer.into_rest(), b"raw \xff bytes");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(frames in vec(frame(), 0..6), tail in vec(any::<u8>(), 0..12), cuts in vec(1_usize..40, 0..60)) {
        let mut stream: Vec<u8> = frames.concat();
        stream.extend_from_slice(&tail);
        let whole = cut(&stream, std::iter::repeat(BUFFERED_MAX));
        prop_assert!(whole.0.len() >= frames.len());
        let portions = cuts.into_iter().chain(std::iter::repeat(7));
        prop_assert_eq!(&cut(&stream, portions), &whole);
        prop_assert_eq!(&cut(&stream, std::iter::repeat(1)), &whole);
    }

    #[test]
    fn any_bytes_in_any_portions_are_taken(stream in vec(any::<u8>(), 0..300), cuts in vec(1_usize..40, 1..60)) {
        let whole = cut(&stream, std::iter::repeat(BUFFERED_MAX));
        let portions = cuts.into_iter().chain(std::iter::repeat(1));
        prop_assert_eq!(cut(&stream, portions), whole);
    }
}

/// The frames of a stream read in these portions, and how it ended.
fn cut(
    stream: &[u8],
    portions: impl Iterator<Item = usize>,
) -> (Vec<Vec<u8>>, Result<(), DeframeError>) {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    let mut rest = stream;
    for portion in portions {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(portion.min(rest.len()));
        rest = later;
        deframer.push(now).unwrap();
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(()))
}

fn stun(body: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let builder = Builder::new(Class::Request, Method::Refresh, [1; 12], &mut out);
    let builder = if body == 0 {
        builder
    } else {
        builder.raw(0x8099, &vec![2; body - 4])
    };
    builder.finish(None).unwrap();
    out
}

fn channel(number: u16, payload: &[u8]) -> Vec<u8> {
    [
        &channel_header(number, payload.len() as u16),
        payload,
        padding(payload.len()),
    ]
    .concat()
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0_usize..12).prop_map(|words| stun(words * 4)),
        (0x4000_u16..0x8000, vec(any::<u8>(), 0..60))
            .prop_map(|(number, payload)| channel(number, &payload)),
    ]
}
