//! Offers as browsers write them.

use str0m::media::Mid;

/// Takes the `a=ssrc` lines out of a simulcast m-line: browsers write none there,
/// so a server must find its streams by rid.
pub(super) fn without_simulcast_ssrcs(sdp: &str, simulcast: Option<Mid>) -> String {
    let Some(mid) = simulcast else {
        return sdp.to_owned();
    };
    let marker = format!("a=mid:{mid}");
    let mut sections = sdp.split("\r\nm=");
    let mut out = sections.next().unwrap_or_default().to_owned();
    for section in sections {
        out.push_str("\r\nm=");
        if section.lines().any(|line| line == marker) {
            let kept = section
                .split("\r\n")
                .filter(|line| !line.starts_with("a=ssrc"));
            out.push_str(&kept.collect::<Vec<_>>().join("\r\n"));
        } else {
            out.push_str(section);
        }
    }
    out
}
