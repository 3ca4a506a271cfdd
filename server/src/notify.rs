//! Words to the service manager: `sd_notify(3)`, one datagram each. Without
//! one in the environment nothing is said.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// What a service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything is served.
    Ready,
    /// The configuration is being read again; [`State::Ready`] ends it.
    Reloading,
    /// The process ends, and may take so long for it.
    Stopping(Duration),
}

/// Tells the service manager, if there is one.
pub(crate) fn tell(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = address(&socket).and_then(|address| {
        UnixDatagram::unbound()?.send_to_addr(text(state).as_bytes(), &address)
    });
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager does not listen at NOTIFY_SOCKET");
    }
}

/// An `@` stands for the null byte of an abstract name.
fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

fn text(state: State) -> String {
    match state {
        State::Ready => "READY=1\n".to_owned(),
        State::Reloading => "RELOADING=1\n".to_owned(),
        State::Stopping(within) => {
            format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\n", within.as_micros())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_it_on_a_path_and_on_an_abstract_name() {
        let name = format!("conclave-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let abstract_name = format!("@{name}");
        for socket in [path.as_os_str(), OsStr::new(&abstract_name)] {
            let at = address(socket).unwrap();
            let manager = UnixDatagram::bind_addr(&at).unwrap();
            let words = text(State::Stopping(Duration::from_secs(2)));
            let ours = UnixDatagram::unbound().unwrap();
            ours.send_to_addr(words.as_bytes(), &at).unwrap();
            let mut heard = [0; 64];
            let length = manager.recv(&mut heard).unwrap();
            assert_eq!(
                &heard[..length],
                b"STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000\n"
            );
        }
        std::fs::remove_file(path).unwrap();
    }
}
