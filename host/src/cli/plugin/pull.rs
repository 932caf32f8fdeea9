//! `tutin plugin pull`: a component and its signature from an OCI registry into a folder, whole or not at all.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::access::Options;
use crate::cli::output::say;
use crate::plugin::registry::{self, Pulled};
use crate::plugin::trust;

/// Arguments of `tutin plugin pull`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The plugin, as in registry.example/drivers/teledyne-t:0.3.1, or with @sha256:… for exactly one.
    reference: String,
    /// Folder that it is put into.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    #[command(flatten)]
    access: Options,
}

/// Fetches, places, and tells what to write into the configuration.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { reference, to, access } = arguments;
    let reference = registry::reference(&reference)?;
    if !to.is_dir() {
        bail!("{} is not a folder", to.display());
    }
    let file = to.join(registry::file_name(&reference));
    let Pulled { component, digest, manifest, signature } = access.registry()?.pull(&reference).await?;
    trust::install(&file, &component, signature.as_ref()).with_context(|| file.display().to_string())?;
    say(format_args!("{}: {} bytes", file.display(), component.len()));
    say(format_args!("digest = \"{digest}\""));
    if reference.digest().is_none() {
        say(format_args!("exactly this again: {}@{manifest}", name_of(&reference)));
    }
    match signature {
        Some(signature) => {
            let (plugin, version, key) = (&signature.plugin, &signature.version, signature.key);
            say(format_args!(
                "{plugin} {version}, with a signature by key {key}; `tutin plugin verify` says whose it is"
            ));
        }
        None => say(format_args!("no signature came along")),
    }
    Ok(ExitCode::SUCCESS)
}

/// The reference without tag and digest.
pub fn name_of(reference: &oci_client::Reference) -> String {
    format!("{}/{}", reference.registry(), reference.repository())
}
