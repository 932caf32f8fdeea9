//! `tutin plugin push`: the counterpart of `pull`, for those who publish plugins.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::access::Options;
use super::pull::name_of;
use crate::cli::output::say;
use crate::config::model::Limits;
use crate::config::model::Loading;
use crate::digest::Digest;
use crate::plugin::registry::{self, Artifact};
use crate::plugin::{self, trust};
use crate::time::Timestamp;

/// Arguments of `tutin plugin push`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The plugin, a WebAssembly component. Its signature in FILE.sig goes along when there is one.
    file: PathBuf,
    /// Where it goes, as in registry.example/drivers/teledyne-t:0.3.1.
    reference: String,
    #[command(flatten)]
    access: Options,
}

/// Stores, and tells how exactly this is fetched.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, reference, access } = arguments;
    let reference = registry::reference(&reference)?;
    if reference.digest().is_some() {
        bail!("{reference}: a plugin is stored under a tag; its digest follows from what it is");
    }
    let registry = access.registry()?;
    let component = plugin::read_file(&file, Loading::LARGEST_FILE)?;
    let digest = Digest::of(&component);
    let signature = trust::signature_of(&file, digest)
        .map_err(|fault| anyhow::anyhow!("{}, {digest}, {fault}; sign it again", file.display()))?;
    let (loader, path) = (super::loader()?, file.clone());
    let loaded = tokio::task::spawn_blocking(move || loader.load(&path)).await.context("loading")??;
    if loaded.digest != digest.to_hex() {
        bail!("{} was replaced meanwhile", file.display());
    }
    let description = loaded.description(&Limits::default()).await?;
    let artifact = Artifact {
        component: &component,
        name: &description.name,
        version: &description.version,
        imports: loaded.wanted.iter().map(|wanted| format!("{wanted:?}")).collect(),
        signature: signature.as_ref(),
        created: Timestamp::now(),
    };
    let manifest = registry.push(&reference, &artifact).await?;
    let signed = match &signature {
        Some(signature) => format!("signed with key {}", signature.key),
        None => "without a signature".to_owned(),
    };
    say(format_args!("{reference}: {} {}, {digest}, {signed}", description.name, description.version));
    say(format_args!("{}@{manifest}", name_of(&reference)));
    Ok(ExitCode::SUCCESS)
}
