//! Where a Tutin checkout is: what Rust drivers are built against, and what they share with it.

use std::env;
use std::path::{Path, PathBuf};

/// The checkout that a path lies in, if it lies in one.
pub fn around(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    path.ancestors().find(|folder| is_checkout(folder)).map(Path::to_owned)
}

/// The checkout around the current directory, else around this program.
pub fn here() -> Option<PathBuf> {
    let folder = env::current_dir().ok();
    let program = env::current_exe().ok();
    folder.into_iter().chain(program).find_map(|start| around(&start))
}

/// Where cargo puts what it builds of a checkout.
pub fn target(checkout: &Path) -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => checkout.join(folder),
        None => checkout.join("target"),
    }
}

/// The folder of the SDK in a checkout.
pub fn sdk(checkout: &Path) -> PathBuf {
    checkout.join("plugins/sdk")
}

fn is_checkout(folder: &Path) -> bool {
    sdk(folder).join("Cargo.toml").is_file() && folder.join("wit/driver/driver.wit").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_known_by_its_sdk_and_its_contract() {
        let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
        let checkout = around(kit).unwrap();
        assert_eq!(sdk(&checkout), checkout.join("plugins/sdk"));
        assert!(sdk(&checkout).is_dir());
        assert_eq!(around(checkout.parent().unwrap()), None);
    }
}
