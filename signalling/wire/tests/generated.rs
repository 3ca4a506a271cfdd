//! Writes what is generated from the types of this crate, or fails when it is stale.
//!
//! `CONCLAVE_BLESS=1 cargo test -p conclave-signalling-wire --test generated`
//! writes `client-web/src/wire/messages.ts` and `docs/protocol.md`.

// A test that cannot write its file has nothing better to do than to stop.
#![allow(clippy::unwrap_used)]

#[path = "generated/document.rs"]
mod document;
#[path = "generated/examples.rs"]
mod examples;
#[path = "generated/life.rs"]
mod life;
#[path = "generated/moderation.rs"]
mod moderation;
#[path = "generated/typescript.rs"]
mod typescript;

use std::fs;
use std::path::Path;

fn check(path: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is stale: run `CONCLAVE_BLESS=1 cargo test -p conclave-signalling-wire --test generated`",
        path.display()
    );
}

#[test]
fn the_typescript_types_are_those_of_this_crate() {
    check("client-web/src/wire/messages.ts", &typescript::module());
}

#[test]
fn the_protocol_document_is_that_of_this_crate() {
    check("docs/protocol.md", &document::text());
}
