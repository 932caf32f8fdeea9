//! The thread that writes, and the handle on it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::store::Store;
use crate::config::model::File;

/// Lines to append.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of the records, to know a batch that comes again.
    pub keys: Vec<Arc<str>>,
    /// What has to stand at the beginning of the file.
    pub header: Vec<u8>,
    pub lines: Vec<u8>,
}

/// How far the lines got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// To the disk, up to this length of the file.
    Synchronized { end: u64 },
    /// To whoever reads the stream.
    Sent,
}

/// Why the lines could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the writer has ended")]
    Ended,
}

/// The handle. Dropped, it ends the thread after the batch that is being written.
#[derive(Debug)]
pub(super) struct Peer {
    jobs: Option<mpsc::Sender<Job>>,
    under_way: Option<UnderWay>,
    ahead: Option<Ahead>,
}

/// Records that were written after the runner had given up waiting: it offers them again, in what batches it likes.
#[derive(Debug)]
struct Ahead {
    keys: Vec<Arc<str>>,
    written: Written,
}

#[derive(Debug)]
struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<Written, WriteError>>,
}

/// A batch that the thread has and whose end nobody has seen yet.
#[derive(Debug)]
struct UnderWay {
    keys: Vec<Arc<str>>,
    done: oneshot::Receiver<Result<Written, WriteError>>,
}

impl Peer {
    pub(super) fn new(config: &File) -> io::Result<Self> {
        let mut target = Target::new(config);
        let (jobs, incoming) = mpsc::channel::<Job>();
        // A thread of its own and not a task of the runtime's pool: a pipe that nobody reads must not keep the hub from
        // ending.
        thread::Builder::new().name("file sink".into()).spawn(move || {
            for job in incoming {
                // Nobody may be waiting any more; the next batch asks what became of this one.
                let _ = job.done.send(target.append(&job.batch));
            }
        })?;
        Ok(Peer { jobs: Some(jobs), under_way: None, ahead: None })
    }

    /// How many of the records with these keys, from the first on, were written by a batch that was given up. Waits for
    /// the end of such a batch. Cancel safe.
    pub(super) async fn written_ahead(&mut self, keys: &[Arc<str>]) -> Option<(usize, Written)> {
        if let Some(earlier) = &mut self.under_way {
            let result = (&mut earlier.done).await;
            let earlier = std::mem::take(&mut earlier.keys);
            self.under_way = None;
            if let Ok(Ok(written)) = result {
                let before = self.ahead.take().map(|ahead| ahead.keys).unwrap_or_default();
                self.ahead = Some(Ahead { keys: before.into_iter().chain(earlier).collect(), written });
            }
        }
        let ahead = self.ahead.take()?;
        let count = keys.iter().take_while(|key| ahead.keys.contains(key)).count();
        // When it begins with others, those that were written have been told of.
        if count == 0 {
            return None;
        }
        Some((count, self.ahead.insert(ahead).written))
    }

    /// Appends the batch, one at a time, and after [`Peer::written_ahead`]. Cancel safe: a batch that was given to the
    /// thread is what that one waits for.
    pub(super) async fn append(&mut self, batch: Batch) -> Result<Written, WriteError> {
        let (done_tx, done) = oneshot::channel();
        let keys = batch.keys.clone();
        let jobs = self.jobs.as_ref().ok_or(WriteError::Ended)?;
        jobs.send(Job { batch, done: done_tx }).map_err(|_| WriteError::Ended)?;
        let under_way = self.under_way.insert(UnderWay { keys, done });
        let result = (&mut under_way.done).await;
        self.under_way = None;
        result.map_err(|_| WriteError::Ended)?
    }

    /// Waits for what is under way and ends the thread.
    pub(super) async fn close(&mut self) {
        self.jobs = None;
        if let Some(earlier) = &mut self.under_way {
            // The runner was told of its fate already: it counts as not delivered.
            let _ = (&mut earlier.done).await;
            self.under_way = None;
        }
    }
}

/// Where the lines go, and what is open of it.
enum Target {
    StandardOutput { has_header: bool },
    Path { path: PathBuf, store: Store, stream: Option<Stream> },
}

/// A pipe or a device.
struct Stream {
    file: fs::File,
    has_header: bool,
}

impl Target {
    fn new(config: &File) -> Self {
        if config.path == Path::new("-") {
            return Target::StandardOutput { has_header: false };
        }
        Target::Path { path: config.path.clone(), store: Store::new(config), stream: None }
    }

    fn append(&mut self, batch: &Batch) -> Result<Written, WriteError> {
        match self {
            Target::StandardOutput { has_header } => {
                let result = write_stream(&mut io::stdout().lock(), batch, has_header);
                result.map_err(|source| WriteError::Io { path: "standard output".into(), source })
            }
            Target::Path { path, store, stream } => {
                let result = if is_stream(path) { append_stream(path, stream, batch) } else { store.append(batch) };
                result.map_err(|source| WriteError::Io { path: path.clone(), source })
            }
        }
    }
}

fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device()
    })
}

fn append_stream(path: &Path, stream: &mut Option<Stream>, batch: &Batch) -> io::Result<Written> {
    let open = match stream {
        Some(open) => open,
        // Waits until a pipe has a reader.
        None => stream.insert(Stream { file: OpenOptions::new().write(true).open(path)?, has_header: false }),
    };
    let result = write_stream(&mut open.file, batch, &mut open.has_header);
    if result.is_err() {
        *stream = None;
    }
    result
}

fn write_stream(out: &mut impl Write, batch: &Batch, has_header: &mut bool) -> io::Result<Written> {
    if !*has_header {
        out.write_all(&batch.header)?;
        *has_header = true;
    }
    out.write_all(&batch.lines)?;
    out.flush()?;
    Ok(Written::Sent)
}
