//! What a driver that runs beside an instrument sees becomes a case when it ends.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use tempfile::NamedTempFile;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use toml::Value;

use super::record;
use crate::capability::wire::{Frames, Trace};
use crate::hub::describe;
use crate::kit::record::{self as kit, Source};
use crate::kit::site::Site;
use crate::plugin::Plugin;

/// What came of watching.
#[derive(Debug, Default)]
struct Count {
    frames: u64,
    /// Frames that were too many to write.
    missed: u64,
}

/// A link that is being watched.
pub(super) struct Recording {
    folder: PathBuf,
    source: Source,
    file: NamedTempFile,
    stop: CancellationToken,
    written: JoinHandle<std::io::Result<Count>>,
}

impl Recording {
    /// From the first frame on.
    pub(super) fn begin(site: &Site, trace: &Trace, folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            bail!("{} is there already; name another folder", folder.display());
        }
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot write in {}", parent.display()))?;
        }
        let kind = site.link.get("type").and_then(Value::as_str).unwrap_or_default();
        let link = record::played(kind)?;
        let (device, settings) = (site.device.clone(), site.settings.clone());
        let source = Source { about: None, link, device, settings };
        let file = NamedTempFile::new().context("a file for what goes over the link")?;
        let stop = CancellationToken::new();
        let written = tokio::spawn(write(trace.watch(), file.reopen()?, stop.clone()));
        Ok(Recording { folder: folder.to_owned(), source, file, stop, written })
    }

    /// Makes the case, and says what is not in it.
    pub(super) async fn end(self, plugin: Arc<Plugin>) -> anyhow::Result<ExitCode> {
        self.stop.cancel();
        let Count { frames, missed } = match self.written.await.context("writing what goes over the link")? {
            Ok(count) => count,
            Err(error) => return Err(error).context(kept(self.file)),
        };
        if frames == 0 {
            bail!("nothing went over the link: there is no case; is the instrument there?");
        }
        if missed > 0 {
            bail!("{missed} frames were too many to write: there is no case of what has gaps; {}", kept(self.file));
        }
        match kit::record(plugin, self.file.path(), &self.folder, &self.source, &super::state()?).await {
            Ok(recorded) => {
                record::summary(&recorded, &self.folder).iter().for_each(|line| eprintln!("{line}"));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Err(anyhow!("{}; {}", describe(&error), kept(self.file))),
        }
    }

    /// Makes no case, since the driver has none to make.
    pub(super) fn leave(self) {
        eprintln!("{}", kept(self.file));
    }
}

/// What was seen is not lost with a case that cannot be made.
fn kept(file: NamedTempFile) -> String {
    match file.keep() {
        Ok((_, path)) => format!("what was seen is in {}", path.display()),
        Err(error) => format!("what was seen is lost: {error}"),
    }
}

async fn write(mut frames: Frames, mut file: std::fs::File, stop: CancellationToken) -> std::io::Result<Count> {
    let mut count = Count::default();
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            // What came before is still there.
            () = stop.cancelled() => frames.try_recv().map_err(|error| match error {
                TryRecvError::Lagged(count) => RecvError::Lagged(count),
                TryRecvError::Empty | TryRecvError::Closed => RecvError::Closed,
            }),
        };
        match frame {
            Ok(frame) => {
                file.write_all(&frame.to_line()?)?;
                count.frames += 1;
            }
            Err(RecvError::Lagged(missed)) => count.missed += missed,
            Err(RecvError::Closed) => break,
        }
    }
    Ok(count)
}
