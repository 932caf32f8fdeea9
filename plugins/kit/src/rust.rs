//! Rust: a cargo that can build for `wasm32-unknown-unknown`.
//!
//! Two kinds will do. The toolchain in use may have the target installed by rustup. Otherwise Debian's `rustc-web` builds the standard
//! library from its own sources with the driver; that needs `-Z build-std`, which its stable compiler allows
//! when `RUSTC_BOOTSTRAP` is set. Each kind has its own build folder, so that neither undoes the other's work.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::component::{self, Built};
use crate::error::Error;
use crate::folder::{Folder, Places};
use crate::{checkout, tool};

/// The target that drivers are built for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's packages that build for it.
pub const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// How drivers are built: quick code, which a poll of many points takes a third less time with, and a panic is a trap. Given on the command line, so that a driver anywhere is built as the
/// shipped ones are and shares what they compiled.
const PROFILE: [&str; 6] =
    ["inherits=\"release\"", "opt-level=3", "lto=true", "codegen-units=1", "panic=\"abort\"", "strip=true"];

/// What can build drivers here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The cargo in use, which has the target's standard library.
    Rustup,
    /// Debian's packages, which have its sources.
    Debian,
}

/// What is built, and where.
#[derive(Debug)]
pub struct Crates<'a> {
    /// The folder that cargo is started in: the workspace, or the crate itself.
    pub folder: &'a Path,
    /// The checkout that the SDK is in; its path does not get into the component.
    pub checkout: &'a Path,
    /// The target folder. Each toolchain has its own in it.
    pub target: &'a Path,
    /// Names of the packages.
    pub packages: &'a [String],
}

impl Toolchain {
    /// What is there, else what to install.
    pub fn find() -> Result<Self, Error> {
        if rustup_has_target() {
            return Ok(Toolchain::Rustup);
        }
        if debian_has_sources() {
            return Ok(Toolchain::Debian);
        }
        Err(Error::Missing {
            what: format!("a Rust that builds for {TARGET}"),
            install: format!(
                "run `rustup target add {TARGET}`, or on Debian `apt-get install {}` as root",
                DEBIAN_PACKAGES.join(" ")
            ),
        })
    }

    /// Builds the packages and returns the folder with their modules.
    pub fn build(self, crates: &Crates) -> Result<PathBuf, Error> {
        let folder = match self {
            Toolchain::Rustup => crates.target.join("wasm/rustup"),
            Toolchain::Debian => crates.target.join("wasm/debian"),
        };
        let mut command = match self {
            Toolchain::Rustup => clean(Command::new("cargo")),
            Toolchain::Debian => {
                let mut command = clean(Command::new(DEBIAN_CARGO));
                command.env_remove("RUSTUP_TOOLCHAIN").env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                command
            }
        };
        command.args(["build", "--quiet", "--lib", "--profile", "plugin", "--target", TARGET]);
        for option in PROFILE {
            command.arg("--config").arg(format!("profile.plugin.{option}"));
        }
        if self == Toolchain::Debian {
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command.arg("--target-dir").arg(&folder).current_dir(crates.folder);
        for package in crates.packages {
            command.args(["--package", package]);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", remapped(crates.checkout));
        tool::run(&mut command)?;
        Ok(folder.join(TARGET).join("plugin"))
    }
}

/// Where cargo puts the module of a package.
pub fn module(modules: &Path, package: &str) -> PathBuf {
    modules.join(format!("{}.wasm", package.replace('-', "_")))
}

/// Builds the crate in a driver's folder.
pub(crate) fn build(driver: &Folder, places: &Places) -> Result<Built, Error> {
    let toolchain = Toolchain::find()?;
    let manifest = driver.manifest()?;
    // What the checkout has compiled for its own drivers need not be compiled again for this one.
    let checkout = manifest.sdk.and_then(|sdk| checkout::around(&sdk)).or_else(|| checkout::around(&driver.path));
    let target = match &checkout {
        Some(checkout) => checkout::target(checkout),
        None => driver.path.join("target"),
    };
    let modules = toolchain.build(&Crates {
        folder: &driver.path,
        checkout: checkout.as_deref().unwrap_or(&driver.path),
        target: &target,
        packages: std::slice::from_ref(&manifest.package),
    })?;
    component::encode(&driver.name, &module(&modules, &manifest.package), &places.component)
}

/// Flags that keep this machine's folders out of the components, so that the same sources make the same bytes.
fn remapped(checkout: &Path) -> OsString {
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(checkout);
    flags.push("=/tutin");
    if let Some(home) =
        env::var_os("CARGO_HOME").or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo").into()))
    {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(home);
        flags.push("=/cargo");
    }
    flags
}

/// The command without what a cargo that runs this program, or the user's native build, has set for itself.
pub fn clean(mut command: Command) -> Command {
    let ours = |name: &str| {
        matches!(
            name,
            "CARGO"
                | "RUSTC"
                | "RUSTDOC"
                | "RUSTFLAGS"
                | "RUSTC_WRAPPER"
                | "RUSTC_WORKSPACE_WRAPPER"
                | "LD_LIBRARY_PATH"
        ) || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_"]
            .iter()
            .any(|prefix| name.starts_with(prefix) && name != "CARGO_BUILD_JOBS")
            || matches!(
                name,
                "CARGO_ENCODED_RUSTFLAGS" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "RUST_RECURSION_COUNT"
            )
    };
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command
}

fn rustup_has_target() -> bool {
    let mut command = clean(Command::new("rustc"));
    command.args(["--print", "target-libdir", "--target", TARGET]).stderr(Stdio::null());
    let Ok(output) = command.output() else { return false };
    let folder = String::from_utf8_lossy(&output.stdout);
    output.status.success() && Path::new(folder.trim()).is_dir()
}

fn debian_has_sources() -> bool {
    let is_file = |path: &str| Path::new(path).is_file();
    is_file(DEBIAN_CARGO)
        && is_file(DEBIAN_RUSTC)
        && is_file("/usr/lib/rustlib/src/rust/library/std/Cargo.toml")
        && is_file("/usr/bin/rust-lld")
}
