//! One token for each rule, and none that was changed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-11-22T10:00:00Z.
const NOW_S: u64 = 1_795_341_600;
const LINK: LinkId = LinkId(1);
const AUDIENCE: &str = "https://meet.example.org";

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key(seed: u8) -> SiteKey {
    SiteKey(pair(seed).public_key().as_ref().try_into().unwrap())
}

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

/// Two sites: one for the room `class` and up to presenters, one for everything.
fn sites() -> Sites {
    let school = Embedder {
        issuer: "https://school.example".to_owned(),
        kid: "school-1".to_owned(),
        key: key(1),
        role: Role::Presenter,
        rooms: SiteRooms::These(BTreeSet::from([slug("class"), slug("other")])),
        audience: AUDIENCE.to_owned(),
    };
    let portal = Embedder {
        issuer: "portal".to_owned(),
        kid: "portal-1".to_owned(),
        key: key(2),
        role: Role::Host,
        rooms: SiteRooms::All,
        audience: "urn:portal".to_owned(),
    };
    Sites::new(vec![school, portal], Vec::new(), NOW_S - 1000)
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "JWT", "kid": "school-1"})
}

fn claims() -> Value {
    json!({
        "iss": "https://school.example",
        "aud": AUDIENCE,
        "iat": NOW_S - 10,
        "exp": NOW_S + 60,
        "jti": "one",
        "room": "class",
        "role": "attendee",
    })
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

fn signed_text(seed: u8, header: &str, claims: &str) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let signature = pair(seed).sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.as_ref()))
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_text(1, &header.to_string(), &claims.to_string())
}

fn judge(sites: &Sites, token: &str) -> Result<Shown, Flaw> {
    let time = Timestamp::from_unix_ms(NOW_S * 1000);
    sites.judge((Instant::now(), time), LINK, &slug("class"), token)
}

fn flaw(token: &str) -> Option<Flaw> {
    judge(&sites(), token).err()
}

fn flaw_of(claims: Value) -> Option<Flaw> {
    flaw(&signed(&header(), &claims))
}

#[test]
fn a_good_token_says_who_comes_and_as_what() {
    let plain = judge(&sites(), &signed(&header(), &claims())).unwrap();
    assert_eq!((plain.claim.role, plain.claim.name), (Role::Attendee, None));
    assert_eq!(
        (&*plain.claim.site, plain.wait),
        ("school-1", Duration::ZERO)
    );
    let mut whole = with(claims(), "name", "  Ada Lovelace ");
    whole = with(whole, "role", "presenter");
    whole = with(whole, "sub", "user-17");
    whole = with(whole, "nbf", NOW_S - 5);
    whole = with(whole, "aud", json!([AUDIENCE]));
    let shown = judge(&sites(), &signed(&without(header(), "typ"), &whole)).unwrap();
    assert_eq!(shown.claim.role, Role::Presenter);
    let name = shown.claim.name.unwrap();
    assert_eq!(name.as_str(), "Ada Lovelace");
    let portal = json!({
        "iss": "portal", "aud": "urn:portal", "iat": NOW_S, "exp": NOW_S + 300, "jti": "one",
        "room": "class", "role": "host",
    });
    let token = signed_text(
        2,
        r#"{"kid":"portal-1","alg":"EdDSA"}"#,
        &portal.to_string(),
    );
    assert_eq!(judge(&sites(), &token).unwrap().claim.role, Role::Host);
}

#[test]
fn a_header_has_nothing_that_changes_how_it_is_checked() {
    let bad = [
        with(header(), "alg", "none"),
        with(header(), "alg", "HS256"),
        with(header(), "alg", "RS256"),
        with(header(), "alg", "ES256"),
        with(header(), "alg", "Ed25519"),
        with(header(), "alg", "eddsa"),
        with(header(), "alg", json!(["EdDSA"])),
        with(header(), "alg", Value::Null),
        without(header(), "alg"),
        without(header(), "kid"),
        with(header(), "kid", 1),
        with(header(), "typ", "at+jwt"),
        with(header(), "typ", Value::Null),
        with(header(), "jku", "https://evil.example/keys"),
        with(header(), "x5u", "https://evil.example/chain"),
        with(header(), "x5c", json!(["MIIB"])),
        with(header(), "x5t", "AAAA"),
        with(
            header(),
            "jwk",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        ),
        with(header(), "crit", json!(["exp"])),
        with(header(), "b64", false),
        with(header(), "zip", "DEF"),
        with(header(), "cty", "JWT"),
        json!(["EdDSA", "school-1"]),
        json!("EdDSA"),
    ];
    for header in bad {
        let token = signed(&header, &claims());
        assert_eq!(flaw(&token), Some(Flaw::Header), "{header}");
    }
    for twice in [
        r#"{"alg":"none","alg":"EdDSA","kid":"school-1"}"#,
        r#"{"alg":"EdDSA","kid":"school-1","kid":"school-1"}"#,
        r#"{"alg":"EdDSA","kid":"school-1","typ":"JWT","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","kid":"school-1"} {}"#,
        "",
    ] {
        let token = signed_text(1, twice, &claims().to_string());
        assert_eq!(flaw(&token), Some(Flaw::Header), "{twice}");
    }
}

#[test]
fn a_signature_is_that_of_the_key_that_is_named() {
    let token =
        |seed, header: &Value| signed_text(seed, &header.to_string(), &claims().to_string());
    let unknown = with(header(), "kid", "school-2");
    assert_eq!(flaw(&token(1, &unknown)), Some(Flaw::Key));
    assert_eq!(flaw(&token(2, &header())), Some(Flaw::Signature));
    let other = with(header(), "kid", "portal-1");
    assert_eq!(flaw(&token(1, &other)), Some(Flaw::Signature));
    // The right key of the wrong site.
    assert_eq!(flaw(&token(2, &other)), Some(Flaw::Issuer));
    let good = token(1, &header());
    let (start, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(
        flaw(&format!("{start}.{}", encode(&[0; 64]))),
        Some(Flaw::Signature)
    );
    for form in [
        format!("{start}."),
        start.to_owned(),
        format!("{start}.{}", encode(&[0; 63])),
        format!("{good}="),
        format!("{good}.x"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{start}.{signature}{signature}"),
        good.replace('.', ":"),
        format!("{good}{}", "A".repeat(TOKEN_BYTES)),
        String::new(),
        "..".to_owned(),
    ] {
        assert_eq!(flaw(&form), Some(Flaw::Form), "{form:?}");
    }
}

#[test]
fn claims_are_all_there_and_nothing_else_is() {
    for member in ["iss", "aud", "iat", "exp", "jti", "room", "role"] {
        assert_eq!(
            flaw_of(without(claims(), member)),
            Some(Flaw::Claims),
            "{member}"
        );
    }
    for (member, value) in [
        ("iss", json!(null)),
        ("aud", json!([])),
        ("aud", json!([AUDIENCE, "https://other.example"])),
        ("aud", json!([AUDIENCE, AUDIENCE])),
        ("aud", json!({"0": AUDIENCE})),
        ("exp", json!("1795341660")),
        ("exp", json!(NOW_S as f64 + 60.5)),
        ("exp", json!(-1)),
        ("exp", json!(null)),
        ("iat", json!(1e9)),
        ("nbf", json!(null)),
        ("jti", json!("")),
        ("jti", json!("j".repeat(129))),
        ("jti", json!(7)),
        ("room", json!("Class")),
        ("room", json!(["class"])),
        ("role", json!("admin")),
        ("role", json!("Attendee")),
        ("name", json!("")),
        ("name", json!("\u{202e}")),
        ("name", json!("n".repeat(65))),
        ("name", json!(null)),
        ("sub", json!("")),
        ("sub", json!("s".repeat(257))),
        ("sub", json!(null)),
        ("email", json!("ada@example.org")),
        ("__proto__", json!({})),
    ] {
        let text = format!("{member}: {value}");
        assert_eq!(
            flaw_of(with(claims(), member, value)),
            Some(Flaw::Claims),
            "{text}"
        );
    }
    let plain = claims().to_string();
    for claims in [
        plain.replacen('{', r#"{"role":"viewer","#, 1),
        plain.replacen('{', r#"{"exp":9,"#, 1),
        plain.replacen('{', r#"{"\u0069at":9,"#, 1),
        format!("{plain}{{}}"),
        format!(" {plain}"),
        "[]".to_owned(),
        String::new(),
    ] {
        let token = signed_text(1, &header().to_string(), &claims);
        assert_eq!(flaw(&token), Some(Flaw::Claims), "{claims}");
    }
}

#[test]
fn a_token_is_for_this_server_this_room_and_a_role_that_its_site_may_give() {
    for (member, value, expected) in [
        ("iss", "https://school.example/", Flaw::Issuer),
        ("iss", "portal", Flaw::Issuer),
        ("aud", "https://meet.example.org/", Flaw::Audience),
        (
            "aud",
            "https://meet.example.org.evil.example",
            Flaw::Audience,
        ),
        ("aud", "", Flaw::Audience),
        ("room", "other", Flaw::Room),
        ("room", "board", Flaw::Room),
        ("role", "co_host", Flaw::Role),
        ("role", "host", Flaw::Role),
    ] {
        assert_eq!(
            flaw_of(with(claims(), member, value)),
            Some(expected),
            "{member}: {value}"
        );
    }
    for role in ["viewer", "attendee", "presenter"] {
        assert_eq!(flaw_of(with(claims(), "role", role)), None);
    }
    // A room that is right, but not one of the site.
    let board = signed(&header(), &with(claims(), "room", "board"));
    let at = (Instant::now(), Timestamp::from_unix_ms(NOW_S * 1000));
    let refused = sites().judge(at, LINK, &slug("board"), &board);
    assert_eq!(refused.err(), Some(Flaw::Room));
}

#[test]
fn a_token_lives_for_minutes() {
    let times = |iat: u64, nbf: Option<u64>, exp: u64| {
        let claims = with(with(claims(), "iat", iat), "exp", exp);
        match nbf {
            None => claims,
            Some(nbf) => with(claims, "nbf", nbf),
        }
    };
    for (iat, nbf, exp, expected) in [
        (NOW_S, None, NOW_S + 300, None),
        (NOW_S, None, NOW_S + 301, Some(Flaw::Life)),
        (NOW_S, None, u64::MAX, Some(Flaw::Life)),
        (u64::MAX, None, u64::MAX, Some(Flaw::Life)),
        (NOW_S + 1, None, NOW_S + 1, Some(Flaw::Life)),
        (NOW_S + 2, None, NOW_S + 1, Some(Flaw::Life)),
        (NOW_S, Some(NOW_S + 10), NOW_S + 10, Some(Flaw::Life)),
        (NOW_S, Some(u64::MAX), NOW_S + 10, Some(Flaw::Life)),
        (0, None, 1, Some(Flaw::Expired)),
        (NOW_S - 300, None, NOW_S, Some(Flaw::Expired)),
        (NOW_S - 299, None, NOW_S + 1, None),
        (NOW_S + 5, None, NOW_S + 60, None),
        (NOW_S + 6, None, NOW_S + 60, Some(Flaw::NotYet)),
        (NOW_S, Some(NOW_S + 5), NOW_S + 60, None),
        (NOW_S, Some(NOW_S + 6), NOW_S + 60, Some(Flaw::NotYet)),
    ] {
        let text = format!("{iat} {nbf:?} {exp}");
        assert_eq!(flaw_of(times(iat, nbf, exp)), expected, "{text}");
    }
    let ahead = times(NOW_S + 2, Some(NOW_S + 3), NOW_S + 60);
    let shown = judge(&sites(), &signed(&header(), &ahead)).unwrap();
    assert_eq!(shown.wait, Duration::from_secs(3));
}

#[test]
fn a_token_from_before_the_start_is_not_taken() {
    let started = |since_s| Sites { since_s, ..sites() };
    let token = signed(&header(), &claims());
    assert!(judge(&started(NOW_S - 10), &token).is_ok());
    let late = judge(&started(NOW_S - 9), &token);
    assert_eq!(late.err(), Some(Flaw::BeforeStart));
}

#[test]
fn a_site_that_is_gone_opens_nothing_and_one_that_comes_back_does_not_do_so_twice() {
    let sites = sites();
    let known = sites.configured().to_vec();
    let token = signed(&header(), &claims());
    let shown = judge(&sites, &token).unwrap();
    sites.replace(Vec::new());
    assert_eq!(judge(&sites, &token).err(), Some(Flaw::Key));
    sites.spend(&shown.ticket);
    sites.replace(known);
    assert_eq!(judge(&sites, &token).err(), Some(Flaw::Used));
}

#[test]
fn a_token_is_good_once() {
    let sites = sites();
    let first = signed(&header(), &claims());
    // Signed anew, and said otherwise, but of the same name.
    let twin = signed(&header(), &with(claims(), "role", "viewer"));
    let shown = judge(&sites, &first).unwrap();
    assert!(judge(&sites, &twin).is_ok(), "the same link says more");
    let at = (Instant::now(), Timestamp::from_unix_ms(NOW_S * 1000));
    let other = sites.judge(at, LinkId(2), &slug("class"), &first);
    assert_eq!(other.err(), Some(Flaw::Used));
    sites.spend(&shown.ticket);
    assert_eq!(judge(&sites, &first).err(), Some(Flaw::Used));
    assert_eq!(judge(&sites, &twin).err(), Some(Flaw::Used));
    assert!(judge(&sites, &signed(&header(), &with(claims(), "jti", "two"))).is_ok());
    // Names of tokens are those of one site.
    let portal = json!({
        "iss": "portal", "aud": "urn:portal", "iat": NOW_S, "exp": NOW_S + 60, "jti": "one",
        "room": "class", "role": "host",
    });
    let token = signed_text(
        2,
        r#"{"kid":"portal-1","alg":"EdDSA"}"#,
        &portal.to_string(),
    );
    assert!(judge(&sites, &token).is_ok());
}

#[test]
fn a_token_that_is_refused_is_not_used_up() {
    let sites = sites();
    let early = with(claims(), "iat", NOW_S + 6);
    assert_eq!(
        judge(&sites, &signed(&header(), &early)).err(),
        Some(Flaw::NotYet)
    );
    let at = (Instant::now(), Timestamp::from_unix_ms((NOW_S + 1) * 1000));
    let token = signed(&header(), &early);
    assert!(sites.judge(at, LinkId(9), &slug("class"), &token).is_ok());
}

#[test]
fn a_site_that_is_added_is_judged_until_it_is_forgotten_or_configured() {
    let site = |seed: u8| Embedder {
        issuer: "https://school.example".to_owned(),
        kid: "school-1".to_owned(),
        key: key(seed),
        role: Role::Presenter,
        rooms: SiteRooms::All,
        audience: AUDIENCE.to_owned(),
    };
    let token = |jti: &str| signed(&header(), &with(claims(), "jti", jti));
    let sites = Sites::new(Vec::new(), vec![site(1)], NOW_S - 1000);
    let shown = judge(&sites, &token("one")).unwrap();
    assert_eq!(sites.while_known(&shown.ticket, || 7), Some(7));
    // What the file says of a key comes first.
    sites.replace(vec![site(2)]);
    assert_eq!(judge(&sites, &token("two")).err(), Some(Flaw::Signature));
    sites.replace(Vec::new());
    assert!(judge(&sites, &token("two")).is_ok());
    sites.forget_added("school-1");
    assert_eq!(judge(&sites, &token("three")).err(), Some(Flaw::Key));
    assert_eq!(sites.while_known(&shown.ticket, || 7), None);
    // Another key of that name vouches for nobody whom the first one sent.
    sites.replace_added(vec![site(2)]);
    assert_eq!(sites.while_known(&shown.ticket, || 7), None);
    sites.replace_added(vec![site(1)]);
    assert!(judge(&sites, &token("three")).is_ok());
}

#[test]
fn without_sites_no_token_is_good() {
    let none = Sites::new(Vec::new(), Vec::new(), 0);
    assert_eq!(
        judge(&none, &signed(&header(), &claims())).err(),
        Some(Flaw::Key)
    );
}

#[test]
fn a_key_is_read_in_base64url() {
    // RFC 8037, appendix A.2.
    let text = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = SiteKey::from_base64url(text).unwrap();
    assert_eq!(key.0[..4], [0xd7, 0x5a, 0x98, 0x01]);
    for bad in [
        "",
        "11qY",
        &text[1..],
        &format!("{text}="),
        &text.replace('_', "/"),
    ] {
        assert_eq!(SiteKey::from_base64url(bad), None, "{bad}");
    }
}

#[test]
fn the_example_of_the_rfc_verifies_and_is_no_join_token() {
    // RFC 8037, appendix A.4: its payload is text.
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(flaw(token), Some(Flaw::Header), "it names no key");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = SiteKey::from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let signature = jws::base64url(signature).unwrap();
    let verified = UnparsedPublicKey::new(&ED25519, key.0).verify(signed.as_bytes(), &signature);
    assert!(verified.is_ok());
}

/// How a good token is changed.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(prop::sample::Index, char),
    Insert(prop::sample::Index, char),
    Remove(prop::sample::Index),
    Cut(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let letter =
        || prop_oneof!["[A-Za-z0-9_.=+/-]", "\\PC"].prop_map(|s| s.chars().next().unwrap());
    prop_oneof![
        (index(), letter()).prop_map(|(at, to)| Mutation::Replace(at, to)),
        (index(), letter()).prop_map(|(at, to)| Mutation::Insert(at, to)),
        index().prop_map(Mutation::Remove),
        index().prop_map(Mutation::Cut),
        (index(), index()).prop_map(|(one, other)| Mutation::Swap(one, other)),
    ]
}

fn mutate(token: &str, mutations: &[Mutation]) -> String {
    let mut letters: Vec<char> = token.chars().collect();
    for mutation in mutations {
        let count = letters.len();
        match mutation {
            _ if count == 0 => break,
            Mutation::Replace(at, to) => letters[at.index(count)] = *to,
            Mutation::Insert(at, to) => letters.insert(at.index(count), *to),
            Mutation::Remove(at) => drop(letters.remove(at.index(count))),
            Mutation::Cut(at) => letters.truncate(at.index(count)),
            Mutation::Swap(one, other) => {
                letters.swap(one.index(count), other.index(count));
            }
        }
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_token_that_was_changed_never_passes(mutations in prop::collection::vec(mutation(), 1..4)) {
        let token = signed(&header(), &claims());
        let changed = mutate(&token, &mutations);
        prop_assume!(changed != token);
        prop_assert!(judge(&sites(), &changed).is_err(), "{changed}");
    }

    #[test]
    fn any_text_is_judged_without_panic(text: String, parts in prop::collection::vec("[A-Za-z0-9_-]{0,90}", 3)) {
        prop_assert!(judge(&sites(), &text).is_err());
        prop_assert!(judge(&sites(), &parts.join(".")).is_err());
    }

    #[test]
    fn bytes_have_one_text(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,40}") {
        prop_assert_eq!(jws::base64url(&encode(&bytes)), Some(bytes));
        if let Some(read) = jws::base64url(&text) {
            prop_assert_eq!(encode(&read), text);
        }
    }
}
