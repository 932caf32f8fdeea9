//! Which journal a command is about, and moments as people write them.

use std::path::PathBuf;

use anyhow::bail;
use clap::{ArgGroup, Args};

use super::run::load;
use crate::hub;
use crate::journal::{self, Reader};
use crate::time::Timestamp;

/// Which journal.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("origin").required(true).args(["config", "journal"])))]
pub struct Origin {
    /// Configuration files, later ones over earlier ones: they say where the journal is.
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// The journal itself, without a configuration.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

impl Origin {
    /// The journal's file. Problems of the configuration go to standard error.
    pub fn file(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.journal {
            return Ok(file.clone());
        }
        let Some(config) = load(&self.config) else {
            bail!("the configuration has errors; --journal FILE does without it")
        };
        Ok(hub::journal_file(&config))
    }

    /// The journal, to read from.
    pub fn reader(&self) -> anyhow::Result<Reader> {
        Ok(journal::read(&self.file()?)?)
    }
}

/// RFC 3339, or a date and its midnight in UTC.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment,
        // A longer text that is a date for the parser has a time of day without an offset.
        Err(error) if text.len() != "2026-11-01".len() => {
            return Err(format!("{error}; write 2026-11-01T08:00:00+05:00 or 2026-11-01"));
        }
        Err(_) => {
            let date: jiff::civil::Date = text.parse().map_err(|error| format!("{error}"))?;
            date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| format!("{error}"))?.timestamp()
        }
    };
    // What no timestamp reaches is before, or after, everything in the journal.
    let nanoseconds = moment.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Ok(Timestamp(i64::try_from(nanoseconds).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_midnight_in_utc_and_a_time_needs_its_offset() {
        let check = |text: &str, expected: &str| assert_eq!(moment(text).unwrap().to_string(), expected, "{text}");
        check("2026-11-01", "2026-11-01T00:00:00Z");
        check("2026-11-01T08:00:00+05:00", "2026-11-01T03:00:00Z");
        check("2026-11-01T08:00:00.000000001Z", "2026-11-01T08:00:00.000000001Z");
        assert_eq!(moment("0001-01-01").unwrap(), Timestamp(i64::MIN));
        assert_eq!(moment("9000-01-01").unwrap(), Timestamp(i64::MAX));
        for wrong in ["2026-11-01T08:00:00", "2026-11-01 08:00", "yesterday", "2026-13-01", "20261101", ""] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
