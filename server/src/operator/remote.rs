//! A server elsewhere, asked over the network with an API key.

use std::env;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use http::uri::{Authority, Scheme};
use http::{StatusCode, Uri};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use super::Failure;
use super::api::{Ask, Credential, read_answer, write_request};
use crate::tls;

/// The environment variable that holds the key. It is no setting.
const KEY_VARIABLE: &str = "CONCLAVE_KEY";
/// Bytes of a file with a key, which has some 80.
const KEY_BYTES_MAX: u64 = 4096;
/// For one address of several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the next piece of an answer: to check a long audit log takes a while.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// Which server elsewhere.
#[derive(Debug, Args)]
pub(super) struct Elsewhere {
    /// Ask the server at URL, over https, with the API key in CONCLAVE_KEY or of --key-file
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "data_dir", "public_url"])]
    server: Option<String>,
    /// Read the API key from FILE
    #[arg(long, value_name = "FILE", requires = "server")]
    key_file: Option<PathBuf>,
    /// Trust the certificates in FILE [default: those that this system trusts]
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
}

impl Elsewhere {
    /// Returns the server elsewhere, if one is meant.
    pub(super) fn server(&self) -> Result<Option<Remote>, Failure> {
        let Some(url) = &self.server else {
            return Ok(None);
        };
        let target =
            Target::parse(url).map_err(|why| Failure::Usage(format!("--server: {why}")))?;
        let key = read_key(self.key_file.as_deref())?;
        let tls = if target.is_clear {
            None
        } else {
            Some(Arc::new(tls::client_config(self.ca.as_deref(), "--ca")?))
        };
        Ok(Some(Remote { target, key, tls }))
    }
}

/// A server elsewhere.
pub(super) struct Remote {
    target: Target,
    key: Zeroizing<String>,
    /// How it proves who it is; `None` for one on this machine that is asked in the clear.
    tls: Option<Arc<ClientConfig>>,
}

impl Remote {
    /// Asks: one request, one answer, one connection.
    pub(super) fn ask(
        &self,
        ask: &Ask,
        sink: &mut dyn Write,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let stream = self.connect()?;
        match &self.tls {
            None => self.exchange(stream, ask, sink),
            Some(tls) => {
                let name = ServerName::try_from(self.target.host.clone())?;
                let session = ClientConnection::new(Arc::clone(tls), name)?;
                self.exchange(StreamOwned::new(session, stream), ask, sink)
            }
        }
    }

    fn exchange(
        &self,
        mut stream: impl Read + Write,
        ask: &Ask,
        sink: &mut dyn Write,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let credential = Credential {
            host: self.target.authority.as_str(),
            key: Some(&self.key),
        };
        write_request(&mut stream, ask, &credential)?;
        read_answer(BufReader::new(stream), sink)
    }

    fn connect(&self) -> anyhow::Result<TcpStream> {
        let Target { host, port, .. } = &self.target;
        let addresses = (host.as_str(), *port).to_socket_addrs();
        let addresses = addresses.with_context(|| format!("{host} is not known"))?;
        let mut last = None;
        for address in addresses {
            ensure!(
                self.tls.is_some() || address.ip().is_loopback(),
                "{host} is not on this machine: only https:// is safe"
            );
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(READ_TIMEOUT))?;
                    stream.set_write_timeout(Some(READ_TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.with_context(|| format!("{host} has no address"))?;
        Err(error).with_context(|| format!("cannot connect to {}", self.target.authority))
    }
}

/// Where a server elsewhere is.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    authority: Authority,
    /// Its name or address, without brackets.
    host: String,
    port: u16,
    /// Without TLS, which is for this machine only.
    is_clear: bool,
}

impl Target {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url: Uri = text.parse().map_err(|_| "this is no URL")?;
        let is_clear = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => false,
            Some(scheme) if *scheme == Scheme::HTTP => true,
            _ => return Err("the URL must begin with https://"),
        };
        let authority = url.authority().ok_or("the URL names no server")?;
        if authority.as_str().contains('@') {
            return Err("the URL must not hold a user or a password");
        }
        if !matches!(
            url.path_and_query().map(|rest| rest.as_str()),
            None | Some("/")
        ) {
            return Err("the URL ends with the name or the port of the server");
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if is_clear && !is_here(host) {
            return Err("only https:// is safe; http:// is for this machine alone");
        }
        Ok(Target {
            host: host.to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_clear { 80 } else { 443 }),
            authority: authority.clone(),
            is_clear,
        })
    }
}

/// Returns whether a name or an address means this machine.
fn is_here(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// Reads the key of a file, or of the environment. Arguments are for everybody on a machine to see.
fn read_key(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let Some(path) = file else {
        let text = env::var(KEY_VARIABLE).map_err(|_| {
            let text = format!("--server wants an API key, in {KEY_VARIABLE} or by --key-file");
            Failure::Usage(text)
        })?;
        return key_of(&Zeroizing::new(text), KEY_VARIABLE);
    };
    let name = path.display().to_string();
    let mut text = Zeroizing::new(String::new());
    fs::File::open(path)
        .and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| Failure::Failed(format!("cannot read {name}: {error}")))?;
    key_of(&text, &name)
}

/// Takes what may stand in a header, and nothing that could end one.
fn key_of(text: &str, place: &str) -> Result<Zeroizing<String>, Failure> {
    let key = text.trim();
    if key.starts_with("ck_") && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Zeroizing::new(key.to_owned()));
    }
    Err(Failure::Usage(format!(
        "{place} holds no API key, which begins with ck_"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_over_tls_or_on_this_machine() {
        for (url, host, port, is_clear) in [
            ("https://meet.example.org", "meet.example.org", 443, false),
            (
                "https://meet.example.org:8443/",
                "meet.example.org",
                8443,
                false,
            ),
            ("https://[2001:db8::1]", "2001:db8::1", 443, false),
            ("http://localhost:8080", "localhost", 8080, true),
            ("http://127.0.0.1", "127.0.0.1", 80, true),
            ("http://[::1]:8080/", "::1", 8080, true),
        ] {
            let target = Target::parse(url).unwrap();
            let parts = (target.host.as_str(), target.port, target.is_clear);
            assert_eq!(parts, (host, port, is_clear), "{url}");
        }
        for bad in [
            "",
            "meet.example.org",
            "/api",
            "ftp://meet.example.org",
            "http://meet.example.org",
            "http://192.0.2.1",
            "http://localhost.example.org",
            "https://ada:secret@meet.example.org",
            "https://meet.example.org/api/v1",
            "https://meet.example.org/?x=1",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_cannot_end_its_header() {
        let key = key_of(" ck_one_two\n", "k").unwrap_or_default();
        assert_eq!(key.as_str(), "ck_one_two");
        for bad in ["", "one_two", "ck_one\r\nhost: x", "ck_one two", "ck_é"] {
            assert!(key_of(bad, "k").is_err(), "{bad:?}");
        }
    }
}
