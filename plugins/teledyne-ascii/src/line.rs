//! Lines between the hub and an instrument.
//!
//! A request is a letter, the instrument's id where there is one, and a command. What the instrument says, asked or not, is a line with the same
//! letter, the time of its clock (day of the year, hour, minute; no year), its id, and a message:
//!
//! ```text
//! T LIST CR                        →   T 305:05:00 0412 NOX=12.3 PPB CR LF
//!                                      W 305:05:01 0412 SAMPLE FLOW WARN CR LF      nobody asked for this
//! ```
//!
//! Letters: C calibration, D diagnostics and reports, L logon, T test values, V variables, W warnings. Sources: Teledyne manuals T101 p.149,
//! T400 p.175, T100 p.179, M300E p.157; karateboy/Datalogger2, TapiTxxCliCollector.

/// A line of the instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub letter: char,
    pub stamp: Stamp,
    /// Nothing when the instrument has none.
    pub id: Option<&'a str>,
    pub message: &'a str,
}

/// The time of the instrument's clock, local and without a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// 1 to 366.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
}

impl<'a> Line<'a> {
    /// The line in a frame; nothing when it is none.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(frame).ok()?.trim();
        let (letter, rest) = text.split_once(' ')?;
        let mut letters = letter.chars();
        let letter = letters.next().filter(|letter| "CDLTVW".contains(*letter) && letters.next().is_none())?;
        let (stamp, rest) = rest.trim_start().split_once(' ')?;
        let stamp = Stamp::read(stamp)?;
        let rest = rest.trim_start();
        let (first, message) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_id = (1..=4).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_digit());
        let (id, message) = if is_id { (Some(first), message.trim_start()) } else { (None, rest) };
        Some(Line { letter, stamp, id, message })
    }
}

impl Stamp {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(|part| {
            let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if is_number { part.parse::<i64>().ok() } else { None }
        });
        let stamp = Stamp { day: parts.next()??, hour: parts.next()??, minute: parts.next()?? };
        let is_time = (1..=366).contains(&stamp.day) && stamp.hour < 24 && stamp.minute < 60;
        (is_time && parts.next().is_none()).then_some(stamp)
    }
}

/// A request's bytes.
pub(crate) fn request(letter: char, id: Option<&str>, command: &str, end: &str) -> Vec<u8> {
    match id {
        Some(id) => format!("{letter} {id} {command}{end}").into_bytes(),
        None => format!("{letter} {command}{end}").into_bytes(),
    }
}

/// Name, value and unit of a test value: `NOX=12.3 PPB`.
pub(crate) fn assignment(message: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = message.split_once('=')?;
    let rest = rest.trim();
    let (value, unit) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = name.trim();
    (!name.is_empty() && !value.is_empty()).then_some((name, value, unit.trim()))
}

/// A plain decimal number; the protocol has no exponents.
pub(crate) fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_letter_a_time_and_perhaps_an_id() {
        let check = |frame: &str, expected: Option<(char, i64, Option<&str>, &str)>| {
            let line = Line::read(frame.as_bytes());
            assert_eq!(line.map(|line| (line.letter, line.stamp.day, line.id, line.message)), expected, "{frame:?}");
        };
        check("T 305:05:00 0412 NOX=12.3 PPB\r\n", Some(('T', 305, Some("0412"), "NOX=12.3 PPB")));
        check("T 305:05:00 NOX=12.3 PPB\r\n", Some(('T', 305, None, "NOX=12.3 PPB")));
        check("D 31:10:06 0412 CONC : AVG COCNC1=6.8 PPM", Some(('D', 31, Some("0412"), "CONC : AVG COCNC1=6.8 PPM")));
        check("D 31:10:06 0412 PNUMTC: 1 800.0 29.7", Some(('D', 31, Some("0412"), "PNUMTC: 1 800.0 29.7")));
        check("T 305:05:00 04123 NOX=1", Some(('T', 305, None, "04123 NOX=1")));
        check("T 367:05:00 0412 NOX=1", None);
        check("T 305:24:00 0412 NOX=1", None);
        check("T 305:05 0412 NOX=1", None);
        check("T 305:05:00:00 0412 NOX=1", None);
        check("X 305:05:00 0412 NOX=1", None);
        check("TT 305:05:00 0412 NOX=1", None);
        check("T LIST", None);
        check("", None);
        assert_eq!(Line::read(b"T 305:05:00 \xFF=1"), None);
    }

    #[test]
    fn a_test_value_has_a_name_a_value_and_perhaps_a_unit() {
        let check = |message: &str, expected: Option<(&str, &str, &str)>| assert_eq!(assignment(message), expected);
        check("NOX=12.3 PPB", Some(("NOX", "12.3", "PPB")));
        check("BOX TEMP = 30.1 C", Some(("BOX TEMP", "30.1", "C")));
        check("TIME=05:00:00", Some(("TIME", "05:00:00", "")));
        check("NOX=", None);
        check("=1", None);
        check("NOX", None);
        assert_eq!((number("-12.3"), number("1E5"), number("XXXX"), number("")), (Some(-12.3), None, None, None));
    }
}
