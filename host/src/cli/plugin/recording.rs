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

use super::record::{self, ABOUT};
use crate::capability::wire::{Frames, Trace};
use crate::kit::record::Source;
use crate::kit::site::Site;
use crate::plugin::Plugin;

/// A link that is being watched.
pub(super) struct Recording {
    folder: PathBuf,
    source: Source,
    file: NamedTempFile,
    stop: CancellationToken,
    /// Frames that were too many to write.
    missed: JoinHandle<std::io::Result<u64>>,
}

impl Recording {
    /// From the first frame on.
    pub(super) fn begin(site: &Site, trace: &Trace, folder: &Path) -> anyhow::Result<Self> {
        if folder.exists() {
            bail!("{} is there already; name another folder", folder.display());
        }
        let kind = site.link.get("type").and_then(Value::as_str).unwrap_or_default();
        let link = record::played(kind)?;
        let (device, settings) = (site.device.clone(), site.settings.clone());
        let source = Source { about: ABOUT.to_owned(), link, device, settings };
        let file = NamedTempFile::new().context("a file for what goes over the link")?;
        let stop = CancellationToken::new();
        let missed = tokio::spawn(write(trace.watch(), file.reopen()?, stop.clone()));
        Ok(Recording { folder: folder.to_owned(), source, file, stop, missed })
    }

    /// Makes the case, and shows what the driver made of it.
    pub(super) async fn end(self, plugin: Arc<Plugin>) -> anyhow::Result<ExitCode> {
        self.stop.cancel();
        let made = match self.missed.await.context("writing what goes over the link")? {
            Ok(0) => record::make(plugin, self.file.path(), &self.folder, &self.source).await,
            Ok(missed) => Err(anyhow!("{missed} frames were too many to write: there is no case of what has gaps")),
            Err(error) => Err(error).context("writing what goes over the link"),
        };
        if made.is_err() {
            eprintln!("{}", kept(self.file));
        }
        made
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

async fn write(mut frames: Frames, mut file: std::fs::File, stop: CancellationToken) -> std::io::Result<u64> {
    let mut missed = 0;
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
            }
            Err(RecvError::Lagged(count)) => missed += count,
            Err(RecvError::Closed) => break,
        }
    }
    Ok(missed)
}
