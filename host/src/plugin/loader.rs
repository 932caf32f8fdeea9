//! From a file to a plugin that may be instantiated: read, admitted, compiled, linked to what it asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::OnceCell;
use tracing::warn;
use wasmtime::component::Linker;

use super::admission::{self, Refusal, Wanted};
use super::bindings::DriverPre;
use super::cache;
use super::engine::Engine;
use super::instance::Description;
use super::trust::{self, Fault, Signer, Untrusted};
use crate::capability::Guest;
use crate::config::model;
use crate::digest::Digest;

/// Largest plugin file, bytes. Rust drivers have about 200 KiB, a driver with a whole Python about 20 MiB.
pub const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Loads plugins into one engine.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    cache: PathBuf,
}

/// A component that this host can run, compiled and linked.
pub struct Plugin {
    /// Where it came from.
    pub file: PathBuf,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// What it asks for.
    pub wanted: Vec<Wanted>,
    /// Who answers for it, of those whom the configuration trusts.
    pub signer: Option<Signer>,
    pub(super) pre: DriverPre<Guest>,
    pub(super) description: OnceCell<Description>,
}

/// Why a plugin could not be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("plugin file {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any plugin.
    #[error("plugin file {}: {bytes} bytes, and {LARGEST_FILE} are allowed", file.display())]
    TooLarge {
        /// Which file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It is not what the configuration pins, or nobody who is trusted answers for it.
    #[error(transparent)]
    Untrusted(Box<Untrusted>),
    /// It is no WebAssembly component, or one that uses what this host does not allow.
    #[error("plugin file {}: no WebAssembly component that this host can compile: {reason}", file.display())]
    Compile {
        /// Which file.
        file: PathBuf,
        /// What the compiler says.
        reason: String,
    },
    /// It is a component, but may not run here.
    #[error("plugin file {}: {refusal}", file.display())]
    Refused {
        /// Which file.
        file: PathBuf,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// Its functions do not have the types of the contract.
    #[error("plugin file {}: its types are not those of the contract: {reason}", file.display())]
    Contract {
        /// Which file.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

impl LoadError {
    /// Whether the file is not the one that the configuration pins.
    pub fn is_other_digest(&self) -> bool {
        matches!(self, LoadError::Untrusted(untrusted) if matches!(**untrusted, Untrusted::OtherDigest { .. }))
    }
}

impl Loader {
    /// A loader that keeps compiled code in `cache`.
    pub fn new(engine: Engine, cache: PathBuf) -> Self {
        Loader { engine, cache }
    }

    /// Reads, admits, compiles and links a plugin whoever made it: for those who work on one. Takes about a second for a plugin that
    /// was never compiled here, else milliseconds; blocks the thread.
    pub fn load(&self, file: &Path) -> Result<Arc<Plugin>, LoadError> {
        let wasm = read(file)?;
        let digest = Digest::of(&wasm);
        self.compile(file, &wasm, digest, None)
    }

    /// The same for a hub: what is not pinned or not signed as the configuration asks is refused before it is compiled.
    pub fn load_trusted(
        &self,
        name: &str,
        plugin: &model::Plugin,
        trust: &model::Trust,
    ) -> Result<Arc<Plugin>, LoadError> {
        let file = &plugin.file;
        let wasm = read(file)?;
        let digest = Digest::of(&wasm);
        let judged = trust::judge(name, plugin, trust, digest);
        let signer = match judged.map_err(|untrusted| LoadError::Untrusted(Box::new(untrusted)))? {
            Ok(signer) => Some(signer),
            // Without a trusted key nobody could have signed.
            Err(Fault::Unsigned { .. } | Fault::UnknownKey { .. }) if trust.keys.is_empty() => None,
            Err(fault) => {
                warn!(plugin = name, "{} {fault}; it runs, because trust.require is false", file.display());
                None
            }
        };
        self.compile(file, &wasm, digest, signer)
    }

    fn compile(
        &self,
        file: &Path,
        wasm: &[u8],
        digest: Digest,
        signer: Option<Signer>,
    ) -> Result<Arc<Plugin>, LoadError> {
        let digest = digest.to_hex();
        let engine = self.engine.wasmtime();
        let compile = |error: wasmtime::Error| LoadError::Compile { file: file.to_owned(), reason: chain(&error) };
        let component = cache::load_or_compile(engine, &self.cache, wasm, &digest).map_err(compile)?;
        let wanted = admission::read(engine, &component.component_type())
            .map_err(|refusal| LoadError::Refused { file: file.to_owned(), refusal: Box::new(refusal) })?;
        let contract = |error: wasmtime::Error| LoadError::Contract { file: file.to_owned(), reason: chain(&error) };
        let mut linker = Linker::new(engine);
        for Wanted { offer } in &wanted {
            (offer.link)(&mut linker).map_err(contract)?;
        }
        let pre = linker.instantiate_pre(&component).and_then(DriverPre::new).map_err(contract)?;
        Ok(Arc::new(Plugin { file: file.to_owned(), digest, wanted, signer, pre, description: OnceCell::new() }))
    }
}

/// The bytes of a plugin's file, if it is not larger than any plugin.
pub fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { file: file.to_owned(), source };
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > LARGEST_FILE {
        return Err(LoadError::TooLarge { file: file.to_owned(), bytes });
    }
    fs::read(file).map_err(failed)
}

/// An error and its causes in one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(cause.lines().next().unwrap_or_default());
    }
    text
}
