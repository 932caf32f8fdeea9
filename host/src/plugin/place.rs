//! Files of plugins: there with all their content, or as they were before, whenever the power is cut. Of two that are placed one after the
//! other, the second is never there without the first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts a file in place, over one that is there. It is on the disk when this returns.
pub fn place(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".part-{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = write(&draft, bytes).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        // What is there of it is of no use.
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| sync_folder_of(file))
}

/// Takes a file away, if it is there.
pub fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder_of(file)),
    }
}

/// Names of files are on the disk when their folder is.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = File::create(file)?;
    open.write_all(bytes)?;
    open.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_placed_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("driver.wasm");
        fs::create_dir(&file).unwrap();

        assert!(place(&file, b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        fs::remove_dir(&file).unwrap();
        place(&file, b"old").unwrap();
        place(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
