//! aioice, the ICE of Python, as a TURN client.

use super::server::Relay;

// Debian's python3 has Debian's aioice; another one on the PATH need not.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/turn/echo_by_aioice.py");

#[test]
fn aioice_reaches_a_peer_by_udp_tcp_and_tls() {
    let relay = Relay::start("aioice");
    for (way, port) in [("udp", "3478"), ("tcp", "3478"), ("tls", "5349")] {
        let arguments = [SCRIPT, way, "127.0.0.1", port, "bob", "hunter2-hunter2"];
        let (code, text) = relay.lab.run("/usr/bin/python3", &arguments);
        assert_eq!((code, text.trim()), (Some(0), "all"), "{way}: {text}");
    }
}
