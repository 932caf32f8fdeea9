//! The far end of an HTTP sink: one client with one kept connection.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

use super::encode::header_text;
use crate::config::model::{HttpJson, HttpMethod};
use crate::config::secret::Secret;
use crate::sink::BuildError;
use crate::sink::cause::with_causes;
use crate::tls::{self, Identity};

/// An answer that is longer is cut: what confirms a delivery stands at its beginning.
const LONGEST_ANSWER: usize = 1 << 20;

/// No answer came, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

/// What the far end said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: u16,
    /// Where a redirect points to.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Peer {
    client: Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    key_header: HeaderName,
}

impl Peer {
    pub(super) fn new(config: &HttpJson) -> Result<Self, BuildError> {
        let url = Url::parse(&config.url).map_err(|_| BuildError::Url { url: config.url.clone() })?;
        let tls = match url.scheme() {
            "https" => tls::client_config(config.ca_file.as_deref(), Identity::NONE)?,
            "http" => tls::config_without_authorities()?,
            _ => return Err(BuildError::Url { url: config.url.clone() }),
        };
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("tutin/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BuildError::Http)?;
        let method = match config.method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
        };
        let key_header = header_name(&config.key_header)?;
        Ok(Peer { client, method, url, headers: headers(config)?, key_header })
    }

    /// One request and its answer.
    pub(super) async fn send(&self, key: &str, body: Vec<u8>) -> Result<Reply, NoAnswer> {
        let no_answer = |err: reqwest::Error| NoAnswer(with_causes(&err.without_url()));
        let key = HeaderValue::try_from(header_text(key)).map_err(|err| NoAnswer(err.to_string()))?;
        let mut response = self
            .client
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers.clone())
            .header(&self.key_header, key)
            .body(body)
            .send()
            .await
            .map_err(no_answer)?;
        let status = response.status().as_u16();
        let location = response.headers().get(reqwest::header::LOCATION);
        let location = location.map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > LONGEST_ANSWER {
                answer.truncate(LONGEST_ANSWER);
                break;
            }
        }
        Ok(Reply { status, location, body: answer })
    }
}

fn headers(config: &HttpJson) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &config.headers {
        headers.insert(header_name(name)?, secret_value(name, value.expose())?);
    }
    if let Some(bearer) = &config.bearer {
        headers.insert(AUTHORIZATION, secret_value("Authorization", &format!("Bearer {}", Secret::expose(bearer)))?);
    }
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, BuildError> {
    HeaderName::try_from(name).map_err(|_| BuildError::HeaderName { name: name.to_owned() })
}

/// The value is never part of an error or a trace.
fn secret_value(name: &str, value: &str) -> Result<HeaderValue, BuildError> {
    let mut value =
        HeaderValue::try_from(value.trim()).map_err(|_| BuildError::HeaderValue { name: name.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}
