//! What is read of a registry, never more of it than is allowed: `oci-client` reads a manifest, and a page that comes in place of something,
//! whole, however long they are.

use oci_client::Reference;
use oci_client::errors::OciEnvelope;
use oci_client::secrets::RegistryAuth;
use reqwest::header::ACCEPT;
use reqwest::{Certificate, Client, Response};

use super::artifact::MANIFEST;
use super::error::{RegistryError, answer};
use super::{CONNECT, SILENCE, Scheme, USER_AGENT};
use crate::plugin::told;

/// What is read of a page that comes in place of something.
const LONGEST_PAGE: usize = 4 << 10;

/// Reads from a registry.
pub struct Reader {
    client: Client,
    scheme: &'static str,
}

/// Something that a registry stores of a plugin.
pub struct Stored<'a> {
    /// Of which plugin.
    pub reference: &'a Reference,
    /// What the registry calls it: `manifests/…` or `blobs/…`.
    pub path: &'a str,
    /// For the sentence that says what went wrong.
    pub doing: &'static str,
    /// How many bytes it may have.
    pub most: usize,
}

impl Reader {
    /// Prepares; nothing is connected. `authority` is a PEM text.
    pub fn new(scheme: Scheme, authority: Option<&[u8]>) -> reqwest::Result<Self> {
        let authority = authority.map(Certificate::from_pem).transpose()?;
        let client = Client::builder()
            .tls_certs_merge(authority)
            .read_timeout(SILENCE)
            .connect_timeout(CONNECT)
            .user_agent(USER_AGENT)
            .build()?;
        let scheme = match scheme {
            Scheme::Https => "https",
            Scheme::InsecureHttp => "http",
        };
        Ok(Reader { client, scheme })
    }

    /// Reads it. Of what is too long comes more than was allowed, and not all.
    pub async fn read(&self, stored: Stored<'_>, auth: &RegistryAuth) -> Result<Vec<u8>, RegistryError> {
        let Stored { reference, path, doing, most } = stored;
        let (registry, repository) = (reference.resolve_registry(), reference.repository());
        let request = self.client.get(format!("{}://{registry}/v2/{repository}/{path}", self.scheme));
        let request = match auth {
            RegistryAuth::Anonymous => request,
            RegistryAuth::Basic(user, password) => request.basic_auth(user, Some(password)),
            RegistryAuth::Bearer(token) => request.bearer_auth(token),
        };
        let failed = |error: reqwest::Error| answer(doing, reference, &error);
        let response = request.header(ACCEPT, MANIFEST).send().await.map_err(failed)?;
        let status = response.status();
        if status == reqwest::StatusCode::OK {
            return body(response, most).await.map_err(failed);
        }
        let page = body(response, LONGEST_PAGE).await.map_err(failed)?;
        let text = match serde_json::from_slice::<OciEnvelope>(&page) {
            Ok(errors) => errors.to_string(),
            Err(_) => String::from_utf8_lossy(&page).into_owned(),
        };
        let answer = told::sentence(format!("{status}: {text}"));
        Err(RegistryError::Answer { doing, reference: reference.to_string(), answer })
    }
}

/// The body of an answer, up to the piece with which it is longer than allowed.
async fn body(mut response: Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= most
        && let Some(piece) = response.chunk().await?
    {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use futures_util::StreamExt;

    use super::super::{Access, Registry, reference};
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    /// A registry that answers every question with 300 megabytes. How many of them were taken of it, and its address.
    async fn endless(status: StatusCode) -> (Arc<AtomicUsize>, String) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let answer = move || async move {
            let pieces = futures_util::stream::iter(0..300).map(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(vec![b' '; MEGABYTE])
            });
            (status, Body::from_stream(pieces))
        };
        let router = Router::new().route("/v2/", get(|| async {})).route("/v2/t/manifests/1", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (taken, format!("{address}/t:1"))
    }

    #[tokio::test]
    async fn a_registry_that_never_ends_is_not_heard_out() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (status, expected) in [
            (StatusCode::OK, "is not a plugin: its manifest has more than 4194304 bytes"),
            (StatusCode::NOT_FOUND, "404 Not Found"),
        ] {
            let (taken, plugin) = endless(status).await;
            let access = Access { scheme: Scheme::InsecureHttp, ca_file: None, credentials: None };

            let pulled = Registry::new(access).unwrap().pull(&reference(&plugin).unwrap()).await;

            let said = pulled.err().unwrap().to_string();
            assert!(said.contains(expected) && said.len() < 1_200, "{said:.2000}");
            // Some of it was on its way.
            let taken = taken.load(Ordering::Relaxed);
            assert!(taken < 100, "{taken} MB");
        }
    }
}
