//! What is compared with: the same bytes in a plain file, and no more.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

/// Blocks that are held in memory to be written again.
const HELD: usize = 64 << 20;
/// Time from one fdatasync to the next, as between two commits.
const SYNC: Duration = Duration::from_millis(200);

/// What the loop does with a block besides writing it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Nothing,
    Hash,
}

/// How fast blocks come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// One for each fdatasync.
    Steady,
    /// As fast as they are written.
    Unbounded,
}

/// Opens a journal as any program that knows SQLite.
pub fn connect(journal: &Path) -> Result<Connection> {
    Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| journal.display().to_string())
}

/// The first blocks of readings of a journal, byte for byte.
pub fn blocks(journal: &Path) -> Result<Vec<Vec<u8>>> {
    let connection = connect(journal)?;
    let mut statement = connection.prepare("SELECT payload FROM entry WHERE kind = 2 ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let (mut blocks, mut held) = (Vec::new(), 0);
    while held < HELD
        && let Some(row) = rows.next()?
    {
        let block: Vec<u8> = row.get(0)?;
        held += block.len();
        blocks.push(block);
    }
    Ok(blocks)
}

/// Appends the blocks to a plain file, in turn, until it has this many bytes; the last ones are as durable as the first.
pub fn append(file: &Path, blocks: &[Vec<u8>], bytes: u64, pace: Pace, work: Work) -> Result<(Duration, u64)> {
    let mut open = File::create(file)?;
    let begin = Instant::now();
    let (mut written, mut next) = (0, SYNC);
    let mut hash = [0; 32];
    for block in blocks.iter().cycle().take_while(|block| !block.is_empty()) {
        if written >= bytes {
            break;
        }
        if pace == Pace::Steady {
            std::thread::sleep(next.saturating_sub(begin.elapsed()));
        }
        if work == Work::Hash {
            hash = Sha256::new().chain_update(hash).chain_update(block).finalize().into();
        }
        open.write_all(block)?;
        written += block.len() as u64;
        if begin.elapsed() >= next {
            open.sync_data()?;
            next += SYNC;
        }
    }
    std::hint::black_box(hash);
    open.sync_data()?;
    Ok((begin.elapsed(), written))
}
