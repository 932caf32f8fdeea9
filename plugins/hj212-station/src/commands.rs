//! Requests to the station: its clock, checks of an analyzer, a sample now, a purge.
//!
//! A request has a name (`QN`) that its answers repeat: 9011 says whether it will be done, 9012 how it ended. Sources: HJ 212-2017
//! (numbers of commands); the members `PolId`, `SystemTime` and `CalibrationType` as two open implementations write them
//! (srdgame/lua-HJ212, caoyiliang/HJ212).

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::stream::{Exchange, Stream};
use tutin_sdk::{Description, Failure, Samples, Timestamp, hex, log, settings};

use crate::packet::{self, Packet};
use crate::settings::Edition;
use crate::{Hj212Station, clock, frame, message};

/// Silence that ends the wait for the end of what was asked; it is told later, when it takes longer.
const QUIET_MS: u32 = 1000;
/// Lengths that the body of an answer may have, of which the host takes as many as these.
const ANSWERS: usize = 32;
/// So much shorter than the usual answer one may be: without `Flag` and `PW`, and a byte for each of two fields.
const SHORTER: usize = "Flag=4;".len() + "PW=123456;".len() + 2;

/// Which request was last made.
#[derive(Debug)]
pub(crate) struct Asked {
    pub qn: String,
    pub name: String,
}

/// Arguments of a request about one pollutant's analyzer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Analyzer {
    /// Code of the pollutant, as in "a21026".
    pub pollutant: String,
}

/// Arguments of a check.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Code of the pollutant, as in "a21026".
    pub pollutant: String,
    /// Which check; only in the edition of 2025, whose stations can be asked for one of them. Default: what the station does.
    pub kind: Option<Kind>,
}

/// Kinds of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Zero.
    Zero,
    /// Span.
    Span,
}

/// Arguments of setting the clock.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Code of the pollutant whose analyzer's clock is meant, as in "a21026". Default: the station's own clock.
    pub pollutant: Option<String>,
}

/// Adds the commands to the plugin's description.
pub(crate) fn describe(description: Description) -> Description {
    description
        .command_with::<Clock>(
            "set-clock",
            "Sets the station's clock to the hub's at the next poll. How it ended is seen in the point last_answer.",
        )
        .command_with::<Check>(
            "check",
            "Zero and span check of an analyzer, with an adjustment where the station is set up so. It runs as long as the station's own \
             program says; meanwhile its values come with the flag C, and its end is seen in the point last_answer.",
        )
        .command_with::<Analyzer>(
            "sample-now",
            "Lets an analyzer take a sample now. Its end is seen in the point last_answer.",
        )
        .command_with::<Analyzer>(
            "purge",
            "Starts cleaning and purging of an analyzer. Its end is seen in the point last_answer.",
        )
}

impl<L: Stream> Hj212Station<L> {
    /// Carries out a command.
    pub(crate) fn run(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        let (cn, content) = match name {
            "set-clock" => {
                let clock: Clock = settings::arguments(arguments)?;
                if let Some(pollutant) = &clock.pollutant {
                    check_code(pollutant)?;
                }
                self.queued = Some(clock);
                return Ok("the clock is set at the next poll; the point last_answer tells how it ended".into());
            }
            "check" => (3011, self.check_content(arguments)?),
            "sample-now" => (3012, analyzer_content(arguments)?),
            "purge" => (3013, analyzer_content(arguments)?),
            _ => return Err(Failure::unsupported(format!("there is no command {name:?}"))),
        };
        let answers = self.ask(name, cn, &content)?;
        Ok(format!("{answers}; later answers are told by the point last_answer"))
    }

    fn check_content(&self, arguments: &str) -> Result<String, Failure> {
        let Check { pollutant, kind } = settings::arguments(arguments)?;
        check_code(&pollutant)?;
        match kind {
            None => Ok(format!("PolId={pollutant}")),
            Some(_) if self.settings.edition != Edition::Of2025 => Err(Failure::unsupported(
                "arguments.kind: only a station of the edition 2025 can be asked for one kind",
            )),
            Some(kind) => Ok(format!("PolId={pollutant},CalibrationType={}", kind as u8)),
        }
    }

    /// Sets the clock when that was asked for: here, since only a poll knows the time.
    pub(crate) fn set_clock(&mut self, now: Timestamp, samples: &mut Samples) {
        let Some(Clock { pollutant }) = self.queued.take() else { return };
        let time = clock::write(now, self.settings.utc_offset);
        let content = match pollutant {
            Some(pollutant) => format!("PolId={pollutant},SystemTime={time}"),
            None => format!("SystemTime={time}"),
        };
        let text = match self.ask("set-clock", 1012, &content) {
            Ok(answers) => format!("set-clock: {answers}"),
            Err(failure) => format!("set-clock: {failure}"),
        };
        self.tell_answer(text, now, samples);
    }

    /// Makes a request and waits for its answers; the first says whether the station goes on.
    fn ask(&mut self, name: &str, cn: u16, content: &str) -> Result<String, Failure> {
        let qn = self.next_qn(self.now.ok_or_else(|| Failure::busy("the station has not been polled yet"))?);
        self.asked = Some(Asked { qn: qn.clone(), name: name.to_owned() });
        let request = self.request(&qn, cn, content);
        let exchange = Exchange { begins: self.beginnings(&qn), ..self.exchange() }.up_to(2, QUIET_MS);
        let frames = self.link.request(&request, &exchange).map_err(|err| err.during(format_args!("command {cn}")))?;
        let mut words = Vec::new();
        for frame in &frames {
            let packet = frame::unwrap(frame).and_then(Packet::read);
            let packet = packet.map_err(|why| {
                Failure::device(format!("command {cn}: answer with {why}: {}", hex(frame, frame::SHOWN)))
            })?;
            let Some(answer) = message::answer(&packet) else {
                log::warn(&format!("command {cn} was answered by command {}", packet.cn));
                continue;
            };
            let text = format!("command {cn}: {}", answer.words());
            match answer {
                answer if answer.is_good() => words.push(answer.words()),
                answer if answer.is_busy() => return Err(Failure::busy(text)),
                _ => return Err(Failure::device(text)),
            }
        }
        if words.is_empty() {
            Err(Failure::device(format!("command {cn}: no answer of use")))
        } else {
            Ok(words.join("; "))
        }
    }

    /// A request's bytes.
    pub(crate) fn request(&self, qn: &str, cn: u16, content: &str) -> Vec<u8> {
        let identity = (self.settings.pw.expose(), self.settings.mn.as_str());
        let flag = self.settings.edition.flag() | 1;
        frame::wrap(&packet::body(qn, &self.settings.st.to_string(), cn, identity, flag, content))
    }

    /// How answers to a request begin: the length stands before the name, so that there is a beginning for each length that an answer
    /// can have. The usual one has everything that this message has: `QnRtn=1` in place of the content, and a system code of two digits.
    fn beginnings(&self, qn: &str) -> Vec<Vec<u8>> {
        let identity = (self.settings.pw.expose(), self.settings.mn.as_str());
        let usual = packet::body(qn, "91", 9011, identity, 4, "QnRtn=1").len();
        let shortest = usual.saturating_sub(SHORTER);
        (shortest..shortest + ANSWERS).map(|length| format!("##{length:04}QN={qn};").into_bytes()).collect()
    }

    /// A name that no request before had.
    pub(crate) fn next_qn(&mut self, now: Timestamp) -> String {
        self.requests += 1;
        let at = Timestamp(now.0.saturating_add(self.requests % 1000 * 1_000_000));
        clock::write_millis(at, self.settings.utc_offset)
    }
}

fn analyzer_content(arguments: &str) -> Result<String, Failure> {
    let Analyzer { pollutant } = settings::arguments(arguments)?;
    check_code(&pollutant)?;
    Ok(format!("PolId={pollutant}"))
}

/// A code ends up between the separators of a message.
fn check_code(code: &str) -> Result<(), Failure> {
    let is_code = (1..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { Ok(()) } else { Err(Failure::unsupported("arguments.pollutant: must be 1 to 16 letters and digits")) }
}
