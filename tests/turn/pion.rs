//! pion, the WebRTC of Go, as a TURN client, as Debian has it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::Relay;

/// Where Debian's packages of Go have their sources.
const GO_PATH: &str = "/usr/share/gocode";
/// The example of pion itself. Its twin for TCP sends to a port where nobody listens and takes what the relay then says of
/// ICMP (RFC 8656, section 11.5) for the end of all.
const EXAMPLE: &str = "github.com/pion/turn/v2/examples/turn-client/udp";
/// Those of the example: a second after each.
const PINGS: usize = 10;
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/turn/echo_by_pion.go");

#[test]
fn pion_reaches_a_peer_by_udp_tcp_and_tls() {
    let program = build(PROGRAM, "echo");
    let relay = Relay::start("pion");
    for (way, server) in [
        ("udp", "127.0.0.1:3478"),
        ("tcp", "127.0.0.1:3478"),
        ("tls", "127.0.0.1:5349"),
    ] {
        let arguments = [way, server, "bob", "hunter2-hunter2"];
        let (code, text) = relay.lab.run(program.to_str().unwrap(), &arguments);
        assert_eq!((code, text.trim()), (Some(0), "all"), "{way}: {text}");
    }
}

#[test]
fn the_example_of_pion_is_reached_by_a_peer() {
    let program = build(EXAMPLE, "example");
    let relay = Relay::start("pion-example");
    let mut arguments = vec!["-host", "127.0.0.1", "-port", "3478", "-realm", "north.gov"];
    arguments.extend(["-user", "bob=hunter2-hunter2", "-ping"]);
    let (code, text) = relay.lab.run(program.to_str().unwrap(), &arguments);
    let is_answer = |line: &&str| line.contains(" bytes from ") && line.contains(" time=");
    let answers = text.lines().filter(is_answer).count();
    assert_eq!((code, answers), (Some(0), PINGS), "{text}");
}

/// Compiles a file or a package of Go, without a network.
fn build(source: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pion");
    let program = folder.join(name);
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PATH)
        .env("GOCACHE", folder.join("cache"))
        .output()
        .expect("go is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    program
}
