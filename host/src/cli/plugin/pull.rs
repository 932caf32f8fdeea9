//! `tutin plugin pull`: a component and its signature from an OCI registry into a folder, whole or not at all.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use oci_client::Reference;

use super::access::Options;
use super::keys::{name_behind_key, names, trusted_keys};
use crate::cli::output::say;
use crate::digest::Digest;
use crate::plugin::registry::{self, Pulled};
use crate::plugin::trust::{self, Keys, Signature, Signer};

/// Arguments of `tutin plugin pull`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The plugin, as in registry.example/drivers/teledyne-t:0.3.1, or with @sha256:… for exactly one.
    reference: String,
    /// Folder that it is put into.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// A key that is trusted, as in `verify`: what none of them signed is refused, and nothing is placed. May be given several times.
    #[arg(long, value_name = "PUBKEY")]
    trusted: Vec<String>,
    #[command(flatten)]
    access: Options,
}

/// Fetches, judges, places, and tells what to write into the configuration.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { reference, to, trusted, access } = arguments;
    let reference = registry::reference(&reference)?;
    let keys = trusted_keys(&trusted)?;
    if !to.is_dir() {
        bail!("{} is not a folder", to.display());
    }
    let file = to.join(registry::file_name(&reference));
    let Pulled { component, digest, manifest, signature } = access.registry()?.pull(&reference).await?;
    let signer = judge(&reference, digest, signature.as_ref(), &keys)?;
    trust::install(&file, &component, signature.as_ref()).with_context(|| file.display().to_string())?;
    say(format_args!("{}: {} bytes", file.display(), component.len()));
    say(format_args!("digest = \"{digest}\""));
    if reference.digest().is_none() {
        say(format_args!("exactly this again: {}@{manifest}", name_of(&reference)));
    }
    match signature {
        Some(Signature { plugin, version, key, .. }) => {
            let whose = match signer {
                Some(signer) => name_behind_key(&signer),
                None => String::from("; `tutin plugin verify` says whose it is"),
            };
            say(format_args!("{plugin} {version}, with a signature by key {key}{whose}"));
        }
        None => say(format_args!("no signature came along")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Who of these signed what came. Nobody is looked for when there are none.
fn judge(
    reference: &Reference,
    digest: Digest,
    signature: Option<&Signature>,
    keys: &Keys,
) -> anyhow::Result<Option<Signer>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let from = PathBuf::from(reference.to_string());
    let fault = match signature.map(|signature| trust::signer_of(signature, from, digest, keys)) {
        Some(Ok(signer)) => return Ok(Some(signer)),
        Some(Err(fault)) => fault.to_string(),
        None => String::from("came without a signature"),
    };
    bail!("{reference}, {digest}, {fault}; trusted: {}; nothing was placed", names(keys))
}

/// The reference without tag and digest.
pub fn name_of(reference: &Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}
