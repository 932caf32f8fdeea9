//! Records of the instrument's logger, channel by channel.
//!
//! `D REPORT "channel" RECORDS=n COMPACT` gives the n newest records, newest first, without a year: each is the last moment with its stamp that is not after
//! the one before it. There is no command that begins elsewhere, so that n grows until the records reach far enough back. A page is a channel: an answer of
//! at most 1,000 lines has at most 5,000 values. Source: Teledyne 300M manual, 7.1.

use serde::{Deserialize, Serialize};
use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::Stream;
use tutin_sdk::{Failure, History, PointKind, Samples, Timestamp, log};

use crate::clock;
use crate::line::Stamp;
use crate::{TeledyneAscii, report};

/// Records that are asked for first.
const FIRST: u32 = 50;
/// Most lines of an answer, as the link has it.
const LINES: u32 = 1000;
/// Longest wait for an answer, milliseconds: 1,000 lines at 9600 baud take most of it.
const PATIENCE_MS: u32 = 90_000;
/// Records that seem older are not newest first.
const OLDEST: i64 = 731 * 86_400 * SECOND;

/// Where the reading stands. It survives the instance as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Position in the channels of the settings.
    channel: usize,
}

impl<L: Stream> TeledyneAscii<L> {
    /// The next page.
    pub(crate) fn page(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        let Place { channel } = match next {
            "" => Place { channel: 0 },
            next => {
                serde_json::from_str(next).map_err(|err| Failure::internal(format!("place in the records: {err}")))?
            }
        };
        let mut samples = Samples::default();
        let Some(name) = self.settings.channels.keys().nth(channel).cloned() else {
            return match channel {
                0 => Err(Failure::unsupported("settings.channels names no channel of the logger")),
                _ => Ok(History { samples, next: String::new() }),
            };
        };
        let lines = self.fetch(&name, begin)?;
        for (at, message) in lines.iter().filter(|(at, _)| (begin..end).contains(at)) {
            for value in report::values(message, &self.settings.channels) {
                match self.points.place(value.channel, &value.name, PointKind::Number) {
                    Some((position, PointKind::Number)) => samples.push(self.record(position, value.value, *at)),
                    _ => log::warn(&format!("{} of channel {} has no place", value.name, value.channel)),
                }
            }
        }
        if self.points.take_change() {
            samples.points_changed();
        }
        let next = Place { channel: channel + 1 };
        let is_over = next.channel >= self.settings.channels.len();
        let next = if is_over { Ok(String::new()) } else { serde_json::to_string(&next) };
        Ok(History { samples, next: next.map_err(|err| Failure::internal(err.to_string()))? })
    }

    /// Records from the newest back to this time.
    fn fetch(&self, channel: &str, begin: Timestamp) -> Result<Vec<(Timestamp, String)>, Failure> {
        let now = self.now.ok_or_else(|| Failure::busy("the instrument has not been polled yet"))?;
        if let Some(seconds) = self.clock_error {
            return Err(Failure::device(format!(
                "the instrument's clock is off by {seconds} s; its records are not read"
            )));
        }
        let mut count = FIRST;
        loop {
            let command = format!("REPORT \"{channel}\" RECORDS={count} COMPACT");
            let frames = self
                .ask_within('D', &command, LINES, PATIENCE_MS)
                .map_err(|err| err.during(format_args!("D {command}")))?;
            let newest_first: Vec<(Stamp, String)> = self
                .ours(&frames)
                .into_iter()
                .filter(|line| line.message.split(':').next().map(str::trim) == Some(channel))
                .map(|line| (line.stamp, line.message.to_owned()))
                .collect();
            let records = newest_first.iter().filter(|(_, message)| is_first_line(message)).count();
            let lines = self.placed_lines(newest_first, now)?;
            let reaches = lines.first().is_none_or(|(oldest, _)| *oldest <= begin);
            let is_all = u32::try_from(records).unwrap_or(u32::MAX) < count;
            let is_cut = u32::try_from(frames.len()).unwrap_or(u32::MAX) >= LINES;
            if is_cut && !reaches {
                log::warn(&format!("channel {channel}: records older than the newest {count} are out of reach"));
            }
            if reaches || is_all || is_cut {
                return Ok(lines);
            }
            count = count.saturating_mul(2);
        }
    }

    /// Lines with their moments, oldest first.
    fn placed_lines(
        &self,
        newest_first: Vec<(Stamp, String)>,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, String)>, Failure> {
        let mut latest = Timestamp(now.0.saturating_add(self.difference()));
        let mut lines = Vec::with_capacity(newest_first.len());
        for (stamp, message) in newest_first {
            let at = clock::last(stamp, latest, self.settings.utc_offset);
            let at = at.filter(|at| now.0.saturating_sub(at.0) <= OLDEST);
            latest = at.ok_or_else(|| Failure::device(format!("records are not newest first: {message:.80}")))?;
            lines.push((latest, message));
        }
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines)
    }
}

/// A record has a line for each five values.
fn is_first_line(message: &str) -> bool {
    message.split_once(':').is_some_and(|(_, rest)| rest.split_whitespace().next() == Some("1"))
}
