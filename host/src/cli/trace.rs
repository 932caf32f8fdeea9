//! `tutin trace`: what goes over a device's link while the hub runs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::output::say;
use super::run::load;
use super::simulate::duration;
use crate::capability::wire::{Direction, TracedFrame};
use crate::hub::control;
use crate::notation::counted;

/// Arguments of `tutin trace`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files of the running hub; later ones override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// The device, as in `[devices.NAME]`.
    device: String,
    /// New file to write the frames to, one JSON object a line, for `tutin plugin record` and `tutin simulate replay`. Without it they are shown.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// How long; without it until Ctrl-C.
    #[arg(long = "for", value_parser = duration, value_name = "DURATION")]
    length: Option<Duration>,
}

/// Watches until it is interrupted, the time is over, or the hub ends.
pub async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let device = &arguments.device;
    let watched = control::watch(&config.hub.state, device).await.with_context(|| format!("device {device}"))?;
    let Some(mut watched) = watched else {
        bail!("no hub runs with this configuration: there is nothing to watch; start it with `tutin run`")
    };
    eprintln!("{}", watched.what);
    let mut file = match arguments.to {
        None => None,
        Some(path) => {
            let created = std::fs::File::create_new(&path);
            let created =
                created.with_context(|| format!("cannot write {}, which must not be there yet", path.display()))?;
            Some((created, path))
        }
    };
    let end = async {
        match arguments.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let (mut frames, mut is_line) = (0, true);
    loop {
        let frame = tokio::select! {
            () = shutdown.cancelled() => break,
            () = &mut end => break,
            frame = watched.next() => frame?,
        };
        let Some(frame) = frame else {
            eprintln!("the hub has ended");
            break;
        };
        frames += 1;
        is_line &= frame.content.is_none();
        match &mut file {
            None => say(format_args!("{}", line(&frame))),
            // A line at a time: whoever looks meanwhile sees what there is.
            Some((file, path)) => {
                file.write_all(&frame.to_line()?).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    if let Some((_, path)) = file {
        let (frames, path) = (counted(frames, "frame"), path.display());
        let case = format!("make a case of them with: tutin plugin record {path} DRIVER/cases/NAME");
        if is_line {
            eprintln!("{frames} in {path}; play them with: tutin simulate replay {path}; {case}");
        } else {
            eprintln!("{frames} in {path}; {case}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Time of day, direction, bytes in groups of two, meaning.
pub(super) fn line(frame: &TracedFrame) -> String {
    let time = frame.at.to_string();
    let time = time.split_once('T').map_or(time.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let arrow = match frame.direction {
        Direction::Out => "->",
        Direction::In => "<-",
        Direction::State => "--",
    };
    let bytes: Vec<&str> = frame.hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
    let bytes = bytes.join(" ");
    let gap = if bytes.is_empty() { "" } else { "  " };
    format!("{time} {arrow} {bytes}{gap}{}", frame.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_frame_is_one_line_with_time_direction_bytes_and_meaning() {
        let frame = TracedFrame {
            at: Timestamp::from_seconds(3_661),
            link: "line-a".into(),
            direction: Direction::Out,
            hex: "0284".into(),
            text: "unit 2: read".into(),
            content: None,
        };
        assert_eq!(line(&frame), "01:01:01 -> 02 84  unit 2: read");
        let state = TracedFrame { direction: Direction::State, hex: String::new(), text: "closed".into(), ..frame };
        assert_eq!(line(&state), "01:01:01 -- closed");
    }
}
