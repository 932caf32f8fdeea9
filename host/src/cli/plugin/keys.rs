//! `tutin plugin keys`: the keys that plugins are signed with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;

use crate::cli::output::say;
use crate::key::{KeyError, PublicKey, SigningKey};
use crate::plugin::trust::{Keys, Signer};

/// Commands about keys.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make a private key that signs plugins, and print its public key.
    New {
        /// Where the private key goes: a file that does not exist yet, and that only its owner will be able to read.
        file: PathBuf,
    },
    /// Print the id and the public key of a private or public key.
    Show {
        /// The key.
        file: PathBuf,
    },
}

/// Carries out the command.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let key = match command {
        Command::New { file } => make(&file)?,
        Command::Show { file } => public_key(&file)?,
    };
    say(format_args!("key id      {}\npublic key  {key}\n{}", key.id(), key.to_pem().trim_end()));
    Ok(ExitCode::SUCCESS)
}

fn make(file: &Path) -> anyhow::Result<PublicKey> {
    match SigningKey::create(file) {
        Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} exists already; a key is never written over", file.display())
        }
        made => Ok(made?.public()),
    }
}

/// The public half of what is in the file, whichever half that is.
fn public_key(file: &Path) -> anyhow::Result<PublicKey> {
    let read = match SigningKey::read(file) {
        Err(KeyError::Content { .. }) => PublicKey::read(file),
        read => read.map(|key| key.public()),
    };
    match read {
        Err(KeyError::Content { .. }) => bail!(
            "{} is no key file: it holds neither a PEM block PRIVATE KEY or PUBLIC KEY of Ed25519 nor 64 hexadecimal digits; \
             `tutin plugin keys new FILE` makes a key",
            file.display()
        ),
        read => read.context("reading a key"),
    }
}

/// Keys of the command line, each by the name of its file or by its id.
pub fn trusted_keys(given: &[String]) -> anyhow::Result<Keys> {
    let mut keys = Keys::new();
    for text in given {
        let key = match PublicKey::from_hex(text) {
            Some(key) => key,
            None => PublicKey::read(Path::new(text)).context("neither 64 hexadecimal digits nor a file of a key")?,
        };
        let named = PublicKey::from_hex(text).map_or_else(|| text.clone(), |key| key.id().to_string());
        keys.insert(named, key);
    }
    Ok(keys)
}

/// Whose key it is, to go on from its id; nothing when it has no other name.
pub fn name_behind_key(signer: &Signer) -> String {
    if signer.name == signer.key.to_string() { String::new() } else { format!(" of {}", signer.name) }
}

/// Names of the keys, for a sentence.
pub fn names(keys: &Keys) -> String {
    keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_no_key_is_told_with_what_makes_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("driver.wasm");
        for content in [b"\0asm\xff".as_slice(), b"something else", b""] {
            fs::write(&file, content).unwrap();

            let said = public_key(&file).unwrap_err().to_string();

            for part in
                ["driver.wasm is no key file", "64 hexadecimal digits", "`tutin plugin keys new FILE` makes a key"]
            {
                assert!(said.contains(part), "{part} is not in {said}");
            }
        }
    }
}
