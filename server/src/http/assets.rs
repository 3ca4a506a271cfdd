//! The browser client: files built by Vite and put into the binary.
//!
//! A development build reads them from the folder, so that a rebuilt client
//! is served without compiling the server.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName};
use http::{HeaderMap, StatusCode};
use rust_embed::RustEmbed;

use super::headers::refusal;

#[derive(RustEmbed)]
#[folder = "../client-web/dist"]
// Tests and the checks of a fresh clone compile the server before the client is built.
#[allow_missing = true]
struct Dist;

/// Beside a file, the same compressed: how it is asked for, and the end of its name.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];
const PAGE: &str = "index.html";
/// The length of the hash of the content that Vite puts at the end of a name.
const HASH_LENGTH: usize = 8;

/// Serves the page, which is the same for the landing and for every room.
pub(crate) fn page(request: &HeaderMap) -> Response {
    file(PAGE, request).unwrap_or_else(|| {
        let text =
            "The browser client is not part of this build: `make run` or `make build` adds it.\n";
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
            text,
        )
            .into_response()
    })
}

/// Serves a file of the client by its path without a leading slash.
pub(crate) fn asset(path: &str, request: &HeaderMap) -> Response {
    // The page has routes of its own, and compressed twins are no files of their own.
    let is_public = path != PAGE && ENCODINGS.iter().all(|(_, end)| !path.ends_with(end));
    is_public
        .then(|| file(path, request))
        .flatten()
        .unwrap_or_else(|| refusal(StatusCode::NOT_FOUND).into_response())
}

fn file(path: &str, request: &HeaderMap) -> Option<Response> {
    let (encoding, data) = find(path, request)?;
    let caching = match is_hashed(path) {
        true => "public, max-age=31536000, immutable",
        false => "no-store",
    };
    let body = match data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, content_type(path)),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
    ];
    let mut response = (headers, body).into_response();
    if let Some(encoding) = encoding {
        response.headers_mut().insert(
            header::CONTENT_ENCODING,
            header::HeaderValue::from_static(encoding),
        );
    }
    Some(response)
}

fn find(path: &str, request: &HeaderMap) -> Option<(Option<&'static str>, Cow<'static, [u8]>)> {
    for (encoding, end) in ENCODINGS {
        if accepts(request, encoding)
            && let Some(compressed) = Dist::get(&format!("{path}{end}"))
        {
            return Some((Some(encoding), compressed.data));
        }
    }
    Dist::get(path).map(|plain| (None, plain.data))
}

/// Returns whether a client takes an encoding by name (RFC 9110, section
/// 12.5.3). `*` is left alone: nobody has to be sent something compressed.
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    let lists = request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Ok(1.0), str::parse::<f32>);
        is_named && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// Returns whether the content of a path never changes: `assets/NAME-HASH.END`.
fn is_hashed(path: &str) -> bool {
    let stem = path
        .strip_prefix("assets/")
        .and_then(|name| name.rsplit_once('.'));
    let hash = stem.and_then(|(stem, _)| {
        let (name, hash) = stem.split_at_checked(stem.len().checked_sub(HASH_LENGTH)?)?;
        name.ends_with('-').then_some(hash)
    });
    hash.is_some_and(|hash| {
        hash.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_only_when_named_and_not_forbidden() {
        let headers =
            |text: &str| HeaderMap::from_iter([(header::ACCEPT_ENCODING, text.parse().unwrap())]);
        for (text, encoding, taken) in [
            ("gzip, deflate, br, zstd", "br", true),
            ("gzip;q=0.5", "gzip", true),
            ("br;q=0", "br", false),
            ("br; q=0.000", "br", false),
            ("brotli", "br", false),
            ("*", "br", false),
            ("br;q=x", "br", false),
        ] {
            assert_eq!(accepts(&headers(text), encoding), taken, "{text}");
        }
        assert!(!accepts(&HeaderMap::new(), "br"));
    }

    #[test]
    fn only_names_with_a_hash_are_for_ever() {
        for (path, hashed) in [
            ("assets/index-CXrl4Vq6.css", true),
            ("assets/de-index-Cr_9uA-g.js", true),
            ("assets/favicon.svg", false),
            ("assets/ab.js", false),
            ("index-CXrl4Vq6.css", false),
        ] {
            assert_eq!(is_hashed(path), hashed, "{path}");
        }
    }

    #[test]
    fn paths_that_leave_the_folder_or_name_a_twin_are_not_found() {
        for path in [
            "../Cargo.toml",
            "assets/../../Cargo.toml",
            "index.html",
            "index.html.br",
            "x.gz",
            "",
        ] {
            assert_eq!(
                asset(path, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }
}
