//! The hub's own application certificate: made at first use, kept in the folder of certificates.
//!
//! ```text
//! pki/own/cert.der           shown to servers; what their administrators must trust
//! pki/own/key.pem            its key, readable by the hub's user alone
//! pki/own/application-uri    the name in the certificate by which the hub introduces itself
//! pki/trusted/*.der|*.pem    servers that are trusted
//! pki/rejected/*.der         servers that were refused, for an administrator to look at
//! ```
//!
//! Invariant: the certificate and its key appear together or not at all; what is there is never overwritten.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use opcua::crypto::{CertificateStore, PrivateKey, X509, X509Data};
use thiserror::Error;

/// Days that an own certificate is valid: ten years, since each server's administrator must be asked to trust the next.
const DAYS: u32 = 3653;
/// Bits of the key: what every policy that is offered takes (OPC 10000-7).
const KEY_BITS: u32 = 2048;

const OWN: &str = "own";
const CERTIFICATE: &str = "cert.der";
const KEY: &str = "key.pem";
const URI: &str = "application-uri";

/// Why there is no usable certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A folder or a file cannot be used.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {reason}", path = .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Who the hub is to servers.
#[derive(Clone)]
pub struct Own {
    /// The file.
    pub path: PathBuf,
    /// The certificate in it.
    pub certificate: X509,
    /// Its key.
    pub key: PrivateKey,
    /// The application URI in the certificate.
    pub uri: String,
}

impl Own {
    /// The certificate that is there, or one made now. Takes a second of computing when it is made.
    pub fn read_or_make(pki: &Path, hub: &str) -> Result<Self, CertificateError> {
        if !pki.join(OWN).join(CERTIFICATE).exists() {
            make(pki, hub)?;
        }
        Own::read(pki, hub)
    }

    fn read(pki: &Path, hub: &str) -> Result<Self, CertificateError> {
        let own = pki.join(OWN);
        let (path, key_path) = (own.join(CERTIFICATE), own.join(KEY));
        let certificate = read_certificate(&path)?;
        let key = read_key(&key_path)?;
        let uri =
            fs::read_to_string(own.join(URI)).map_or_else(|_| application_uri(hub), |text| text.trim().to_owned());
        if certificate.is_application_uri_valid(&uri).is_err() {
            let reason = format!("the first alternative name of the certificate is not the application URI {uri}");
            return Err(CertificateError::Unusable { path, reason });
        }
        Ok(Own { path, certificate, key, uri })
    }
}

/// By what name the hub introduces itself to servers.
pub fn application_uri(hub: &str) -> String {
    let word = |text: &str| -> String {
        text.chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
            .collect()
    };
    format!("urn:{}:tutin:{}", word(&host_name()), word(hub))
}

/// A certificate in a file, DER or PEM, whatever the file is called.
pub fn read_certificate(path: &Path) -> Result<X509, CertificateError> {
    let bytes = fs::read(path).map_err(|error| CertificateError::Io { path: path.into(), error })?;
    let read = if bytes.starts_with(b"-----") { X509::from_pem(&bytes) } else { X509::from_der(&bytes) };
    read.map_err(|_| CertificateError::Unusable {
        path: path.into(),
        reason: String::from("not a certificate in DER or PEM"),
    })
}

/// A private key in a PEM file.
pub(super) fn read_key(path: &Path) -> Result<PrivateKey, CertificateError> {
    // The library says only that it failed; whether the file can be read at all is asked first.
    fs::metadata(path).map_err(|error| CertificateError::Io { path: path.into(), error })?;
    PrivateKey::read_pem_file(path).map_err(|_| CertificateError::Unusable {
        path: path.into(),
        reason: String::from("not an unencrypted RSA key in PEM"),
    })
}

/// The store as the library wants it; it reads the own certificate from it.
pub(super) fn store(pki: &Path) -> CertificateStore {
    let (own, key) = (Path::new(OWN).join(CERTIFICATE), Path::new(OWN).join(KEY));
    CertificateStore::new_with_x509_data::<X509Data>(pki, false, Some(&own), Some(&key), None).0
}

/// Makes the pair in a folder beside and moves the folder into its place.
fn make(pki: &Path, hub: &str) -> Result<(), CertificateError> {
    let beside = pki.join(format!(".{OWN}-{}", std::process::id()));
    let own = pki.join(OWN);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| CertificateError::Io { path, error }
    };
    fs::create_dir_all(&beside).map_err(at(&beside))?;
    private(&beside, 0o700).map_err(at(&beside))?;
    let uri = application_uri(hub);
    let data = X509Data {
        key_size: KEY_BITS,
        common_name: format!(
            "Tutin {}",
            hub.chars().filter(|letter| letter.is_alphanumeric() || " -_.".contains(*letter)).collect::<String>()
        ),
        organization: String::from("Tutin"),
        organizational_unit: String::new(),
        country: String::new(),
        state: String::new(),
        alt_host_names: X509Data::alt_host_names(&uri, None, false, true, false),
        certificate_duration_days: DAYS,
    };
    let (certificate, key) = (beside.join(CERTIFICATE), beside.join(KEY));
    CertificateStore::create_certificate_and_key(&data, true, &certificate, &key)
        .map_err(|reason| CertificateError::Unusable { path: certificate.clone(), reason })?;
    // The library ends lines with a carriage return, which other tools do not read.
    let pem = fs::read_to_string(&key).map_err(at(&key))?;
    fs::write(&key, pem.replace('\r', "\n")).map_err(at(&key))?;
    private(&key, 0o600).map_err(at(&key))?;
    fs::write(beside.join(URI), uri).map_err(at(&beside))?;
    match fs::rename(&beside, &own) {
        Ok(()) => Ok(()),
        // Somebody else was quicker: theirs counts.
        Err(_) if own.join(CERTIFICATE).exists() => fs::remove_dir_all(&beside).map_err(at(&beside)),
        Err(error) => Err(CertificateError::Io { path: own, error }),
    }
}

fn host_name() -> String {
    opcua::crypto::hostname().unwrap_or_else(|_| String::from("localhost"))
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
