//! What becomes of one sample: it counts in its block, or the block says why it does not.

use super::chain::{Lack, Steps, Surroundings};
use super::gate::{Code, Judged, Memory};
use super::grid::Span;
use super::member::{Around, Incident, Member};
use super::recipe::Assignment;
use super::trace::Traced;
use super::window::{Sample, Window};
use crate::method::{Mean, OxygenStep, Plant, Role};
use crate::status::{InstrumentState, PlantState, Qualifiers};
use crate::time::Timestamp;

/// Why a sample does not count.
enum Refusal {
    Code(Code, Option<f64>),
    Lack(Lack),
}

impl Member {
    /// Takes a sample into a block.
    pub(super) fn add(&mut self, sample: &Sample, block: Span, window: &mut Window, around: &mut Around<'_>) {
        let plant = self.plant(sample.at, around.plant);
        if let Some(count) = window.plants.get_mut(plant as usize) {
            *count += 1;
        }
        let has_value = sample.state.has_value();
        let rules = &self.assignment.rules;
        if !rules.validity.states.contains(&sample.state) {
            window.lose(sample.state, has_value);
            self.note(sample, block, Surroundings::default(), || Err(sample.state.name().to_owned()));
            return;
        }
        if !rules.validity.plants.contains(&plant) {
            window.idle += 1;
            window.received += u32::from(has_value);
            self.note(sample, block, Surroundings::default(), || Err(format!("the plant is {}", plant.name())));
            return;
        }
        let mut surroundings = Surroundings::default();
        for role in &self.needs {
            let companion = self.assignment.companions.get(role);
            let known = companion.zip(around.tracks.get(*role as usize));
            let known = known.and_then(|(companion, track)| track.at(sample.at, companion));
            window.used(*role, known);
            surroundings.set(*role, known);
        }
        let mut memory = self.memory;
        let judged = self.judged(sample, &surroundings, &mut memory);
        self.memory = memory;
        self.note(sample, block, surroundings, || match &judged {
            Ok((steps, _)) => Ok(*steps),
            Err(Refusal::Code(code, _)) => Err(code.name().to_owned()),
            Err(Refusal::Lack(Lack::Companion(role))) => Err(format!("no {}", role.name())),
            Err(Refusal::Lack(lack)) => Err(lack.state().name().to_owned()),
        });
        match judged {
            Ok((steps, weight)) => {
                let Assignment { chain, rules, .. } = &self.assignment;
                let slot = sample.at.since(block.start).as_nanos() as u64 / self.half;
                window.add(&steps, sample.at, block, rules.validity.parts, chain.mean, weight);
                window.occupy(usize::try_from(slot).unwrap_or(usize::MAX));
                window.qualifiers = window.qualifiers.with(sample.qualifiers);
                if steps.outside {
                    window.qualifiers = window.qualifiers.with(Qualifiers::OUTSIDE_CALIBRATION_RANGE);
                }
                self.last_valid = self.last_valid.max(Some(sample.at));
                if let Some((role, units)) = self.role.zip(self.units.get(usize::from(sample.units)))
                    && let Some(track) = around.tracks.get_mut(role as usize)
                {
                    track.add(sample.at, units.role.apply(steps.value));
                }
            }
            Err(Refusal::Code(code, value)) => {
                window.implausible(code);
                window.qualifiers = window.qualifiers.with(Qualifiers::IMPLAUSIBLE);
                window.lose(InstrumentState::Suspect, true);
                self.stopped(code, block, sample.at, sample.raw, value);
            }
            Err(Refusal::Lack(lack)) => window.lose(lack.state(), true),
        }
    }

    /// Takes a sample through the chain and past the gate.
    fn judged(&self, sample: &Sample, around: &Surroundings, memory: &mut Memory) -> Result<(Steps, f64), Refusal> {
        let Some(units) = self.units.get(usize::from(sample.units)).copied() else {
            return Err(Refusal::Lack(Lack::NotANumber));
        };
        let Assignment { chain, companions, rules, gate, .. } = &self.assignment;
        let through = |raw: f64| chain.run(raw, &units, around, companions, &rules.constants);
        let outcome = through(sample.raw);
        let value = match outcome {
            Ok(steps) => steps.value,
            Err(Lack::NotANumber) => f64::NAN,
            Err(lack) => return Err(Refusal::Lack(lack)),
        };
        let judged = Judged { at: sample.at, raw: sample.raw, value, wire: sample.wire, qualifiers: sample.qualifiers };
        let other = |raw: f64| through(raw).ok().map(|steps| steps.value);
        if let Some(code) = gate.value(memory, &judged, self.bounds, other) {
            return Err(Refusal::Code(code, Some(value).filter(|value| value.is_finite())));
        }
        let Ok(mut steps) = outcome else { return Err(Refusal::Code(Code::NotANumber, None)) };
        if rules.oxygen == OxygenStep::Sample {
            steps.corrected = chain.correct(steps.value, around, rules.most_oxygen);
        }
        if chain.mean == Mean::FlowWeighted && around.get(Role::Flow).is_none() {
            return Err(Refusal::Lack(Lack::Companion(Role::Flow)));
        }
        let weight = around.get(Role::Flow).map_or(1.0, |flow| flow.value.max(0.0));
        Ok((steps, weight))
    }

    fn note(
        &mut self,
        sample: &Sample,
        block: Span,
        around: Surroundings,
        outcome: impl FnOnce() -> Result<Steps, String>,
    ) {
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.start == block.start) {
            trace.samples.push(Traced { sample: *sample, around, outcome: outcome() });
        }
    }

    fn plant(&self, at: Timestamp, states: &[(Timestamp, PlantState)]) -> PlantState {
        match &self.assignment.plant {
            Plant::Always(state) => *state,
            Plant::Point { fresh, .. } => {
                let place = states.partition_point(|(time, _)| *time <= at);
                let last = place.checked_sub(1).and_then(|place| states.get(place));
                last.filter(|(time, _)| at.since(*time) <= *fresh).map_or(PlantState::Unknown, |(_, state)| *state)
            }
        }
    }

    /// The first of each kind in a block: a stream of them is one incident.
    pub(super) fn stopped(&mut self, code: Code, block: Span, at: Timestamp, raw: f64, value: Option<f64>) {
        let unit = self.unit().to_owned();
        let Some(told) = self.told.get_mut(code as usize).filter(|told| **told != Some(block.start)) else { return };
        *told = Some(block.start);
        self.incidents.push(Incident { code, at, raw, value, unit });
    }
}
