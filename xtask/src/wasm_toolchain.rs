//! Finds, or sets up, a Rust that can build for `wasm32-unknown-unknown`.
//!
//! Two kinds will do. The toolchain in use may have the target installed by rustup. Otherwise Debian's `rustc-web` builds the standard
//! library from its own sources with the project; that needs `-Z build-std`, which its stable compiler allows
//! when `RUSTC_BOOTSTRAP` is set. Each kind has its own build folder, so that neither undoes the other's work.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// What can build plugins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The cargo in use, which has the target's standard library.
    Rustup,
    /// Debian's packages, which have its sources.
    Debian,
}

impl Toolchain {
    /// What is there, else what could be installed, else an error that says what to install.
    pub fn find_or_install() -> anyhow::Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if rustup_target_add() && rustup_has_target() {
            return Ok(Toolchain::Rustup);
        }
        apt_get_install();
        Self::find().with_context(|| {
            format!(
                "nothing here builds for {TARGET}: run `rustup target add {TARGET}`, or on Debian `apt-get install {}` as root",
                DEBIAN_PACKAGES.join(" ")
            )
        })
    }

    fn find() -> Option<Self> {
        if rustup_has_target() {
            return Some(Toolchain::Rustup);
        }
        debian_has_sources().then_some(Toolchain::Debian)
    }

    /// Builds these packages of the workspace at `root` and returns the folder with their modules.
    pub fn build(self, root: &Path, target: &Path, packages: &[String]) -> anyhow::Result<PathBuf> {
        let folder = match self {
            Toolchain::Rustup => target.join("wasm/rustup"),
            Toolchain::Debian => target.join("wasm/debian"),
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
        if self == Toolchain::Debian {
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command.arg("--target-dir").arg(&folder).current_dir(root);
        for package in packages {
            command.args(["--package", package]);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", remapped(root));
        let status = command.status().context("cannot start cargo")?;
        if !status.success() {
            bail!("the plugins were not built: {command:?} ended with {status}");
        }
        Ok(folder.join(TARGET).join("plugin"))
    }
}

/// Flags that keep this machine's folders out of the plugins, so that the same sources make the same bytes.
fn remapped(root: &Path) -> OsString {
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(root);
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

/// The command without what the cargo that runs this program, or the user's native build, has set for itself.
fn clean(mut command: Command) -> Command {
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

fn rustup_target_add() -> bool {
    eprintln!("installing the target {TARGET} with rustup");
    let status = clean(Command::new("rustup")).args(["target", "add", TARGET]).status();
    status.is_ok_and(|status| status.success())
}

/// Tries; whether it worked is seen by looking for the toolchain again.
fn apt_get_install() {
    eprintln!("installing {} with apt-get", DEBIAN_PACKAGES.join(" "));
    let apt_get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    if apt_get(&["update"]) {
        apt_get(&[["install", "--yes", "--no-install-recommends"].as_slice(), &DEBIAN_PACKAGES].concat());
    }
}
