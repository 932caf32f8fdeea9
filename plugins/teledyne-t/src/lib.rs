//! Teledyne API gas analyzers T100 (SO2), T200 (NO, NO2, NOx), T300 (CO) and T400 (O3), and their E predecessors, over Modbus.
//!
//! The maps are data (`map`); decoding is pure. A poll reads each contiguous part of the map once: the input
//! registers first and the discrete inputs after them, so that an input that came on meanwhile marks the values before it.
//!
//! Invariant: no concentration is published without the discrete inputs of the same poll.

mod commands;
mod map;
mod plan;
pub mod settings;
mod status;
mod units;

use tutin_sdk::modbus::{Block as Span, Control, Error, Link, Registers, Table};
use tutin_sdk::words::{Format, WordOrder};
use tutin_sdk::{Description, Driver, Failure, Point, Qualifiers, Sample, Samples, State, Timestamp, log};

use crate::map::{Map, Role};
use crate::plan::{Plan, Row};
use crate::settings::{Model, Settings};
use crate::status::Verdict;

/// The driver.
#[derive(Debug)]
pub struct TeledyneT<L> {
    link: L,
    model: Model,
    plan: Plan,
    /// Optional parts that the instrument refused in the last poll, so that each is logged once.
    refused: Vec<Span>,
}

impl<L: Registers> TeledyneT<L> {
    /// Plans the reads. Sends nothing.
    pub fn new(link: L, settings: &Settings) -> Result<Self, Failure> {
        Ok(TeledyneT { link, model: settings.model, plan: Plan::new(settings)?, refused: Vec::new() })
    }

    /// Reads everything once. An optional part that the instrument refuses costs its own points only; without any
    /// other part there is nothing to say, and the poll is lost.
    pub fn read(&mut self) -> Result<Samples, Failure> {
        let mut refused = Vec::new();
        let mut registers = Vec::with_capacity(self.plan.reads.len());
        for read in &self.plan.reads {
            let answer = read.span.words(&self.link);
            registers.push(unless_refused(answer, read.span, read.is_optional, &mut refused)?);
        }
        let mut verdict = Verdict::default();
        for block in &self.plan.statuses {
            let span = Span { table: Table::Discrete, address: block.address, count: block.count() };
            let answer = span.bits(&self.link);
            match (unless_refused(answer, span, block.block.is_some(), &mut refused)?, block.block) {
                (Some(inputs), _) => verdict.add(block, &inputs),
                (None, Some(of)) => verdict.add_unknown(of),
                (None, None) => {}
            }
        }
        self.report(refused);
        Ok(self.decode(&registers, &verdict))
    }

    fn report(&mut self, refused: Vec<(Span, Error)>) {
        for (span, err) in &refused {
            if !self.refused.contains(span) {
                log::warn(&format!("{span}: {err}; is the optional block fitted? Its points are at fault"));
            }
        }
        self.refused = refused.into_iter().map(|(span, _)| span).collect();
    }

    fn decode(&self, registers: &[Option<Vec<u16>>], verdict: &Verdict) -> Samples {
        let mut samples = Samples::with_capacity(self.plan.points.len());
        for row in &self.plan.rows {
            let words = registers.get(row.read).and_then(|words| words.as_ref()?.get(row.offset..)?.get(..2));
            samples.push(sample(row, words, verdict));
        }
        let active_range = Sample::new(self.plan.active_range_point, f64::NAN).status(verdict.status);
        samples.push_text(active_range, self.plan.active_range.as_str());
        samples
    }
}

fn unless_refused<T>(
    answer: Result<T, Error>,
    span: Span,
    is_optional: bool,
    refused: &mut Vec<(Span, Error)>,
) -> Result<Option<T>, Failure> {
    match answer {
        Ok(content) => Ok(Some(content)),
        Err(err) if is_optional && err.is_refusal() => {
            refused.push((span, err));
            Ok(None)
        }
        Err(err) => Err(err.during(span)),
    }
}

/// The value of one point with the state that the inputs give it. Without words, or when they are no number, it is
/// at fault.
fn sample(row: &Row, words: Option<&[u16]>, verdict: &Verdict) -> Sample {
    let (own_state, own_status) = match row.role {
        Role::Gas { .. } | Role::Measured => verdict.of_block(row.block),
        Role::Calibration | Role::Diagnostic => (State::Valid, 0),
    };
    let state = match row.role {
        Role::Gas { .. } | Role::Measured => verdict.everything.or_worse(verdict.measured).or_worse(own_state),
        Role::Calibration | Role::Diagnostic => verdict.everything,
    };
    let remarks = match row.role {
        Role::Gas { gas, .. } => verdict.remarks(gas),
        _ => Qualifiers::NONE,
    };
    let raw = words.map(|words| WordOrder::HighFirst.assemble(words));
    let value = raw.map_or(f64::NAN, |raw| Format::F32.value(raw));
    let state = if value.is_finite() { state } else { state.or_worse(State::Fault) };
    Sample::new(row.point, value)
        .raw(raw.unwrap_or_default())
        .state(state)
        .qualifiers(remarks)
        .status(verdict.status | own_status)
}

impl<L: Registers + Control> TeledyneT<L> {
    /// Starts or ends a check.
    pub fn run(&self, name: &str, arguments: &str) -> Result<String, Failure> {
        commands::run(&self.link, Map::of(self.model), name, arguments)
    }
}

impl Driver for TeledyneT<Link> {
    type Settings = Settings;

    fn description() -> Description {
        let description = Description::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .instruments("Teledyne API", &Model::NAMES)
            .modbus("the analyzer");
        commands::describe(description)
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        TeledyneT::new(Link::open("main")?, &settings)
    }

    fn points(&self) -> Vec<Point> {
        self.plan.points.clone()
    }

    fn poll(&mut self, _now: Timestamp) -> Result<Samples, Failure> {
        self.read()
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }
}

tutin_sdk::export!(TeledyneT<Link>);

#[cfg(test)]
mod tests;
