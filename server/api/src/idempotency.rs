//! `Idempotency-Key`: a request that comes again is not done again.

use axum::body::{Body, to_bytes};
use conclave_signalling_core::record::Actor;
use conclave_signalling_store::{IdempotencyKey, Reservation, StoredAnswer};
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::Admin;
use crate::auth::Caller;
use crate::call::{Answer, Given};
use crate::guard::to_its_end;
use crate::problem::Problem;
use crate::table::Route;

/// What a caller calls a request that it may send again.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// In an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Characters of a key.
const KEY_MAX: usize = 255;
/// Bytes of an answer that is kept.
const KEPT_MAX: usize = 4 * 1024 * 1024;
/// Headers that are given again.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// A request that may come, or may have come, more than once.
#[derive(Debug)]
pub(crate) struct Repetition {
    key: IdempotencyKey,
    digest: [u8; 32],
}

impl Repetition {
    /// Reads the header of a POST; others are the same when repeated.
    ///
    /// # Errors
    /// 400 unless the key is 1 to 255 visible characters.
    pub(crate) fn of(
        route: &Route,
        caller: &Caller,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        if route.method != Method::POST {
            return Ok(None);
        }
        let is_one = parts.headers.get_all(IDEMPOTENCY_KEY).iter().count() == 1;
        let is_key =
            (1..=KEY_MAX).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
        let key = key
            .to_str()
            .ok()
            .filter(|_| is_key && is_one)
            .ok_or_else(|| {
                Problem::malformed("`Idempotency-Key` must be 1 to 255 visible characters of ASCII")
            })?;
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let mut hash = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), path.as_bytes(), body] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Ok(Some(Repetition {
            key: IdempotencyKey {
                actor: name_of(caller.actor),
                key: key.to_owned(),
            },
            digest: hash.finalize().into(),
        }))
    }

    /// Does it unless it was done, and gives the same answer each time.
    ///
    /// # Errors
    /// 422 for another request by the same key; 409 while it is being done, and
    /// when nobody knows whether it was.
    pub(crate) async fn once(
        self,
        admin: &Admin,
        doing: BoxFuture<'static, Result<Answer, Problem>>,
    ) -> Result<Answer, Problem> {
        let conflict = |code, detail: &str| Problem::new(StatusCode::CONFLICT, code).detail(detail);
        match admin
            .store
            .reserve(&self.key, self.digest, crate::now())
            .await?
        {
            Reservation::Reserved => {
                let admin = admin.clone();
                to_its_end(async move { self.first(&admin, doing).await }).await
            }
            Reservation::Same(stored) => Ok(replayed(stored)),
            Reservation::Mismatch => Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
            )
            .detail("another request had this `Idempotency-Key`")),
            Reservation::InProgress => Err(conflict(
                "idempotency_in_progress",
                "this request is being done",
            )
            .retry_after(1)),
            Reservation::InDoubt => Err(conflict(
                "idempotency_in_doubt",
                "the server ended meanwhile, or its answer is not kept any more: look whether it \
                 was done, and send it with another `Idempotency-Key` if not",
            )),
        }
    }

    async fn first(
        &self,
        admin: &Admin,
        doing: BoxFuture<'static, Result<Answer, Problem>>,
    ) -> Result<Answer, Problem> {
        match doing.await {
            Ok(answer) => {
                let (answer, stored) = kept(answer).await?;
                // What was done is said, even if it cannot be said again.
                if let Err(error) = admin.store.complete(&self.key, stored).await {
                    tracing::warn!(%error, "the answer to a request that may come again is not kept");
                }
                Ok(answer)
            }
            Err(problem) => {
                // Nothing was done of what is refused; of what failed, perhaps something.
                if problem.status().is_client_error() {
                    admin.store.release(&self.key).await?;
                }
                Err(problem)
            }
        }
    }
}

/// Returns what a caller is called where requests are kept and logged.
pub(crate) fn name_of(actor: Actor) -> String {
    match actor {
        Actor::Key(key) => key.to_string(),
        // Nobody else has a way here.
        _ => "operator".to_owned(),
    }
}

async fn kept(answer: Answer) -> Result<(Answer, StoredAnswer), Problem> {
    let (body, content) = match answer.content {
        Given::Nothing => (Vec::new(), Given::Nothing),
        Given::Json(value) => (value.to_string().into_bytes(), Given::Json(value)),
        Given::Stream(body) => {
            let bytes = to_bytes(body, KEPT_MAX).await.map_err(|_| {
                Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
                    .detail("the answer is too large to be kept")
            })?;
            (Vec::from(bytes.clone()), Given::Stream(Body::from(bytes)))
        }
    };
    let answer = Answer { content, ..answer };
    let mut headers: Vec<(String, String)> = KEPT_HEADERS
        .iter()
        .filter_map(|name| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        })
        .collect();
    if matches!(answer.content, Given::Json(_)) {
        headers.push((
            header::CONTENT_TYPE.to_string(),
            "application/json".to_owned(),
        ));
    }
    let stored = StoredAnswer {
        status: answer.status.as_u16(),
        headers,
        body,
    };
    Ok((answer, stored))
}

fn replayed(stored: StoredAnswer) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in &stored.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Answer {
        status: StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK),
        headers,
        content: Given::Stream(Body::from(stored.body)),
    }
}
