//! Tasks of the project: `cargo xtask NAME`.

mod plugins;
mod wasm_toolchain;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("plugins") => {
            for plugin in plugins::build(&root()?)? {
                println!("{plugin}");
            }
            Ok(())
        }
        _ => bail!("usage: cargo xtask plugins"),
    }
}

/// The workspace's folder.
fn root() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.map(Path::to_path_buf).context("xtask has no folder above it")
}
