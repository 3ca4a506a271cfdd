//! What the server tells whoever started it, once it is ready.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use crate::config::MediaIp;

/// The content of the ready file. `null` is what there is none of.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    /// The origin at which HTTPS is served here.
    pub(crate) https: String,
    /// The origin at which plain HTTP is served here.
    pub(crate) http: Option<String>,
    /// Opens the first room as its host; with `--dev` only.
    pub(crate) host_link: Option<String>,
    /// Opens the first room as a guest.
    pub(crate) guest_link: Option<String>,
    /// UDP port of each shard, as bound.
    pub(crate) media_ports: Vec<u16>,
    /// The origin at which metrics and readiness are served.
    pub(crate) admin: Option<String>,
    /// The URLs of the relay, for the page of `public_url`.
    pub(crate) turn: Option<Vec<String>>,
}

/// Writes the ready file, readable by the owner only, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_ready_file(path: &Path, ready: &Ready) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    remove_if_there(Path::new(&draft))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    serde_json::to_writer_pretty(&mut file, ready)?;
    file.write_all(b"\n")?;
    fs::rename(&draft, path)
}

/// Removes a file that may not be there.
///
/// # Errors
/// When it is there and stays.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What the text at the end of the start is made of.
pub(crate) struct Banner<'a> {
    /// As in the ready file.
    pub(crate) ready: &'a Ready,
    /// Origins for other devices of the same network.
    pub(crate) network: &'a [String],
    /// The origin that links carry.
    pub(crate) public_url: &'a str,
    /// The origin of plain HTTP pages.
    pub(crate) loopback_url: Option<&'a str>,
    /// Addresses for media.
    pub(crate) media_ips: &'a [MediaIp],
}

impl Banner<'_> {
    /// Returns the text, which ends with a line break.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("\nConclave is ready.\n");
        let guest_path = self.guest_path();
        let mut line = |label: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {label:<16} {value}");
        };
        if let Some(path) = guest_path {
            line("", "");
            if let Some(loopback) = self.loopback_url {
                line("this computer", &format!("{loopback}{path}"));
            }
            for (index, origin) in self.network.iter().enumerate() {
                line(
                    if index == 0 { "other devices" } else { "" },
                    &format!("{origin}{path}"),
                );
            }
            if !self.network.is_empty() {
                line(
                    "",
                    "(self-signed certificate: the browser warns once; accept it)",
                );
            }
        }
        for (label, link) in [
            ("host link", &self.ready.host_link),
            ("guest link", &self.ready.guest_link),
        ] {
            let Some(link) = link else { continue };
            line("", "");
            line(label, link);
            if let (Some(loopback), Some(rest)) =
                (self.loopback_url, link.strip_prefix(self.public_url))
            {
                line("", &format!("{loopback}{rest}"));
            }
        }
        line("", "");
        line("listening on", &self.ready.https);
        for (index, url) in self.ready.turn.iter().flatten().enumerate() {
            line(if index == 0 { "relay" } else { "" }, url);
        }
        let addresses = self
            .media_ips
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let ports = self
            .ready
            .media_ports
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        if !self.ready.media_ports.is_empty() {
            line("media", &format!("UDP {ports} on {addresses}"));
        }
        text.push_str("\nCtrl-C ends it.\n");
        text.lines()
            .flat_map(|line| [line.trim_end(), "\n"])
            .collect()
    }

    fn guest_path(&self) -> Option<&str> {
        self.ready
            .guest_link
            .as_deref()?
            .strip_prefix(self.public_url)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_ready_file_is_for_its_owner_and_replaces_an_older_one() {
        let path = std::env::temp_dir().join(format!("conclave-ready-{}.json", std::process::id()));
        fs::write(&path, "old").unwrap();
        write_ready_file(&path, &ready()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(value["media_ports"], serde_json::json!([10000, 10001]));
        assert_eq!(value["turn"][1], "turns:localhost:8443?transport=tcp");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        remove_if_there(&path).unwrap();
        remove_if_there(&path).unwrap();
    }

    #[test]
    fn the_banner_says_what_to_open() {
        let ready = ready();
        let banner = Banner {
            ready: &ready,
            network: &["https://192.0.2.7:8443".to_owned()],
            public_url: "https://localhost:8443",
            loopback_url: Some("http://localhost:8080"),
            media_ips: &[MediaIp::direct([192, 0, 2, 7].into())],
        };
        let expected = "
Conclave is ready.

  this computer    http://localhost:8080/r/welcome
  other devices    https://192.0.2.7:8443/r/welcome
                   (self-signed certificate: the browser warns once; accept it)

  host link        https://localhost:8443/r/welcome#i=s
                   http://localhost:8080/r/welcome#i=s

  guest link       https://localhost:8443/r/welcome
                   http://localhost:8080/r/welcome

  listening on     https://localhost:8443
  relay            turn:localhost:8443?transport=udp
                   turns:localhost:8443?transport=tcp
  media            UDP 10000, 10001 on 192.0.2.7

Ctrl-C ends it.
";
        assert_eq!(banner.text(), expected);
    }

    fn ready() -> Ready {
        Ready {
            https: "https://localhost:8443".to_owned(),
            http: Some("http://localhost:8080".to_owned()),
            host_link: Some("https://localhost:8443/r/welcome#i=s".to_owned()),
            guest_link: Some("https://localhost:8443/r/welcome".to_owned()),
            admin: Some("http://127.0.0.1:9464".to_owned()),
            media_ports: vec![10000, 10001],
            turn: Some(vec![
                "turn:localhost:8443?transport=udp".to_owned(),
                "turns:localhost:8443?transport=tcp".to_owned(),
            ]),
        }
    }
}
