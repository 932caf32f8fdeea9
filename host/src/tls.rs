//! Encrypted connections that the hub makes: which authorities are trusted, and who the hub says that it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why there can be no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or is not PEM with what it should hold.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// The file is read, and nothing is in it.
    #[error("no certificate in {path}")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate or the library does not fit.
    #[error("cannot set up TLS")]
    Unusable(#[from] rustls::Error),
    /// The machine has no authorities installed, and no file was given.
    #[error("no authority to trust: install ca-certificates or set ca_file")]
    NoAuthority,
}

/// Who the hub says that it is: files of a certificate and of its key.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a>(Option<(&'a Path, &'a Path)>);

impl<'a> Identity<'a> {
    /// Nobody.
    pub const NONE: Identity<'static> = Identity(None);

    /// Whoever these files speak of, if there are both.
    pub fn of(cert_file: Option<&'a Path>, key_file: Option<&'a Path>) -> Self {
        Identity(cert_file.zip(key_file))
    }
}

/// A client that trusts the machine's authorities and those in the file.
pub fn client_config(ca_file: Option<&Path>, identity: Identity<'_>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // What the machine has is taken as far as it can be read: one broken file among hundreds is not ours to judge.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    config_with(roots, identity)
}

/// A client for connections without encryption, where a library asks for one all the same. It trusts nobody.
pub fn config_without_authorities() -> Result<ClientConfig, TlsError> {
    config_with(RootCertStore::empty(), Identity::NONE)
}

fn config_with(roots: RootCertStore, identity: Identity<'_>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    match identity.0 {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let certificates = certificates(certificate)?;
            let unreadable = |source| TlsError::File { path: key.to_owned(), source };
            let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
            Ok(builder.with_client_auth_cert(certificates, key)?)
        }
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(())
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::File { path: path.to_owned(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let found = found.map_err(unreadable)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}
