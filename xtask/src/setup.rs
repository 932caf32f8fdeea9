//! `cargo xtask setup`: installs what builds and tests need, or says in one line what to type.
//!
//! Invariant: only what is missing is installed, and running it again on a complete machine changes nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tutin_kit::rust::{self, Toolchain};
use tutin_kit::{javascript, python};

use crate::{plugins, process};

/// What the interpreter of the tests needs: peers for Modbus (with its serial lines), OPC UA and Sparkplug, and numpy for the reference of
/// the calculations. `cryptography` makes the certificates of a test and comes with `asyncua`. The last one builds drivers in Python.
const PACKAGES: [&str; 6] =
    ["pymodbus==3.16.1", "pyserial==3.5", "asyncua==2.1.0", "pysparkplug==0.6.1", "numpy==2.4.6", python::PACKAGE];

/// The companion models of OPC UA as NodeSet2 files, for the OPC UA peer.
const NODESETS: &str = "node-opcua-nodesets@2.182.0";
const NODESETS_FILE: &str = "node_modules/node-opcua-nodesets/nodesets/Opc.Ua.Adi.NodeSet2.xml";

/// Programs of the system that builds and tests start, each with the Debian package that has it.
const PROGRAMS: [(&str, &str); 5] = [
    ("mosquitto", "mosquitto"),
    ("socat", "socat"),
    ("mbpoll", "mbpoll"),
    ("npm", "npm"),
    ("docker-registry", "docker-registry"),
];

/// What builds drivers in C.
const C: [&str; 2] = ["clang-19", "lld-19"];

/// Everything: what builds need and what tests need.
pub fn run(root: &Path) -> Result<()> {
    wasm_toolchain()?;
    components(root)?;
    let missing = PROGRAMS.iter().filter(|(program, _)| process::find(program).is_none());
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if !process::succeeds(python().args(["-c", "import ensurepip, venv"])) {
        packages.push("python3-venv");
    }
    if tutin_kit::c::Toolchain::find().is_err() {
        packages.extend(C);
    }
    install(&packages)?;
    python_packages(root)?;
    node_packages(root)
}

/// A Rust that builds drivers: what is there, else what could be installed, else an error that says what to install.
pub fn wasm_toolchain() -> Result<Toolchain> {
    let Err(missing) = Toolchain::find() else { return Ok(Toolchain::find()?) };
    println!("installing the target {} with rustup", rust::TARGET);
    let rustup = process::run(rust::clean(Command::new("rustup")).args(["target", "add", rust::TARGET]));
    if rustup.is_ok() && Toolchain::find().is_ok() {
        return Ok(Toolchain::find()?);
    }
    install(&rust::DEBIAN_PACKAGES).with_context(|| missing.to_string())?;
    Ok(Toolchain::find()?)
}

/// One run of npm for all: it takes away what it is not told of.
fn node_packages(root: &Path) -> Result<()> {
    let folder = plugins::target_dir(root).join("peers/node");
    if folder.join(NODESETS_FILE).is_file() && folder.join(javascript::PROGRAM).is_file() {
        return Ok(());
    }
    let packages = [NODESETS, javascript::PACKAGE];
    println!("installing {} into {}", packages.join(" "), folder.display());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Beside what an earlier run left, npm puts some packages where others do not look for them.
    let left = folder.join("node_modules");
    if left.exists() {
        std::fs::remove_dir_all(&left).with_context(|| format!("cannot remove {}", left.display()))?;
    }
    let npm =
        ["install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", "."];
    let by_hand = format!("cd {} && npm {} {}", folder.display(), npm.join(" "), packages.join(" "));
    process::run(Command::new("npm").args(npm).args(packages).current_dir(&folder)).with_context(|| {
        format!("what the OPC UA peer serves and what builds drivers in JavaScript is missing; to install it by hand: {by_hand}")
    })
}

/// The interpreter of the tests: of their peers in `tests/support` and of the reference of calculations.
fn venv(root: &Path) -> PathBuf {
    plugins::target_dir(root).join("peers/venv")
}

fn python_packages(root: &Path) -> Result<()> {
    let venv = venv(root);
    let interpreter = venv.join("bin/python");
    let checks: Vec<String> = PACKAGES
        .iter()
        .filter_map(|package| package.split_once("=="))
        .map(|(name, version)| format!("assert m.version('{name}') == '{version}'"))
        .collect();
    let check = format!("import importlib.metadata as m; {}", checks.join("; "));
    if process::succeeds(Command::new(&interpreter).args(["-c", &check])) {
        return Ok(());
    }
    let packages = PACKAGES.join(" ");
    println!("installing {packages} into {}", venv.display());
    let by_hand = format!("python3 -m venv {0} && {0}/bin/python -m pip install {packages}", venv.display());
    process::run(python().args(["-m", "venv", "--clear"]).arg(&venv))
        .and_then(|()| {
            let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
            process::run(Command::new(&interpreter).args(pip).args(PACKAGES))
        })
        .with_context(|| format!("what the tests need of Python is missing; to install it by hand: {by_hand}"))
}

/// Debian's own interpreter when there is one: `python3-venv` belongs to it and not to another that comes first in PATH.
fn python() -> Command {
    let debian = Path::new("/usr/bin/python3");
    if debian.is_file() { Command::new(debian) } else { Command::new("python3") }
}

fn components(root: &Path) -> Result<()> {
    let missing: Vec<_> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| !process::succeeds(process::cargo(root).args([command, "--version"])))
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    process::run(Command::new("rustup").args(["component", "add"]).args(&missing).current_dir(root))
        .with_context(|| format!("missing; to install by hand: rustup component add {}", missing.join(" ")))
}

fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let by_hand = format!("apt-get update && apt-get install --yes --no-install-recommends {list}");
    if process::find("apt-get").is_none() {
        bail!("missing: {list}. This is no Debian; install them as your system does");
    }
    if !is_root() {
        bail!("missing: {list}. As root: {by_hand}");
    }
    println!("installing {list}");
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    process::run(apt().args(["update", "--quiet"]))
        .and_then(|()| {
            let arguments = ["install", "--yes", "--quiet", "--no-install-recommends"];
            process::run(apt().args(arguments).args(packages))
        })
        .with_context(|| format!("cannot install {list}; by hand: {by_hand}"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
