//! Local times as the station writes them: `yyyyMMddHHmmss`, in a request's name with three more digits for milliseconds.

use tutin_sdk::Timestamp;
use tutin_sdk::clock::{LocalTime, SECOND, UtcOffset, digits};

/// The moment of a local `yyyyMMddHHmmss`, with or without `zzz`. Nothing when it is no date of the years 2000 to 2199.
pub(crate) fn read(text: &str, offset: UtcOffset) -> Option<Timestamp> {
    let (date, millis) = match text.len() {
        14 => (text, 0),
        17 => (text.get(..14)?, digits(text.get(14..)?, 3)?),
        _ => return None,
    };
    let part = |from: usize, count: usize| digits(date.get(from..from + count)?, count);
    let (year, month, day) = (part(0, 4)?, part(4, 2)?, part(6, 2)?);
    let (hour, minute, second) = (part(8, 2)?, part(10, 2)?, part(12, 2)?);
    let at = LocalTime { year, month, day, hour, minute, second }.at(offset)?;
    (2000..2200).contains(&year).then_some(Timestamp(at.0 + millis * 1_000_000))
}

/// A moment as the station writes it, `yyyyMMddHHmmss`.
pub(crate) fn write(at: Timestamp, offset: UtcOffset) -> String {
    let LocalTime { year, month, day, hour, minute, second } = LocalTime::of(at, offset);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// A moment with milliseconds, as in a request's name.
pub(crate) fn write_millis(at: Timestamp, offset: UtcOffset) -> String {
    format!("{}{:03}", write(at, offset), at.0.rem_euclid(SECOND) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beijing() -> UtcOffset {
        UtcOffset::try_from("+08:00".to_owned()).unwrap()
    }

    #[test]
    fn a_local_time_comes_back_as_it_was() {
        let check = |text: &str, nanoseconds: i64| {
            let at = read(text, beijing()).unwrap();
            assert_eq!(at, Timestamp(nanoseconds), "{text}");
            assert_eq!(if text.len() == 14 { write(at, beijing()) } else { write_millis(at, beijing()) }, text);
        };
        check("20261101080000", 1_793_491_200 * SECOND);
        check("20261101080000123", 1_793_491_200_123_000_000);
        check("20240229235959", 1_709_222_399 * SECOND);
        check("20000101000000", 946_656_000 * SECOND);
        check("21991231235959", 7_258_089_599 * SECOND);
    }

    #[test]
    fn what_is_no_date_is_no_time() {
        for text in ["", "2026110108000", "20261301080000", "20250229000000", "20261101240000", "20261101086000"] {
            assert_eq!(read(text, beijing()), None, "{text}");
        }
        for text in ["2026110108000x", "19991231235959", "+0261101080000", "20261101080000１２３"] {
            assert_eq!(read(text, beijing()), None, "{text}");
        }
    }
}
