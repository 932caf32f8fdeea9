//! Whose plugin it is: a signature beside the file, and the keys that a hub trusts.
//!
//! Nothing is fetched and nobody is asked, so that it works on a site without a network: the component, its signature and the
//! trusted keys are files. The format of a signature stands in `signature`.
//!
//! Invariant: everything here happens before anything of the component is compiled or run. What is judged is what was
//! read: the bytes that are compiled are those whose digest was compared.

mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use signature::{Damage, SIGNED_NAME, Signature};

use super::place::{place, remove};
use crate::config::model::{self, Name};
use crate::digest::Digest;
use crate::key::{KeyId, PublicKey};

/// Keys by the names that the configuration gives them.
pub type Keys = BTreeMap<Name, PublicKey>;

/// Who signed a plugin, when a trusted key says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key's name in the configuration.
    pub name: Name,
    /// The key.
    pub key: KeyId,
}

/// Why nobody who is trusted answers for a file. Each text goes on from "the plugin".
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no signature.
    #[error("is signed by nobody: there is no {}", file.display())]
    Unsigned {
        /// Where it would be.
        file: PathBuf,
    },
    /// The signature cannot be read.
    #[error("is signed by nobody: {} cannot be read: {cause}", file.display())]
    Unreadable {
        /// Its file.
        file: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// The signature is not one.
    #[error("is signed by nobody: {} is damaged: {damage}", file.display())]
    Damaged {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// It is of a key that is not trusted.
    #[error("is signed by a key that is not trusted, {key}")]
    UnknownKey {
        /// Which.
        key: KeyId,
    },
    /// It names a trusted key that never signed it.
    #[error("is signed by nobody: {} names the key of {}, {}, which did not sign what stands there", file.display(), named.name, named.key)]
    Forged {
        /// Its file.
        file: PathBuf,
        /// Whom it names.
        named: Signer,
    },
    /// It is for another file.
    #[error("has a signature for another file: {} is for {digest}", file.display())]
    Stale {
        /// The signature's file.
        file: PathBuf,
        /// What was signed.
        digest: Digest,
    },
    /// Somebody who is trusted signed another file.
    #[error("is not what {} signed: {} is for {plugin}, {digest}", signer.name, file.display())]
    OtherFile {
        /// The signature's file.
        file: PathBuf,
        /// Who signed.
        signer: Signer,
        /// What: name and version.
        plugin: String,
        /// Its digest.
        digest: Digest,
    },
}

/// Why a hub does not run a plugin.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The configuration says which file it must be, and it is another.
    #[error("plugin {plugin}: {} is {found}, and the configuration pins {pinned}", file.display())]
    OtherDigest {
        /// The plugin's name in the configuration.
        plugin: Name,
        /// Its file.
        file: PathBuf,
        /// What the file is.
        found: Digest,
        /// What it must be.
        pinned: Digest,
    },
    /// Nobody who is trusted answers for it.
    #[error("plugin {plugin}: {}, {digest}, {fault}; [trust] lets only plugins run that are signed by {}", file.display(), trusted.join(" or "))]
    NotSigned {
        /// The plugin's name in the configuration.
        plugin: Name,
        /// Its file.
        file: PathBuf,
        /// What the file is.
        digest: Digest,
        /// Why.
        fault: Fault,
        /// Names of the trusted keys.
        trusted: Vec<Name>,
    },
}

/// Where the signature of a component is: beside it, under its whole name with `.sig` behind.
pub fn signature_file(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The signature beside a component, whoever signed; none when there is no file.
pub fn signature_of(component: &Path, digest: Digest) -> Result<Option<Signature>, Fault> {
    match read(&signature_file(component))? {
        Some(signature) if signature.digest != digest => {
            Err(Fault::Stale { file: signature_file(component), digest: signature.digest })
        }
        found => Ok(found),
    }
}

/// Puts a component and its signature in place. The component comes last: whoever looks at it because it is new finds its
/// signature. Without one that came along, one that is there stays if it is for this file, and goes if it is for the one before.
///
/// The power may be cut between the two. Then the component before stands beside the signature of the new one, or beside none: where
/// signatures are required it is refused by name, and nothing else runs in its place. Installing again mends it.
pub fn install(component: &Path, bytes: &[u8], signature: Option<&Signature>) -> std::io::Result<()> {
    let beside = signature_file(component);
    match signature {
        Some(signature) => write_signature(&beside, &signature.to_string())?,
        None if matches!(signature_of(component, Digest::of(bytes)), Ok(Some(_))) => {}
        None => remove(&beside)?,
    }
    place(component, bytes)
}

/// Writes a signature: the file is there with all its content, or as it was before.
pub fn write_signature(file: &Path, text: &str) -> std::io::Result<()> {
    place(file, text.as_bytes())
}

/// Who of these signed the component, and what the signature says. `digest` is that of the bytes that are to run.
pub fn examine(component: &Path, digest: Digest, keys: &Keys) -> Result<(Signer, Signature), Fault> {
    let file = signature_file(component);
    let Some(signature) = read(&file)? else { return Err(Fault::Unsigned { file }) };
    let signer = signer_of(&signature, file, digest, keys)?;
    Ok((signer, signature))
}

/// Who of these made a signature that stands in this file, or comes from there, for these bytes.
pub fn signer_of(signature: &Signature, file: PathBuf, digest: Digest, keys: &Keys) -> Result<Signer, Fault> {
    let key = signature.key;
    let Some((name, trusted)) = keys.iter().find(|(_, candidate)| candidate.id() == key) else {
        return Err(Fault::UnknownKey { key });
    };
    let signer = Signer { name: name.clone(), key };
    if !signature.is_of(*trusted) {
        return Err(Fault::Forged { file, named: signer });
    }
    if signature.digest != digest {
        let plugin = format!("{} {}", signature.plugin, signature.version);
        return Err(Fault::OtherFile { file, signer, plugin, digest: signature.digest });
    }
    Ok(signer)
}

/// Whether a hub runs a plugin with this digest. What `[trust]` lets run although nobody answers for it comes back with
/// the fault, for the log.
#[expect(clippy::result_large_err, reason = "once for each load of a plugin, and it is boxed there")]
pub fn judge(
    name: &str,
    plugin: &model::Plugin,
    trust: &model::Trust,
    found: Digest,
) -> Result<Result<Signer, Fault>, Untrusted> {
    let (owned, file) = (name.to_owned(), plugin.file.clone());
    if let Some(pinned) = plugin.digest.filter(|pinned| *pinned != found) {
        return Err(Untrusted::OtherDigest { plugin: owned, file, found, pinned });
    }
    match examine(&plugin.file, found, &trust.keys) {
        Ok((signer, _)) => Ok(Ok(signer)),
        Err(fault) if trust.require => {
            let trusted = trust.keys.keys().cloned().collect();
            Err(Untrusted::NotSigned { plugin: owned, file, digest: found, fault, trusted })
        }
        Err(fault) => Ok(Err(fault)),
    }
}

/// The signature in a file; none when there is no file.
fn read(file: &Path) -> Result<Option<Signature>, Fault> {
    let text = match signature::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::Unreadable { file: file.to_owned(), cause: error.to_string() }),
    };
    let damaged = |damage| Fault::Damaged { file: file.to_owned(), damage };
    Signature::parse(&text).map(Some).map_err(damaged)
}
