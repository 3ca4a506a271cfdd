use conclave_turn_wire::integrity::{Mac, userhash, verify};
use conclave_turn_wire::message::{Builder, Class, Method, Request};
use proptest::prelude::*;

use super::rest;
use super::*;

const SEED: [u8; 32] = [5; 32];
const REALM: &str = "north.gov";
const NOON: u64 = 1_790_000_000;
const ADA: SessionKey = SessionKey(0x1234_5678_9abc_def0);

#[test]
fn a_ticket_says_expiry_session_and_random() {
    let credential = mint(1).mint(ADA, NOON, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(
        credential.username,
        "1790000000:123456789abcdef0:AQIDBAUGBwg"
    );
    assert_eq!(credential.password.len(), 44);
    let test = mint(1).mint_test(NOON, [0xff; 8]);
    assert_eq!(test.username, "1790000000:test:__________8");
    assert_ne!(credential.password, test.password);
    assert_eq!(
        format!("{credential:?} {:?}", secret(1)),
        "Credential(..) Secret(..)"
    );
}

#[test]
fn the_password_of_a_ticket_is_the_hmac_of_its_name() {
    let credential = mint(1).mint(SessionKey(1), 10, [0; 8]);
    assert_eq!(credential.username, "10:0000000000000001:AAAAAAAAAAA");
    // printf 10:0000000000000001:AAAAAAAAAAA | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101… -binary | base64
    assert_eq!(
        credential.password,
        "5iJpOLCokGxp7JpV65MqlZa0G/jpDXEWnKTg6nOGjvk="
    );
}

#[test]
fn a_ticket_is_verified_without_having_been_seen() {
    let credentials = of_tickets(mint(1));
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let login = log_in(&credentials, algorithm, &mint(1).mint(ADA, NOON, [9; 8])).unwrap();
        assert_eq!(login.identity, Identity::Session(ADA));
        assert_eq!(login.expires_unix_s, Some(NOON));
        assert!(!login.is_expired(NOON - 1));
        assert!(login.is_expired(NOON));
        let test = log_in(&credentials, algorithm, &mint(1).mint_test(NOON, [9; 8])).unwrap();
        assert_eq!(test.identity, Identity::Test(u64::from_be_bytes([9; 8])));
    }
}

#[test]
fn a_ticket_of_another_secret_or_another_name_is_refused() {
    let credentials = of_tickets(mint(1));
    let foreign = mint(2).mint(ADA, NOON, [9; 8]);
    assert!(log_in(&credentials, Algorithm::Md5, &foreign).is_none());
    let own = mint(1).mint(ADA, NOON, [9; 8]);
    let names = [
        // Later, somebody else's, a test, another spelling of the same.
        "1790000001:123456789abcdef0:CQkJCQkJCQk",
        "1790000000:123456789abcdef1:CQkJCQkJCQk",
        "1790000000:test:CQkJCQkJCQk",
        "01790000000:123456789abcdef0:CQkJCQkJCQk",
        "1790000000:123456789ABCDEF0:CQkJCQkJCQk",
        "1790000000:123456789abcdef0:CQkJCQkJCQl",
        "1790000000:123456789abcdef0:CQkJCQkJCQk:",
        "1790000000:123456789abcdef0",
        "",
        ":",
        "::",
    ];
    for name in names {
        let username = name.to_owned();
        let forged = Credential {
            username,
            ..own.clone()
        };
        assert!(
            log_in(&credentials, Algorithm::Md5, &forged).is_none(),
            "{name}"
        );
    }
}

#[test]
fn a_rotated_secret_is_good_until_the_next_rotation() {
    let mut credentials = of_tickets(mint(1));
    let mut minting = mint(1);
    let first = minting.mint(ADA, NOON, [1; 8]);
    credentials.rotate(secret(2));
    minting.rotate(secret(2));
    let second = minting.mint(ADA, NOON, [2; 8]);
    assert_ne!(first.password, second.password);
    assert!(log_in(&credentials, Algorithm::Md5, &first).is_some());
    assert!(log_in(&credentials, Algorithm::Md5, &second).is_some());
    credentials.rotate(secret(3));
    assert!(log_in(&credentials, Algorithm::Md5, &first).is_none());
    assert!(log_in(&credentials, Algorithm::Md5, &second).is_some());
}

#[test]
fn the_rest_form_is_what_coturn_computes() {
    // printf '1790000000:ada' | openssl dgst -sha1 -hmac 'north-and-south-secret' -binary | base64
    let secret = Secret::new(b"north-and-south-secret").unwrap();
    let password = rest::password(&secret, "1790000000:ada").to_string();
    assert_eq!(password, "ZrqQ/T9G0wxF/Av9TtV6+/r7rRM=");
    let credentials = of_rest("north-and-south-secret");
    let login = log_in(
        &credentials,
        Algorithm::Md5,
        &credential("1790000000:ada", &password),
    );
    assert_eq!(login.unwrap().expires_unix_s, Some(NOON));
}

#[test]
fn the_rest_form_has_one_identity_per_user_and_two_secrets() {
    let credentials = of_rest("# in use\nsecret-of-the-day-1\n\nsecret-of-the-day-0\n");
    let of = |secret: &str, name: &str| {
        let secret = Secret::new(secret.as_bytes()).unwrap();
        let password = rest::password(&secret, name).to_string();
        let login = log_in(
            &credentials,
            Algorithm::Sha256,
            &credential(name, &password),
        );
        login.map(|login| login.identity)
    };
    let ada = of("secret-of-the-day-1", "1790000000:ada").unwrap();
    assert!(matches!(ada, Identity::User(_)));
    assert_eq!(of("secret-of-the-day-0", "1790000600:ada"), Some(ada));
    assert_ne!(of("secret-of-the-day-1", "1790000000:bob"), Some(ada));
    assert!(of("secret-of-the-day-1", "1790000000").is_some());
    assert_eq!(of("secret-of-the-day-2", "1790000000:ada"), None);
    assert_eq!(of("secret-of-the-day-1", "ada"), None);
    assert_eq!(of("secret-of-the-day-1", "-1:ada"), None);
}

#[test]
fn a_secret_file_without_a_good_secret_is_refused() {
    let parse = |text| RestSecrets::parse(text).map(|_| ());
    assert_eq!(parse(""), Err(SecretError::Missing));
    assert_eq!(parse("# nothing\n \n"), Err(SecretError::Missing));
    assert_eq!(parse("short"), Err(SecretError::Short));
    let three = "secret-of-the-day-1\nsecret-of-the-day-2\nsecret-of-the-day-3";
    assert_eq!(parse(three), Err(SecretError::Many));
}

#[test]
fn a_static_user_has_a_name_and_a_password() {
    let credentials = of_users(&["bob:hunter2", "eve:pass:word"]);
    let bob = log_in(&credentials, Algorithm::Md5, &credential("bob", "hunter2")).unwrap();
    assert!(matches!(bob.identity, Identity::User(_)));
    assert!(!bob.is_expired(u64::MAX));
    let eve = log_in(
        &credentials,
        Algorithm::Sha256,
        &credential("eve", "pass:word"),
    )
    .unwrap();
    assert_ne!(bob.identity, eve.identity);
    for (name, password) in [
        ("bob", "hunter"),
        ("bob", ""),
        ("Bob", "hunter2"),
        ("mallory", "hunter2"),
        ("", ""),
    ] {
        assert!(log_in(&credentials, Algorithm::Md5, &credential(name, password)).is_none());
    }
}

#[test]
fn users_that_are_none_are_refused() {
    let parse = |text: &str| text.parse::<StaticUser>().map(|_| ());
    assert_eq!(parse("bob"), Err(UserError::Form));
    assert_eq!(parse(":hunter2"), Err(UserError::Form));
    assert_eq!(parse("bob:"), Err(UserError::Form));
    assert_eq!(parse("b\u{f6}b:hunter2"), Err(UserError::Letters));
    assert_eq!(parse("bob:hunter\n2"), Err(UserError::Letters));
    assert_eq!(parse("bob :hunter2"), Err(UserError::Letters));
    assert_eq!(
        parse(&format!("{}:x", "b".repeat(509))),
        Err(UserError::Letters)
    );
    assert_eq!(
        format!("{:?}", "bob:hunter2".parse::<StaticUser>().unwrap()),
        "StaticUser(..)"
    );
    let users = ["bob:1", "bob:2"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let config = CredentialsConfig {
        users,
        ..Default::default()
    };
    let twice = Credentials::new(config, REALM, &SEED).err();
    assert_eq!(twice, Some(UserError::Twice("bob".to_owned())));
}

/// An unknown user costs the digests of a known one, and no key that fits nobody ever lets somebody in.
#[test]
fn an_unknown_user_costs_what_a_wrong_password_costs() {
    let tries = |credentials: &Credentials, user: UserRef<'_>| {
        let mut tries = 0;
        let login = credentials.authenticate(user, Algorithm::Md5, |_| {
            tries += 1;
            false
        });
        assert!(login.is_none());
        tries
    };
    let users = of_users(&["bob:hunter2"]);
    let known = tries(&users, UserRef::Name("bob"));
    assert_eq!(tries(&users, UserRef::Name("mallory")), known);
    assert_eq!(tries(&users, UserRef::Hash(&userhash("bob", REALM))), known);
    assert_eq!(
        tries(&users, UserRef::Hash(&userhash("mallory", REALM))),
        known
    );
    assert_eq!(tries(&users, UserRef::Name("")), known);

    let tickets = of_tickets(mint(1));
    assert_eq!(
        tries(
            &tickets,
            UserRef::Name("1790000000:0000000000000000:AAAAAAAAAAA")
        ),
        1
    );
    assert_eq!(tries(&tickets, UserRef::Name("bob")), 1);
    assert_eq!(tries(&tickets, UserRef::Hash(&[0; 32])), 1);
}

#[test]
fn whatever_a_key_of_nobody_verifies_is_refused() {
    let all = [
        of_users(&["bob:hunter2"]),
        of_tickets(mint(1)),
        of_rest("secret-of-the-day-1"),
        nothing(),
    ];
    for credentials in &all {
        for user in [
            UserRef::Name("mallory"),
            UserRef::Name(""),
            UserRef::Hash(&[0; 32]),
        ] {
            let login = credentials.authenticate(user, Algorithm::Md5, |_| true);
            assert!(login.is_none(), "{user:?}");
        }
    }
}

#[test]
fn a_userhash_finds_static_users_and_registered_tickets() {
    let config = CredentialsConfig {
        tickets: Some(mint(1)),
        users: vec!["bob:hunter2".parse().unwrap()],
        ..Default::default()
    };
    let mut credentials = Credentials::new(config, REALM, &SEED).unwrap();
    let hashed = |credentials: &Credentials, name: &str, password: &str| {
        let key = Key::long_term(Algorithm::Sha256, name, REALM, password);
        let hash = userhash(name, REALM);
        credentials
            .authenticate(UserRef::Hash(&hash), Algorithm::Sha256, |other| {
                same(&key, other)
            })
            .map(|login| login.identity)
    };
    assert!(hashed(&credentials, "bob", "hunter2").is_some());
    let ticket = mint(1).mint(ADA, NOON, [1; 8]);
    assert_eq!(
        hashed(&credentials, &ticket.username, &ticket.password),
        None
    );
    assert!(credentials.register(&ticket.username));
    assert!(credentials.register(&ticket.username));
    let identity = hashed(&credentials, &ticket.username, &ticket.password);
    assert_eq!(identity, Some(Identity::Session(ADA)));
    credentials.forget(ADA);
    assert_eq!(
        hashed(&credentials, &ticket.username, &ticket.password),
        None
    );
    assert!(!credentials.register("bob"));
    assert!(!credentials.register(&mint(1).mint_test(NOON, [1; 8]).username));
}

#[test]
fn the_latest_four_tickets_of_a_session_are_remembered() {
    let mut credentials = of_tickets(mint(1));
    let names: Vec<String> = (0..6)
        .map(|round| mint(1).mint(ADA, NOON, [round; 8]).username)
        .collect();
    for name in &names {
        assert!(credentials.register(name));
    }
    let known = |name: &String| {
        let hash = userhash(name, REALM);
        let login = credentials.authenticate(UserRef::Hash(&hash), Algorithm::Md5, |_| true);
        login.is_some()
    };
    let remembered: Vec<bool> = names.iter().map(known).collect();
    assert_eq!(remembered, [false, false, true, true, true, true]);
}

#[test]
fn a_tag_is_of_one_name_and_one_algorithm() {
    let credentials = nothing();
    let tag = |user, algorithm| credentials.tag(user, algorithm);
    let bob = tag(UserRef::Name("bob"), Algorithm::Md5);
    assert_eq!(bob, tag(UserRef::Name("bob"), Algorithm::Md5));
    assert_ne!(bob, tag(UserRef::Name("bob"), Algorithm::Sha256));
    assert_ne!(bob, tag(UserRef::Name("eve"), Algorithm::Md5));
    assert_ne!(
        bob,
        tag(UserRef::Hash(&userhash("bob", REALM)), Algorithm::Md5)
    );
    let credentials = of_users(&["bob:hunter2"]);
    let login = log_in(&credentials, Algorithm::Md5, &credential("bob", "hunter2")).unwrap();
    assert_eq!(
        login.tag,
        credentials.tag(UserRef::Name("bob"), Algorithm::Md5)
    );
}

/// GHSA-4g7c-p5wg-j4hp and the SQL of coturn's drivers: a name was a format string, or a statement. Here it is bytes.
#[test]
fn names_with_meaning_elsewhere_are_names() {
    let names = [
        "%s%n%s",
        "{}",
        "'; DROP TABLE turnusers_lt; --",
        "../../etc/passwd",
        "bob\0",
        "$(id)",
    ];
    let credentials = of_rest("secret-of-the-day-1");
    let secret = Secret::new(b"secret-of-the-day-1").unwrap();
    for name in names {
        let name = format!("1790000000:{name}");
        let password = rest::password(&secret, &name).to_string();
        assert!(log_in(&credentials, Algorithm::Md5, &credential(&name, &password)).is_some());
    }
}

/// CVE-2026-43994: a length of the attacker's choice overflowed a buffer before authentication.
#[test]
fn a_name_longer_than_stun_allows_is_nobody() {
    let credentials = of_rest("secret-of-the-day-1");
    let secret = Secret::new(b"secret-of-the-day-1").unwrap();
    for length in [508, 509, 65_535] {
        let name = format!("{:x<length$}", "1790000000:");
        let password = rest::password(&secret, &name).to_string();
        let login = log_in(&credentials, Algorithm::Md5, &credential(&name, &password));
        assert_eq!(login.is_some(), length == 508);
    }
}

proptest! {
    #[test]
    fn every_minted_ticket_is_verified(session: u64, expires: u64, random: [u8; 8]) {
        let ticket = mint(1).mint(SessionKey(session), expires, random);
        let login = log_in(&of_tickets(mint(1)), Algorithm::Md5, &ticket).unwrap();
        prop_assert_eq!(login.identity, Identity::Session(SessionKey(session)));
        prop_assert_eq!(login.expires_unix_s, Some(expires));
        let test = mint(1).mint_test(expires, random);
        let login = log_in(&of_tickets(mint(1)), Algorithm::Md5, &test).unwrap();
        prop_assert_eq!(login.identity, Identity::Test(u64::from_be_bytes(random)));
    }

    #[test]
    fn no_name_is_a_panic_or_a_login(name: String, shaped in "[0-9]{0,22}:([0-9a-f]{14,18}|test):[A-Za-z0-9_-]{10,12}") {
        let config = CredentialsConfig {
            tickets: Some(mint(1)),
            rest: Some(RestSecrets::parse("secret-of-the-day-1").unwrap()),
            users: vec!["bob:hunter2".parse().unwrap()],
        };
        let mut credentials = Credentials::new(config, REALM, &SEED).unwrap();
        for name in [&name, &shaped] {
            let login = log_in(&credentials, Algorithm::Sha256, &credential(name, "guess"));
            prop_assert!(login.is_none());
            credentials.register(name);
        }
        let _ = (name.parse::<StaticUser>(), RestSecrets::parse(&name));
    }
}

fn log_in(
    credentials: &Credentials,
    algorithm: Algorithm,
    credential: &Credential,
) -> Option<Login> {
    let key = Key::long_term(algorithm, &credential.username, REALM, &credential.password);
    credentials.authenticate(UserRef::Name(&credential.username), algorithm, |other| {
        same(&key, other)
    })
}

/// Returns whether one key makes what the other verifies.
fn same(one: &Key, other: &Key) -> bool {
    let mut message = Vec::new();
    Builder::new(Class::Request, Method::Allocate, [0; 12], &mut message)
        .finish(Some((Mac::Sha256, one)))
        .unwrap();
    let request = Request::parse(&message).unwrap();
    verify(request.seal(Mac::Sha256).unwrap(), other)
}

fn mint(secret_byte: u8) -> Mint {
    Mint::new(secret(secret_byte))
}

fn secret(byte: u8) -> Secret {
    Secret::random([byte; 32])
}

fn credential(username: &str, password: &str) -> Credential {
    Credential {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

fn of_tickets(mint: Mint) -> Credentials {
    let config = CredentialsConfig {
        tickets: Some(mint),
        ..Default::default()
    };
    Credentials::new(config, REALM, &SEED).unwrap()
}

fn of_rest(text: &str) -> Credentials {
    let rest = Some(RestSecrets::parse(text).unwrap());
    let config = CredentialsConfig {
        rest,
        ..Default::default()
    };
    Credentials::new(config, REALM, &SEED).unwrap()
}

fn of_users(users: &[&str]) -> Credentials {
    let users = users.iter().map(|text| text.parse().unwrap()).collect();
    let config = CredentialsConfig {
        users,
        ..Default::default()
    };
    Credentials::new(config, REALM, &SEED).unwrap()
}

fn nothing() -> Credentials {
    Credentials::new(CredentialsConfig::default(), REALM, &SEED).unwrap()
}
