//! The control socket: the API for whoever may open a file of the server.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::announce::remove_if_there;

/// Connections at once: commands of people and of scripts. Others wait in the
/// kernel's queue.
const CONNECTIONS: usize = 32;
/// For a whole request header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After the order to stop, for requests that are being answered.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// After the kernel refused to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Returns where the socket of a data folder is.
pub(crate) fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// The bound socket.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket. Whoever calls this holds the lock of the store, so a
    /// socket that is there belongs to nobody and is replaced.
    ///
    /// # Errors
    /// When it cannot be bound; a path of more than some 100 bytes is one reason.
    pub(crate) fn bind(data_dir: &Path) -> anyhow::Result<Self> {
        let path = path_in(data_dir);
        let bind = || {
            remove_if_there(&path)?;
            let socket = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            io::Result::Ok(socket)
        };
        let socket =
            bind().with_context(|| format!("cannot bind the control socket {}; a shorter --data-dir helps if its path is too long", path.display()))?;
        Ok(Control { socket, path })
    }

    /// Serves until `stop` turns true, then lets requests end and removes the socket.
    pub(crate) async fn run(self, router: Router, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.socket.accept().await)
            };
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                (place, accepted) = next => match accepted {
                    Ok((stream, _)) if is_operator(&stream) => {
                        let connection = serve(stream, router.clone(), stop.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Ok(_) => tracing::warn!("a user who is not the server's knocked at the control socket"),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept at the control socket");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        if let Err(error) = remove_if_there(&self.path) {
            tracing::warn!(%error, "the control socket stays behind");
        }
        let rest = async { while connections.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, rest).await.is_err() {
            tracing::debug!("ending commands that are still being answered");
        }
    }
}

/// Returns whether the other end runs as the server's user or as root. The
/// file's mode says the same; it can be changed by hand, this cannot.
fn is_operator(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn serve(stream: UnixStream, router: Router, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request: Request<Incoming>| router.clone().oneshot(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control socket broke");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
