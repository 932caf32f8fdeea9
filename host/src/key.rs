//! Keys that sign: Ed25519. A hub signs its journal with one, made at the first start and kept beside the journal; whoever answers for a plugin
//! signs it with another.
//!
//! Whoever has the private key can sign; whoever has only the public key can check. The private key never leaves its file (PKCS#8 in PEM,
//! readable for its owner only); the public key is exported as PEM (SubjectPublicKeyInfo, RFC 8410), which `openssl pkey -pubin` reads.
//!
//! Invariant: what is signed begins with words that say what it is, so that a signature for one thing is never one for another.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::digest::Digest;
use crate::notation::{hex, unhex};

/// RFC 8410: the bytes before the 32 of an Ed25519 key in a SubjectPublicKeyInfo.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("key file {}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no Ed25519 key: {what}", file.display())]
    Content {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Names a public key to people and in files: the first eight bytes of its SHA-256, in hex. It proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

/// The private half. It has no text form.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl SigningKey {
    /// Reads the key of this file, or makes one if there is no file.
    pub fn open(file: &Path) -> Result<Self, KeyError> {
        match Self::read(file) {
            Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Self::make(file, |text| place_private(file, text))
            }
            read => read,
        }
    }

    /// Makes a key in a file that must not be there yet.
    pub fn create(file: &Path) -> Result<Self, KeyError> {
        Self::make(file, |text| write_private(File::options().create_new(true), file, text))
    }

    fn make(file: &Path, write: impl FnOnce(&str) -> std::io::Result<()>) -> Result<Self, KeyError> {
        let no_random = || "the system gives no random numbers".to_owned();
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| KeyError::Content { file: file.to_owned(), what: no_random() })?;
        let written = write(&pem(PRIVATE, document.as_ref()));
        written.map_err(|source| KeyError::File { file: file.to_owned(), source })?;
        Self::read(file)
    }

    /// Reads the key of this file.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let no_key = |what: &str| KeyError::Content { file: file.to_owned(), what: what.to_owned() };
        let text = read_text(file)?;
        let document = unpem(PRIVATE, &text).ok_or_else(|| no_key("no PEM block PRIVATE KEY"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).map_err(|error| no_key(&error.to_string()))?;
        Ok(SigningKey { pair })
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        for (byte, signed) in bytes.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *byte = *signed;
        }
        bytes
    }

    /// What others check signatures with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (byte, part) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *byte = *part;
        }
        PublicKey(bytes)
    }
}

impl PublicKey {
    /// Reads a key from a PEM file, or from one that holds 64 hexadecimal digits.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let text = read_text(file)?;
        let key = match unpem(PUBLIC, &text) {
            Some(der) => der.strip_prefix(&SPKI).and_then(|key| key.try_into().ok()).map(PublicKey),
            None => Self::from_hex(&text),
        };
        let what = || "neither a PEM block PUBLIC KEY of Ed25519 nor 64 hexadecimal digits".to_owned();
        key.ok_or_else(|| KeyError::Content { file: file.to_owned(), what: what() })
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(PublicKey)
    }

    /// PEM text.
    pub fn to_pem(self) -> String {
        pem(PUBLIC, &[SPKI.as_slice(), &self.0].concat())
    }

    /// What it is called.
    pub fn id(self) -> KeyId {
        let digest = Digest::of(&self.0).bytes();
        let mut id = [0; 8];
        for (byte, part) in id.iter_mut().zip(digest) {
            *byte = part;
        }
        KeyId(id)
    }

    /// True when the signature is this key's for the message.
    pub fn verifies(self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl KeyId {
    /// From 16 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(KeyId)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What stands in a key's file. What is no text is no key.
fn read_text(file: &Path) -> Result<String, KeyError> {
    let bytes = fs::read(file).map_err(|source| KeyError::File { file: file.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|_| KeyError::Content { file: file.to_owned(), what: "it is no text".to_owned() })
}

/// The file is there with all its content, or not at all.
fn place_private(file: &Path, text: &str) -> std::io::Result<()> {
    let fresh = file.with_extension("key.new");
    write_private(File::options().create(true).truncate(true), &fresh, text)?;
    fs::rename(&fresh, file)
}

fn write_private(options: &mut OpenOptions, file: &Path, text: &str) -> std::io::Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let mut open = options.write(true).open(file)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..body.len()).step_by(64).filter_map(|at| body.get(at..(at + 64).min(body.len()))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn unpem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.key");
        let first = SigningKey::open(&file).unwrap();
        let again = SigningKey::open(&file).unwrap();
        assert_eq!(first.public(), again.public());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vendor.key");
        let first = SigningKey::create(&file).unwrap().public();

        let again = SigningKey::create(&file);

        assert!(matches!(again, Err(KeyError::File { source, .. }) if source.kind() == ErrorKind::AlreadyExists));
        assert_eq!(SigningKey::read(&file).unwrap().public(), first);
    }

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::open(&folder.path().join("a.key")).unwrap();
        let other = SigningKey::open(&folder.path().join("b.key")).unwrap();
        let signature = key.sign(b"message");
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"massage", &signature));
        assert!(!other.public().verifies(b"message", &signature));
    }

    #[test]
    fn the_public_key_is_read_from_pem_and_from_digits() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::open(&folder.path().join("a.key")).unwrap().public();
        let file = folder.path().join("public");
        for text in [key.to_pem(), key.to_string()] {
            fs::write(&file, text).unwrap();
            assert_eq!(PublicKey::read(&file).unwrap(), key);
        }
        for other in [b"something else".as_slice(), b"\0asm\xff"] {
            fs::write(&file, other).unwrap();
            assert!(matches!(PublicKey::read(&file), Err(KeyError::Content { .. })));
            assert!(matches!(SigningKey::read(&file), Err(KeyError::Content { .. })));
        }
    }
}
