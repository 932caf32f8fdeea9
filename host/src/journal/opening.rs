//! Opening a journal to write: one hub, the right format, and an end that is what the last commit left.
//!
//! What was found and mended is told as events, which become the first entries of the new run. A file that is no database any more is
//! renamed, never removed, and a new journal goes on in its place: a plant must not stop recording because of a broken disk sector.
//!
//! The lock file beside the journal is also its witness: after each commit it is told the last entry's number and hash. Entries that
//! the witness knows and the journal does not were lost with a log that somebody removed, or with an older copy put back.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use tracing::{error, warn};

use super::chain::{End, Hash, Link, Seal};
use super::convert;
use super::error::JournalError;
use super::event::{Ending, Event};
use super::schema::{self, FORMAT, TABLES};
use crate::key::{PublicKey, SigningKey};
use crate::time::Timestamp;

/// A journal that is open for its one writer.
pub struct Opened {
    pub connection: Connection,
    pub witness: Witness,
    pub key: SigningKey,
    /// Where the chain goes on.
    pub end: End,
    /// What must be recorded before anything else.
    pub events: Vec<Event>,
    pub found: Predecessor,
}

/// How the journal was when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    /// How the last hub ended.
    pub ending: Ending,
    /// When it last stored a reading, started or stopped.
    pub last: Option<Timestamp>,
}

/// The lock that keeps other writers out for as long as it lives, and what stands in its file.
pub struct Witness {
    file: File,
}

/// What the journal's own last row says.
struct Head {
    end: End,
    signature: Vec<u8>,
    in_use: bool,
}

/// Opens the file for the one writer, and makes it if it is not there.
pub fn open(file: &Path) -> Result<Opened, JournalError> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|source| JournalError::Folder { file: folder.to_owned(), source })?;
    }
    let mut witness = Witness::lock(file)?;
    let taken = match take_up(file, &mut witness, Vec::new()).map_err(|error| error.of_file(file)) {
        Err(JournalError::Corrupt { source, .. }) => {
            let aside = set_aside(file, &source)?;
            take_up(file, &mut witness, vec![aside])
        }
        taken => taken,
    };
    let Taken { connection, key, end, events, found } = taken?;
    Ok(Opened { connection, witness, key, end, events, found })
}

/// A journal that can be gone on with.
struct Taken {
    connection: Connection,
    key: SigningKey,
    end: End,
    events: Vec<Event>,
    found: Predecessor,
}

fn take_up(file: &Path, witness: &mut Witness, mut events: Vec<Event>) -> Result<Taken, JournalError> {
    let (connection, head) = connect(file, &mut events)?;
    let key = SigningKey::open(&file.with_extension("key"))?;
    let end = check_end(&connection, head.as_ref(), &witness.read(), &key, &mut events)?;
    note_key(&connection, &key, end, &mut events)?;
    let ending = match (&head, end.seq) {
        (_, 0) => Ending::First,
        (Some(head), _) if !head.in_use => Ending::Clean,
        _ => Ending::Unclean,
    };
    let found = Predecessor { ending, last: last_sign_of_a_hub(&connection)? };
    Ok(Taken { connection, key, end, events, found })
}

/// Connects, brings the file to this format, and reads its head.
fn connect(file: &Path, events: &mut Vec<Event>) -> Result<(Connection, Option<Head>), JournalError> {
    let failed = |source| JournalError::opening(file, source);
    let mut connection = Connection::open(file).map_err(failed)?;
    schema::prepare(&connection).map_err(failed)?;
    match schema::format(&connection).map_err(failed)? {
        FORMAT => {}
        0 => {
            let make = format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;");
            connection.execute_batch(&make).map_err(failed)?;
        }
        1 => {
            warn!("journal: {} has format 1 and is converted; a large one takes a while", file.display());
            let through = convert::from_format_1(&mut connection).map_err(failed)?;
            events.push(Event::Converted { from: 1, through });
        }
        found => return Err(JournalError::Format { file: file.to_owned(), found, known: FORMAT }),
    }
    let head = head(&connection).map_err(failed)?;
    Ok((connection, head))
}

fn head(connection: &Connection) -> rusqlite::Result<Option<Head>> {
    let read = connection.query_row("SELECT seq, hash, at, signature, in_use FROM head", [], |row| {
        let hash: Vec<u8> = row.get(1)?;
        let end = End {
            seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
            hash: Hash::from_bytes(&hash).unwrap_or(Hash::ORIGIN),
            at: Timestamp(row.get(2)?),
        };
        Ok(Head { end, signature: row.get(3)?, in_use: row.get::<_, i64>(4)? != 0 })
    });
    read.optional()
}

/// Where the chain goes on. What does not hold about its end is told; the chain goes on all the same, for `tutin verify` to find it.
fn check_end(
    connection: &Connection,
    head: Option<&Head>,
    witnessed: &End,
    key: &SigningKey,
    events: &mut Vec<Event>,
) -> Result<End, JournalError> {
    let last = last_entry(connection)?;
    let headed = head.map_or(End::ORIGIN, |head| head.end);
    let mut end = last.as_ref().map_or(End::ORIGIN, |(end, _)| *end);
    if let Some((_, false)) = last {
        let what = "its hash is not that of its content".to_owned();
        events.push(Event::Altered { entry: end.seq, what });
    } else if headed != end && headed.seq <= end.seq {
        events.push(Event::Altered {
            entry: end.seq,
            what: format!("the journal says that it ends with entry {}", headed.seq),
        });
    } else if let Some(head) = head
        && !head.signature.is_empty()
        && headed == end
        && !key.public().verifies(&headed.message(Seal::Head), &head.signature)
    {
        let what = "the end of the journal is not signed with this hub's key".to_owned();
        events.push(Event::Altered { entry: end.seq, what });
    }
    let known = headed.seq.max(witnessed.seq);
    if known > end.seq {
        let what =
            "they had been committed; was the file with the ending -wal removed, or an older copy put back?".to_owned();
        events.push(Event::Lost { first: end.seq + 1, last: known, what });
        // Their numbers are not given again: the far end may know them.
        end.seq = known;
    }
    for event in events.iter().filter(|event| !matches!(event, Event::Converted { .. })) {
        error!("journal: {}", event.to_json());
    }
    Ok(end)
}

/// The last entry, and whether its hash holds behind its neighbour.
fn last_entry(connection: &Connection) -> Result<Option<(End, bool)>, JournalError> {
    let mut statement =
        connection.prepare("SELECT seq, at, kind, payload, hash FROM entry ORDER BY seq DESC LIMIT 2")?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, Vec<u8>>(3)?,
            row.get::<_, Vec<u8>>(4)?,
        ))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let Some((seq, at, kind, payload, hash)) = rows.first() else { return Ok(None) };
    let link = Link { seq: u64::try_from(*seq).unwrap_or(0), at: Timestamp(*at), kind: *kind, payload };
    let stored = Hash::from_bytes(hash).unwrap_or(Hash::ORIGIN);
    let before = match rows.get(1) {
        Some((before, .., hash)) if *before == seq - 1 => Hash::from_bytes(hash),
        None if *seq == 1 => Some(Hash::ORIGIN),
        // Its neighbour was pruned or lost; `verify` knows what to make of it.
        _ => None,
    };
    let holds = before.is_none_or(|before| link.after(before) == stored);
    Ok(Some((End { seq: link.seq, at: link.at, hash: stored }, holds)))
}

/// Entries of a command that opened the journal while no hub ran do not count.
fn last_sign_of_a_hub(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let reading: Option<i64> =
        connection.query_row("SELECT max(at) FROM entry WHERE kind = 2", [], |row| row.get(0))?;
    let event: Option<i64> = connection
        .query_row(
            "SELECT at FROM entry WHERE kind = 4 AND json_valid(CAST(payload AS TEXT)) \
             AND json_extract(CAST(payload AS TEXT), '$.event') IN ('start', 'stop') ORDER BY at DESC, seq DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(reading.max(event).map(Timestamp))
}

/// The journal says which key signs it, at its beginning and whenever that changes.
fn note_key(connection: &Connection, key: &SigningKey, end: End, events: &mut Vec<Event>) -> Result<(), JournalError> {
    let public_key = key.public().to_string();
    if end.seq == 0 {
        events.insert(0, Event::Begin { format: FORMAT, public_key });
        return Ok(());
    }
    if key_in_force(connection)?.is_none_or(|known| known != key.public()) {
        events.push(Event::Key { public_key });
    }
    Ok(())
}

/// The key that the journal names last.
pub fn key_in_force(connection: &Connection) -> Result<Option<PublicKey>, JournalError> {
    let text: Option<String> = connection
        .query_row(
            "SELECT json_extract(CAST(payload AS TEXT), '$.public_key') FROM entry WHERE kind = 4 \
             AND json_valid(CAST(payload AS TEXT)) AND json_extract(CAST(payload AS TEXT), '$.event') IN ('begin', 'key') \
             ORDER BY at DESC, seq DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(text.and_then(|text| PublicKey::from_hex(&text)))
}

/// Renames what cannot be read, its log with it.
pub fn set_aside(file: &Path, source: &rusqlite::Error) -> Result<Event, JournalError> {
    let stamp: String = Timestamp::now().to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let aside = file.with_extension(format!("damaged-{stamp}.sqlite"));
    let failed = |source| JournalError::Folder { file: file.to_owned(), source };
    fs::rename(file, &aside).map_err(failed)?;
    let log = schema::wal_of(file);
    if log.exists() {
        fs::rename(&log, schema::wal_of(&aside)).map_err(failed)?;
    }
    error!(
        "journal: {} cannot be read ({source}); it is {} now, and a new one goes on",
        file.display(),
        aside.display()
    );
    let name = aside.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Event::SetAside { file: name, what: source.to_string() })
}

impl Witness {
    /// One hub for one journal: an advisory lock, which the system drops with the process.
    fn lock(journal: &Path) -> Result<Self, JournalError> {
        let file = journal.with_extension("lock");
        let failed = |source| JournalError::Folder { file: PathBuf::from(&file), source };
        let lock = File::options().create(true).truncate(false).read(true).write(true).open(&file).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Witness { file: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::InUse { file: journal.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// What it was told last; the origin when it was never told anything, or nothing that makes sense.
    fn read(&mut self) -> End {
        let mut text = String::new();
        if self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_string(&mut text)).is_err() {
            return End::ORIGIN;
        }
        let told = text.split_once(' ').and_then(|(seq, hash)| Some((seq.parse().ok()?, Hash::from_hex(hash)?)));
        told.map_or(End::ORIGIN, |(seq, hash)| End { seq, hash, ..End::ORIGIN })
    }

    /// Is told after a commit. It need not be durable: it must only never be ahead of the journal.
    pub fn tell(&mut self, end: &End) {
        let line = format!("{:020} {}\n", end.seq, end.hash);
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(line.as_bytes()));
        if let Err(error) = written {
            warn!("journal: its lock file cannot be written: {error}");
        }
    }
}
