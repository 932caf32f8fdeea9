//! Whether what was built is still what would be built.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, at};

/// Folders beside a driver's sources that nothing is built of.
const BESIDE: [&str; 5] = ["target", "cases", "node_modules", ".venv", "__pycache__"];

/// True when a file is newer than everything in these folders that it can be made of.
pub(crate) fn is_fresh(file: &Path, of: &[&Path]) -> Result<bool, Error> {
    let Ok(made) = fs::metadata(file).and_then(|metadata| metadata.modified()) else { return Ok(false) };
    for folder in of {
        if newest(folder)?.is_some_and(|changed| changed >= made) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn newest(folder: &Path) -> Result<Option<SystemTime>, Error> {
    let mut newest = None;
    for entry in fs::read_dir(folder).map_err(at("list", folder))? {
        let entry = entry.map_err(at("list", folder))?;
        let (path, metadata) = (entry.path(), entry.metadata().map_err(at("look at", entry.path()))?);
        let is_beside = BESIDE.iter().any(|name| entry.file_name() == *name);
        let is_text = path.extension().is_some_and(|end| end == "md" || end == "o");
        let changed = match metadata.is_dir() {
            _ if is_beside || is_text => None,
            true => self::newest(&path)?,
            false => Some(metadata.modified().map_err(at("look at", &path))?),
        };
        newest = newest.max(changed);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write(file: &Path, at: SystemTime) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn a_change_of_a_source_is_seen_and_one_of_a_case_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (built, now) = (folder.path().join("target/driver.wasm"), SystemTime::now());
        let check = |changed: &str, expected: bool| {
            write(&built, now);
            write(&folder.path().join(changed), now + Duration::from_secs(1));
            assert_eq!(is_fresh(&built, &[folder.path()]).unwrap(), expected, "{changed}");
        };
        check("cases/first/case.toml", true);
        check("README.md", true);
        check("target/kit/x.h", true);
        check("parts/frame.py", false);
        fs::remove_dir_all(folder.path().join("parts")).unwrap();
        check("wit/world.wit", false);
    }

    #[test]
    fn what_was_never_built_is_not_fresh() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_fresh(&folder.path().join("driver.wasm"), &[folder.path()]).unwrap());
    }
}
