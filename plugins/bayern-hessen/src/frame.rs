//! Text in and out of its frame.
//!
//! ```text
//! STX text ETX b b      b b: two hex digits, XOR of every byte from STX to ETX
//! STX text CR           no check
//! CR  text CR           Teledyne's response mode TEXT
//! ```
//!
//! The instrument answers in the form in which it was asked, except where its own set-up fixes the form. Sources: Ecotech Serinus
//! 44 manual 3.0, appendix C; Thermo 42i-TL manual, appendix D; Teledyne M300E manual 04288D, table 8-7.

use tutin_sdk::stream::Framing;

use crate::settings::{ReplyForm, Terminator};

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const CR: u8 = 0x0D;

/// Bytes of a frame that an error message shows.
pub(crate) const SHOWN: usize = 64;

/// A request with this text.
pub(crate) fn request(text: &str, terminator: Terminator) -> Vec<u8> {
    let mut frame = vec![STX];
    frame.extend(text.as_bytes());
    match terminator {
        Terminator::Check => {
            frame.push(ETX);
            let check = format!("{:02X}", block_check(&frame));
            frame.extend(check.bytes());
        }
        Terminator::Cr => frame.push(CR),
    }
    frame
}

/// How the host recognises replies of this form.
pub(crate) fn framing(form: ReplyForm) -> Framing {
    match form {
        ReplyForm::Check => Framing::ended_by(&[&[ETX]]).begun_by(&[&[STX]]).trailed_by(2),
        ReplyForm::Cr => Framing::ended_by(&[&[CR]]).begun_by(&[&[STX]]),
        ReplyForm::Text => Framing::ended_by(&[&[CR]]).begun_by(&[b"MD"]),
    }
}

/// How a frame with values begins.
pub(crate) fn reply_begin(form: ReplyForm) -> &'static [u8] {
    match form {
        ReplyForm::Check | ReplyForm::Cr => b"\x02MD",
        ReplyForm::Text => b"MD",
    }
}

/// The text of a reply, or what is wrong with the frame.
pub(crate) fn text(frame: &[u8], form: ReplyForm) -> Result<&str, String> {
    // What was cut off by a new beginning is no part of the reply.
    let frame = match frame.iter().rposition(|byte| *byte == STX) {
        Some(start) if form != ReplyForm::Text => frame.get(start..).unwrap_or_default(),
        _ => frame,
    };
    let body = match form {
        ReplyForm::Check => checked(frame)?.strip_prefix(&[STX]),
        ReplyForm::Cr => frame.strip_prefix(&[STX]).and_then(|rest| rest.strip_suffix(&[CR])),
        ReplyForm::Text => frame.strip_suffix(&[CR]),
    };
    let body = body.ok_or("not a whole frame")?;
    std::str::from_utf8(body).map_err(|_| "not text".to_owned())
}

/// XOR of all bytes, from 0.
fn block_check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |check, byte| check ^ byte)
}

/// The frame from STX to before ETX, when its check is right.
fn checked(frame: &[u8]) -> Result<&[u8], String> {
    let end = frame.iter().rposition(|byte| *byte == ETX).ok_or("no ETX")?;
    let (covered, came) = frame.split_at_checked(end + 1).ok_or("no ETX")?;
    let expected = format!("{:02X}", block_check(covered));
    let came = String::from_utf8_lossy(came);
    if !came.eq_ignore_ascii_case(&expected) {
        return Err(format!("block check {expected} expected, {came:?} came"));
    }
    Ok(covered.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_published_block_checks() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/bayern_hessen.json")).unwrap();
        let mut checked = 0;
        for vector in vectors["bcc"].as_array().unwrap() {
            let text = vector["text"].as_str().unwrap().trim_start_matches("<STX>").trim_end_matches("<ETX>");
            let frame = request(text, Terminator::Check);
            let expected = format!("\u{2}{text}\u{3}{}", vector["bcc"].as_str().unwrap());
            assert_eq!(frame, expected.as_bytes(), "{text}");
            checked += 1;
        }
        assert_eq!(checked, 6);
    }

    #[test]
    fn a_request_that_ends_with_cr_has_no_check() {
        assert_eq!(request("DA005", Terminator::Cr), b"\x02DA005\r");
    }

    #[test]
    fn a_frame_is_opened_or_refused_with_the_reason() {
        let check = |frame: &[u8], form, expected: Result<&str, &str>| {
            assert_eq!(text(frame, form), expected.map_err(str::to_owned), "{frame:02X?}");
        };
        check(b"\x02MD00\x030A", ReplyForm::Check, Err("block check 08 expected, \"0A\" came"));
        check(b"\x02MD00\x0308", ReplyForm::Check, Ok("MD00"));
        check(b"\x02DA097\x033a", ReplyForm::Check, Ok("DA097"));
        check(b"\x02DA097\x033", ReplyForm::Check, Err("block check 3A expected, \"3\" came"));
        check(b"\x02DA097", ReplyForm::Check, Err("no ETX"));
        check(b"\x02MD01 0\x02DA097\x033A", ReplyForm::Check, Ok("DA097"));
        check(b"\x02MD00\r", ReplyForm::Cr, Ok("MD00"));
        check(b"\x02MD00", ReplyForm::Cr, Err("not a whole frame"));
        check(b"\x02MD\xff\r", ReplyForm::Cr, Err("not text"));
        check(b"MD00\r", ReplyForm::Text, Ok("MD00"));
    }
}
