//! `tutin plugin keys`: the keys that plugins are signed with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;

use crate::cli::output::say;
use crate::key::{KeyError, PublicKey, SigningKey};

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
    match SigningKey::read(file) {
        Ok(key) => Ok(key.public()),
        Err(KeyError::Content { .. }) => Ok(PublicKey::read(file)?),
        Err(error) => Err(error).context("reading a key"),
    }
}
