//! Somebody who signs certificates, as RFC 8555 has it, for one order at a
//! time: directory, nonces, account, orders, proofs that are really looked at,
//! and certificates of a root of its own. If it is told to, it wants accounts
//! bound to one elsewhere, says when to renew (RFC 9773), and offers profiles.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode;
use x509_cert::request::CertReq;

use super::renewal::{self, Advice};
use super::{binding, proof};

/// For a server that is started on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the next certificate begins and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// Days that are over already.
    pub(crate) old: u32,
    /// Days that are left.
    pub(crate) left: u32,
}

/// What an order said besides its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said {
    pub(crate) replaces: Option<String>,
    pub(crate) profile: Option<String>,
}

/// Where proofs are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// The running directory.
pub(crate) struct Directory {
    pub(crate) url: String,
    /// PEM of the root that signs both the directory's certificate and those of others.
    pub(crate) root_pem: String,
    pub(crate) root: CertificateDer<'static>,
    place: watch::Sender<Option<Place>>,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    root_pem: String,
    issuer: Issuer<'static, KeyPair>,
    place: watch::Receiver<Option<Place>>,
    state: Mutex<State_>,
    /// How many certificates were signed.
    signed: watch::Sender<u32>,
    /// How many proofs did not satisfy.
    refused: watch::Sender<u32>,
    /// How often somebody asked when to renew.
    asked: watch::Sender<u32>,
}

#[derive(Default)]
struct State_ {
    nonces: HashSet<String>,
    next: u64,
    accounts: u32,
    thumbprint: String,
    contact: Value,
    orders: Vec<Order>,
    life: Option<Life>,
    /// The account elsewhere that ours are to be bound to: what its key is called, and the key.
    binding: Option<(String, Vec<u8>)>,
    advice: Option<Advice>,
    profiles: Vec<&'static str>,
    /// Whether every certificate was replaced already.
    is_replaced: bool,
    /// What signed certificates are called when it is asked about their renewal.
    ids: Vec<String>,
}

struct Order {
    said: Said,
    name: String,
    status: &'static str,
    token: String,
    error: Option<String>,
    certificate: String,
}

impl Directory {
    /// Listens on a free port of loopback.
    pub(crate) async fn start() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let own_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&own_key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let own_key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], own_key)
            .unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", socket.local_addr().unwrap().port());
        let (place, places) = watch::channel(None);
        let shared = Arc::new(Shared {
            url: url.clone(),
            root_pem: root.pem(),
            issuer,
            place: places,
            state: Mutex::default(),
            signed: watch::Sender::new(0),
            refused: watch::Sender::new(0),
            asked: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/directory", get(directory))
            .route("/nonce", head(async || StatusCode::OK))
            .route("/account", post(account))
            .route("/order", post(order))
            .route("/order/{id}", post(order_state))
            .route("/authorization/{id}", post(authorization))
            .route("/challenge/{id}/{kind}", post(challenge))
            .route("/finalize/{id}", post(finalize))
            .route("/certificate/{id}", post(certificate))
            .route("/renewal/{id}", get(renewal_info))
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(&shared),
                with_nonce,
            ))
            .with_state(Arc::clone(&shared));
        tokio::spawn(serve(socket, TlsAcceptor::from(Arc::new(tls)), router));
        Directory {
            url: format!("{url}/directory"),
            root_pem: root.pem(),
            root: root.der().clone(),
            place,
            shared,
        }
    }

    /// Looks for proofs there, from here on; until then nobody is answered.
    pub(crate) fn look_at(&self, place: Place) {
        self.place.send(Some(place)).unwrap();
    }

    /// Says how the next certificates begin and end.
    pub(crate) fn give(&self, life: Life) {
        self.shared.state.lock().unwrap().life = Some(life);
    }

    /// Gives accounts to those only who have the key of an account elsewhere.
    pub(crate) fn demand(&self, key_id: &str, key: &[u8]) {
        let binding = (key_id.to_owned(), key.to_vec());
        self.shared.state.lock().unwrap().binding = Some(binding);
    }

    /// Says when to renew.
    pub(crate) fn advise(&self, advice: Advice) {
        self.shared.state.lock().unwrap().advice = Some(advice);
    }

    /// Offers profiles.
    pub(crate) fn list(&self, profiles: &[&'static str]) {
        self.shared.state.lock().unwrap().profiles = profiles.to_vec();
    }

    /// Takes no order that replaces a certificate.
    pub(crate) fn refuse_replacements(&self) {
        self.shared.state.lock().unwrap().is_replaced = true;
    }

    /// Returns what the orders said that were taken.
    pub(crate) fn orders(&self) -> Vec<Said> {
        let state = self.shared.state.lock().unwrap();
        state
            .orders
            .iter()
            .map(|order| order.said.clone())
            .collect()
    }

    /// Returns what the signed certificates are called.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().ids.clone()
    }

    /// Waits until somebody asked so often when to renew.
    pub(crate) async fn asked(&self, count: u32) {
        reaches(&self.shared.asked, count).await;
    }

    /// Waits until so many certificates were signed in all.
    pub(crate) async fn signed(&self, count: u32) {
        reaches(&self.shared.signed, count).await;
    }

    /// Waits until so many proofs did not satisfy in all.
    pub(crate) async fn refused(&self, count: u32) {
        reaches(&self.shared.refused, count).await;
    }

    /// Returns how many accounts were made, with what contact, and how many certificates were signed.
    pub(crate) fn books(&self) -> (u32, Value, u32) {
        let state = self.shared.state.lock().unwrap();
        let signed = *self.shared.signed.borrow();
        (state.accounts, state.contact.clone(), signed)
    }
}

async fn reaches(counter: &watch::Sender<u32>, count: u32) {
    let mut counter = counter.subscribe();
    let reached = counter.wait_for(|counted| *counted >= count);
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    reached.expect("nothing came in a minute").unwrap();
}

async fn serve(socket: TcpListener, acceptor: TlsAcceptor, router: Router) {
    loop {
        let (stream, _) = socket.accept().await.unwrap();
        let acceptor = acceptor.clone();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}

async fn with_nonce(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let mut response = next.run(request).await;
    let mut state = shared.state.lock().unwrap();
    state.next += 1;
    let nonce = format!("nonce{}", state.next);
    let headers = response.headers_mut();
    headers.insert("replay-nonce", nonce.parse().unwrap());
    state.nonces.insert(nonce);
    response
}

async fn directory(State(shared): State<Arc<Shared>>) -> Response {
    let url = &shared.url;
    let state = shared.state.lock().unwrap();
    let profiles = state.profiles.iter();
    let profiles: Map<String, Value> = profiles
        .map(|name| ((*name).to_owned(), json!("what it is for")))
        .collect();
    axum_json(json!({
        "meta": {"externalAccountRequired": state.binding.is_some(), "profiles": profiles},
        "renewalInfo": state.advice.map(|_| format!("{url}/renewal")),
        "newNonce": format!("{url}/nonce"),
        "newAccount": format!("{url}/account"),
        "newOrder": format!("{url}/order"),
        "revokeCert": format!("{url}/revoke"),
        "keyChange": format!("{url}/key"),
    }))
}

async fn account(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let (header, payload) = opened(&shared, "/account", &body);
    assert_eq!(payload["termsOfServiceAgreed"], true);
    let jwk = &header["jwk"];
    // The members in this order and no space (RFC 7638, section 3).
    let canonical = format!(
        r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#,
        jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]
    );
    let mut state = shared.state.lock().unwrap();
    if let Some((key_id, key)) = &state.binding {
        let bound = &payload["externalAccountBinding"];
        let url = format!("{}/account", shared.url);
        if bound.is_null() {
            return problem(
                StatusCode::FORBIDDEN,
                "externalAccountRequired",
                "who are you?",
            );
        }
        if let Err(why) = binding::check(bound, jwk, &url, key_id, key) {
            return problem(StatusCode::FORBIDDEN, "unauthorized", why);
        }
    }
    state.accounts += 1;
    state.thumbprint = BASE64URL.encode(Sha256::digest(canonical));
    state.contact = payload["contact"].clone();
    let location = format!("{}/account/1", shared.url);
    located(location, json!({"status": "valid"}))
}

async fn order(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let (header, payload) = opened(&shared, "/order", &body);
    assert_eq!(header["kid"], format!("{}/account/1", shared.url));
    let identifier = &payload["identifiers"][0];
    assert_eq!(identifier["type"], "dns");
    let text = |name: &str| payload[name].as_str().map(str::to_owned);
    let said = Said {
        replaces: text("replaces"),
        profile: text("profile"),
    };
    let mut state = shared.state.lock().unwrap();
    if let Some(id) = &said.replaces {
        assert!(state.ids.contains(id), "it signed {id}");
        if state.is_replaced {
            return problem(StatusCode::CONFLICT, "alreadyReplaced", "it was replaced");
        }
    }
    if let Some(profile) = &said.profile {
        assert!(
            state.profiles.contains(&profile.as_str()),
            "it has {profile}"
        );
    }
    let id = state.orders.len();
    state.orders.push(Order {
        said,
        name: identifier["value"].as_str().unwrap().to_owned(),
        status: "pending",
        token: format!("token-of-order-{id}"),
        error: None,
        certificate: String::new(),
    });
    let location = format!("{}/order/{id}", shared.url);
    located(location, order_json(&shared.url, id, &state.orders[id]))
}

async fn order_state(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
    body: Bytes,
) -> Response {
    opened(&shared, &format!("/order/{id}"), &body);
    let state = shared.state.lock().unwrap();
    axum_json(order_json(&shared.url, id, &state.orders[id]))
}

fn order_json(url: &str, id: usize, order: &Order) -> Value {
    json!({
        "status": order.status,
        "identifiers": [{"type": "dns", "value": order.name}],
        "replaces": order.said.replaces,
        "profile": order.said.profile,
        "authorizations": [format!("{url}/authorization/{id}")],
        "finalize": format!("{url}/finalize/{id}"),
        "certificate": (order.status == "valid").then(|| format!("{url}/certificate/{id}")),
    })
}

async fn authorization(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
    body: Bytes,
) -> Response {
    opened(&shared, &format!("/authorization/{id}"), &body);
    let state = shared.state.lock().unwrap();
    let order = &state.orders[id];
    let status = match order.status {
        "pending" | "invalid" => order.status,
        _ => "valid",
    };
    let challenge = |kind: &str| challenge_json(&shared.url, id, kind, order);
    axum_json(json!({
        "identifier": {"type": "dns", "value": order.name},
        "status": status,
        "challenges": [challenge("http-01"), challenge("tls-alpn-01")],
    }))
}

fn challenge_json(url: &str, id: usize, kind: &str, order: &Order) -> Value {
    let error = order
        .error
        .as_ref()
        .map(|detail| json!({"type": "urn:ietf:params:acme:error:connection", "detail": detail}));
    json!({
        "type": kind,
        "url": format!("{url}/challenge/{id}/{kind}"),
        "token": order.token,
        "status": if error.is_some() { "invalid" } else { "pending" },
        "error": error,
    })
}

async fn challenge(
    State(shared): State<Arc<Shared>>,
    Path((id, kind)): Path<(usize, String)>,
    body: Bytes,
) -> Response {
    opened(&shared, &format!("/challenge/{id}/{kind}"), &body);
    let (answer, name, token, proof) = {
        let state = shared.state.lock().unwrap();
        let order = &state.orders[id];
        let proof = format!("{}.{}", order.token, state.thumbprint);
        let answer = challenge_json(&shared.url, id, &kind, order);
        (answer, order.name.clone(), order.token.clone(), proof)
    };
    tokio::spawn(async move {
        let mut places = shared.place.clone();
        let place = places.wait_for(Option::is_some).await.unwrap().unwrap();
        let result = match kind.as_str() {
            "tls-alpn-01" => proof::tls_alpn(place.https, &name, &proof).await,
            _ => proof::http(place.http, &name, &token, &proof).await,
        };
        let mut state = shared.state.lock().unwrap();
        let order = &mut state.orders[id];
        order.status = if result.is_ok() { "ready" } else { "invalid" };
        order.error = result.err();
        if order.error.is_some() {
            shared.refused.send_modify(|refused| *refused += 1);
        }
    });
    axum_json(answer)
}

/// The key of somebody's request.
struct Requested(Vec<u8>);

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

async fn finalize(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
    body: Bytes,
) -> Response {
    let (_, payload) = opened(&shared, &format!("/finalize/{id}"), &body);
    let request = BASE64URL.decode(payload["csr"].as_str().unwrap()).unwrap();
    let request_key = CertReq::from_der(&request).unwrap().info.public_key;
    let key = Requested(request_key.subject_public_key.raw_bytes().to_vec());
    let mut state = shared.state.lock().unwrap();
    let life = state.life.unwrap_or(Life { old: 1, left: 89 });
    let order = &mut state.orders[id];
    assert_eq!(order.status, "ready");
    let name = order.name.clone();
    let named = request
        .windows(name.len())
        .any(|part| part == name.as_bytes());
    assert!(named, "the request is for {name}");
    let mut params = CertificateParams::new([name]).unwrap();
    params.not_before = (SystemTime::now() - DAY * life.old).into();
    params.not_after = (SystemTime::now() + DAY * life.left).into();
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &shared.issuer).unwrap();
    order.certificate = format!("{}{}", leaf.pem(), shared.root_pem);
    order.status = "valid";
    let answer = order_json(&shared.url, id, order);
    state.ids.push(renewal::id(leaf.der()));
    axum_json(answer)
}

async fn renewal_info(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let (advice, is_ours) = {
        let state = shared.state.lock().unwrap();
        (state.advice.unwrap(), state.ids.contains(&id))
    };
    assert!(is_ours, "it signed {id}");
    shared.asked.send_modify(|asked| *asked += 1);
    ([("retry-after", "21600")], axum_json(advice.json())).into_response()
}

fn problem(status: StatusCode, kind: &str, detail: &str) -> Response {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    (status, axum_json(json!({"type": kind, "detail": detail}))).into_response()
}

async fn certificate(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<usize>,
    body: Bytes,
) -> Response {
    opened(&shared, &format!("/certificate/{id}"), &body);
    shared.signed.send_modify(|signed| *signed += 1);
    let state = shared.state.lock().unwrap();
    state.orders[id].certificate.clone().into_response()
}

/// Opens a signed request (RFC 7515), whose nonce is one of ours and whose URL is that of the request.
fn opened(shared: &Shared, path: &str, body: &[u8]) -> (Value, Value) {
    let jws: Value = serde_json::from_slice(body).unwrap();
    let part = |name: &str| BASE64URL.decode(jws[name].as_str().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&part("protected")).unwrap();
    assert_eq!(header["url"], format!("{}{path}", shared.url));
    assert_eq!(header["alg"], "ES256");
    assert_eq!(part("signature").len(), 64);
    let nonce = header["nonce"].as_str().unwrap();
    assert!(
        shared.state.lock().unwrap().nonces.remove(nonce),
        "a nonce is for one request"
    );
    let payload = serde_json::from_slice(&part("payload")).unwrap_or(Value::Null);
    (header, payload)
}

fn axum_json(value: Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn located(location: String, value: Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("location", location.parse().unwrap());
    (StatusCode::CREATED, headers, axum_json(value)).into_response()
}
