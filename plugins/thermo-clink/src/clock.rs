//! Local times as the instrument writes them: `hh:mm` or `hh:mm:ss`, and `mm-dd-yy`.
//!
//! Years have two digits and are those from 2000 on.

use tutin_sdk::Timestamp;
use tutin_sdk::clock::{LocalTime, UtcOffset, digits};

/// The moment of a time and a date.
pub(crate) fn read(time: &str, date: &str, offset: UtcOffset) -> Option<Timestamp> {
    let two_digits = |text: &str| digits(text, 2);
    let mut parts = time.split(':');
    let (hour, minute) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let second = parts.next().map_or(Some(0), two_digits)?;
    let mut date = date.split('-');
    let (month, day, year) = (two_digits(date.next()?)?, two_digits(date.next()?)?, two_digits(date.next()?)?);
    let is_whole = parts.next().is_none() && date.next().is_none();
    LocalTime { year: 2000 + year, month, day, hour, minute, second }.at(offset).filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use tutin_sdk::clock::SECOND;

    use super::*;

    #[test]
    fn a_record_is_placed_by_its_local_time() {
        let offset = UtcOffset::try_from("+05:00".to_owned()).unwrap();
        let check = |time: &str, date: &str, expected: Option<i64>| {
            assert_eq!(read(time, date, offset).map(|at| at.0 / SECOND), expected, "{time} {date}");
        };
        check("05:00", "11-01-26", Some(1_793_491_200));
        check("05:00:07", "11-01-26", Some(1_793_491_207));
        check("05:00", "01-01-00", Some(946_684_800));
        check("05:00", "02-29-24", Some(1_709_164_800));
        check("05:00", "12-31-99", Some(4_102_358_400));
        check("05:00", "02-29-25", None);
        check("24:00", "11-01-26", None);
        check("05:60", "11-01-26", None);
        check("5:00", "11-01-26", None);
        check("05:00", "13-01-26", None);
        check("05:00", "11-01-2026", None);
        check("", "", None);
    }
}
