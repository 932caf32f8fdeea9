//! From values to samples: what is said of an item.

use tutin_sdk::clock::SECOND;
use tutin_sdk::opcua::{Client, DataValue, Value, status_state};
use tutin_sdk::{PointKind, Qualifier, Qualifiers, Sample, Samples, State, Timestamp};

use crate::OpcuaAdi;
use crate::ruling::{self, Ruling};

impl<L: Client> OpcuaAdi<L> {
    pub(crate) fn repeat(&self, item: usize, now: Timestamp, samples: &mut Samples) {
        let Some(held) = self.held.get(item) else { return };
        match (held.refused, &held.value) {
            (Some(status), _) => self.push_empty(item, State::Fault, status, now, samples),
            (None, None) => self.push_empty(item, State::Missing, 0, now, samples),
            (None, Some(value)) => self.push(item, value, now, true, samples),
        }
    }

    pub(crate) fn push_at(&self, item: usize, value: &DataValue, at: Timestamp, is_late: bool, samples: &mut Samples) {
        let remarks = if is_late { Qualifier::Late.into() } else { Qualifiers::NONE };
        self.put(item, value, at, !is_late, remarks, samples);
    }

    /// Says a value; with what rules over it when it is one of now.
    pub(crate) fn push(&self, item: usize, value: &DataValue, at: Timestamp, is_now: bool, samples: &mut Samples) {
        self.put(item, value, at, is_now, Qualifiers::NONE, samples);
    }

    fn put(
        &self,
        at: usize,
        value: &DataValue,
        time: Timestamp,
        is_now: bool,
        remarks: Qualifiers,
        samples: &mut Samples,
    ) {
        let Some(item) = self.items.all.get(at) else { return };
        let mut state = status_state(value.status);
        let mut status = u64::from(value.status);
        if is_now {
            let (ruled, health) = self.ruled(at);
            state = state.or_worse(ruled);
            status |= health << 32;
            if self.held.get(at).is_some_and(|held| held.is_doubtful) {
                state = state.or_worse(State::Suspect);
            }
        }
        let number = match &value.value {
            Value::Time(time) => Some(time.0 as f64 / SECOND as f64),
            other => other.number(),
        };
        let sample = sample(at).status(status).time(time).qualifiers(remarks);
        match (item.point.kind, number.filter(|number| number.is_finite()), value.value.text()) {
            (PointKind::Text, _, Some(text)) => samples.push_text(sample.state(state), text),
            (PointKind::Text, Some(number), _) => samples.push_text(sample.state(state), number.to_string()),
            (PointKind::Number, Some(number), _) => {
                let raw = value.value.bits().unwrap_or_default();
                samples.push(Sample { value: number, ..sample }.raw(raw).state(state));
            }
            // What is bad often has no value; what is good and has none that fits is a fault.
            _ => {
                samples.push(sample.raw(0).state(if state.has_value() { state.or_worse(State::Fault) } else { state }))
            }
        }
    }

    pub(crate) fn push_empty(&self, item: usize, state: State, status: u32, now: Timestamp, samples: &mut Samples) {
        samples.push(sample(item).raw(0).status(status.into()).time(now).state(state));
    }

    /// What its device says of an item: the state, and DeviceHealth's number.
    fn ruled(&self, item: usize) -> (State, u64) {
        let rulers = self.items.all.get(item).map(|item| item.rulers.as_slice()).unwrap_or_default();
        let mut state = State::Valid;
        let mut health = 0;
        for ruler in rulers {
            let Some(ruling) = self.items.all.get(*ruler).and_then(|item| item.ruling) else { continue };
            let value = self.held.get(*ruler).and_then(|held| held.value.as_ref());
            state = state.or_worse(ruling.state(value, &self.settings));
            if ruling == Ruling::Health && health == 0 {
                health = value.and_then(ruling::code).unwrap_or_default() & 0xFF;
            }
        }
        (state, health)
    }
}

fn sample(item: usize) -> Sample {
    Sample::new(u16::try_from(item).unwrap_or(u16::MAX), f64::NAN)
}
