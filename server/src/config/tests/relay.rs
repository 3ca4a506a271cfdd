//! A relay that stands alone.

use std::path::Path;

use super::*;

#[test]
fn keys_of_a_relay_alone_are_not_for_a_server_with_meetings() {
    for said in [
        "peers = [\"192.0.2.7\"]",
        "open = true",
        "users = [\"ada:hunter22\"]",
    ] {
        let error = from_file(&format!("[turn]\n{said}\n"), true).unwrap_err();
        assert!(error.to_string().contains("stands alone"), "{error}");
    }
}

#[test]
fn a_relay_alone_says_whom_it_reaches_and_who_may_use_it() {
    let file = |turn: &str| format!("role = \"turn\"\n[turn]\n{turn}\n");
    let good = "peers = [\"192.0.2.7:10000-10063\"]\nusers = [\"ada:hunter22\"]";
    let crate::config::Role::Turn(alone) = from_file(&file(good), true).unwrap().role else {
        panic!("a relay");
    };
    assert!(matches!(alone.reach, Reach::List(_)));
    assert_eq!((alone.ports, alone.users.len()), (49_152..=65_535, 1));
    let open = "open = true\ni_know = true\nsecret_file = \"s\"\ndeny = [\"100.66.0.0/16\"]\n\
                allow = [\"198.51.0.0/16:5000-6000\"]\nnat64 = [\"2001:db8:64::/96\"]";
    let crate::config::Role::Turn(alone) = from_file(&file(open), true).unwrap().role else {
        panic!("a relay");
    };
    let Reach::Open(rules) = alone.reach else {
        panic!("open");
    };
    assert_eq!(rules.deny, ["100.66.0.0/16".parse().unwrap()]);
    assert_eq!(rules.allow, ["198.51.0.0/16:5000-6000".parse().unwrap()]);
    assert_eq!(rules.nat64, ["2001:db8:64::/96".parse().unwrap()]);
    let (path, _) = alone.secret_file.unwrap();
    assert_eq!(path, Path::new("s"), "beside the file that names it");

    let users = "users = [\"ada:hunter22\"]\n";
    let peers = "peers = [\"192.0.2.7\"]\n";
    let open = "open = true\ni_know = true\n";
    for (turn, key) in [
        (users.to_owned(), "turn.peers"),
        (peers.to_owned(), "turn.users"),
        (format!("{users}open = true"), "turn.open"),
        (
            format!("{users}{peers}open = true\ni_know = true"),
            "turn.peers",
        ),
        (format!("{users}peers = [\"192.0.2.0/33\"]"), "turn.peers"),
        (format!("{users}peers = [\"192.0.2.7:9-8\"]"), "turn.peers"),
        (format!("{users}peers = [\"127.0.0.1\"]"), "turn.peers"),
        (
            format!("{users}{peers}relay_ports = \"9-8\""),
            "turn.relay_ports",
        ),
        (
            format!("{users}{peers}relay_ips = [\"0.0.0.0=192.0.2.1\"]"),
            "turn.relay_ips",
        ),
        (format!("{users}{peers}enabled = false"), "turn.enabled"),
        (format!("{peers}users = [\"hunter22\"]"), "turn.users"),
        (format!("{users}{peers}mbit_per_s = 0"), "turn.mbit_per_s"),
        (
            format!("{users}{peers}total_mbit_per_s = 1000001"),
            "turn.total_mbit_per_s",
        ),
        (
            format!("{users}{peers}deny = [\"192.0.2.0/24\"]"),
            "turn.deny",
        ),
        (
            format!("{users}{open}deny = [\"192.0.2.1/24\"]"),
            "turn.deny",
        ),
        (
            format!("{users}{open}allow = [\"192.0.2.7:0\"]"),
            "turn.allow",
        ),
        (
            format!("{users}{open}nat64 = [\"2001:db8::/33\"]"),
            "turn.nat64",
        ),
        (
            format!("{users}{open}nat64 = [\"192.0.2.0/24\"]"),
            "turn.nat64",
        ),
        (format!("{users}{peers}listen = [\"x\"]"), "turn.listen"),
        (format!("{users}{peers}urls = [\"x\"]"), "turn.urls"),
    ] {
        let error = from_file(&file(&turn), true).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`: ")), "{turn}: {error}");
        assert!(!error.contains("hunter22"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let error = from_file("role = \"media\"", true).unwrap_err().to_string();
    assert!(error.contains("`all` and `turn`"), "{error}");
    let error = from_file("[turn]\npeer = []", true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the nearest is `turn.peers`"), "{error}");
}
