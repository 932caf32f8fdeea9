//! One message becomes samples and an acknowledgement.

use tutin_sdk::clock::SECOND;
use tutin_sdk::stream::{Frame, Stream};
use tutin_sdk::{PointKind, Qualifier, Qualifiers, Sample, Samples, State, Timestamp, log};

use crate::content::{self, Group};
use crate::packet::{self, Packet};
use crate::pollutants::Period;
use crate::settings::Average;
use crate::status::{self, Answer};
use crate::{Hj212Station, clock, frame};

/// System code of answers.
const SYSTEM: &str = "91";
/// So many numbers of other stations are remembered, each for one line in the log.
const FOREIGN: usize = 16;

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The host's queue: it is handed out again when it could not be kept.
    Line,
    /// It came between pages of history, and is not handed out again.
    History,
}

/// Numbered packets of the message that is under way.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    cn: u16,
    of: u16,
    missing: Vec<u16>,
    /// Time of the first packet, for those that do not repeat it.
    time: String,
}

impl Parts {
    /// Takes note of a packet; says which packets of the message before never came.
    fn note(&mut self, cn: u16, part: Option<(u16, u16)>, time: &str) -> Option<String> {
        let (of, number) = part.unwrap_or((1, 1));
        let goes_on = self.cn == cn && self.of == of && self.missing.contains(&number);
        let mut complaint = None;
        if !goes_on {
            if !self.missing.is_empty() {
                let missing: Vec<String> = self.missing.iter().map(u16::to_string).collect();
                complaint = Some(format!(
                    "command {}: of {} packets these did not come: {}",
                    self.cn,
                    self.of,
                    missing.join(", ")
                ));
            }
            *self = Parts { cn, of, missing: (1..=of.min(1000)).collect(), time: String::new() };
        }
        self.missing.retain(|missing| *missing != number);
        if self.time.is_empty() {
            self.time = time.to_owned();
        }
        complaint
    }
}

/// A time of the station, as far as it can be trusted.
struct Placed {
    at: Timestamp,
    remarks: Qualifiers,
    is_trusted: bool,
}

impl<L: Stream> Hj212Station<L> {
    /// Takes one message.
    pub(crate) fn take(&mut self, frame: &Frame, source: Source, samples: &mut Samples) {
        let packet = match frame::unwrap(&frame.bytes).and_then(Packet::read) {
            Ok(packet) => packet,
            Err(why) => return self.refuse(&frame.bytes, &why),
        };
        if !self.is_ours(&packet, &frame.bytes) {
            return;
        }
        self.heard = self.heard.max(Some(frame.at));
        match (packet.cn, Period::of(packet.cn)) {
            (_, Some(period)) => self.take_data(&packet, period, frame.at, source, samples),
            (9011 | 9012, _) => self.take_answer(&packet, frame.at, samples),
            (9013 | 9014, _) => {}
            (1013, _) => {
                log::warn("the station asks for its clock to be set: command set-clock");
                self.send(&packet, 9013);
            }
            (cn, _) => {
                log::info(&format!("command {cn} of the station: {:.200}", packet.content));
                self.acknowledge(&packet);
            }
        }
    }

    /// True when the message is from this station; one that claims to be and is not as the settings say is refused.
    pub(crate) fn is_ours(&mut self, packet: &Packet<'_>, bytes: &[u8]) -> bool {
        if packet.mn != self.settings.mn {
            self.note_foreign(packet.mn);
            return false;
        }
        if packet.pw != self.settings.pw.expose() {
            self.refuse(bytes.get(..6).unwrap_or_default(), "PW is another than in the settings");
            return false;
        }
        let st = self.settings.st.to_string();
        if packet.st != st && packet.st != SYSTEM {
            self.refuse(bytes, &format!("ST is {:?} instead of {st}", packet.st));
            return false;
        }
        true
    }

    fn note_foreign(&mut self, mn: &str) {
        if !self.foreign.iter().any(|known| known == mn) && self.foreign.len() < FOREIGN {
            log::warn(&format!("messages of another station, MN {mn:.32}, are left alone"));
            self.last_refusal = Some(format!("MN is {mn:.32}"));
            self.foreign.push(mn.to_owned());
        }
    }

    fn take_data(&mut self, packet: &Packet<'_>, period: Period, at: Timestamp, source: Source, samples: &mut Samples) {
        let key = packet.key();
        if !packet.qn.is_empty() && self.seen.is_repeated(&key, at) {
            return self.acknowledge(packet);
        }
        if !self.publish(packet, period, at, samples) {
            return;
        }
        if !packet.qn.is_empty() {
            self.seen.remember(key, (source == Source::Line).then_some(at));
        }
        self.acknowledge(packet);
    }

    /// Turns the values of a data message into samples. False when there was no place for one of them.
    pub(crate) fn publish(
        &mut self,
        packet: &Packet<'_>,
        period: Period,
        at: Timestamp,
        samples: &mut Samples,
    ) -> bool {
        let groups = content::groups(packet.content);
        let first = groups.first().map_or("", |group| group.time);
        if let Some(complaint) = self.parts.note(packet.cn, packet.part, first) {
            log::warn(&complaint);
        }
        if !self.is_wanted(period) {
            return true;
        }
        let mut is_complete = true;
        for group in &groups {
            is_complete &= self.publish_group(group, period, at, samples);
        }
        is_complete
    }

    fn publish_group(&mut self, group: &Group<'_>, period: Period, at: Timestamp, samples: &mut Samples) -> bool {
        let time = if group.time.is_empty() { self.parts.time.clone() } else { group.time.to_owned() };
        let placed = self.placed(&time, period, at);
        let settings = &self.settings;
        let (state, status) = status::of(group.flag, &settings.flag_states, settings.without_flag);
        let of_time = if placed.is_trusted || period == Period::Moment { State::Valid } else { State::Suspect };
        let mut is_complete = true;
        for (field, text) in &group.values {
            let Some(position) = self.catalog.place(group.code, period, field, PointKind::Number) else {
                log::error(&format!("{}-{field}: the list of points is full", group.code));
                is_complete = false;
                continue;
            };
            let value = content::number(text);
            if value.is_none() {
                log::warn(&format!("{}-{field}: {text:?} is no number", group.code));
            }
            let of_value = if value.is_some() { State::Valid } else { State::Fault };
            let sample = Sample::new(position, value.unwrap_or(f64::NAN))
                .state(state.or_worse(of_value).or_worse(of_time))
                .qualifiers(placed.remarks)
                .status(status)
                .time(placed.at);
            samples.push(sample);
            if period == Period::Moment {
                self.due.insert(position, at.0.saturating_add(self.patience()));
            }
        }
        if !group.vendor_flag.is_empty()
            && let Some(position) = self.catalog.place(group.code, period, "EFlag", PointKind::Text)
        {
            samples.push_text(Sample::new(position, f64::NAN).status(status).time(placed.at), group.vendor_flag);
        }
        is_complete
    }

    fn is_wanted(&self, period: Period) -> bool {
        let average = match period {
            Period::Minutes => Average::Minute,
            Period::Hour => Average::Hour,
            Period::Day => Average::Day,
            Period::Moment | Period::Other(_) => return true,
        };
        self.settings.averages.contains(&average)
    }

    /// The moment that a value is for. A time that the station cannot mean gives way to the time of arrival.
    fn placed(&mut self, text: &str, period: Period, at: Timestamp) -> Placed {
        let difference = i64::from(self.settings.max_clock_difference) * SECOND;
        let oldest = i64::from(self.settings.max_age_days) * 86_400 * SECOND;
        let arrival = Placed { at, remarks: Qualifiers::NONE, is_trusted: false };
        let Some(said) = clock::read(text, self.settings.utc_offset) else {
            self.complain(&format!("{text:?} is no time; the time of arrival is taken"));
            return arrival;
        };
        let behind = at.0.saturating_sub(said.0);
        if behind < -difference || behind > oldest {
            self.complain(&format!("the station's time {text} cannot be; the time of arrival is taken"));
            return arrival;
        }
        self.is_clock_wrong = false;
        let is_late = behind > difference + period.longest() * SECOND;
        let remarks = if is_late { Qualifier::Late.into() } else { Qualifiers::NONE };
        Placed { at: said, remarks, is_trusted: true }
    }

    /// Once until times are good again.
    fn complain(&mut self, text: &str) {
        if !self.is_clock_wrong {
            self.is_clock_wrong = true;
            log::warn(text);
        }
    }

    fn take_answer(&mut self, packet: &Packet<'_>, at: Timestamp, samples: &mut Samples) {
        let Some(answer) = answer(packet) else {
            return log::warn(&format!("command {} without a code: {:.200}", packet.cn, packet.content));
        };
        let what = match &self.asked {
            Some(asked) if asked.qn == packet.qn => asked.name.clone(),
            _ => format!("request {}", packet.qn),
        };
        self.tell_answer(format!("{what}: {}", answer.words()), at, samples);
    }

    /// Hands over the acknowledgement: it is sent when what this poll returns is durable.
    fn acknowledge(&self, packet: &Packet<'_>) {
        if packet.wants_answer()
            && let Err(err) = self.link.send_when_kept(&self.answer_to(packet, 9014))
        {
            log::warn(&format!("acknowledgement of message {}: {err}", packet.qn));
        }
    }

    fn send(&self, packet: &Packet<'_>, cn: u16) {
        if packet.wants_answer()
            && let Err(err) = self.link.send(&self.answer_to(packet, cn))
        {
            log::warn(&format!("answer to message {}: {err}", packet.qn));
        }
    }

    /// The message that answers another one.
    pub(crate) fn answer_to(&self, packet: &Packet<'_>, cn: u16) -> Vec<u8> {
        let identity = (self.settings.pw.expose(), self.settings.mn.as_str());
        frame::wrap(&packet::body(packet.qn, SYSTEM, cn, identity, packet.answer_flag(), ""))
    }
}

/// The code of an answer.
pub(crate) fn answer(packet: &Packet<'_>) -> Option<Answer> {
    let code = |name| content::member(packet.content, name)?.trim().parse().ok();
    match packet.cn {
        9011 => code("QnRtn").map(Answer::Request),
        9012 => code("ExeRtn").map(Answer::Execution),
        _ => None,
    }
}
