//! Plugin files as somebody who installs them leaves them behind.

use std::fs;
use std::path::Path;

use super::hub::{Site, plugin};

/// Puts a built plugin in the place of a file, in one step, as a version of its own: the same code with another digest.
pub fn put(site: &Site, file: &str, name: &str, version: u32) {
    let partial = site.path(&format!("{file}.partial"));
    fs::write(&partial, version_of(name, version)).unwrap();
    fs::rename(partial, site.path(file)).unwrap();
}

/// A built plugin with a section behind it that says which version it is, and nothing else.
pub fn version_of(name: &str, version: u32) -> Vec<u8> {
    let mut component = fs::read(plugin(name)).unwrap();
    let text = format!("version {version:04}");
    let section = [&[7], b"version".as_slice(), text.as_bytes()].concat();
    component.extend([0, u8::try_from(section.len()).unwrap()]);
    component.extend(section);
    component
}

/// `[plugins.NAME]` for a file in the site's folder.
pub fn with_file(name: &str, file: &Path) -> String {
    format!("[plugins.{name}]\nfile = {file:?}\n")
}
