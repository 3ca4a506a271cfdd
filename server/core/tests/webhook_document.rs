//! `docs/webhooks.md` lists what the code has. `CONCLAVE_BLESS=1` writes the lists.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
#![allow(
    clippy::disallowed_methods,
    reason = "the test is told by the environment whether to write"
)]

use std::fs;
use std::path::Path;

use conclave_server_core::webhook::attempt::Trouble;
use conclave_signalling_core::event::{EventKind, EventMember};

#[test]
fn the_document_lists_every_event_and_every_reason() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/webhooks.md");
    let text = fs::read_to_string(&file).unwrap();
    let text_then = replaced(&text, "troubles", &troubles());
    let text_then = replaced(&text_then, "events", &events());
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        fs::write(&file, &text_then).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(text == text_then, "run this test with CONCLAVE_BLESS=1");
}

fn replaced(text: &str, name: &str, list: &str) -> String {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{begin}{list}<!-- end -->{after}")
}

fn troubles() -> String {
    let mut list = "| word | meaning |\n|---|---|\n".to_owned();
    for trouble in Trouble::ALL {
        list += &format!("| `{}` | {} |\n", trouble.name(), trouble.about());
    }
    list
}

fn events() -> String {
    let mut list =
        "| type | meaning | `data` | with `include_pii` |\n|---|---|---|---|\n".to_owned();
    for kind in EventKind::ALL {
        list += &format!(
            "| `{}` | {} | {} | {} |\n",
            kind.name(),
            kind.about(),
            members(kind.data()),
            members(kind.personal())
        );
    }
    list
}

fn members(members: &[EventMember]) -> String {
    let member = |member: &EventMember| format!("`{}`: {}", member.name, member.about);
    members.iter().map(member).collect::<Vec<_>>().join("; ")
}
