//! JSON and plain payloads of an MQTT broker.
//!
//! Where values stand is data: topics with placeholders (`topic`), paths (`path`), rules made of them (`settings`), and rules for known senders
//! (`presets`). Evaluating a payload is pure (`rule`); this file keeps what was heard of each point.
//!
//! Invariant: a point that was not heard of within `stale_after_s` is not valid, and neither is one whose age nobody knows.

mod check;
mod complaints;
mod path;
mod points;
mod presets;
mod rule;
pub mod settings;
mod time;
mod topic;

use serde_json::Value;
use tutin_sdk::clock::SECOND;
use tutin_sdk::mqtt::{Link, Message, QoS, Subscriber};
use tutin_sdk::{
    Description, Driver, Failure, Point, PointKind, Qualifier, Qualifiers, Sample, Samples, State, Timestamp,
};

use crate::complaints::{Complaints, cut};
use crate::points::{Collided, Place, Points};
use crate::rule::{Finding, Outcome};
use crate::settings::{DeviceStateRule, Format, MessageRule, Settings};
use crate::topic::Captures;

/// Most messages of one poll, and the number of samples at which a poll takes no more of them.
const MOST_MESSAGES: usize = 200;
const ENOUGH_SAMPLES: usize = 20_000;
/// Most values of one message.
const MOST_FINDINGS: usize = 10_000;

/// The driver.
#[derive(Debug)]
pub struct MqttJson<L> {
    link: L,
    settings: Settings,
    rules: Vec<MessageRule>,
    state_rules: Vec<DeviceStateRule>,
    /// Some rule knows codes of quality or error, so every sample has a status.
    has_status: bool,
    points: Points,
    /// What devices last said of themselves, by what the topic's placeholders met.
    device_states: Vec<(Captures, State)>,
    complaints: Complaints,
}

impl<L: Subscriber> MqttJson<L> {
    /// Checks the settings and tells the host which topics to take.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        check::settings(&settings)?;
        let (rules, state_rules) = presets::rules(&settings)?;
        check::rules(&rules)?;
        let topics = rules.iter().map(|rule| &rule.topic).chain(state_rules.iter().map(|rule| &rule.topic));
        let mut filters: Vec<String> = topics.map(|topic| topic.filter()).collect();
        filters.sort();
        filters.dedup();
        let qos = match settings.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        link.subscribe(&filters, qos).map_err(|err| err.during(format_args!("topics {}", filters.join(", "))))?;
        let mut values = rules.iter().flat_map(|rule| &rule.values);
        let has_status = values.any(|rule| rule.quality.is_some() || rule.error.is_some());
        let points = Points::new(&settings.points, settings.most_discovered);
        let complaints = Complaints::default();
        Ok(MqttJson { link, settings, rules, state_rules, has_status, points, device_states: Vec::new(), complaints })
    }

    /// Takes what arrived, and says of every point that is not heard of that it is not.
    pub fn read(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        let mut samples = Samples::default();
        let mut taken = 0;
        let (is_connected, more) = loop {
            let incoming = self.link.receive(1).map_err(|err| err.during("broker"))?;
            if incoming.dropped > 0 {
                let text =
                    format!("{} messages were refused: too large, too many, or the queue was full", incoming.dropped);
                self.complaints.say(now, "dropped", &text);
            }
            for message in &incoming.messages {
                self.take(message, now, &mut samples);
            }
            taken += 1;
            if !incoming.more || taken >= MOST_MESSAGES || samples.len() >= ENOUGH_SAMPLES {
                break (incoming.is_connected, incoming.more);
            }
        };
        self.tell_silent(now, is_connected, &mut samples);
        if more {
            samples.more_to_come();
        }
        Ok(samples)
    }

    fn take(&mut self, message: &Message, now: Timestamp, samples: &mut Samples) {
        self.take_device_state(message, now);
        let mut documents: [Option<Result<Value, String>>; 2] = [None, None];
        let mut found = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let Some(captures) = rule.topic.captures(&message.topic) else { continue };
            let [json, plain] = &mut documents;
            let document = if rule.format == Format::Json { json } else { plain };
            match document.get_or_insert_with(|| rule::document(&message.payload, rule.format)) {
                Ok(document) => {
                    found.extend(rule::findings(rule, document, &captures).into_iter().map(|one| (number, one)));
                }
                Err(why) => {
                    let why = format!("topic {}: {why}", cut(&message.topic));
                    self.complaints.say(now, &format!("payload {}", cut(&message.topic)), &why);
                    let fault = |name| (number, Finding::fault(name, captures.clone(), why.clone()));
                    found
                        .extend(names_of(number, rule, &captures, &message.topic, &self.points).into_iter().map(fault));
                }
            }
        }
        if found.len() > MOST_FINDINGS {
            let text =
                format!("topic {}: {} values in one message, {MOST_FINDINGS} taken", cut(&message.topic), found.len());
            self.complaints.say(now, "findings", &text);
        }
        for (rule, finding) in found.into_iter().take(MOST_FINDINGS) {
            self.tell(rule, finding, message, now, samples);
        }
    }

    fn take_device_state(&mut self, message: &Message, now: Timestamp) {
        for rule in &self.state_rules {
            let Some(captures) = rule.topic.captures(&message.topic) else { continue };
            let (word, state) = rule::device_state(rule, &message.payload);
            if state != State::Valid {
                let text = format!("topic {} says {:?}: {state:?}", cut(&message.topic), cut(&word));
                self.complaints.say(now, &text, &text);
            }
            let has_room = self.device_states.len() < MOST_FINDINGS;
            match self.device_states.iter_mut().find(|(of, _)| *of == captures) {
                Some((_, known)) => *known = state,
                None if has_room => self.device_states.push((captures, state)),
                None => self.complaints.say(now, "devices", "too many devices: the state of new ones is not kept"),
            }
        }
    }

    fn tell(&mut self, rule: usize, finding: Finding, message: &Message, now: Timestamp, samples: &mut Samples) {
        let Some(at) = self.place(&finding, now, samples) else { return };
        if let Some(why) = &finding.complaint {
            let text = format!("{} of topic {}: {why}", cut(&finding.name), cut(&message.topic));
            self.complaints.say(now, &format!("point {at}"), &text);
        }
        let Some((time, is_known)) = self.time(&finding, message, now) else { return };
        let device_state = device_state(&self.device_states, &finding.captures);
        let Some(standing) = self.points.get_mut(at) else { return };
        let mut state = finding.state;
        let is_late = is_known && standing.last.is_some_and(|last| time < last)
            || now.0.saturating_sub(time.0) > i64::from(self.settings.stale_after_s) * SECOND;
        if !is_late {
            state = state.or_worse(device_state);
        }
        if !is_known {
            state = state.or_worse(self.settings.retained_without_time);
        }
        if is_known || state.has_value() {
            standing.last = standing.last.max(Some(time));
        }
        standing.is_seen = true;
        standing.source = Some((rule, message.topic.clone()));
        standing.captures = finding.captures;
        let kind = standing.point.kind;
        let late = if is_late { Qualifier::Late.into() } else { Qualifiers::NONE };
        let sample = Sample { qualifiers: late, time: Some(time), state, ..self.sample(at, finding.status) };
        self.push(sample, finding.outcome, kind, now, samples);
    }

    fn push(&mut self, sample: Sample, outcome: Outcome, kind: PointKind, now: Timestamp, samples: &mut Samples) {
        let fault = |sample: Sample| Sample { value: f64::NAN, state: sample.state.or_worse(State::Fault), ..sample };
        match (outcome, kind) {
            (Outcome::Number(value), PointKind::Number) if value.is_finite() => {
                samples.push(Sample { value, ..sample })
            }
            (Outcome::Number(value), PointKind::Text) => samples.push_text(sample, value.to_string()),
            (Outcome::Text(text), PointKind::Text) => samples.push_text(sample, text),
            (Outcome::Nothing, _) if sample.state != State::Valid => samples.push(sample),
            (Outcome::Text(text), PointKind::Number) => {
                let about = format!("kind {}", sample.point);
                self.complaints.say(
                    now,
                    &about,
                    &format!("point {}: text {:?}, not a number", sample.point, cut(&text)),
                );
                samples.push(fault(sample));
            }
            (Outcome::Number(_) | Outcome::Nothing, _) => samples.push(fault(sample)),
        }
    }

    /// The point of a finding. One without a value makes no point: nobody would know what it is.
    fn place(&mut self, finding: &Finding, now: Timestamp, samples: &mut Samples) -> Option<usize> {
        let kind = match finding.outcome {
            Outcome::Number(_) => PointKind::Number,
            Outcome::Text(_) => PointKind::Text,
            Outcome::Nothing => return self.points.find(&finding.name),
        };
        let unit = match finding.unit.as_ref() {
            None => "",
            Some(said) => match self.settings.units.get(said) {
                Some(unit) => unit.as_str(),
                None => {
                    let text = format!("unit {:?} is not in settings.units and is not taken over", cut(said));
                    self.complaints.say(now, &text, &text);
                    ""
                }
            },
        };
        let name = cut(&finding.name);
        match self.points.place(&finding.name, kind, unit) {
            Place::Known(at) => Some(at),
            Place::New(at, collided) => {
                samples.points_changed();
                if collided == Collided::Yes {
                    let text = format!("{name:?} makes the id of another point: give both an id in settings.points");
                    self.complaints.say(now, &text, &text);
                }
                Some(at)
            }
            Place::NoRoom => {
                let text = format!("{name:?} is ignored: {} points were found already", self.settings.most_discovered);
                self.complaints.say(now, "room", &text);
                None
            }
        }
    }

    /// When the value was measured, and whether that is known. Nothing when it is too old to be believed.
    fn time(&mut self, finding: &Finding, message: &Message, now: Timestamp) -> Option<(Timestamp, bool)> {
        let ahead = i64::from(self.settings.max_clock_difference_s) * SECOND;
        let oldest = i64::from(self.settings.oldest_days) * 86_400 * SECOND;
        let topic = cut(&message.topic);
        match finding.time {
            Some(time) if time.0.saturating_sub(now.0) > ahead => {
                let seconds = time.0.saturating_sub(now.0) / SECOND;
                let text = format!("topic {topic}: its clock is {seconds} s ahead; the time of arrival counts");
                self.complaints.say(now, &format!("ahead {topic}"), &text);
                Some((message.at, !message.is_retained))
            }
            Some(time) if now.0.saturating_sub(time.0) > oldest => {
                let days = now.0.saturating_sub(time.0) / SECOND / 86_400;
                let text = format!("topic {topic}: values are {days} days old and are ignored");
                self.complaints.say(now, &format!("old {topic}"), &text);
                None
            }
            Some(time) => Some((time, true)),
            None => Some((message.at, !message.is_retained)),
        }
    }

    /// A sample for each point of which nothing new is known.
    fn tell_silent(&mut self, now: Timestamp, is_connected: bool, samples: &mut Samples) {
        let stale = i64::from(self.settings.stale_after_s) * SECOND;
        for (at, standing) in self.points.iter().enumerate() {
            let device_state = device_state(&self.device_states, &standing.captures);
            let state = match standing.last {
                _ if !is_connected => State::CommError,
                _ if !device_state.has_value() => device_state,
                None if standing.is_seen => State::CommError,
                None => State::Missing,
                Some(last) if now.0.saturating_sub(last.0) > stale => State::CommError,
                Some(_) => continue,
            };
            samples.push(Sample { state, time: Some(now), ..self.sample(at, 0) });
        }
    }

    fn sample(&self, at: usize, status: u64) -> Sample {
        let sample = Sample::new(u16::try_from(at).unwrap_or(u16::MAX), f64::NAN);
        Sample { status: self.has_status.then_some(status), ..sample }
    }
}

/// Names of the points that a payload would have spoken of: those that were last heard from its topic, and those that the topic alone names.
fn names_of(number: usize, rule: &MessageRule, captures: &Captures, topic: &str, points: &Points) -> Vec<String> {
    let from_here = |source: &(usize, String)| source.0 == number && source.1 == topic;
    let heard = points.named().filter(|(_, standing)| standing.source.as_ref().is_some_and(from_here));
    let mut names: Vec<String> = heard.map(|(name, _)| name.to_owned()).collect();
    for values in &rule.values {
        names.extend(values.id.render(captures).filter(|name| !names.contains(name)));
    }
    names
}

/// The worst that the devices of these placeholders say of themselves.
fn device_state(states: &[(Captures, State)], of: &Captures) -> State {
    let is_of = |device: &Captures| device.iter().all(|(name, text)| of.get(name) == Some(text));
    states.iter().filter(|(device, _)| is_of(device)).fold(State::Valid, |worst, (_, state)| worst.or_worse(*state))
}

impl Driver for MqttJson<Link> {
    type Settings = Settings;

    fn description() -> Description {
        Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("any", &["JSON over MQTT", "Neuron", "ThingsBoard", "Homie"])
            .mqtt("the broker")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        MqttJson::new(Link::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.read(now)
    }
}

impl<L> MqttJson<L> {
    /// The points that are known now.
    pub fn list(&self) -> Vec<Point> {
        self.points.iter().map(|standing| standing.point.clone()).collect()
    }
}

tutin_sdk::export!(MqttJson<Link>);

#[cfg(test)]
mod tests;
