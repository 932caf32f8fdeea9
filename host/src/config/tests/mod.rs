//! The configuration as its users meet it: mistakes and what is said about them, the two shipped files, layers, secrets.

mod cases;
mod layers;
mod shipped;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Loaded, load};

/// A folder with one configuration in it.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Folder { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, files: &[&str], environment: &[(&str, &str)]) -> Loaded {
        let files: Vec<PathBuf> = files.iter().map(|file| self.path(file)).collect();
        load(&files, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }
}

/// What of the text stays when the folder's name is left out.
fn without(folder: &Path, text: &str) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

/// One sound configuration with a secret in it.
const SOUND: &str = r#"
[links.line-a]
type = "modbus_tcp"
address = "10.0.0.5"

[plugins.p]
file = "driver.wasm"

[devices.t200-north]
plugin = "p"
link = "line-a"
settings = { model = "T200", ranges = [1, 2.0], since = 2026-11-23, nested = { on = true } }

[sources.stack-1.parameters.NO2]
device = "t200-north"
point = "no2"

[routes.averages]
take = "averages"
to = ["authority"]

[sinks.authority]
type = "http_json"
url = "https://authority.example/"
bearer = { env = "TOKEN" }

[sinks.authority.fields]
zulu = "start"
alpha = "mean"
station = "= KZ-01"
"#;
