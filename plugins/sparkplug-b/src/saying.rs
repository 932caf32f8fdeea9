//! From metrics to samples.
//!
//! Quality (Sparkplug 3.0, 6.4.12): 0 bad, 192 good, 500 stale; without the property a value is good. The code is the raw status.

use tutin_sdk::clock::SECOND;
use tutin_sdk::mqtt::{Publisher, Subscriber};
use tutin_sdk::{PointKind, Qualifier, Qualifiers, Sample, Samples, State, Timestamp};

use crate::SparkplugB;
use crate::edge::{Arrived, Trust};
use crate::payload::Metric;
use crate::value::{self, Said};

const BAD: u64 = 0;
const GOOD: u64 = 192;
const STALE: u64 = 500;
/// A value older than this is marked late.
const LATE: i64 = 60 * SECOND;

impl<L: Subscriber + Publisher> SparkplugB<L> {
    /// Says a metric of a message. A historical one does not touch the present value.
    pub(crate) fn tell(
        &mut self,
        at: usize,
        metric: &Metric,
        arrived: &Arrived,
        now: Timestamp,
        samples: &mut Samples,
    ) {
        let measured = metric.timestamp.or(arrived.payload.timestamp);
        let measured = measured.map(|ms| Timestamp(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)));
        let believed = measured.filter(|time| self.is_credible(*time, now));
        if believed.is_none() && measured.is_some() {
            let text = format!("{}: its clock is not believed; the time of arrival counts", arrived.topic.node);
            self.complain(now, &text);
        }
        let Some(standing) = self.points.get_mut(at) else { return };
        if metric.is_historical {
            if let Some(time) = believed {
                self.say(at, metric, time, Qualifier::Late.into(), State::Valid, samples);
            }
            return;
        }
        let time = believed.unwrap_or(arrived.at);
        let is_late = standing.told.is_some_and(|told| time < told) || now.0.saturating_sub(time.0) > LATE;
        standing.told = standing.told.max(Some(time));
        standing.held = Some(metric.clone());
        let remarks = if is_late { Qualifier::Late.into() } else { Qualifiers::NONE };
        let trust = self.trust(at);
        self.say(at, metric, time, remarks, trust, samples);
        if !is_late {
            self.told.insert(at);
        }
    }

    /// Every point of which nothing was said: its present value, or why there is none.
    pub(crate) fn repeat(&mut self, now: Timestamp, is_connected: bool, samples: &mut Samples) {
        for (at, standing) in self.points.iter().enumerate() {
            let state = if is_connected { self.standing(at, now) } else { State::CommError };
            match &standing.held {
                Some(held) if state.has_value() => {
                    if !self.told.contains(&at) {
                        self.say(at, held, now, Qualifiers::NONE, state, samples);
                    }
                }
                // It was not in the birth.
                None if state.has_value() => samples.push(sample(at).state(State::Missing).raw(0).status(0).time(now)),
                _ => samples.push(sample(at).state(state).raw(0).status(0).time(now)),
            }
        }
    }

    /// Whether the present value of a point counts.
    fn standing(&self, at: usize, now: Timestamp) -> State {
        let Some(standing) = self.points.get(at) else { return State::Missing };
        let Some(owner) = &standing.owner else { return State::Missing };
        let Some(edge) = self.edges.get(&owner.node) else { return State::CommError };
        let limit = self.settings.stale_after_s.map(|seconds| i64::from(seconds) * SECOND);
        let silence = edge.heard.map_or(0, |heard| now.0.saturating_sub(heard.0));
        if limit.is_some_and(|limit| silence > limit) {
            return State::CommError;
        }
        match &edge.session {
            Some(session) if session.has(owner.device.as_ref()) => self.trust(at),
            _ => State::CommError,
        }
    }

    fn trust(&self, at: usize) -> State {
        let owner = self.points.get(at).and_then(|standing| standing.owner.as_ref());
        let session = owner.and_then(|owner| self.edges.get(&owner.node)).and_then(|edge| edge.session.as_ref());
        match session.map(|session| session.trust) {
            Some(Trust::Sure) => State::Valid,
            _ => State::Suspect,
        }
    }

    fn is_credible(&self, time: Timestamp, now: Timestamp) -> bool {
        let ahead = i64::from(self.settings.max_clock_difference_s) * SECOND;
        let oldest = i64::from(self.settings.oldest_days) * 86_400 * SECOND;
        time.0.saturating_sub(now.0) <= ahead && now.0.saturating_sub(time.0) <= oldest
    }

    fn say(
        &self,
        at: usize,
        metric: &Metric,
        time: Timestamp,
        remarks: Qualifiers,
        trust: State,
        samples: &mut Samples,
    ) {
        let Some(standing) = self.points.get(at) else { return };
        let quality = metric.quality.unwrap_or(GOOD);
        let state = trust.or_worse(match quality {
            GOOD => State::Valid,
            BAD => State::Fault,
            STALE => State::CommError,
            _ => State::Suspect,
        });
        let sample = sample(at).status(quality).time(time).qualifiers(remarks);
        if metric.is_null {
            let state = if state == State::Valid { State::Missing } else { state };
            return samples.push(sample.raw(0).state(state));
        }
        match (value::said(standing.datatype, &metric.value), standing.point.kind) {
            (Said::Number(value, raw), PointKind::Number) if value.is_finite() => {
                samples.push(Sample { value, ..sample }.raw(raw).state(state));
            }
            (Said::Number(value, _), PointKind::Text) => samples.push_text(sample.state(state), value.to_string()),
            (Said::Text(text), PointKind::Text) => samples.push_text(sample.state(state), text),
            _ => samples.push(sample.raw(0).state(state.or_worse(State::Fault))),
        }
    }
}

fn sample(at: usize) -> Sample {
    Sample::new(u16::try_from(at).unwrap_or(u16::MAX), f64::NAN)
}
