use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, NamedGroup, ProtocolVersion, ServerConnection,
    SupportedProtocolVersion,
};

use super::*;
use crate::health_check::Ourselves;

#[test]
fn a_client_that_offers_everything_gets_tls_13_with_the_hybrid_group() {
    let (client, _) = handshake(identity("hybrid"), false, rustls::DEFAULT_VERSIONS).unwrap();
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = client.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
}

#[test]
fn tls_12_is_served_with_aead_unless_it_is_switched_off() {
    let old: &[_] = &[&rustls::version::TLS12];
    let (client, _) = handshake(identity("tls12"), false, old).unwrap();
    let suite = format!("{:?}", client.negotiated_cipher_suite().unwrap().suite());
    assert!(
        suite.contains("ECDHE") && (suite.contains("GCM") || suite.contains("POLY1305")),
        "{suite}"
    );
    assert!(handshake(identity("tls13"), true, old).is_err());
}

#[test]
fn the_dev_certificate_is_kept_until_a_name_is_missing_or_it_is_about_to_end() {
    let folder = folder("kept");
    let now = SystemTime::now();
    let first = load_or_make(&folder, &names(&["localhost", "10.0.0.1"]), now).unwrap();
    let mode = |file: &str| {
        fs::metadata(folder.join(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode("dev-key.pem"), mode("dev-certificate.pem")),
        (0o600, 0o600)
    );

    let same = load_or_make(&folder, &names(&["localhost", "2001:db8::1"]), now).unwrap();
    assert_eq!(same.chain, first.chain);

    let wider = load_or_make(&folder, &names(&["localhost", "10.0.0.2"]), now).unwrap();
    assert_ne!(wider.chain, first.chain);
    let still = load_or_make(&folder, &names(&["10.0.0.1", "10.0.0.2"]), now).unwrap();
    assert_eq!(still.chain, wider.chain);

    let year = Duration::from_secs(380 * 24 * 3600);
    assert_ne!(
        load_or_make(&folder, &names(&["localhost"]), now + year)
            .unwrap()
            .chain,
        wider.chain
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_dev_key_of_another_certificate_gives_way_to_a_new_pair() {
    let (ours, other) = (folder("pair"), folder("pair-other"));
    let now = SystemTime::now();
    let first = load_or_make(&ours, &names(&["localhost"]), now).unwrap();
    load_or_make(&other, &names(&["localhost"]), now).unwrap();
    fs::copy(other.join("dev-key.pem"), ours.join("dev-key.pem")).unwrap();
    let second = load_or_make(&ours, &names(&["localhost"]), now).unwrap();
    assert_ne!(second.chain, first.chain);
    assert!(second.certified().is_ok());
    fs::remove_dir_all(ours).unwrap();
    fs::remove_dir_all(other).unwrap();
}

#[test]
fn the_end_of_a_certificate_is_read_from_it() {
    let now = SystemTime::now();
    let identity = identity("expiry");
    let left = identity
        .validity
        .not_after
        .duration_since(now)
        .unwrap()
        .as_secs()
        / (24 * 3600);
    assert!((395..=397).contains(&left), "{left} days");
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let folder = folder("bad");
    let file = folder.join("x.pem");
    fs::write(&file, "nothing").unwrap();
    let error = load(&file, &file).map(|_| ()).unwrap_err();
    assert!(format!("{error:#}").contains("x.pem"), "{error:#}");
    fs::remove_dir_all(folder).unwrap();
}

fn handshake(
    identity: Identity,
    tls13_only: bool,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let server_config = server_config(Live::of(identity).unwrap(), tls13_only).unwrap();
    let mut server = ServerConnection::new(Arc::new(server_config))?;
    let client_config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .dangerous()
        // The handshake is looked at, not who signed.
        .with_custom_certificate_verifier(Arc::new(Ourselves))
        .with_no_client_auth();
    let mut client = ClientConnection::new(
        Arc::new(client_config),
        ServerName::try_from("localhost").unwrap(),
    )?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn identity(test: &str) -> Identity {
    let folder = folder(test);
    let identity = load_or_make(&folder, &names(&["localhost"]), SystemTime::now()).unwrap();
    fs::remove_dir_all(folder).unwrap();
    identity
}

fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("conclave-tls-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(list: &[&str]) -> Names {
    list.iter().map(|name| name.to_string()).collect()
}
