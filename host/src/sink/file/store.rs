//! A file that only grows, is synchronized after each batch, and is renamed with a number when it is long enough.
//!
//! ```text
//! averages.jsonl      being written
//! averages.jsonl.2    renamed last
//! averages.jsonl.1    renamed first; the first to go when only so many are kept
//! ```
//!
//! A crash can leave an incomplete last line. It was never accepted, so it is cut off when the file is opened: its
//! records come again.
//!
//! Invariant: after a failed write or synchronization nothing is appended to what may be there; the file is cut back to
//! the last accepted line and opened again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::peer::{Batch, Written};
use crate::config::model::{self, FileFormat};

pub(super) struct Store {
    path: PathBuf,
    format: FileFormat,
    rotate_bytes: u64,
    keep: u32,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Everything before it is accepted.
    length: u64,
    header: Vec<u8>,
    identity: (u64, u64),
}

impl Store {
    pub(super) fn new(config: &model::File) -> Self {
        Store {
            path: config.path.clone(),
            format: config.format,
            rotate_bytes: config.rotate_bytes,
            keep: config.keep,
            open: None,
        }
    }

    /// Appends the lines and returns when they are on the disk.
    pub(super) fn append(&mut self, batch: &Batch) -> io::Result<Written> {
        let mut open = match self.open.take() {
            Some(open) if open.is_still_at(&self.path) => open,
            _ => self.open(&batch.header)?,
        };
        if open.length >= self.rotate_bytes || open.header != batch.header {
            self.rename()?;
            open = self.open(&batch.header)?;
        }
        let header = if open.length == 0 { batch.header.as_slice() } else { &[] };
        if let Err(err) = open.write(&[header, &batch.lines].concat()) {
            // If the cut fails too, the next opening finds and removes what is incomplete.
            let _ = open.file.set_len(open.length);
            return Err(err);
        }
        let end = open.length;
        self.open = Some(open);
        Ok(Written::Synchronized { end })
    }

    fn open(&self, header: &[u8]) -> io::Result<Open> {
        if let Some(folder) = folder(&self.path) {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another program or sink writes to it")),
            Err(TryLockError::Error(err)) => return Err(err),
        }
        let metadata = file.metadata()?;
        let complete = match self.format {
            FileFormat::JsonLines => complete_lines(&mut file, metadata.len())?,
            FileFormat::Csv => complete_rows(&mut file)?,
        };
        if complete < metadata.len() {
            let cut = metadata.len() - complete;
            tracing::warn!(path = %self.path.display(), cut, "incomplete last line removed; its records come again");
            file.set_len(complete)?;
            file.sync_all()?;
        }
        synchronize_folder(&self.path)?;
        let header = if complete == 0 { header.to_vec() } else { first_bytes(&mut file, header.len())? };
        Ok(Open { file, length: complete, header, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Gives the file the next free number, and removes the oldest of those that are more than `keep`.
    fn rename(&self) -> io::Result<()> {
        let mut numbers = self.numbers()?;
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |last| last + 1);
        fs::rename(&self.path, self.numbered(next))?;
        numbers.push(next);
        let kept = usize::try_from(self.keep).unwrap_or(usize::MAX);
        if kept > 0 {
            let surplus = numbers.len().saturating_sub(kept);
            for number in numbers.into_iter().take(surplus) {
                fs::remove_file(self.numbered(number))?;
            }
        }
        synchronize_folder(&self.path)
    }

    /// Numbers of the renamed files that are there.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder(&self.path).unwrap_or(Path::new(".")))? {
            let found = entry?.file_name();
            let number: Option<u64> =
                found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
            numbers.extend(number);
        }
        Ok(numbers)
    }

    fn numbered(&self, number: u64) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        PathBuf::from(path)
    }
}

impl Open {
    /// False when somebody moved or removed the file: what is written now would be seen by nobody.
    fn is_still_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Where the last line feed ends. Read from the end, so that a long file costs nothing.
fn complete_lines(file: &mut File, length: u64) -> io::Result<u64> {
    const PIECE: u64 = 64 * 1024;
    let mut end = length;
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        piece.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Where the last complete CSV row ends. A line feed between quotes ends no row, so that it must be read from the
/// start.
fn complete_rows(file: &mut File) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let (mut at, mut complete, mut is_quoted) = (0_u64, 0, false);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(complete);
        }
        for byte in piece {
            at += 1;
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\n' if !is_quoted => complete = at,
                _ => {}
            }
        }
        let used = piece.len();
        reader.consume(used);
    }
}

fn first_bytes(file: &mut File, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(u64::try_from(count).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A new or a renamed file survives a power cut only when its folder is synchronized too.
fn synchronize_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path).unwrap_or(Path::new(".")))?.sync_all()
}

/// `None` for a bare name.
fn folder(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
