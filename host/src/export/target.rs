//! Where an export goes: standard output, or a file that appears only when it is whole.
//!
//! A file is written as `NAME.partial`, synchronized, and then renamed; if anything fails before that, it is removed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use super::error::ExportError;

const BUFFER: usize = 256 << 10;

/// Where rows go.
#[derive(Debug)]
pub struct Target(Kind);

#[derive(Debug)]
enum Kind {
    Standard(BufWriter<Stdout>),
    File { partial: Partial, name: PathBuf },
}

/// The file under its other name. Dropped, it is gone.
#[derive(Debug)]
struct Partial {
    file: BufWriter<File>,
    name: PathBuf,
}

impl Target {
    /// Standard output.
    pub fn standard() -> Self {
        Target(Kind::Standard(BufWriter::with_capacity(BUFFER, io::stdout())))
    }

    /// A file, which replaces one of the same name when it is whole. `precious` are those that must not be replaced.
    pub fn file(name: &Path, precious: &[PathBuf]) -> Result<Self, ExportError> {
        let partial = with_ending(name, ".partial");
        for file in [name, &partial] {
            refuse_precious(file, precious)?;
        }
        let file = File::create(&partial).map_err(|source| ExportError::File { file: partial.clone(), source })?;
        let partial = Partial { file: BufWriter::with_capacity(BUFFER, file), name: partial };
        Ok(Target(Kind::File { partial, name: name.to_owned() }))
    }

    /// Makes everything durable that was written, and gives the file its name.
    pub fn commit(self) -> Result<(), ExportError> {
        match self.0 {
            Kind::Standard(mut standard) => Ok(standard.flush()?),
            Kind::File { mut partial, name } => {
                partial.file.flush()?;
                partial.file.get_ref().sync_all()?;
                let failed = |source| ExportError::File { file: name.clone(), source };
                fs::rename(&partial.name, &name).map_err(failed)?;
                sync_folder(&name).map_err(failed)
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Standard(standard) => standard.write(bytes),
            Kind::File { partial, .. } => partial.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Standard(standard) => standard.flush(),
            Kind::File { partial, .. } => partial.file.flush(),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is none of this name. If it cannot be removed, its name says what it is.
        let _ = fs::remove_file(&self.name);
    }
}

/// The file of this name with more behind it.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut whole = OsString::from(name);
    whole.push(ending);
    PathBuf::from(whole)
}

/// A rename puts a file in the place of whatever stands there, be it a device or the journal itself.
fn refuse_precious(file: &Path, precious: &[PathBuf]) -> Result<(), ExportError> {
    let Ok(found) = fs::metadata(file) else { return Ok(()) };
    let refused = |what| Err(ExportError::Precious { file: file.to_owned(), what });
    if !found.is_file() {
        return refused("no ordinary file");
    }
    let same = |other: &PathBuf| fs::canonicalize(other).ok() == fs::canonicalize(file).ok();
    if precious.iter().any(same) { refused("a file of the hub") } else { Ok(()) }
}

#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("out.csv");
        fs::write(&name, "the last one").unwrap();

        let mut target = Target::file(&name, &[]).unwrap();
        target.write_all(b"rows").unwrap();
        target.flush().unwrap();
        assert_eq!(fs::read_to_string(&name).unwrap(), "the last one");
        assert_eq!(fs::read_to_string(folder.path().join("out.csv.partial")).unwrap(), "rows");
        target.commit().unwrap();

        assert_eq!(fs::read_to_string(&name).unwrap(), "rows");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_left_of_a_file_that_was_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut target = Target::file(&folder.path().join("out.csv"), &[]).unwrap();
        target.write_all(b"rows").unwrap();
        drop(target);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_journal_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.sqlite");
        fs::write(&journal, "evidence").unwrap();
        let precious = [journal.clone()];

        let by_another_way = folder.path().join(".").join("journal.sqlite");
        let refused = Target::file(&by_another_way, &precious).unwrap_err();

        assert!(refused.to_string().ends_with("is a file of the hub; an export would replace it"), "{refused}");
        assert!(Target::file(folder.path(), &precious).is_err(), "a folder");
        assert_eq!(fs::read_to_string(&journal).unwrap(), "evidence");
    }
}
