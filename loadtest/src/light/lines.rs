//! What an SDP says of the packets that will come: read from the description of the server.

/// What a packet is, by its payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Of a clock rate in Hz.
    Audio(u32),
    /// Likewise.
    Video(u32),
    /// A packet sent again (RFC 4588).
    Rtx,
}

/// The transport-wide number of a packet.
const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The facts of one bundle.
#[derive(Debug)]
pub(super) struct Lines {
    contents: [Option<Content>; 128],
    twcc: Option<u8>,
    /// Streams, each with the one on which it is sent again.
    resent: Vec<(u32, u32)>,
}

impl Lines {
    /// Reads an SDP. What is not understood is passed over: the stack has judged it.
    pub(super) fn parse(sdp: &str) -> Lines {
        let mut lines = Lines {
            contents: [None; 128],
            twcc: None,
            resent: Vec::new(),
        };
        let mut is_video = false;
        for line in sdp.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                is_video = media.starts_with("video");
            } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
                lines.note_type(is_video, map);
            } else if let Some(map) = line.strip_prefix("a=extmap:") {
                lines.note_extension(map);
            } else if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
                let mut ssrcs = group.split_whitespace().map(str::parse);
                if let (Some(Ok(media)), Some(Ok(rtx))) = (ssrcs.next(), ssrcs.next()) {
                    lines.resent.push((media, rtx));
                }
            }
        }
        lines
    }

    /// Returns what a packet of a payload type is.
    pub(super) fn content(&self, payload_type: u8) -> Option<Content> {
        self.contents.get(usize::from(payload_type)).copied()?
    }

    /// Returns the id of the extension with the transport-wide number.
    pub(super) fn twcc(&self) -> Option<u8> {
        self.twcc
    }

    /// Returns the stream that is sent again on `rtx`.
    pub(super) fn media_of(&self, rtx: u32) -> Option<u32> {
        let found = self.resent.iter().find(|pair| pair.1 == rtx);
        found.map(|pair| pair.0)
    }

    fn note_type(&mut self, is_video: bool, map: &str) {
        let Some((number, codec)) = map.split_once(' ') else {
            return;
        };
        let mut parts = codec.split('/');
        let (name, clock) = (parts.next().unwrap_or_default(), parts.next());
        let Some(clock) = clock.and_then(|clock| clock.trim().parse().ok()) else {
            return;
        };
        let content = match (name.eq_ignore_ascii_case("rtx"), is_video) {
            (true, _) => Content::Rtx,
            (false, true) => Content::Video(clock),
            (false, false) => Content::Audio(clock),
        };
        let number = number.parse().unwrap_or(usize::MAX);
        if let Some(entry) = self.contents.get_mut(number) {
            *entry = Some(content);
        }
    }

    fn note_extension(&mut self, map: &str) {
        let Some((id, uri)) = map.split_once(' ') else {
            return;
        };
        // A direction may stand behind the id (RFC 8285, section 5).
        let id = id.split('/').next().unwrap_or_default();
        if uri.split_whitespace().next() == Some(TWCC_URI) {
            self.twcc = id.parse().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_types_extension_and_pairs() {
        let sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n\
            a=extmap:3/recvonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
            a=rtpmap:999 H264/90000\r\na=ssrc-group:FID 7 8\r\n";
        let lines = Lines::parse(sdp);
        let contents = [111, 96, 97, 98].map(|number| lines.content(number));
        let expected = [
            Some(Content::Audio(48_000)),
            Some(Content::Video(90_000)),
            Some(Content::Rtx),
            None,
        ];
        assert_eq!(contents, expected);
        assert_eq!(lines.twcc(), Some(3));
        assert_eq!((lines.media_of(8), lines.media_of(7)), (Some(7), None));
    }
}
