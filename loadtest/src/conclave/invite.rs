//! Invite links of the server.

use conclave_signalling_wire::request::Credential;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Slug;

/// What an invite link says: `https://meet.example.org/r/welcome#i=SECRET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// Whether the server is spoken to over TLS.
    pub is_secure: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port of the pages and of signalling.
    pub port: u16,
    /// Scheme, host and port as browsers send them.
    pub origin: String,
    /// The room.
    pub room: Slug,
    /// What lets in.
    pub credential: Credential,
}

/// Why a text is no invite link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// Neither `https` nor `http`.
    #[error("a link begins with https:// (or http:// on the server's own machine)")]
    Scheme,
    /// No host, or a port that is none.
    #[error("the link names no host, or a port that is none")]
    Host,
    /// The path is not that of a room.
    #[error("the link has no room: it looks like https://meet.example.org/r/ROOM#i=SECRET")]
    Room,
    /// What follows `#` is no secret of an invite.
    #[error(
        "what follows # is not i= with the 22 characters of an invite; quote the link, shells cut at #"
    )]
    Secret,
}

impl InviteLink {
    /// Reads a link as the server prints it. A link without a fragment is one of a room that
    /// asks for nothing.
    ///
    /// # Errors
    /// [`InvalidLink`] says what is missing.
    pub fn parse(link: &str) -> Result<InviteLink, InvalidLink> {
        let (is_secure, rest) = match link.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(InvalidLink::Scheme),
        };
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority, if is_secure { 443 } else { 80 })?;
        let room = path.split('?').next().unwrap_or_default();
        let room = room.strip_prefix("r/").ok_or(InvalidLink::Room)?;
        let room = Slug::new(room.trim_end_matches('/')).map_err(|_| InvalidLink::Room)?;
        let credential = match fragment {
            None | Some("") => Credential::None {},
            Some(fragment) => {
                let secret = fragment.split('&').find_map(|part| part.strip_prefix("i="));
                let secret = secret.and_then(|secret| InviteSecret::parse(secret).ok());
                Credential::Invite {
                    secret: secret.ok_or(InvalidLink::Secret)?,
                }
            }
        };
        let scheme = if is_secure { "https" } else { "http" };
        Ok(InviteLink {
            is_secure,
            host,
            port,
            origin: format!("{scheme}://{authority}"),
            room,
            credential,
        })
    }
}

fn host_and_port(authority: &str, usual: u16) -> Result<(String, u16), InvalidLink> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(InvalidLink::Host)?;
        (host, port.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() || host.contains('@') {
        return Err(InvalidLink::Host);
    }
    let port = port.map_or(Ok(usual), |port| {
        port.parse().map_err(|_| InvalidLink::Host)
    })?;
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_apart() {
        let link =
            InviteLink::parse("https://[::1]:8443/r/welcome#i=BgYGBgYGBgYGBgYGBgYGBg").unwrap();
        assert_eq!(
            (link.host.as_str(), link.port, link.is_secure),
            ("::1", 8443, true)
        );
        assert_eq!(link.origin, "https://[::1]:8443");
        assert_eq!(link.room.as_str(), "welcome");
        let secret = InviteSecret::new([6; 16]);
        assert_eq!(link.credential, Credential::Invite { secret });
        let link = InviteLink::parse("http://localhost/r/team/").unwrap();
        assert_eq!((link.port, link.credential), (80, Credential::None {}));
    }

    #[test]
    fn what_is_no_link_says_what_is_missing() {
        for (text, error) in [
            ("meet.example.org/r/team", InvalidLink::Scheme),
            ("wss://meet.example.org/r/team", InvalidLink::Scheme),
            ("https:///r/team", InvalidLink::Host),
            ("https://meet.example.org:x/r/team", InvalidLink::Host),
            ("https://meet.example.org/", InvalidLink::Room),
            ("https://meet.example.org/r/T", InvalidLink::Room),
            (
                "https://meet.example.org/r/team#i=short",
                InvalidLink::Secret,
            ),
        ] {
            assert_eq!(InviteLink::parse(text), Err(error), "{text}");
        }
    }
}
