//! TCP sockets to listen on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::Listen;

/// Connections that wait for the accept loop; the kernel's own bound is usually 4096.
const BACKLOG: i32 = 1024;

/// Binds every address of `listen`; all sockets get the same port.
///
/// `[::]` takes IPv4 as well. On a machine without IPv6 it becomes `0.0.0.0`,
/// and `localhost` becomes 127.0.0.1 alone.
///
/// # Errors
/// When an address cannot be bound; the text says which and what may help.
pub(crate) fn bind(listen: Listen) -> anyhow::Result<Vec<TcpListener>> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    for mut address in listen.addresses() {
        if let Some(first) = sockets.first() {
            address.set_port(first.local_addr()?.port());
        }
        match bind_one(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if address.is_ipv6() && is_no_ipv6(&error) => {
                if address.ip().is_unspecified() {
                    let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
                    sockets.push(
                        bind_one(fallback)
                            .with_context(|| format!("cannot listen on {fallback}"))?,
                    );
                }
            }
            Err(error) => return Err(explain(address, error)),
        }
    }
    if sockets.is_empty() {
        bail!("cannot listen on {listen}: this machine has no such address");
    }
    Ok(sockets)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn is_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(nix::libc::EAFNOSUPPORT) || code == Some(nix::libc::EADDRNOTAVAIL)
}

fn explain(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program uses this port; stop it, or choose another port: `listen.https` (--https), `listen.http` (--http), `admin.listen`"
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        }
        _ => "",
    };
    anyhow::Error::new(error).context(format!("cannot listen on {address}{cure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_gets_one_free_port_on_every_loopback_address() {
        let sockets = bind(Listen::Localhost(0)).unwrap();
        let ports: Vec<u16> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        assert!(
            ports[0] != 0 && ports.iter().all(|port| *port == ports[0]),
            "{ports:?}"
        );
        assert!(
            sockets
                .iter()
                .all(|socket| socket.local_addr().unwrap().ip().is_loopback())
        );
    }

    #[tokio::test]
    async fn a_port_in_use_says_what_to_do() {
        let taken = bind(Listen::parse("127.0.0.1:0").unwrap()).unwrap();
        let address = taken[0].local_addr().unwrap();
        let error = bind(Listen::Address(address)).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error:#}");
    }
}
