//! Telegrams.
//!
//! ```text
//! request   STX filler A K O N SP K 0 [SP data] ETX
//! reply     STX filler A K O N SP error [SP data] ETX      error: 0 none, 1 to 9 counts up at each change of the errors
//!           STX filler ? ? ? ? SP …               ETX      the instrument does not know the code
//!           … [K n] BS | OF | NA | SE | DF        ETX      it refuses
//! ```
//!
//! There is no check sum: the echo of the code and the shape are the only guards. Long data is broken by CR LF. Sources: Emerson NGA
//! 2000 AK manual 90003752(1), p. 1-3 to 1-11; CAI 700M manual p. 152 and 153; Testo CU-2 manual p. 30 to 32.

use tutin_sdk::stream::Framing;

const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// Longest telegram, bytes.
const LONGEST: u32 = 2048;

/// Bytes of a telegram that an error message shows.
pub(crate) const SHOWN: usize = 64;

/// What the instrument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 0: no error.
    pub error: u8,
    /// Fields of the data.
    pub data: Vec<String>,
}

/// Why a telegram brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The instrument understood and refuses.
    Refused(Refusal),
    /// It answers another request: question and answer are out of step.
    OutOfStep(String),
    /// Not a reply.
    Garbage(String),
}

/// Why the instrument refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Busy,
    Offline,
    NotAvailable,
    Syntax,
    Data,
    UnknownCode,
}

impl Refusal {
    const ALL: [Refusal; 5] = [Refusal::Busy, Refusal::Offline, Refusal::NotAvailable, Refusal::Syntax, Refusal::Data];

    /// What stands in the telegram.
    pub fn word(self) -> &'static str {
        match self {
            Refusal::Busy => "BS",
            Refusal::Offline => "OF",
            Refusal::NotAvailable => "NA",
            Refusal::Syntax => "SE",
            Refusal::Data => "DF",
            Refusal::UnknownCode => "????",
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Refusal::Busy => "busy, a function is running",
            Refusal::Offline => "offline, the instrument is in manual mode",
            Refusal::NotAvailable => "channel or device not available",
            Refusal::Syntax => "syntax error",
            Refusal::Data => "data error",
            Refusal::UnknownCode => "the instrument does not know the code",
        }
    }
}

/// A request in words, as in "AREG K0 245".
pub(crate) fn wording(code: &str, channel: u16, data: &str) -> String {
    let gap = if data.is_empty() { "" } else { " " };
    format!("{code} K{channel}{gap}{data}")
}

/// A request.
pub(crate) fn request(filler: u8, wording: &str) -> Vec<u8> {
    let mut telegram = vec![STX, filler];
    telegram.extend(wording.as_bytes());
    telegram.push(ETX);
    telegram
}

/// How the host recognises telegrams.
pub(crate) fn framing() -> Framing {
    Framing::ended_by(&[&[ETX]]).begun_by(&[&[STX]]).at_most(LONGEST)
}

/// What a telegram says in answer to this code.
pub(crate) fn reply(telegram: &[u8], code: &str) -> Result<Reply, Fault> {
    let garbage = |why: &str| Fault::Garbage(why.to_owned());
    // What was cut off by a new beginning is no part of the reply.
    let begin = telegram.iter().rposition(|byte| *byte == STX).ok_or_else(|| garbage("no STX"))?;
    let body = telegram.get(begin..).and_then(|rest| rest.strip_suffix(&[ETX])).ok_or_else(|| garbage("no ETX"))?;
    let body = body.get(2..).ok_or_else(|| garbage("too short"))?;
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
    let text = std::str::from_utf8(body).ok().filter(|text| text.bytes().all(|byte| is_text(&byte)));
    let text = text.ok_or_else(|| garbage("not text"))?;
    let (echo, rest) = text.split_at_checked(4).ok_or_else(|| garbage("too short"))?;
    if echo == Refusal::UnknownCode.word() {
        return Err(Fault::Refused(Refusal::UnknownCode));
    }
    if echo != code {
        return Err(Fault::OutOfStep(format!("{code} was asked, {echo:?} is answered")));
    }
    let mut fields = rest.split_ascii_whitespace();
    let error = fields.next().filter(|field| rest.starts_with(' ') && field.len() == 1);
    let error = error.and_then(|field| field.parse().ok()).ok_or_else(|| garbage("no error digit"))?;
    let data: Vec<String> = fields.map(str::to_owned).collect();
    match refusal(&data) {
        Some(refusal) => Err(Fault::Refused(refusal)),
        None => Ok(Reply { error, data }),
    }
}

/// A refusal stands alone or after the channel.
fn refusal(data: &[String]) -> Option<Refusal> {
    let is_channel = |field: &str| {
        field
            .strip_prefix('K')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let word = match data {
        [channel, word, ..] if is_channel(channel) => word,
        [word, ..] => word,
        [] => return None,
    };
    Refusal::ALL.into_iter().find(|refusal| refusal.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../tests/vectors/ak_protocol.json")).unwrap()
    }

    fn telegram(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn requests_are_the_published_ones() {
        let vectors = vectors();
        let requests = vectors["requests"].as_array().unwrap();
        for vector in requests.iter().take(5) {
            let wording = wording(&vector["text"].as_str().unwrap()[1..5], 0, "");
            assert_eq!(request(b' ', &wording), telegram(vector["hex"].as_str().unwrap()), "{vector}");
        }
        assert_eq!(request(b'4', &wording("AREG", 0, "245")), b"\x024AREG K0 245\x03");
    }

    #[test]
    fn the_published_replies_are_read() {
        let vectors = vectors();
        let replies = vectors["replies"].as_array().unwrap();
        assert_eq!(replies.len(), 2);
        for vector in replies {
            let parsed = &vector["parsed"];
            let came = reply(&telegram(vector["hex"].as_str().unwrap()), parsed["function"].as_str().unwrap()).unwrap();
            assert_eq!(u64::from(came.error), parsed["status"]);
            assert_eq!(serde_json::to_value(came.data).unwrap(), parsed["data"]);
        }
    }

    #[test]
    fn a_reply_is_read_or_refused_with_the_reason() {
        let ok =
            |error, data: &[&str]| Ok(Reply { error, data: data.iter().map(|field| (*field).to_owned()).collect() });
        let check = |telegram: &[u8], expected: Result<Reply, Fault>| assert_eq!(reply(telegram, "AKON"), expected);
        let garbage = |why: &str| Err(Fault::Garbage(why.to_owned()));
        check(b"\x02 AKON 0\x03", ok(0, &[]));
        check(b"\x020AKON 9 1.5 2.5\r\n3.5\x03", ok(9, &["1.5", "2.5", "3.5"]));
        check(b"\x02 AKON 0 1.5\x02 AKON 1 2.5\x03", ok(1, &["2.5"]));
        check(b"\x02 AKON 0 BS1\x03", ok(0, &["BS1"]));
        check(b"\x02 AKON 0 1.5", garbage("no ETX"));
        check(b"AKON 0 1.5\x03", garbage("no STX"));
        check(b"\x02\x03", garbage("too short"));
        check(b"\x02 AK\x03", garbage("too short"));
        check(b"\x02 AKON\x03", garbage("no error digit"));
        check(b"\x02 AKON0 1.5\x03", garbage("no error digit"));
        check(b"\x02 AKON 10 1.5\x03", garbage("no error digit"));
        check(b"\x02 AKON 1.5\x03", garbage("no error digit"));
        check(b"\x02 AKON \xff 1.5\x03", garbage("not text"));
        check(b"\x02 AKON 0 1\x005\x03", garbage("not text"));
        check(b"\x02 ASTF 0\x03", Err(Fault::OutOfStep("AKON was asked, \"ASTF\" is answered".into())));
        check(b"\x02 ???? \x03", Err(Fault::Refused(Refusal::UnknownCode)));
    }

    #[test]
    fn every_refusal_is_known_with_and_without_the_channel() {
        for refusal in Refusal::ALL {
            for channel in ["", "K0 ", "K12 "] {
                let telegram = format!("\u{2} AKON 3 {channel}{}\u{3}", refusal.word());
                assert_eq!(reply(telegram.as_bytes(), "AKON"), Err(Fault::Refused(refusal)), "{telegram:?}");
            }
        }
    }

    #[test]
    fn the_host_is_told_how_telegrams_end() {
        let framing = framing();
        assert_eq!((framing.starts, framing.ends, framing.trailer), (vec![vec![2]], vec![vec![3]], 0));
    }
}
