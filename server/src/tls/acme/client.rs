//! HTTPS towards whoever signs, by what we serve with: hyper and rustls.

use std::error::Error as StdError;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::tls::client_config;

/// From the name to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause that an answer may ask for, in seconds: a week. Times far
/// beyond overflow where they are added.
const PAUSE_S_MAX: u64 = 7 * 24 * 3600;

/// Asks over HTTPS, one connection for each question: there are ten in some months.
#[derive(Clone)]
pub(super) struct Client {
    connector: TlsConnector,
}

impl Client {
    /// Trusts whoever `ca_file` holds, or whom the system trusts.
    ///
    /// # Errors
    /// When there is nobody to trust; the text says what may help.
    pub(super) fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let config = client_config(ca_file, "acme.ca_file")?;
        Ok(Client {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    async fn ask(self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let uri = request.uri().clone();
        let host = uri.host().ok_or(Error::Str("the URL names no host"))?;
        let port = uri.port_u16().unwrap_or(443);
        if uri.scheme_str() != Some("https") {
            return Err(Error::Str("the URL is not https"));
        }
        let bare = host.trim_matches(['[', ']']);
        let name = ServerName::try_from(bare.to_owned()).map_err(other)?;
        let stream = TcpStream::connect((bare, port)).await.map_err(other)?;
        let stream = self.connector.connect(name, stream).await.map_err(other)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(other)?;
        tokio::spawn(connection);
        let authority = uri.authority().map_or(host, |authority| authority.as_str());
        let authority = HeaderValue::from_str(authority).map_err(other)?;
        request.headers_mut().insert(header::HOST, authority);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>()?;
        let mut response = sender.send_request(request).await.map_err(other)?;
        bound_pause(response.headers_mut());
        Ok(BytesResponse::from(response))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = timeout(TIMEOUT, self.clone().ask(request));
        Box::pin(async { asked.await.map_err(other)? })
    }
}

/// Shortens what an answer says of the time until the next question (RFC 9110, section 10.2.3).
fn bound_pause(headers: &mut HeaderMap) {
    let said = headers.get(header::RETRY_AFTER);
    let said = said.and_then(|said| said.to_str().ok()?.trim().parse::<u64>().ok());
    if said.is_some_and(|said| said > PAUSE_S_MAX) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(PAUSE_S_MAX));
    }
}

fn other(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_asks_for_a_pause_beyond_a_week() {
        for (said, bounded) in [
            ("0", "0"),
            ("604800", "604800"),
            ("604801", "604800"),
            ("18446744073709551615", "604800"),
            (
                "Fri, 31 Dec 1999 23:59:59 GMT",
                "Fri, 31 Dec 1999 23:59:59 GMT",
            ),
            ("-1", "-1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(said));
            bound_pause(&mut headers);
            assert_eq!(headers[header::RETRY_AFTER], bounded);
        }
        let mut headers = HeaderMap::new();
        bound_pause(&mut headers);
        assert!(headers.is_empty());
    }
}
