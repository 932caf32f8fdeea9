//! Plugins in an OCI registry: one component is one artifact, as `artifact` describes it.
//!
//! Invariant: nothing that a registry says is believed. The component's size is bounded before and while its bytes come, digests are
//! computed from the bytes, and a signature is only carried here: whether it is of somebody trusted is for the hub to say.

mod artifact;
mod error;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryStreamExt;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};

pub use artifact::Artifact;
pub use error::RegistryError;

use super::trust::Signature;
use crate::config::secret::Secret;
use crate::digest::Digest;
use artifact::{MANIFEST, check_digest, layer_of, read_manifest};
use error::{answer, one_line};

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
        let certificate = |file: &PathBuf| {
            let data = std::fs::read(file).map_err(|error| failed(&format!("{}: {error}", file.display())))?;
            Ok(Certificate { encoding: CertificateEncoding::Pem, data })
        };
        let config = ClientConfig {
            protocol: match access.scheme {
                Scheme::Https => ClientProtocol::Https,
                Scheme::InsecureHttp => ClientProtocol::Http,
            },
            extra_root_certificates: access.ca_file.iter().map(certificate).collect::<Result<_, RegistryError>>()?,
            platform_resolver: None,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(CONNECT),
            user_agent: concat!("tutin/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let auth = match access.credentials {
            Some((user, password)) => RegistryAuth::Basic(user, password.expose().to_owned()),
            None => RegistryAuth::Anonymous,
        };
        Ok(Registry { client: Client::try_from(config).map_err(|error| failed(&error))?, auth })
    }

    /// Fetches a plugin. A reference with a digest gets exactly that.
    pub async fn pull(&self, reference: &Reference) -> Result<Pulled, RegistryError> {
        within("pulling", reference, async {
            self.sign_in(reference, RegistryOperation::Pull).await?;
            let asked = self.client.pull_manifest_raw(reference, &self.auth, &[MANIFEST]).await;
            let (body, _) = asked.map_err(|error| answer("reading the manifest of", reference, &error))?;
            let (manifest, signature) = read_manifest(reference, &body)?;
            let layer = layer_of(reference, &manifest)?;
            let component = self.fetch(reference, layer).await?;
            let digest = check_digest(reference, "the component", &component, &layer.digest)?;
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

    async fn sign_in(&self, reference: &Reference, operation: RegistryOperation) -> Result<(), RegistryError> {
        let signed_in = self.client.auth(reference, &self.auth, operation).await;
        signed_in.map(|_| ()).map_err(|error| answer("signing in for", reference, &error))
    }

    /// The bytes of a layer, never more than it is said to have.
    async fn fetch(&self, reference: &Reference, layer: &OciDescriptor) -> Result<Vec<u8>, RegistryError> {
        let said = u64::try_from(layer.size).unwrap_or(0);
        let doing = "reading the component of";
        // Only the digest is handed over: addresses elsewhere, which a layer may name, are not followed.
        let asked = self.client.pull_blob_stream(reference, layer.digest.as_str()).await;
        let mut stream = asked.map_err(|error| answer(doing, reference, &error))?;
        let mut bytes = Vec::new();
        let broken = |error: std::io::Error| RegistryError::Answer {
            doing,
            reference: reference.to_string(),
            answer: one_line(&error),
        };
        while let Some(part) = stream.try_next().await.map_err(broken)? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > said {
                let what = format!("its component goes on behind the {said} bytes that it is said to have");
                return Err(RegistryError::NotAPlugin { reference: reference.to_string(), what });
            }
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
