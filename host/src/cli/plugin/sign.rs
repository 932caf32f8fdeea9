//! `tutin plugin sign`: answers for a component with a key, in a file beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::output::say;
use crate::config::model::Limits;
use crate::digest::Digest;
use crate::key::SigningKey;
use crate::plugin::trust::{self, SIGNED_NAME, Signature};
use crate::time::Timestamp;

/// Arguments of `tutin plugin sign`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The plugin, a WebAssembly component. The signature goes beside it, into FILE.sig.
    file: PathBuf,
    /// The private key, as `tutin plugin keys new` makes it.
    #[arg(long, value_name = "KEYFILE")]
    key: PathBuf,
}

/// Asks the plugin for its name and version, signs, and writes the signature.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, key } = arguments;
    let key = SigningKey::read(&key)?;
    let (loader, component) = (super::loader()?, file.clone());
    let plugin = tokio::task::spawn_blocking(move || loader.load(&component)).await.context("loading")??;
    let description = plugin.description(&Limits::default()).await?;
    let (name, version) = (&description.name, &description.version);
    // What was loaded is what is signed, whatever becomes of the file meanwhile.
    let digest = Digest::from_hex(&plugin.digest).context("a digest of another length")?;
    let signature = Signature::make(name, version, digest, Timestamp::now(), &key)
        .with_context(|| format!("the plugin calls itself {name:?} {version:?}; each must be {SIGNED_NAME}"))?;
    let to = trust::signature_file(&file);
    trust::write_signature(&to, &signature.to_string()).with_context(|| to.display().to_string())?;
    say(format_args!("{}: {name} {version}, {digest}, signed with key {}", to.display(), signature.key));
    Ok(ExitCode::SUCCESS)
}
