//! Analyzers that speak the AK protocol of the German automotive industry's working group: Emerson NGA 2000, CAI, Servomex, Testo, Thermo TEOM 1405.
//!
//! The settings say which commands a poll sends and which fields of the answers are points (`plan`). After the values the poll asks for the running
//! function and, when an answer had an error digit, for the error list, so that what came on meanwhile marks the values before it.
//!
//! Invariant: a value is valid only when its own answer had no error or the error list was read, and the running function is known.

mod commands;
mod plan;
pub mod settings;
mod status;
mod telegram;

use tutin_sdk::stream::{Error, Exchange, Stream, Unasked};
use tutin_sdk::{Description, Driver, Failure, Point, PointKind, Sample, Samples, State, Timestamp, hex, log};

use crate::plan::{Field, Plan};
use crate::settings::{Read, Settings, StatusFrom};
use crate::status::Status;
use crate::telegram::{Fault, Refusal, Reply};

/// The driver.
#[derive(Debug)]
pub struct AkProtocol<L> {
    link: L,
    settings: Settings,
    plan: Plan,
    /// What was wrong in the last poll, so that each trouble is logged once.
    troubles: Vec<String>,
}

/// Why one request brought nothing while others may bring something.
#[derive(Debug, Clone)]
struct Trouble {
    failure: Failure,
    state: State,
}

/// Why a request brought nothing.
enum Lost {
    /// It alone.
    One(Trouble),
    /// The line is gone, or question and answer are out of step: nothing else can be believed.
    Poll(Failure),
}

impl<L: Stream> AkProtocol<L> {
    /// Checks the settings. Sends nothing.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        let plan = Plan::new(&settings)?;
        link.frames(&telegram::framing(), Unasked::Waits)?;
        Ok(AkProtocol { link, settings, plan, troubles: Vec::new() })
    }

    fn exchange(&self, code: &str, channel: u16, data: &str) -> Result<Reply, Lost> {
        let wording = telegram::wording(code, channel, data);
        let request = telegram::request(self.plan.filler, &wording);
        let frame = self.link.ask(&request, &Exchange::default()).map_err(|err| {
            let state = if err == Error::Timeout { State::CommError } else { State::Fault };
            match err {
                Error::Closed(_) | Error::BadRequest(_) => Lost::Poll(err.during(&wording)),
                _ => Lost::One(Trouble { failure: err.during(&wording), state }),
            }
        })?;
        let told =
            |why: &str| Failure::device(format!("{wording}: {why}; the reply was {}", hex(&frame, telegram::SHOWN)));
        telegram::reply(&frame, code).map_err(|fault| match fault {
            Fault::OutOfStep(why) => Lost::Poll(told(&why)),
            Fault::Garbage(why) => Lost::One(Trouble { failure: told(&why), state: State::Fault }),
            Fault::Refused(refusal) => {
                let state = if refusal == Refusal::Busy { State::Missing } else { State::Fault };
                Lost::One(Trouble { failure: commands::refused(&wording, refusal), state })
            }
        })
    }

    /// What the instrument says of each channel that the status is asked of.
    fn statuses(&self, answers: &[Result<Reply, Trouble>], troubles: &mut Vec<String>) -> Result<Vec<Status>, Failure> {
        let mut statuses = Vec::with_capacity(self.plan.status_channels.len());
        for channel in &self.plan.status_channels {
            let speaks_of = |read: &Read| self.settings.status == StatusFrom::Device || read.channel == *channel;
            let mut of =
                self.settings.reads.iter().zip(answers).filter(|(read, _)| speaks_of(read)).map(|(_, answer)| answer);
            let mut status = Status { channel: *channel, ..Status::default() };
            let is_silent =
                of.clone().all(|answer| answer.as_ref().is_err_and(|trouble| trouble.state == State::CommError));
            if is_silent {
                statuses.push(status);
                continue;
            }
            let mut ask = |code: &str| match self.exchange(code, *channel, "") {
                Ok(reply) => Ok(Some(reply)),
                Err(Lost::Poll(failure)) => Err(failure),
                Err(Lost::One(trouble)) => {
                    troubles.push(trouble.failure.to_string());
                    Ok(None)
                }
            };
            if let Some(reply) = ask("ASTZ")? {
                status.digit = reply.error;
                status.functions = Some(reply.data);
            }
            let has_error = status.digit > 0 || of.any(|answer| answer.as_ref().is_ok_and(|reply| reply.error > 0));
            if has_error && let Some(reply) = ask("ASTF")? {
                status.digit = status.digit.max(reply.error);
                status.errors = Some(reply.data);
            }
            statuses.push(status);
        }
        Ok(statuses)
    }

    fn samples(&self, answers: &[Result<Reply, Trouble>], statuses: &[Status], troubles: &mut Vec<String>) -> Samples {
        let mut samples = Samples::with_capacity(self.plan.points.len());
        for (point, field) in (0..).zip(&self.plan.fields) {
            let Some(answer) = answers.get(field.read) else { continue };
            let reply = match answer {
                Ok(reply) => reply,
                Err(trouble) => {
                    let sample = Sample::new(point, f64::NAN).state(trouble.state).status(0);
                    push(&mut samples, field.kind, sample, "");
                    continue;
                }
            };
            let status = field.status.and_then(|at| statuses.get(at)).cloned().unwrap_or_default();
            let (value, text, own) = self.decode(field, reply, troubles);
            let state = if field.diagnostic { own } else { own.or_worse(self.state(&status, reply.error)) };
            let sample = Sample::new(point, value).state(state).status(status.word(reply.error));
            push(&mut samples, field.kind, sample, &text);
        }
        let first = u16::try_from(self.plan.fields.len()).unwrap_or(u16::MAX);
        for (point, status) in (first..).step_by(2).zip(statuses) {
            let text = |samples: &mut Samples, point, fields: Option<&Vec<String>>, is_known: bool| {
                let state = if is_known { State::Valid } else { State::Missing };
                let text = fields.map_or(String::new(), |fields| fields.join(" "));
                samples.push_text(Sample::new(point, f64::NAN).state(state).status(status.word(0)), text);
            };
            let has_functions = status.functions.is_some();
            text(&mut samples, point, status.functions.as_ref(), has_functions);
            let has_errors = status.errors.is_some() || (has_functions && status.digit == 0);
            text(&mut samples, point.saturating_add(1), status.errors.as_ref(), has_errors);
        }
        samples
    }

    /// The state that the instrument's status gives to a value whose answer had this error digit.
    fn state(&self, status: &Status, digit: u8) -> State {
        let of_functions = match self.settings.status {
            StatusFrom::None => State::Valid,
            _ => status.of_functions(&self.settings),
        };
        of_functions.or_worse(status.of_errors(&self.settings, digit))
    }

    /// Number, text, and what they say of themselves.
    fn decode(&self, field: &Field, reply: &Reply, troubles: &mut Vec<String>) -> (f64, String, State) {
        let mut doubt = |why: String| troubles.push(format!("{}: {why}", field.id));
        let from = reply.data.get(field.at..).unwrap_or_default();
        let Some(first) = from.first() else {
            doubt(format!("the answer has {} fields, number {} is wanted", reply.data.len(), field.at + 1));
            return (f64::NAN, String::new(), State::Fault);
        };
        let is_marked = first.starts_with('#');
        if field.kind == PointKind::Text {
            return (f64::NAN, from.join(" "), if is_marked { State::Fault } else { State::Valid });
        }
        let number = first.trim_start_matches('#');
        let value = number.parse().unwrap_or(f64::NAN);
        let is_possible = field.range.is_none_or(|[low, high]| (low..=high).contains(&value));
        if !is_marked && value.is_nan() {
            doubt(format!("{first:?} is no number"));
        } else if value.is_finite() && !is_possible {
            doubt(format!("{value} is outside of what the instrument can show"));
        }
        let is_sound = !is_marked && value.is_finite() && is_possible;
        (value, String::new(), if is_sound { State::Valid } else { State::Fault })
    }

    fn report(&mut self, troubles: Vec<String>) {
        for trouble in troubles.iter().filter(|trouble| !self.troubles.contains(trouble)) {
            log::warn(trouble);
        }
        self.troubles = troubles;
    }
}

fn push(samples: &mut Samples, kind: PointKind, sample: Sample, text: &str) {
    match kind {
        PointKind::Number => samples.push(sample),
        PointKind::Text => samples.push_text(sample, text),
    }
}

impl<L: Stream + 'static> Driver for AkProtocol<L> {
    type Settings = Settings;

    fn description() -> Description {
        let models = ["NGA 2000", "CAI 700", "SERVOPRO NOx", "CU-2", "NanoMet3", "TEOM 1405"];
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Emerson, CAI, Servomex, Testo, Thermo", &models)
            .stream("the instrument");
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        AkProtocol::new(L::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.plan.points.clone()
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        // Sends every command once. One that is refused costs its own points; a channel that does not answer costs its own; when nothing came,
        // the poll is lost.
        let mut silent = Vec::new();
        let mut answers: Vec<Result<Reply, Trouble>> = Vec::with_capacity(self.settings.reads.len());
        for Read { code, channel, data, .. } in &self.settings.reads {
            if let Some((_, trouble)) = silent.iter().find(|(silent, _)| silent == channel) {
                answers.push(Err(Trouble::clone(trouble)));
                continue;
            }
            match self.exchange(code, *channel, data) {
                Ok(reply) => answers.push(Ok(reply)),
                Err(Lost::Poll(failure)) => return Err(failure),
                Err(Lost::One(trouble)) => {
                    if trouble.state == State::CommError {
                        silent.push((*channel, trouble.clone()));
                    }
                    answers.push(Err(trouble));
                }
            }
        }
        if let (true, Some(Err(trouble))) = (answers.iter().all(Result::is_err), answers.first()) {
            return Err(trouble.failure.clone());
        }
        let mut troubles: Vec<String> =
            answers.iter().filter_map(|answer| Some(answer.as_ref().err()?.failure.to_string())).collect();
        let statuses = self.statuses(&answers, &mut troubles)?;
        let samples = self.samples(&answers, &statuses, &mut troubles);
        self.report(troubles);
        Ok(samples)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        let (code, channel, data) = commands::telegram(&self.settings, name, arguments)?;
        match self.exchange(code, channel, &data) {
            Ok(_) => {
                Ok(format!("{} accepted; the running function shows when", telegram::wording(code, channel, &data)))
            }
            Err(Lost::Poll(failure) | Lost::One(Trouble { failure, .. })) => Err(failure),
        }
    }
}

tutin_sdk::export!(AkProtocol<tutin_sdk::stream::Link>);

#[cfg(test)]
mod tests;
