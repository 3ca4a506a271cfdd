//! What every response says to the browser about its own safety
//! (`spec/security.md` 2.3).

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::config::Hsts;
use crate::listen::Via;
use crate::site::Site;

/// Features that a meeting needs, and those that it switches off.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), \
    fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), speaker-selection=(self), \
    geolocation=(), usb=(), serial=(), hid=(), midi=(), payment=(), interest-cohort=()";

const FIXED: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        "require-corp",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
];

/// Writes the headers of every response.
#[derive(Debug, Clone)]
pub(crate) struct SecurityHeaders {
    hsts: Option<HeaderValue>,
}

impl SecurityHeaders {
    /// Decides what does not depend on the request. With `--dev` there is no
    /// Strict-Transport-Security: it would break every other server on localhost.
    pub(crate) fn new(dev: bool, hsts: Hsts) -> Self {
        let text = format!(
            "max-age=63072000{}{}",
            if hsts.include_subdomains {
                "; includeSubDomains"
            } else {
                ""
            },
            if hsts.preload { "; preload" } else { "" }
        );
        // The text is one of four, all of visible ASCII.
        SecurityHeaders {
            hsts: HeaderValue::from_str(&text).ok().filter(|_| !dev),
        }
    }

    /// Adds the headers; a `Cache-Control` that is there stays.
    pub(crate) fn write(&self, headers: &mut HeaderMap, site: &Site, via: Via, host: Option<&str>) {
        for (name, value) in FIXED {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) =
            HeaderValue::from_str(&content_security_policy(&own_socket(site, via, host)))
        {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let (Some(hsts), Via::Tls) = (&self.hsts, via) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

/// Returns where a page served on this connection opens its signalling.
/// Older browsers do not count it as `'self'`.
fn own_socket(site: &Site, via: Via, host: Option<&str>) -> String {
    let scheme = if via == Via::Loopback { "ws" } else { "wss" };
    let authority = host.and_then(|host| site.own_authority(host));
    format!(
        "{scheme}://{}",
        authority.unwrap_or_else(|| site.public_url.authority())
    )
}

/// Returns the policy of every page. `'wasm-unsafe-eval'` lets our own scripts
/// compile WebAssembly, which noise suppression in the browser is made of; it
/// allows no script, no `eval` and no other origin (CSP Level 3, section 8.4).
fn content_security_policy(own_socket: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob:; connect-src 'self' {own_socket}; font-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types svelte-trusted-html"
    )
}

/// Returns how a refusal is worded: nothing but the name of the status.
pub(crate) fn refusal(status: StatusCode) -> (StatusCode, [(HeaderName, &'static str); 1], String) {
    let text = format!("{}\n", status.canonical_reason().unwrap_or("refused"));
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text,
    )
}
