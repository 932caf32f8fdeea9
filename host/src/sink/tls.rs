//! Which authorities are trusted on the way to a sink: those of the machine, and those of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why there can be no encrypted connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or is not PEM with certificates.
    #[error("cannot read certificates from {path}")]
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

/// A client that trusts the machine's authorities and those in the file.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // What the machine has is taken as far as it can be read: one broken file among hundreds is not ours to judge.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthority);
    }
    config_with(roots)
}

/// A client for connections without encryption, where a library asks for one all the same. It trusts nobody.
pub(super) fn config_without_authorities() -> Result<ClientConfig, TlsError> {
    config_with(RootCertStore::empty())
}

fn config_with(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let unreadable = |source| TlsError::File { path: path.to_owned(), source };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.len() == before {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(())
}
