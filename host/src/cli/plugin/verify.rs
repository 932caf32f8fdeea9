//! `tutin plugin verify`: who answers for a component, what it is, and when it was signed. Nothing of it runs.
//!
//! Exit code 0: one of the trusted keys signed this file; 1: none did, and it is said why.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::keys::{name_behind_key, names, trusted_keys};
use crate::cli::output::say;
use crate::cli::run::load;
use crate::config::model::{self, Config, Loading};
use crate::digest::Digest;
use crate::plugin::trust;

/// Arguments of `tutin plugin verify`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The plugin, a WebAssembly component. Its signature is in FILE.sig.
    file: PathBuf,
    /// A key that is trusted: 64 hexadecimal digits, or the file of a public key. May be given several times.
    #[arg(long, value_name = "PUBKEY", required_unless_present = "config")]
    trusted: Vec<String>,
    /// The configuration of a hub: its trusted keys, and the digest that it pins for this file.
    #[arg(long, conflicts_with = "trusted")]
    config: Vec<PathBuf>,
}

/// Compares and tells.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, trusted, config } = arguments;
    let digest = Digest::of(&crate::plugin::read_file(&file, Loading::LARGEST_FILE)?);
    let keys = if config.is_empty() {
        trusted_keys(&trusted)?
    } else {
        let Some(config) = load(&config) else { return Ok(ExitCode::FAILURE) };
        if let Some((name, pinned)) = other_pin(&config, &file, digest) {
            bail!("{} is {digest}, and plugin {name} of the configuration is pinned to {pinned}", file.display());
        }
        if config.trust.keys.is_empty() {
            bail!("the configuration trusts no key; name one in [trust]");
        }
        config.trust.keys
    };
    match trust::examine(&file, digest, &keys) {
        Ok((signer, signature)) => {
            let (plugin, version, signed) = (&signature.plugin, &signature.version, signature.signed);
            say(format_args!("{}: {plugin} {version}, {digest}", file.display()));
            say(format_args!("signed with key {}{} at {signed}", signer.key, name_behind_key(&signer)));
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            bail!("{}, {digest}, {fault}; trusted: {}", file.display(), names(&keys))
        }
    }
}

/// The plugin of the configuration that is this file and is pinned to another digest.
fn other_pin<'c>(config: &'c Config, file: &Path, digest: Digest) -> Option<(&'c str, Digest)> {
    let file = file.canonicalize().ok()?;
    let is_it = |plugin: &model::Plugin| plugin.file.canonicalize().is_ok_and(|other| other == file);
    let mut pinned = config.plugins.iter().filter(|(_, plugin)| is_it(plugin));
    pinned.find_map(|(name, plugin)| Some((name.as_str(), plugin.digest.filter(|pinned| *pinned != digest)?)))
}
