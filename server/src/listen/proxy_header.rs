//! The header of the PROXY protocol, version 1 (a line of text) and 2 (a block
//! of bytes): what a proxy that passes TCP on says first, of whom it passes on
//! (HAProxy, "The PROXY protocol", 2020).

use std::net::{IpAddr, SocketAddr};

/// As many bytes as a header of version 2 may have: what fits into the smallest
/// TCP segment that every host takes (section 2 of the specification).
pub(crate) const LONGEST: usize = 536;
/// `PROXY UNKNOWN`, and the end of the line.
const SHORTEST_LINE: usize = 15;
/// With both addresses of IPv6 written in full (section 2.1).
const LONGEST_LINE: usize = 107;
const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length of version 2.
const BLOCK_START: usize = 16;

/// What a proxy says that speaks for itself alone, to see whether somebody
/// is there: version 2, `LOCAL`, without addresses.
pub(crate) const LOCAL: [u8; BLOCK_START] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Both ends of the connection that the proxy took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Who connected.
    pub(crate) client: SocketAddr,
    /// The address of the proxy to which.
    pub(crate) server: SocketAddr,
}

/// How far a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// At least so many bytes of it are still to come. To read no more than
    /// these leaves what follows the header where it is.
    More(usize),
    /// All of it is there. `None`: the proxy itself, or somebody without an address.
    Whole(Option<Ends>),
}

/// No header, or one that nobody may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Looks at the beginning of a connection, of which not more was read than
/// [`Progress::More`] asked for, at most [`LONGEST`] bytes in all.
///
/// # Errors
/// As soon as it is clear that no header comes of it.
pub(crate) fn look(bytes: &[u8]) -> Result<Progress, Malformed> {
    let may_be = |start: &[u8]| start.starts_with(bytes) || bytes.starts_with(start);
    if may_be(LINE_START) {
        look_at_line(bytes)
    } else if may_be(SIGNATURE) {
        look_at_block(bytes)
    } else {
        Err(Malformed)
    }
}

fn look_at_line(bytes: &[u8]) -> Result<Progress, Malformed> {
    if let Some(line) = bytes.strip_suffix(b"\n") {
        let line = line.strip_suffix(b"\r").ok_or(Malformed)?;
        let line = str::from_utf8(line).map_err(|_| Malformed)?;
        return read_line(line).map(Progress::Whole);
    }
    let missing = match bytes.last() {
        _ if bytes.len() < SHORTEST_LINE - 2 => SHORTEST_LINE - bytes.len(),
        Some(b'\r') => 1,
        _ => 2,
    };
    if bytes.len() + missing > LONGEST_LINE {
        return Err(Malformed);
    }
    Ok(Progress::More(missing))
}

fn read_line(line: &str) -> Result<Option<Ends>, Malformed> {
    if line.contains(['\r', '\n']) {
        return Err(Malformed);
    }
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().ok_or(Malformed);
    let is_ipv4 = match word()? {
        // What follows is to be ignored.
        "UNKNOWN" => return Ok(None),
        "TCP4" => true,
        // Some write so of an IPv4 client who came to a socket for both families.
        "TCP6" => false,
        _ => return Err(Malformed),
    };
    let mut ip = || {
        let ip = word()?.parse().map_err(|_| Malformed)?;
        let fits = !is_ipv4 || matches!(ip, IpAddr::V4(_));
        fits.then_some(ip).ok_or(Malformed)
    };
    let (client, server) = (ip()?, ip()?);
    let mut port = || port(word()?).ok_or(Malformed);
    let (from, to) = (port()?, port()?);
    let ends = Ends {
        client: SocketAddr::new(client, from),
        server: SocketAddr::new(server, to),
    };
    match words.next() {
        None => Ok(Some(ends)),
        Some(_) => Err(Malformed),
    }
}

/// Reads digits alone, without zeros before them.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_number && !is_padded)
}

fn look_at_block(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some((start, rest)) = bytes.split_first_chunk::<BLOCK_START>() else {
        return Ok(Progress::More(BLOCK_START - bytes.len()));
    };
    let [.., command, family, high, low] = *start;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let addresses = match (command, family) {
        // `LOCAL`: whatever is said of addresses is to be ignored.
        (0x20, _) => Addresses::None,
        // `PROXY` of nobody known, or of a socket in the proxy's own file system.
        (0x21, 0x00 | 0x31) => Addresses::None,
        (0x21, 0x11) => Addresses::V4,
        (0x21, 0x21) => Addresses::V6,
        _ => return Err(Malformed),
    };
    if length < addresses.bytes() || BLOCK_START + length > LONGEST {
        return Err(Malformed);
    }
    match length.checked_sub(rest.len()) {
        // What follows the addresses is of no use here.
        Some(0) => addresses.read(rest).map(Progress::Whole).ok_or(Malformed),
        Some(missing) => Ok(Progress::More(missing)),
        None => Err(Malformed),
    }
}

/// How version 2 writes addresses (section 2.2).
#[derive(Debug, Clone, Copy)]
enum Addresses {
    None,
    V4,
    V6,
}

impl Addresses {
    fn bytes(self) -> usize {
        match self {
            Addresses::None => 0,
            Addresses::V4 => 12,
            Addresses::V6 => 36,
        }
    }

    /// Returns `None` when there are not so many bytes.
    fn read(self, bytes: &[u8]) -> Option<Option<Ends>> {
        let (client, server, ports) = match self {
            Addresses::None => return Some(None),
            Addresses::V4 => {
                let (client, rest) = bytes.split_first_chunk::<4>()?;
                let (server, ports) = rest.split_first_chunk::<4>()?;
                (IpAddr::from(*client), IpAddr::from(*server), ports)
            }
            Addresses::V6 => {
                let (client, rest) = bytes.split_first_chunk::<16>()?;
                let (server, ports) = rest.split_first_chunk::<16>()?;
                (IpAddr::from(*client), IpAddr::from(*server), ports)
            }
        };
        let [a, b, c, d] = *ports.first_chunk()?;
        Some(Some(Ends {
            client: SocketAddr::new(client, u16::from_be_bytes([a, b])),
            server: SocketAddr::new(server, u16::from_be_bytes([c, d])),
        }))
    }
}

#[cfg(test)]
mod tests;
