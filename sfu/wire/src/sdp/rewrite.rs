//! What is changed in an answer before it is sent.

use crate::control::MidName;

/// Replaces the ICE credentials of the session and of every m-line, and the
/// fragment that a candidate repeats (`a=candidate … ufrag …`): an agent
/// throws away a candidate whose fragment is not that of the description.
///
/// Other lines stay as they are, line ends included; an answer without
/// credentials gets none.
pub fn replace_ice_credentials(answer: &str, ufrag: &str, pwd: &str) -> String {
    let mut out = String::with_capacity(answer.len() + 256);
    for (line, end) in lines(answer) {
        if line.starts_with("a=ice-ufrag:") {
            out.push_str("a=ice-ufrag:");
            out.push_str(ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            out.push_str("a=ice-pwd:");
            out.push_str(pwd);
        } else if line.starts_with("a=candidate:") {
            push_candidate(&mut out, line, ufrag);
        } else {
            out.push_str(line);
        }
        out.push_str(end);
    }
    out
}

/// Appends a candidate with its fragment, if it has one, replaced (RFC 8839,
/// section 5.1: extensions are pairs of name and value at the end).
fn push_candidate(out: &mut String, line: &str, ufrag: &str) {
    let Some((before, rest)) = line.split_once(" ufrag ") else {
        out.push_str(line);
        return;
    };
    let after = rest.find(' ').map_or("", |at| &rest[at..]);
    for part in [before, " ufrag ", ufrag, after] {
        out.push_str(part);
    }
}

/// Gives audio slot `i` and video slot `i` one browser `MediaStream`, for as
/// many as there are of both: browsers keep lips and voice together only within one.
///
/// The video slot takes the stream id of the audio slot in `a=msid` and
/// `a=ssrc … msid`, and `a=msid-semantic` follows; ids of other m-lines stay.
/// A pair of which one has no stream id (none, or `-`) stays as it is.
pub fn pair_streams(answer: &str, video_slots: &[MidName], audio_slots: &[MidName]) -> String {
    let streams = streams(answer);
    let stream_of = |mid: &MidName| {
        let found = streams.iter().find(|(name, _)| *name == mid.as_str());
        found
            .map(|(_, stream)| *stream)
            .filter(|stream| *stream != "-")
    };
    // (stream id of a video slot, the one to say in its place)
    let pairs: Vec<(&str, &str)> = video_slots
        .iter()
        .zip(audio_slots)
        .filter_map(|(video, audio)| Some((stream_of(video)?, stream_of(audio)?)))
        .collect();
    let shared = |stream: &str| {
        pairs
            .iter()
            .find(|(own, _)| *own == stream)
            .map(|(_, shared)| *shared)
    };
    let mut out = String::with_capacity(answer.len());
    for (line, end) in lines(answer) {
        match split_msid(line) {
            Some((before, stream, behind)) => {
                out.push_str(before);
                out.push_str(shared(stream).unwrap_or(stream));
                out.push_str(behind);
            }
            None => match line.strip_prefix(SEMANTIC) {
                Some(ids) => push_semantic(&mut out, ids, shared),
                None => out.push_str(line),
            },
        }
        out.push_str(end);
    }
    out
}

const SEMANTIC: &str = "a=msid-semantic:";

/// Mid and stream id of every m-line that has both.
fn streams(answer: &str) -> Vec<(&str, &str)> {
    let mut streams = Vec::new();
    let (mut mid, mut stream) = (None, None);
    for (line, _) in lines(answer).chain([("m=", "")]) {
        if line.starts_with("m=") {
            streams.extend(mid.take().zip(stream.take()));
        } else if let Some(name) = line.strip_prefix("a=mid:") {
            mid = Some(name);
        } else if line.starts_with("a=msid:") {
            stream = split_msid(line).map(|(_, stream, _)| stream);
        }
    }
    streams
}

/// Splits `a=msid:STREAM TRACK` and `a=ssrc:N msid:STREAM TRACK` around the stream id.
fn split_msid(line: &str) -> Option<(&str, &str, &str)> {
    let value_at = if line.starts_with("a=msid:") {
        "a=msid:".len()
    } else {
        let digits = line.strip_prefix("a=ssrc:")?;
        let rest = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
        line.len() - rest.strip_prefix(" msid:")?.len()
    };
    let (before, value) = line.split_at_checked(value_at)?;
    let len = value.find(' ').unwrap_or(value.len());
    let (stream, behind) = value.split_at_checked(len)?;
    Some((before, stream, behind))
}

/// Writes the list of stream ids again, each once.
fn push_semantic<'a>(out: &mut String, ids: &'a str, shared: impl Fn(&'a str) -> Option<&'a str>) {
    out.push_str(SEMANTIC);
    let mut written: Vec<&str> = Vec::new();
    for word in ids.split(' ') {
        let word = shared(word).unwrap_or(word);
        if !word.is_empty() && written.contains(&word) {
            continue;
        }
        if !written.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        written.push(word);
    }
}

/// The lines with what ends each: CRLF, LF, or nothing at the end of the text.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_inclusive('\n').map(|line| {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let content = content.strip_suffix('\r').unwrap_or(content);
        line.split_at(content.len())
    })
}
