//! From a file to a plugin that may be instantiated: read, admitted, compiled, linked to what it asked for.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::OnceCell;
use tracing::warn;
use wasmtime::component::Linker;

use super::admission::{self, Refusal, Wanted};
use super::bindings::DriverPre;
use super::cache::Cache;
use super::compile::{CompileError, Compiler};
use super::engine::Engine;
use super::fault::chain;
use super::instance::Description;
use super::outline::{self, NoOutline};
use super::trust::{self, Fault, Signer, Untrusted};
use crate::capability::{Guest, Lane};
use crate::config::model::{self, Loading};
use crate::digest::Digest;

/// Loads plugins into one engine.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    cache: Cache,
    limits: Loading,
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
    pub(super) lane: Lane,
}

/// More of something in a plugin's file than is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found} {what}, and {allowed} are allowed ({limit})")]
pub struct Excess {
    /// Of what.
    pub what: &'static str,
    /// How many there are, as far as was counted.
    pub found: u64,
    /// How many there may be.
    pub allowed: u64,
    /// Name of the limit, as it is configured.
    pub limit: &'static str,
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
    /// There is more in it than is allowed.
    #[error("plugin file {}: {excess}", file.display())]
    Excess {
        /// Which file.
        file: PathBuf,
        /// Of what.
        excess: Excess,
    },
    /// It is not what the configuration pins, or nobody who is trusted answers for it.
    #[error(transparent)]
    Untrusted(Box<Untrusted>),
    /// It is no WebAssembly component.
    #[error("plugin file {}: no WebAssembly component: {reason}", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be compiled here.
    #[error("plugin file {}: no WebAssembly component that this host can compile", file.display())]
    Compile {
        /// Which file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: CompileError,
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
        Loader { engine, cache: Cache::new(cache), limits: Loading::default() }
    }

    /// The same with other limits.
    pub fn within(self, limits: &Loading) -> Self {
        Loader { limits: limits.clone(), ..self }
    }

    /// Reads, admits, compiles and links a plugin whoever made it: for those who work on one. Takes about a second for a plugin that
    /// was never compiled here, else milliseconds; blocks the thread.
    pub fn load(&self, file: &Path) -> Result<Arc<Plugin>, LoadError> {
        let wasm = read(file, self.limits.file)?;
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
        let wasm = read(file, self.limits.file)?;
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
        let outline = outline::read(wasm, &self.limits).map_err(|error| match error {
            NoOutline::Malformed(reason) => LoadError::Malformed { file: file.to_owned(), reason },
            NoOutline::Excess(excess) => LoadError::Excess { file: file.to_owned(), excess },
        })?;
        let wanted = admission::read(&outline)
            .map_err(|refusal| LoadError::Refused { file: file.to_owned(), refusal: Box::new(refusal) })?;
        let digest = digest.to_hex();
        let engine = self.engine.wasmtime();
        let compile = || Compiler::compile(engine, wasm, &self.limits);
        let component = self.cache.load_or_compile(engine, &digest, compile);
        let component = component.map_err(|source| LoadError::Compile { file: file.to_owned(), source })?;
        let contract = |error: wasmtime::Error| LoadError::Contract { file: file.to_owned(), reason: chain(&error) };
        let mut linker = Linker::new(engine);
        for Wanted { offer } in &wanted {
            (offer.link)(&mut linker).map_err(contract)?;
        }
        let pre = linker.instantiate_pre(&component).and_then(DriverPre::new).map_err(contract)?;
        let (description, lane) = (OnceCell::new(), self.engine.lane().clone());
        Ok(Arc::new(Plugin { file: file.to_owned(), digest, wanted, signer, pre, description, lane }))
    }
}

/// The bytes of a plugin's file, if there are no more than allowed.
pub fn read(file: &Path, allowed: u64) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { file: file.to_owned(), source };
    let mut open = fs::File::open(file).map_err(failed)?;
    // A file may grow while it is read, and a device or a pipe has no size at all.
    let mut found = open.metadata().map_err(failed)?.len();
    let mut wasm = Vec::new();
    if found <= allowed {
        found = Read::take(&mut open, allowed + 1).read_to_end(&mut wasm).map_err(failed)? as u64;
    }
    if found > allowed {
        let excess = Excess { what: "bytes", found, allowed, limit: "loading.file" };
        return Err(LoadError::Excess { file: file.to_owned(), excess });
    }
    Ok(wasm)
}
