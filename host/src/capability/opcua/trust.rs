//! Which servers are trusted: those whose very certificate an administrator has put among the trusted.
//!
//! Trust is of the certificate itself, byte for byte, so that neither the host name nor the application URI in it need be compared: who has its key is
//! the server that was looked at. An authority that signed it is not enough.
//!
//! Invariant: a certificate that is not among the trusted ends the connection before anything secret is sent.

use std::fs;
use std::path::{Path, PathBuf};

use opcua::crypto::{SecurityPolicy, X509};
use opcua::types::DateTime;
use thiserror::Error;

use super::certificate::{CertificateError, read_certificate};

/// Refused certificates that are kept; the oldest gives way.
const KEPT: usize = 100;

/// Why a server is not trusted, and what to do.
#[derive(Debug, Error)]
pub enum Distrust {
    /// Nobody has said that it may be trusted.
    #[error(
        "the server's certificate {name} is not trusted: compare its thumbprint with the server's, then run `tutin opcua trust {file}`"
    )]
    Unknown {
        /// Its name and thumbprint.
        name: String,
        /// Where it was kept for looking at.
        file: String,
    },
    /// It is trusted, but its time is not now.
    #[error("the server's certificate {name} is valid from {from} to {to} only")]
    Time {
        /// Its name and thumbprint.
        name: String,
        /// From when.
        from: String,
        /// Until when.
        to: String,
    },
    /// Its key is too short or too long for the policy.
    #[error("the server's certificate {name} has a key of {bits} bits, which the policy does not allow")]
    Key {
        /// Its name and thumbprint.
        name: String,
        /// Bits of its key.
        bits: usize,
    },
    /// The folders cannot be used.
    #[error(transparent)]
    Folder(#[from] CertificateError),
}

/// The folders of trusted and refused certificates.
#[derive(Debug, Clone)]
pub struct TrustList {
    trusted: PathBuf,
    rejected: PathBuf,
}

impl TrustList {
    /// In this folder of certificates.
    pub fn new(pki: &Path) -> Self {
        TrustList { trusted: pki.join("trusted"), rejected: pki.join("rejected") }
    }

    /// Whether the server may be spoken to with this policy.
    pub(super) fn check(&self, certificate: &X509, policy: SecurityPolicy) -> Result<(), Distrust> {
        let name = describe(certificate);
        if !self.is_trusted(certificate)? {
            let file = self.reject(certificate)?;
            return Err(Distrust::Unknown { name, file });
        }
        if certificate.is_time_valid(&DateTime::now().as_chrono()).is_err() {
            let day = |moment: Result<_, _>| moment.map_or_else(|_| String::from("?"), |moment| format!("{moment}"));
            let (from, to) = (day(certificate.not_before()), day(certificate.not_after()));
            return Err(Distrust::Time { name, from, to });
        }
        match certificate.key_length() {
            Ok(bits) if policy.is_valid_keylength(bits) || policy == SecurityPolicy::None => Ok(()),
            bits => Err(Distrust::Key { name, bits: bits.unwrap_or(0) }),
        }
    }

    /// Puts a certificate among the trusted: a file, or the name of one that was refused. Its name there and what it is.
    pub fn trust(&self, file: &Path) -> Result<(String, String), CertificateError> {
        let refused = self.rejected.join(file.file_name().unwrap_or_default());
        let path = if file.exists() { file } else { &refused };
        let certificate = read_certificate(path)?;
        let name = file_name(&certificate);
        write(&self.trusted, &name, &certificate)?;
        // The same certificate is not left among the refused.
        let left = self.rejected.join(&name);
        if left.exists() {
            fs::remove_file(&left).map_err(|error| CertificateError::Io { path: left, error })?;
        }
        Ok((name, describe(&certificate)))
    }

    /// Takes a certificate from the trusted, by the name of its file.
    pub fn remove(&self, name: &str) -> Result<(), CertificateError> {
        let path = self.trusted.join(Path::new(name).file_name().unwrap_or_default());
        fs::remove_file(&path).map_err(|error| CertificateError::Io { path, error })
    }

    /// Names of files and what is in them: those that are trusted, and those that were refused.
    pub fn list(&self) -> Result<[Vec<(String, String)>; 2], CertificateError> {
        let folder = |folder: &Path| -> Result<Vec<(String, String)>, CertificateError> {
            let entries = entries(folder)?.into_iter().map(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let what = read_certificate(&path).map_or_else(|error| error.to_string(), |read| describe(&read));
                (name, what)
            });
            Ok(entries.collect())
        };
        Ok([folder(&self.trusted)?, folder(&self.rejected)?])
    }

    fn is_trusted(&self, certificate: &X509) -> Result<bool, CertificateError> {
        let wanted = certificate.as_byte_string();
        let same = |path: &PathBuf| read_certificate(path).is_ok_and(|trusted| trusted.as_byte_string() == wanted);
        Ok(entries(&self.trusted)?.iter().any(same))
    }

    /// Keeps a certificate for an administrator to look at. Whoever answers at the address chooses it, so that their number is bounded.
    fn reject(&self, certificate: &X509) -> Result<String, CertificateError> {
        let name = file_name(certificate);
        if self.rejected.join(&name).exists() {
            return Ok(name);
        }
        let mut kept: Vec<_> = entries(&self.rejected)?
            .into_iter()
            .map(|path| (fs::metadata(&path).and_then(|about| about.modified()).ok(), path))
            .collect();
        kept.sort();
        for (_, path) in kept.iter().rev().skip(KEPT - 1) {
            fs::remove_file(path).map_err(|error| CertificateError::Io { path: path.clone(), error })?;
        }
        write(&self.rejected, &name, certificate)?;
        Ok(name)
    }
}

/// A certificate for people: who it says that it is, and its SHA-1 thumbprint, which servers show too.
pub fn describe(certificate: &X509) -> String {
    let name: String = certificate.subject_name().chars().filter(|letter| !letter.is_control()).take(200).collect();
    format!("{name:?} (thumbprint {})", certificate.thumbprint().as_hex_string())
}

/// A name that is safe as a file's, whatever the certificate says.
fn file_name(certificate: &X509) -> String {
    let name = certificate.common_name().unwrap_or_default();
    let name: String = name
        .trim_start_matches("CN=")
        .chars()
        .filter_map(|letter| {
            if letter.is_ascii_alphanumeric() { Some(letter) } else { Some('-').filter(|_| " -_.:@".contains(letter)) }
        })
        .take(40)
        .collect();
    let name = name.trim_matches('-');
    let separator = if name.is_empty() { "" } else { "-" };
    format!("{name}{separator}{}.der", certificate.thumbprint().as_hex_string())
}

fn write(folder: &Path, name: &str, certificate: &X509) -> Result<(), CertificateError> {
    fs::create_dir_all(folder).map_err(|error| CertificateError::Io { path: folder.into(), error })?;
    let path = folder.join(name);
    fs::write(&path, certificate.as_byte_string().as_ref()).map_err(|error| CertificateError::Io { path, error })
}

/// The files of a folder by name; none when there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CertificateError> {
    let failed = |error| CertificateError::Io { path: folder.into(), error };
    let mut paths = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(error)),
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>, _>>()?,
    };
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}
