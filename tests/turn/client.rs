//! A TURN client that makes allocations over UDP, many at a time, and no more.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};

/// Requests that are under way at once.
const WINDOW: usize = 64;
/// How long an answer may take on this machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom a client is.
pub(crate) struct User<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
}

/// Makes `count` allocations and forgets them, each from an address of loopback of its
/// own, the first with the number `first`: strangers of one source get few answers.
///
/// # Errors
/// An answer that did not come, or was none to be satisfied with.
pub(crate) fn allocate(
    server: SocketAddr,
    first: usize,
    user: &User<'_>,
    count: usize,
) -> io::Result<()> {
    for start in (first..first + count).step_by(WINDOW) {
        let sockets = (start..(first + count).min(start + WINDOW))
            .map(|number| {
                let socket = UdpSocket::bind(place(number))?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(socket)
            })
            .collect::<io::Result<Vec<_>>>()?;
        for socket in &sockets {
            socket.send(&request(None))?;
        }
        for socket in &sockets {
            let mut answer = [0; 2_048];
            let len = socket.recv(&mut answer)?;
            socket.send(&request(Some((user, &answer[..len]))))?;
        }
        for socket in &sockets {
            let mut answer = [0; 2_048];
            let len = socket.recv(&mut answer)?;
            let reply = Reply::parse(&answer[..len]).map_err(io::Error::other)?;
            if reply.class != Class::Success || reply.relayed.is_none() {
                return Err(io::Error::other(format!("refused with {:?}", reply.error)));
            }
        }
    }
    Ok(())
}

/// An address that nobody else here has had.
fn place(number: usize) -> SocketAddr {
    let [_, high, middle, low] = (number as u32).to_be_bytes();
    (Ipv4Addr::new(127, high + 2, middle, low), 20_000).into()
}

/// An Allocate request, signed if there was a challenge.
pub(crate) fn request(challenge: Option<(&User<'_>, &[u8])>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let request = Builder::new(Class::Request, Method::Allocate, rand::random(), &mut bytes)
        .requested_transport(RequestedTransport::Udp);
    let written = match challenge {
        None => request.finish(None),
        Some((user, answer)) => {
            let challenge = Reply::parse(answer).expect("the server writes STUN");
            let realm = challenge.realm.expect("a challenge has a realm");
            let key = Key::long_term(Algorithm::Md5, user.name, realm, user.password);
            request
                .username(user.name)
                .realm(realm)
                .nonce(challenge.nonce.expect("a challenge has a nonce"))
                .finish(Some((Mac::Sha1, &key)))
        }
    };
    written.expect("it is short");
    bytes
}
