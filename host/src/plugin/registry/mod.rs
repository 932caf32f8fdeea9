//! Plugins in an OCI registry: one component is one artifact, as `artifact` describes it.
//!
//! Invariant: nothing that a registry says is believed. The sizes of manifest and component are bounded while their bytes come, digests are
//! computed from the bytes, and a signature is only carried here: whether it is of somebody trusted is for the hub to say.
//!
//! What is not bounded in size but in time alone: what answers when a token is asked for, and what answers while a plugin is stored.
//! `oci-client` reads these whole.

mod artifact;
mod error;
mod reader;

use std::path::PathBuf;
use std::time::Duration;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

pub use artifact::Artifact;
pub use error::RegistryError;

use super::trust::Signature;
use crate::config::secret::Secret;
use crate::digest::Digest;
use artifact::{LARGEST_MANIFEST, MANIFEST, check_digest, digest_of, layer_of, read_manifest};
use error::{answer, not_a_plugin};
use reader::{Reader, Stored};

const USER_AGENT: &str = concat!("tutin/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time of a whole exchange.
const LONGEST: Duration = Duration::from_secs(600);

/// How connections to a registry are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Encrypted.
    Https,
    /// Not encrypted: for a registry on the same machine or in a laboratory.
    InsecureHttp,
}

/// How a registry is reached.
pub struct Access {
    /// Encrypted or not.
    pub scheme: Scheme,
    /// PEM file of authorities that are trusted besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// User and password, or a token in its place.
    pub credentials: Option<(String, Secret)>,
}

/// A registry.
pub struct Registry {
    client: Client,
    reader: Reader,
    auth: RegistryAuth,
}

/// A plugin as a registry has it.
pub struct Pulled {
    /// The file.
    pub component: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// The manifest's digest, which pins all of it.
    pub manifest: Digest,
    /// The signature that came along. It is for this file; whose it is was not compared.
    pub signature: Option<Signature>,
}

/// Reads a reference. The registry must be named: no plugin is looked for at an address that nobody wrote.
pub fn reference(text: &str) -> Result<Reference, RegistryError> {
    let wrong = |reason: &str| RegistryError::Reference { text: text.to_owned(), reason: reason.to_owned() };
    let host = text.split_once('/').map(|(host, _)| host).unwrap_or_default();
    if host != "localhost" && !host.contains(['.', ':']) {
        return Err(wrong("it must begin with the registry's host"));
    }
    text.parse().map_err(|error: oci_client::ParseError| wrong(&error.to_string()))
}

/// What the file of this plugin is called: the last part of the repository's name, which has only letters, digits, dots, dashes and
/// underscores.
pub fn file_name(reference: &Reference) -> String {
    let repository = reference.repository();
    format!("{}.wasm", repository.rsplit('/').next().unwrap_or(repository))
}

impl Registry {
    /// Prepares; nothing is connected.
    pub fn new(access: Access) -> Result<Self, RegistryError> {
        let failed = |error: &dyn std::fmt::Display| RegistryError::Client(error.to_string());
        let read =
            |file: &PathBuf| std::fs::read(file).map_err(|error| failed(&format!("{}: {error}", file.display())));
        let authority = access.ca_file.as_ref().map(read).transpose()?;
        let reader = Reader::new(access.scheme, authority.as_deref()).map_err(|error| failed(&error))?;
        let certificate = |data| Certificate { encoding: CertificateEncoding::Pem, data };
        let config = ClientConfig {
            protocol: match access.scheme {
                Scheme::Https => ClientProtocol::Https,
                Scheme::InsecureHttp => ClientProtocol::Http,
            },
            extra_root_certificates: authority.into_iter().map(certificate).collect(),
            platform_resolver: None,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(CONNECT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let auth = match access.credentials {
            Some((user, password)) => RegistryAuth::Basic(user, password.expose().to_owned()),
            None => RegistryAuth::Anonymous,
        };
        Ok(Registry { client: Client::try_from(config).map_err(|error| failed(&error))?, reader, auth })
    }

    /// Fetches a plugin. A reference with a digest gets exactly that.
    pub async fn pull(&self, reference: &Reference) -> Result<Pulled, RegistryError> {
        within("pulling", reference, async {
            let auth = self.sign_in(reference, RegistryOperation::Pull).await?;
            let which = reference.digest().or(reference.tag()).unwrap_or("latest");
            let (path, doing) = (&format!("manifests/{which}"), "reading the manifest of");
            let body = self.reader.read(Stored { reference, path, doing, most: LARGEST_MANIFEST }, &auth).await?;
            let (manifest, signature) = read_manifest(reference, &body)?;
            let layer = layer_of(reference, &manifest)?;
            let named = digest_of(reference, "the component", &layer.digest)?;
            let component = self.fetch(reference, named, layer.size, &auth).await?;
            let digest = check_digest(reference, "the component", &component, named)?;
            if let Some(signature) = &signature
                && signature.digest != digest
            {
                let (reference, signed) = (reference.to_string(), signature.digest);
                return Err(RegistryError::OtherSignature { reference, signed, found: digest });
            }
            Ok(Pulled { component, digest, manifest: Digest::of(&body), signature })
        })
        .await
    }

    /// Stores a plugin under a tag. Returns the manifest's digest.
    pub async fn push(&self, reference: &Reference, artifact: &Artifact<'_>) -> Result<Digest, RegistryError> {
        within("pushing", reference, async {
            self.sign_in(reference, RegistryOperation::Push).await?;
            let (config, manifest) = artifact.documents();
            for (blob, doing) in
                [(artifact.component, "storing the component of"), (&config, "storing the configuration of")]
            {
                let stored = self.client.push_blob(reference, blob.to_vec(), &Digest::of(blob).to_string()).await;
                stored.map_err(|error| answer(doing, reference, &error))?;
            }
            let digest = Digest::of(&manifest);
            let kind = reqwest::header::HeaderValue::from_static(MANIFEST);
            let stored = self.client.push_manifest_raw(reference, manifest, kind).await;
            stored.map_err(|error| answer("storing the manifest of", reference, &error))?;
            Ok(digest)
        })
        .await
    }

    /// What opens the registry for this: the token that it gave, if it gives any.
    async fn sign_in(
        &self,
        reference: &Reference,
        operation: RegistryOperation,
    ) -> Result<RegistryAuth, RegistryError> {
        let signed_in = self.client.auth(reference, &self.auth, operation).await;
        let token = signed_in.map_err(|error| answer("signing in for", reference, &error))?;
        Ok(token.map_or_else(|| self.auth.clone(), RegistryAuth::Bearer))
    }

    /// The bytes of a layer, never more than it is said to have. Addresses elsewhere, which a layer may name, are not followed.
    async fn fetch(
        &self,
        reference: &Reference,
        digest: Digest,
        size: i64,
        auth: &RegistryAuth,
    ) -> Result<Vec<u8>, RegistryError> {
        let most = usize::try_from(size).unwrap_or(0);
        let (path, doing) = (&format!("blobs/{digest}"), "reading the component of");
        let bytes = self.reader.read(Stored { reference, path, doing, most }, auth).await?;
        if bytes.len() > most {
            let what = format!("its component goes on behind the {most} bytes that it is said to have");
            return Err(not_a_plugin(reference, what));
        }
        Ok(bytes)
    }
}

async fn within<T>(
    doing: &'static str,
    reference: &Reference,
    work: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let late = |_| RegistryError::Late { doing, reference: reference.to_string() };
    tokio::time::timeout(LONGEST, work).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry_and_the_file_follows_from_it() {
        let check = |text: &str, expected: &str| assert_eq!(file_name(&reference(text).unwrap()), expected, "{text}");
        check("registry.example/drivers/teledyne-t:0.3.1", "teledyne-t.wasm");
        check("127.0.0.1:5000/t", "t.wasm");
        check(&format!("localhost/a/b@{}", Digest::of(b"")), "b.wasm");
        for wrong in ["", "teledyne-t", "drivers/teledyne-t", "r.example/..", "r.example/A b", "r.example/a@sha256:12"]
        {
            assert!(matches!(reference(wrong), Err(RegistryError::Reference { .. })), "{wrong}");
        }
    }
}
