//! The doctor beside a server that runs, and before one that cannot.

use std::net::TcpListener;
use std::process::Output;

use serde_json::Value;

use crate::server::{Server, conclave, folder};

fn examined(output: &Output) -> (bool, Vec<Value>) {
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["ok"], output.status.success(), "{said}");
    let findings = said["findings"].as_array().unwrap().clone();
    for finding in &findings {
        let is_ok = finding["level"] == "ok";
        assert_eq!(is_ok, finding.get("cure").is_none(), "{finding}");
    }
    (output.status.success(), findings)
}

fn level<'a>(findings: &'a [Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.unwrap()["level"].as_str().unwrap()
}

#[test]
fn the_doctor_finds_every_way_to_a_running_server_open() {
    let server = Server::start("doctor");
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap().replace("https://", "");
    let media = ready["media_ports"][0].to_string();
    let output = server.cli(&[
        "doctor",
        "--dev",
        "--json",
        "--https",
        &https,
        "--http",
        "off",
        "--media-port",
        &media,
        "--media-ip",
        "127.0.0.1",
        "--shards",
        "1",
    ]);
    let (is_well, findings) = examined(&output);
    assert!(is_well, "{findings:?}");
    for check in [
        "configuration",
        "ports",
        "certificate",
        "addresses",
        "disk",
        "ways",
    ] {
        assert_eq!(level(&findings, check), "ok", "{findings:?}");
    }
    let text = server.cli(&["doctor", "--dev", "--https", &https]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("all 4 ways to the server are open"), "{text}");
}

#[test]
fn the_doctor_names_a_port_that_another_program_has_and_a_setting_that_is_wrong() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder("doctor-taken");
    let run = |words: &[&str]| {
        let mut command = conclave();
        command.args(["doctor", "--json"]).args(words);
        command.arg("--data-dir").arg(folder.join("data"));
        command.output().unwrap()
    };
    let (is_well, findings) = examined(&run(&["--dev", "--https", &address, "--http", "off"]));
    assert!(!is_well);
    assert_eq!(level(&findings, "ports"), "error");
    assert_eq!(level(&findings, "ways"), "notice");
    let (is_well, findings) = examined(&run(&["--dev", "--https", "nowhere"]));
    assert!(!is_well);
    assert!(
        findings[0]["cause"]
            .as_str()
            .unwrap()
            .contains("listen.https"),
        "{findings:?}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}
