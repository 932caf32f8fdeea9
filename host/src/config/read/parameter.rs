//! `[sources.NAME.parameters.NAME]`.

use std::collections::BTreeMap;

use crate::config::kind::{Choice, Day, Members, Real, Reference, Share, Span, Text, Whole};
use crate::config::mistake::Mistake;
use crate::config::model::{Origin, Parameter, ZeroSpan};
use crate::config::section::Section;
use crate::method::{Action, Calibration, Chain, Confidence, Derived, Duct, Gate, Mean, Signal};

const ANY: Real = Real { min: -1e12, max: 1e12, unit: "" };
const POSITIVE: Real = Real { min: 1e-12, max: 1e12, unit: "" };
const OXYGEN: Real = Real { min: 0.0, max: 20.0, unit: "%" };

const CONDITIONS: Choice<bool> = Choice { what: "conditions", words: &[("standard", false), ("actual", true)] };
const BASIS: Choice<bool> = Choice { what: "basis", words: &[("dry", false), ("wet", true)] };
const MEAN: Choice<Mean> = Choice {
    what: "mean",
    words: &[
        ("arithmetic", Mean::Arithmetic),
        ("hydrogen_activity", Mean::HydrogenActivity),
        ("flow_weighted", Mean::FlowWeighted),
    ],
};
const ACTION: Choice<Action> = Choice { what: "action", words: &[("mark", Action::Mark), ("hold", Action::Hold)] };
const LIMITS: Members<Real> = Members {
    what: "a table of rule sets, each with a limit",
    name: Some(Reference { section: "rule_sets", member: "rule set" }),
    value: ANY,
};
const FRACTIONS: Members<Real> = Members {
    what: "a table of parameters, each with its molar mass in g/mol",
    name: None,
    value: Real { min: 1.0, max: 1000.0, unit: "g/mol" },
};

#[derive(Clone, Copy)]
enum How {
    Nox,
    No,
    No2,
    ExcessAir,
    Density,
    Mass,
}

const DERIVED: Choice<How> = Choice {
    what: "formula",
    words: &[
        ("nox_as_no2", How::Nox),
        ("no_of_nox", How::No),
        ("no2_of_nox", How::No2),
        ("excess_air", How::ExcessAir),
        ("gas_density", How::Density),
        ("gas_mass", How::Mass),
    ],
};

#[derive(Clone, Copy)]
enum By {
    Velocity,
    Pitot,
}

const DUCT: Choice<By> = Choice { what: "method", words: &[("velocity", By::Velocity), ("pitot", By::Pitot)] };

pub(super) fn parameter(section: &mut Section<'_, '_>) -> Option<Parameter> {
    let origin = origin(section);
    let unit = section.optional("unit", &Text::UNIT);
    let molar_mass = section.optional("molar_mass", &Real { min: 1.0, max: 1000.0, unit: "g/mol" });
    let calibration = section.optional_part("calibration", calibration);
    let chain = chain(section);
    let gate = section.part("gate", gate);
    let confidence = section.optional_part("confidence", confidence);
    let decimals = section.optional("decimals", &Whole::<u8>::from_to(0, 12));
    let limits = section.or("limits", &LIMITS, "{}");
    let status = section.optional("status", &Reference { section: "status_tables", member: "status table" });
    let stale_after = section.or("stale_after", &Span::millis(1_000, 7 * 86_400_000), "10min");
    let zero_span = section.optional_part("zero_span", zero_span);
    let (calibration, calibration_due) = calibration?.unzip();
    Some(Parameter {
        origin: origin?,
        unit: unit?,
        molar_mass: molar_mass?,
        chain: Chain { calibration, ..chain? },
        gate: gate?,
        confidence: confidence?,
        decimals: decimals?,
        limits: limits?,
        status: status?,
        stale_after: stale_after?,
        calibration_due: calibration_due.flatten(),
        zero_span: zero_span?,
    })
}

fn origin(section: &mut Section<'_, '_>) -> Option<Origin> {
    if let Some(derived) = section.optional_part("derived", derived)? {
        let device = section.optional("device", &Text::ANY)?;
        let point = section.optional("point", &Text::ANY)?;
        if device.is_some() || point.is_some() {
            section.note("derived", Mistake::DerivedFromPoint);
        }
        return Some(Origin::Derived(derived));
    }
    let device = section.required("device", &Reference { section: "devices", member: "device" });
    let point = section.required("point", &Text::NAME);
    Some(Origin::Point { device: device?, point: point? })
}

fn derived(section: &mut Section<'_, '_>) -> Option<Derived> {
    Some(match section.variant("by", &DERIVED)? {
        How::Nox => {
            let no = section.or("no", &Text::NAME, "NO");
            let no2 = section.or("no2", &Text::NAME, "NO2");
            Derived::NoxAsNo2 { no: no?, no2: no2? }
        }
        How::No => {
            let (nox, no2_share) = of_nox(section)?;
            Derived::NoOfNox { nox, no2_share }
        }
        How::No2 => {
            let (nox, no2_share) = of_nox(section)?;
            Derived::No2OfNox { nox, no2_share }
        }
        How::ExcessAir => Derived::ExcessAir { oxygen: section.or("oxygen", &Text::NAME, "O2")? },
        How::Density => {
            let fractions: BTreeMap<String, f64> = section.required("fractions", &FRACTIONS)?;
            Derived::GasDensity { fractions: fractions.into_iter().collect() }
        }
        How::Mass => {
            let flow = section.or("flow", &Text::NAME, "flow");
            let density = section.or("density", &Text::NAME, "density");
            Derived::GasMass { flow: flow?, density: density? }
        }
    })
}

fn of_nox(section: &mut Section<'_, '_>) -> Option<(String, f64)> {
    let nox = section.or("nox", &Text::NAME, "NOx");
    let share = section.required("no2_share", &Share);
    Some((nox?, share?))
}

fn chain(section: &mut Section<'_, '_>) -> Option<Chain> {
    let signal = section.optional_part("signal", signal);
    let duct = section.optional_part("duct", duct);
    let actual = section.or("conditions", &CONDITIONS, "standard");
    let wet = section.or("moisture", &BASIS, "dry");
    let per_kelvin = section.optional("per_kelvin", &Real { min: 0.0, max: 0.1, unit: "1/K" });
    let mean = section.or("mean", &MEAN, "arithmetic");
    let reference_oxygen = section.optional("reference_oxygen", &OXYGEN);
    Some(Chain {
        signal: signal?,
        calibration: None,
        duct: duct?,
        actual: actual?,
        wet: wet?,
        per_kelvin: per_kelvin?,
        mean: mean?,
        reference_oxygen: reference_oxygen?,
    })
}

fn signal(section: &mut Section<'_, '_>) -> Option<Signal> {
    let low = section.required("low", &ANY);
    let high = section.required("high", &ANY);
    let unit = section.required("unit", &Text::UNIT);
    let (low, high) = (low?, high?);
    if low == high {
        section.note("high", Mistake::EmptyRange);
    }
    Some(Signal { low, high, unit: unit? })
}

fn calibration(section: &mut Section<'_, '_>) -> Option<(Calibration, Option<jiff::civil::Date>)> {
    let offset = section.or("a", &ANY, "0");
    let slope = section.or("b", &POSITIVE, "1");
    let from = section.optional("from", &ANY);
    let to = section.optional("to", &ANY);
    let due = section.optional("due", &Day);
    Some((Calibration { offset: offset?, slope: slope?, from: from?, to: to? }, due?))
}

fn duct(section: &mut Section<'_, '_>) -> Option<Duct> {
    let by = section.variant("by", &DUCT)?;
    let area = section.required("area", &Real { min: 1e-4, max: 1e4, unit: "m2" });
    Some(match by {
        By::Velocity => Duct::Velocity { area: area? },
        By::Pitot => {
            let factor = section.required("factor", &Real { min: 0.1, max: 2.0, unit: "" });
            let density = section.required("density", &Real { min: 0.05, max: 10.0, unit: "kg/m3" });
            Duct::Pitot { area: area?, factor: factor?, density: density? }
        }
    })
}

fn gate(section: &mut Section<'_, '_>) -> Option<Gate> {
    let low = section.optional("low", &ANY);
    let high = section.optional("high", &ANY);
    let stuck_after = section.optional("stuck_after", &Span::millis(1_000, 7 * 86_400_000));
    let jump = section.optional("jump", &POSITIVE);
    let action = section.or("action", &ACTION, "mark");
    let oldest = section.or("oldest", &Span::millis(3_600_000, 3_650 * 86_400_000), "7d");
    let (low, high) = (low?, high?);
    if low.zip(high).is_some_and(|(low, high)| low >= high) {
        section.note("high", Mistake::EmptyRange);
    }
    Some(Gate { low, high, stuck_after: stuck_after?, jump: jump?, action: action?, oldest: Some(oldest?) })
}

fn confidence(section: &mut Section<'_, '_>) -> Option<Confidence> {
    let share = section.required("share", &Share);
    let limit = section.required("limit", &POSITIVE);
    Some(Confidence { share: share?, limit: limit? })
}

fn zero_span(section: &mut Section<'_, '_>) -> Option<ZeroSpan> {
    let zero = section.or("zero", &ANY, "0");
    let span = section.required("span", &ANY);
    let zero_deviation = section.required("zero_deviation", &POSITIVE);
    let span_deviation = section.required("span_deviation", &POSITIVE);
    let (zero, span) = (zero?, span?);
    if zero == span {
        section.note("span", Mistake::EmptyRange);
    }
    Some(ZeroSpan { zero, span, zero_deviation: zero_deviation?, span_deviation: span_deviation? })
}
