//! What an instrument answers.
//!
//! A request is the id + 128 (left out when the id is 0), the command, CR. The reply repeats the command, and may carry a sum of all its
//! bytes before the delimiter, which is LF, and 0x80 in a 49c of old:
//!
//! ```text
//! no CR                  →  no 550E-2 ppb CR
//! no CR                  →  no 550E-2 ppb LF sum 039d CR
//! ```
//!
//! Some firmwares put 0xFF or 0x80 in front, or `*` behind. Sources: 42i manual, B-1 and B-2; HagenTelg/forge, thermo49.

use tutin_sdk::{Failure, hex};

/// What the instrument says to a command that it does not have.
const BAD: &str = "bad cmd";
/// Bytes of a reply that an error or the log shows.
pub(crate) const SHOWN: usize = 48;
const ODD: [u8; 2] = [0x80, 0xFF];

/// Whether replies carry a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    None,
    Checked,
}

/// An answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What stands behind the command.
    Text(String),
    /// The command and nothing else.
    Nothing,
    /// The instrument has no such command.
    BadCommand,
}

/// A request's bytes.
pub(crate) fn request(id: u8, command: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(command.len() + 2);
    if id != 0 {
        bytes.push(id.saturating_add(128));
    }
    bytes.extend(command.as_bytes());
    bytes.push(b'\r');
    bytes
}

/// How a reply may begin.
pub(crate) fn beginnings(command: &str) -> Vec<Vec<u8>> {
    let fronts: [&[u8]; 6] = [b"", b"\n", b"\xFF", b"\x80", b"\n\xFF", b"\n\x80"];
    fronts.iter().map(|front| [front, command.as_bytes()].concat()).collect()
}

/// The answer in a frame.
pub(crate) fn read(frame: &[u8], command: &str, sum: Sum) -> Result<Answer, Failure> {
    let wrong = |why: String| Failure::device(format!("command {command}: {why}: {}", hex(frame, SHOWN)));
    let text = message(frame, sum).map_err(wrong)?;
    let Some(rest) = text.get(..command.len()).filter(|echo| echo.eq_ignore_ascii_case(command)) else {
        return Err(wrong("an answer to something else".into()));
    };
    let answer = text.get(rest.len()..).unwrap_or_default();
    if !answer.is_empty() && !answer.starts_with(char::is_whitespace) {
        return Err(wrong("an answer to something else".into()));
    }
    Ok(match answer.trim() {
        "" => Answer::Nothing,
        answer if answer.eq_ignore_ascii_case(BAD) => Answer::BadCommand,
        answer => Answer::Text(answer.to_owned()),
    })
}

/// The text of a message, without its sum.
fn message(frame: &[u8], sum: Sum) -> Result<String, String> {
    let frame = frame.trim_ascii();
    let (body, stated) = split_sum(frame);
    match (sum, stated) {
        (Sum::None, None) => {}
        (Sum::None, Some(_)) => return Err("a sum although the settings say that there is none".into()),
        (Sum::Checked, None) => return Err("no sum".into()),
        (Sum::Checked, Some(stated)) => {
            let expected = body.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
            if u16::from_str_radix(stated, 16) != Ok(expected) {
                return Err(format!("sum {stated:?} instead of {expected:04x}"));
            }
        }
    }
    let mut body = body.trim_ascii();
    if let [first, rest @ ..] = body
        && ODD.contains(first)
    {
        body = rest;
    }
    if let [rest @ .., last] = body
        && (ODD.contains(last) || *last == b'*')
    {
        body = rest;
    }
    if !body.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Err("not a text".into());
    }
    Ok(String::from_utf8_lossy(body).into_owned())
}

/// The message and the digits of its sum, when it has one.
fn split_sum(frame: &[u8]) -> (&[u8], Option<&str>) {
    let Some(at) = frame.len().checked_sub(9) else { return (frame, None) };
    let (body, tail) = frame.split_at(at);
    match tail {
        [b'\n' | 0x80, digits @ ..] => match digits.strip_prefix(b"sum ").map(std::str::from_utf8) {
            Some(Ok(digits)) => (body, Some(digits)),
            _ => (frame, None),
        },
        _ => (frame, None),
    }
}

/// A number and the text of its unit: `550E-2 ppb`.
pub(crate) fn number(answer: &str) -> Option<(f64, &str)> {
    let (number, unit) = answer.split_once(char::is_whitespace).unwrap_or((answer, ""));
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let value: f64 = if is_plain { number.parse().ok()? } else { return None };
    value.is_finite().then_some((value, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<Answer, String> {
        Ok(Answer::Text(text.into()))
    }

    #[test]
    fn a_request_begins_with_the_id() {
        assert_eq!(request(25, "no"), [&[153_u8] as &[u8], b"no\r"].concat());
        assert_eq!(request(42, "no")[0], 170);
        assert_eq!(request(0, "no"), b"no\r");
    }

    #[test]
    fn answers_are_read_in_every_form_that_was_seen() {
        let check = |frame: &[u8], sum: Sum, expected: Result<Answer, String>| {
            assert_eq!(read(frame, "no", sum).map_err(|err| err.to_string()), expected, "{frame:02x?}");
        };
        check(b"no 550E-2 ppb\r", Sum::None, text("550E-2 ppb"));
        check(b"\nNO 550E-2 ppb\r\n", Sum::None, text("550E-2 ppb"));
        check(b"no 550E-2 ppb*\r", Sum::None, text("550E-2 ppb"));
        check(b"\xFFno 550E-2 ppb\r", Sum::None, text("550E-2 ppb"));
        check(b"no 550E-2 ppb\nsum 039d\r", Sum::Checked, text("550E-2 ppb"));
        check(b"no 550E-2 ppb\x80sum 039d\r", Sum::Checked, text("550E-2 ppb"));
        check(b"no bad cmd\r", Sum::None, Ok(Answer::BadCommand));
        let wrong = |why: &str, frame: &[u8]| Err(format!("command no: {why}: {}", hex(frame, SHOWN)));
        check(
            b"no 550E-2 ppb\nsum 039e\r",
            Sum::Checked,
            wrong("sum \"039e\" instead of 039d", b"no 550E-2 ppb\nsum 039e\r"),
        );
        check(b"no 550E-2 ppb\r", Sum::Checked, wrong("no sum", b"no 550E-2 ppb\r"));
        check(
            b"no 550E-2 ppb\nsum 039d\r",
            Sum::None,
            wrong("a sum although the settings say that there is none", b"no 550E-2 ppb\nsum 039d\r"),
        );
        check(b"nox 1 ppb\r", Sum::None, wrong("an answer to something else", b"nox 1 ppb\r"));
        check(b"no2 1 ppb\r", Sum::None, wrong("an answer to something else", b"no2 1 ppb\r"));
        check(b"o3 1 ppb\r", Sum::None, wrong("an answer to something else", b"o3 1 ppb\r"));
        check(b"no\r", Sum::None, Ok(Answer::Nothing));
        check(b"\r", Sum::None, wrong("an answer to something else", b"\r"));
        check(b"no \x01\x02\r", Sum::None, wrong("not a text", b"no \x01\x02\r"));
    }

    #[test]
    fn a_number_has_an_exponent_and_a_unit() {
        let check = |answer: &str, expected: Option<(f64, &str)>| assert_eq!(number(answer), expected, "{answer:?}");
        check("550E-2 ppb", Some((5.5, "ppb")));
        check("-3 mm Hg", Some((-3.0, "mm Hg")));
        check("10", Some((10.0, "")));
        check("nan ppb", None);
        check("1E999 ppb", None);
        check("", None);
    }
}
