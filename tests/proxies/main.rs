//! The examples of `docs/reverse-proxy.md`, as they stand there, run by nginx,
//! HAProxy and Caddy in front of the real server. Each test has a network
//! namespace of its own, in which every port of the examples is free.
//!
//! Needs root, `ip`, nginx with its module for streams, HAProxy, Caddy, Debian's
//! coturn, and `cargo build --bin conclave`; `make test` sees to all of it
//! (`node scripts/test.mjs proxies`). By hand:
//! `cargo test -p conclave-tests --test proxies`.

#![allow(clippy::unwrap_used, reason = "a failed test has nobody to report to")]

mod examples;
mod scene;
mod visitor;

use examples::{ENDS_TLS, PASSES_TCP, example};
use scene::{MEETING, Proxy, RELAY, Scene};
use visitor::Visitor;

#[test]
fn behind_nginx_that_ends_tls_people_meet_under_their_own_addresses() {
    people_meet(&Scene::start(ENDS_TLS, Proxy::Nginx, MEETING));
}

#[test]
fn behind_caddy_people_meet_under_their_own_addresses() {
    people_meet(&Scene::start(ENDS_TLS, Proxy::Caddy, MEETING));
}

#[test]
fn behind_haproxy_that_ends_tls_people_meet_under_their_own_addresses() {
    people_meet(&Scene::start(ENDS_TLS, Proxy::Haproxy, MEETING));
}

#[test]
fn behind_nginx_that_passes_tcp_on_people_meet_under_their_own_addresses() {
    let scene = Scene::start(PASSES_TCP, Proxy::Nginx, MEETING);
    people_meet(&scene);
    addresses_are_told(&scene);
}

#[test]
fn behind_haproxy_that_passes_tcp_on_people_meet_under_their_own_addresses() {
    let scene = Scene::start(PASSES_TCP, Proxy::Haproxy, MEETING);
    people_meet(&scene);
    addresses_are_told(&scene);
}

#[test]
fn through_nginx_that_passes_tcp_on_turn_over_tls_relays() {
    relays(&Scene::start(PASSES_TCP, Proxy::Nginx, RELAY));
}

#[test]
fn through_haproxy_that_passes_tcp_on_turn_over_tls_relays() {
    relays(&Scene::start(PASSES_TCP, Proxy::Haproxy, RELAY));
}

#[test]
fn every_example_of_the_page_is_tried() {
    let tried = [
        (PASSES_TCP, &["toml", "haproxy", "nginx"][..]),
        (ENDS_TLS, &["toml", "nginx", "caddy", "haproxy", "toml"]),
    ];
    for (section, languages) in tried {
        assert_eq!(examples::languages(section), languages, "{section}");
    }
    // The last one is for the relay, whose ports are tried in tests/turn.
    assert!(example(ENDS_TLS, "toml").contains("trusted_proxies"));
}

/// Pages load, and whoever comes is known by the own address: by the networks
/// from which the API is answered, and by the one link that each source may have.
fn people_meet(scene: &Scene) {
    let ada = Visitor::new(scene, [10, 99, 0, 7]);
    let bob = Visitor::new(scene, [10, 99, 0, 8]);
    scene.run(async {
        let page = ada.get("/r/welcome", "").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(
            page.to_lowercase()
                .contains("\r\nstrict-transport-security: ")
        );

        let answer = ada.get("/api/v1/rooms", "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        for claim in [
            "",
            "x-forwarded-for: 10.99.0.7\r\n",
            "x-forwarded-for: 10.99.0.7\r\nx-forwarded-for: 10.99.0.7\r\n",
            "forwarded: for=10.99.0.7;proto=https\r\n",
            "x-real-ip: 10.99.0.7\r\n",
        ] {
            let answer = bob.get("/api/v1/rooms", claim).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{claim}{answer}");
        }

        let mut of_ada = ada.link().await.unwrap();
        assert_eq!(of_ada.join("welcome", "Ada").await, "joined");
        let refused = ada.link().await.err().unwrap().to_string();
        assert!(refused.contains("429"), "{refused}");
        let mut of_bob = bob.link().await.unwrap();
        assert_eq!(of_bob.join("welcome", "Bob").await, "joined");
    });
}

/// What TURN tells of an address is what the client has, and the server's own
/// questions to itself are answered.
fn addresses_are_told(scene: &Scene) {
    let ada = Visitor::new(scene, [10, 99, 0, 7]);
    let (own, told) = scene.run(ada.binding());
    assert_eq!(told, own);
    let (code, text) = scene.ask("health");
    assert_eq!(code, Some(0), "{text}");
}

/// Through the port of the proxy all that is sent to an echo comes back.
fn relays(scene: &Scene) {
    let arguments = "-t -S -p 443 -e 127.0.0.1 -X -g -u bob -w hunter2-hunter2 127.0.0.1";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let (_, text) = scene.lab.run("turnutils_uclient", &arguments);
    assert!(
        text.contains("tot_send_bytes ~ 1000, tot_recv_bytes ~ 1000"),
        "{text}"
    );
    assert!(text.contains("Total lost packets 0 "), "{text}");
}
