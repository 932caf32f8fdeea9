//! Keys, signatures and plugins that have them, made with the commands that people use.

use std::fs;
use std::path::Path;

use super::configuration::t200;
use super::hub::{Site, plugin};
use super::lines::Origin;

/// Runs a command that must end well, and returns what it said on standard output.
pub fn say(site: &Site, arguments: &[&str]) -> String {
    let mut command = site.start(arguments);
    let status = command.wait();
    assert!(status.success(), "{arguments:?}: {}", command.lines().text());
    command.lines().of(Origin::Stdout).join("\n")
}

/// Runs a command that must end with exit code 1, and returns what it said.
pub fn refused(site: &Site, arguments: &[&str]) -> String {
    let mut command = site.start(arguments);
    assert_eq!(command.wait().code(), Some(1), "{arguments:?}: {}", command.lines().text());
    command.lines().text()
}

/// A vendor's key and a stranger's, with their public keys beside them.
pub fn make_keys(site: &Site) {
    for name in ["vendor", "stranger"] {
        let shown = say(site, &["plugin", "keys", "new", &format!("{name}.key")]);
        fs::write(site.path(&format!("{name}.pub")), shown).unwrap();
    }
}

/// Puts a driver under another name into the site, signed with this key if there is one.
pub fn install(site: &Site, name: &str, key: Option<&str>) {
    let file = format!("{name}.wasm");
    fs::copy(plugin("teledyne-t"), site.path(&file)).unwrap();
    if let Some(key) = key {
        say(site, &["plugin", "sign", &file, "--key", key]);
    }
}

/// Adds a custom section, which changes the file and nothing that it does.
pub fn alter(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    fs::write(file, bytes).unwrap();
}

/// A device with a plugin of its own name.
pub fn device(name: &str, address: &str) -> String {
    let device = t200(name, address).replace("plugin = \"teledyne-t\"", &format!("plugin = {name:?}"));
    format!("[plugins.{name}]\nfile = \"{name}.wasm\"\n{device}")
}

/// A hub that trusts the vendor.
pub const TRUST: &str = "[trust.keys]\nvendor = { file = \"vendor.pub\" }\n";

/// The letters and digits behind a mark.
pub fn word_after(text: &str, mark: &str) -> String {
    let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}"));
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}
