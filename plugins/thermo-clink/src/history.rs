//! Records of the instrument, ten at a time.
//!
//! `lrec n m` gives m records, from the one that is n back towards the newest. A record is a line:
//!
//! ```text
//! 05:00 11-01-26 flags 0C100000 o3 31.2 pres 740.1
//! ```
//!
//! Where the instrument is set to leave out the names, `lrec layout` tells them. As new records come, all others move one further back:
//! pages overlap by two records, and where one does not its beginning is searched again.
//!
//! Sources: 42i manual, appendix B (commands, records); that the format and the names of `lrec layout` stand in one line, the format as
//! words with a `%`, is unproven.

use serde::{Deserialize, Serialize};
use tutin_sdk::clock::{SECOND, UtcOffset};
use tutin_sdk::stream::{Exchange, Stream};
use tutin_sdk::{Failure, History, Sample, Samples, Timestamp, log};

use crate::clock;
use crate::reply::{self, Answer};
use crate::status::{self, Verdict};
use crate::{ThermoClink, as_text, complaint};

/// Most records of a call.
const PAGE: u32 = 10;
/// Records that two pages share: so many may come between them.
const OVERLAP: u32 = 2;
/// So many records further back a search ends than it must, for those that come before the page is asked for.
const MARGIN: u32 = 5;
/// So often the beginning of a page is searched again.
const SEARCHES: u8 = 3;
/// No instrument keeps so many; the search for the beginning ends here.
const FURTHEST: u32 = 1 << 20;
/// Silence that ends an answer of several lines.
const QUIET_MS: u32 = 500;

/// Where the reading of records stands. It survives the instance as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// How far back the next page begins.
    back: u32,
    /// Time of the last record that came; at first, the time before the one that is asked for.
    last: i64,
    /// How often its beginning was searched in vain: records come faster than they are read.
    searches: u8,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
struct Record {
    at: Timestamp,
    flags: Option<u32>,
    values: Vec<(String, f64)>,
}

impl<L: Stream> ThermoClink<L> {
    /// The next page.
    pub(crate) fn page(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        let place = if next.is_empty() {
            self.check_clock()?;
            let last = begin.0.saturating_sub(1);
            Place { back: self.search(last)?, last, searches: 0 }
        } else {
            serde_json::from_str(next).map_err(|err| Failure::internal(format!("place in the records: {err}")))?
        };
        let records = if place.back == 0 { Vec::new() } else { self.records(place.back, place.back.min(PAGE))? };
        let (Some(first), Some(newest)) = (records.first(), records.last().map(|record| record.at.0)) else {
            return Ok(History { samples: Samples::default(), next: String::new() });
        };
        if first.at.0 > place.last && place.searches < SEARCHES {
            let back = self.search(place.last)?;
            if back > place.back {
                return page(Samples::default(), &Place { back, last: place.last, searches: place.searches + 1 });
            }
        }
        let mut samples = Samples::default();
        let is_asked_for = |at: i64| at > place.last && at < end.0;
        for record in records.iter().filter(|record| is_asked_for(record.at.0)) {
            self.publish(record, &mut samples);
        }
        if self.points.take_change() {
            samples.points_changed();
        }
        if newest >= end.0 || place.back <= PAGE {
            return Ok(History { samples, next: String::new() });
        }
        page(samples, &Place { back: place.back - (PAGE - OVERLAP), last: newest, searches: 0 })
    }

    fn publish(&mut self, record: &Record, samples: &mut Samples) {
        let verdict = record.flags.map_or_else(Verdict::unknown, |word| self.flags.verdict(word));
        for (name, value) in &record.values {
            let Some(position) = self.points.place(name) else {
                log::warn(&format!("{name:?} in a record has no place"));
                continue;
            };
            let mut sample = Sample::new(position, *value).status(verdict.word).time(record.at);
            let is_concentration = usize::from(position) < self.gases || usize::from(position) >= self.numbers.len();
            if is_concentration {
                sample = sample.state(verdict.state).qualifiers(verdict.remarks);
            }
            samples.push(sample);
        }
    }

    /// Records in order of time.
    fn records(&self, back: u32, count: u32) -> Result<Vec<Record>, Failure> {
        let command = format!("lrec {back} {count}");
        let exchange = Exchange::default().up_to(count + 1, QUIET_MS);
        let frames = self
            .link
            .request(&reply::request(self.id, &command), &exchange)
            .map_err(|err| err.during(format_args!("command {command}")))?;
        let text = match reply::read(&frames.concat(), &command, self.sum)? {
            Answer::Text(text) => text,
            Answer::Nothing => return Ok(Vec::new()),
            Answer::BadCommand => return Err(Failure::device(complaint(&command, &Answer::BadCommand))),
        };
        let mut names = None;
        let mut records = Vec::new();
        for line in text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            let Some(mut record) = record(line, self.settings.utc_offset) else {
                log::debug(|| format!("{line:?} is no record"));
                continue;
            };
            if record.values.iter().any(|(name, _)| name.is_empty()) {
                let names = match &names {
                    Some(names) => names,
                    None => names.insert(self.layout()?),
                };
                name_values(&mut record, names)?;
            }
            records.push(record);
        }
        records.sort_by_key(|record| record.at);
        Ok(records)
    }

    /// Names of the values of a record that does not carry them.
    fn layout(&self) -> Result<Vec<String>, Failure> {
        let answer = self.ask("lrec layout")?;
        let Some(text) = as_text(&answer) else { return Err(Failure::device(complaint("lrec layout", &answer))) };
        let is_name = |word: &&str| !word.starts_with('%') && !["time", "date", "flags"].contains(word);
        Ok(text.split_whitespace().filter(is_name).map(str::to_owned).collect())
    }

    /// Where to begin so that no record after this time is missed; 0 when there is none at all.
    fn search(&self, last: i64) -> Result<u32, Failure> {
        let found = self.find(last)?;
        if found != 0 {
            for further in (1..=MARGIN).rev().map(|margin| found.saturating_add(margin)) {
                if !self.records(further, 1)?.is_empty() {
                    return Ok(further);
                }
            }
        }
        Ok(found)
    }

    /// How far back the newest record up to this time is, or the oldest one; 0 when there is none at all.
    fn find(&self, last: i64) -> Result<u32, Failure> {
        let (mut newer, mut older) = (0, 1);
        let is_newer = |back: u32| -> Result<Option<bool>, Failure> {
            Ok(self.records(back, 1)?.first().map(|record| record.at.0 > last))
        };
        let mut seen = is_newer(older)?;
        while seen == Some(true) && older < FURTHEST {
            newer = older;
            older *= 2;
            seen = is_newer(older)?;
        }
        while older - newer > 1 {
            let middle = newer + (older - newer) / 2;
            match is_newer(middle)? {
                Some(true) => newer = middle,
                other => (older, seen) = (middle, other),
            }
        }
        Ok(if seen.is_some() { older } else { newer })
    }

    /// Records of a clock that is wrong would have wrong times.
    fn check_clock(&self) -> Result<(), Failure> {
        let Some(now) = self.now else { return Ok(()) };
        let (time, date) = (self.ask("time")?, self.ask("date")?);
        let (Some(time), Some(date)) = (as_text(&time), as_text(&date)) else {
            return Err(Failure::device("the instrument does not tell its clock; its records are not read"));
        };
        let said = clock::read(time, date, self.settings.utc_offset).ok_or_else(|| {
            Failure::device(format!("the clock's {time:?} {date:?} is no time; its records are not read"))
        })?;
        let difference = said.0.saturating_sub(now.0) / SECOND;
        if difference.unsigned_abs() > u64::from(self.settings.max_clock_difference) {
            return Err(Failure::device(format!(
                "the instrument's clock is off by {difference} s ({time} {date}); its records are not read"
            )));
        }
        Ok(())
    }
}

fn page(samples: Samples, place: &Place) -> Result<History, Failure> {
    let next = serde_json::to_string(place).map_err(|err| Failure::internal(err.to_string()))?;
    Ok(History { samples, next })
}

/// A line's record; nothing when it is none. Names are empty where the line has none.
fn record(line: &str, offset: UtcOffset) -> Option<Record> {
    let mut words = line.split_whitespace().peekable();
    let at = clock::read(words.next()?, words.next()?, offset)?;
    words.next_if(|word| word.eq_ignore_ascii_case("flags"));
    let flags = words.next_if(|word| word.len() == 8 && status::word(word).is_some()).and_then(status::word);
    let mut values = Vec::new();
    let mut name = Vec::new();
    for word in words {
        match reply::number(word) {
            Some((value, _)) => values.push((std::mem::take(&mut name).join(" "), value)),
            None => name.push(word),
        }
    }
    Some(Record { at, flags, values })
}

fn name_values(record: &mut Record, names: &[String]) -> Result<(), Failure> {
    if names.len() != record.values.len() {
        let (values, names) = (record.values.len(), names.len());
        return Err(Failure::device(format!("records have {values} values and lrec layout has {names} names")));
    }
    for ((empty, _), name) in record.values.iter_mut().zip(names) {
        empty.clone_from(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_names_and_values() {
        let offset = UtcOffset::try_from("+00:00".to_owned()).unwrap();
        let check = |line: &str, flags: Option<u32>, expected: &[(&str, f64)]| {
            let record = record(line, offset).unwrap();
            let values: Vec<(&str, f64)> = record.values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            assert_eq!((record.flags, values.as_slice()), (flags, expected), "{line}");
        };
        check(
            "05:00 11-01-26 flags 0C100000 o3 31.2 bench temp 21.0",
            Some(0x0C10_0000),
            &[("o3", 31.2), ("bench temp", 21.0)],
        );
        check("05:00 11-01-26 0c100000 31.2 -1E1", Some(0x0C10_0000), &[("", 31.2), ("", -10.0)]);
        check("05:00 11-01-26 o3 31.2", None, &[("o3", 31.2)]);
        assert_eq!(record("no records", offset), None);
        assert_eq!(record("", offset), None);
    }
}
