//! Every step of a block in words and numbers, so that an engineer can check it with a pocket calculator.

use super::Computed;
use crate::average::{Average, Companionship};
use crate::cli::output::say;
use crate::method::{Derived, Duct, Mean, OxygenStep, Plant, Role};
use crate::pipeline::{Assignment, Input, Steps, Trace, Traced, units};

/// Prints each of the averages.
pub fn print(computed: &Computed) {
    for (average, (assignment, trace)) in computed.averages.iter().zip(&computed.made) {
        heading(average);
        match (&assignment.input, &assignment.rules.from) {
            (_, Some(from)) => say(format_args!("  made from the blocks of {from}, each with the same weight\n")),
            (Input::Derived(derived), None) => say(format_args!("  {}\n", formula(derived))),
            (Input::Point { device, point, .. }, None) => {
                say(format_args!("  point {point} of device {device}, in {}", average.unit_raw));
                chain(average, assignment);
                samples(average, assignment, trace.as_ref());
            }
        }
        block(average, assignment);
    }
}

fn heading(average: &Average) {
    let key = &average.key;
    say(format_args!(
        "{} {} under {}: block {} to {}, labelled {}",
        key.source,
        key.parameter,
        key.rule_set,
        key.start,
        average.end(),
        average.label
    ));
}

/// The formulas, in their order, with the numbers of the configuration.
fn chain(average: &Average, assignment: &Assignment) {
    let chain = &assignment.chain;
    let is_flow = units::kind(&average.unit) == Some(units::Kind::VolumeFlow);
    let number = |name: &str| average.used.numbers.get(name).copied().unwrap_or(f64::NAN);
    let step = |name: &str, text: String| say(format_args!("  {name:<12} {text}"));
    if let Some(signal) = &chain.signal {
        let (low, high, unit) = (signal.low, signal.high, &signal.unit);
        step("signal", format!("({low}) + (I - 4) / 16 * ({high} - {low}) {unit}; NAMUR NE 43: 3.8 to 20.5 mA count"));
    }
    if average.used.numbers.contains_key("unit_factor") {
        let gas = if average.used.numbers.contains_key("molar_mass") {
            format!(", that is M / Vm with M = {} g/mol, Vm = {} L/mol", number("molar_mass"), number("molar_volume"))
        } else {
            String::new()
        };
        step("unit", format!("x * {} + {}{gas}", number("unit_factor"), number("unit_offset")));
    }
    if let Some(calibration) = &chain.calibration {
        step("calibration", format!("y = {} + {} * x (EN 14181, QAL2)", calibration.offset, calibration.slope));
    }
    let zero = assignment.rules.constants.zero_celsius;
    let normal = zero + assignment.rules.constants.standard_celsius;
    let standard = assignment.rules.constants.pressure;
    match chain.duct {
        None => {}
        Some(Duct::Velocity { area }) => step("flow", format!("v * {area} m2 * 3600")),
        Some(Duct::Pitot { area, factor, density }) => {
            step("density", format!("{density} * {normal} / ({zero} + t) * p / {standard}"));
            step("velocity", format!("{factor} * sqrt(2 * dP / density)"));
            step("flow", format!("v * {area} m2 * 3600"));
        }
    }
    if chain.actual {
        let way = if is_flow { "/" } else { "*" };
        step("standard", format!("y {way} (({zero} + t) / {normal} * {standard} / p)"));
    }
    if let Some(coefficient) = chain.per_kelvin {
        step("at 25 °C", format!("k / (1 + {coefficient} * (t - 25))"));
    }
    if chain.wet {
        let way = if is_flow { "*" } else { "/" };
        step("dry", format!("y {way} (1 - H / 100)"));
    }
    if assignment.rules.oxygen == OxygenStep::Sample
        && let Some(reference) = chain.reference_oxygen
    {
        step("oxygen", format!("c * (21 - {reference}) / (21 - O2), on each sample"));
    }
}

/// One line for each sample, with a column for each step that was done.
fn samples(average: &Average, assignment: &Assignment, trace: Option<&Trace>) {
    let Some(trace) = trace else { return };
    let counted = || trace.samples.iter().filter_map(|traced| traced.outcome.as_ref().ok());
    type Pick = fn(&Steps) -> Option<f64>;
    let steps: [(&str, Pick); 7] = [
        ("signal", |steps| steps.signal),
        ("unit", |steps| Some(steps.converted)),
        ("calibrated", |steps| steps.calibrated),
        ("velocity", |steps| steps.velocity),
        ("flow", |steps| steps.flow),
        ("standard", |steps| steps.standard),
        ("dry", |steps| steps.dry),
    ];
    let steps: Vec<_> = steps.into_iter().filter(|(_, pick)| counted().any(|steps| pick(steps).is_some())).collect();
    let roles: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|role| trace.samples.iter().any(|traced| traced.around.get(*role).is_some()))
        .collect();
    let corrected = counted().any(|steps| steps.corrected.is_some());
    let mut header = format!("\n  {:<26} {:>12}", "sample", "raw");
    roles.iter().for_each(|role| header.push_str(&format!(" {:>12}", role.name())));
    steps.iter().for_each(|(name, _)| header.push_str(&format!(" {name:>14}")));
    header.push_str(&format!(" {:>14}", "value"));
    if corrected {
        header.push_str(&format!(" {:>14}", "corrected"));
    }
    say(format_args!("{header}"));
    for traced in &trace.samples {
        let Traced { sample, around, outcome } = traced;
        let mut line = format!("  {:<26} {:>12}", assignment.rules.grid.local(sample.at), shown(Some(sample.raw)));
        roles.iter().for_each(|role| {
            line.push_str(&format!(" {:>12}", shown(around.get(*role).map(|known| known.value))));
        });
        match outcome {
            Ok(found) => {
                steps.iter().for_each(|(_, pick)| line.push_str(&format!(" {:>14}", shown(pick(found)))));
                line.push_str(&format!(" {:>14}", shown(Some(found.value))));
                if corrected {
                    line.push_str(&format!(" {:>14}", shown(found.corrected)));
                }
            }
            Err(why) => line.push_str(&format!("   does not count: {why}")),
        }
        say(format_args!("{line}"));
    }
    if trace.samples.is_empty() {
        say(format_args!("  none came"));
    }
    say(format_args!("  ({} of {} that should have come)\n", average.received, average.expected));
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |value| format!("{value:.9}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    )
}

fn block(average: &Average, assignment: &Assignment) {
    let step = |name: &str, text: String| say(format_args!("  {name:<12} {text}"));
    let validity = &assignment.rules.validity;
    let (valid, expected) = (average.valid, average.expected);
    step(
        "coverage",
        format!(
            "{valid} / {expected} = {}; needed {}, and at least {}",
            average.coverage,
            validity.coverage,
            validity.least.max(1)
        ),
    );
    let unit = &average.unit;
    let exact = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let how = match assignment.chain.mean {
        Mean::Arithmetic => "sum / number",
        Mean::HydrogenActivity => "-log10 of the mean of 10^-pH",
        Mean::FlowWeighted => "sum of value * flow / sum of flow",
    };
    step(
        "mean",
        format!("{how} = {} {unit}, from {} to {}", exact(average.mean), exact(average.min), exact(average.max)),
    );
    for (role, Companionship { mean, measured, held, substituted, missing }) in &average.used.companions {
        let counts = format!("{measured} measured, {held} held, {substituted} substituted, {missing} missing");
        step(role, format!("{} ({counts})", exact(*mean)));
    }
    if let (Some(reference), OxygenStep::Block) = (assignment.chain.reference_oxygen, assignment.rules.oxygen)
        && let Some(oxygen) = average.used.companions.get(Role::Oxygen.name()).and_then(|oxygen| oxygen.mean)
        && average.corrected.is_some()
    {
        let mean = exact(average.mean);
        let how = match &assignment.rules.from {
            None => format!("{mean} * (21 - {reference}) / (21 - {oxygen})"),
            Some(_) => "mean of what the blocks have".to_owned(),
        };
        step("corrected", format!("{how} = {} {unit}", exact(average.corrected)));
    }
    if let Some(mass) = average.mass {
        let flow = average.used.companions.get(Role::Flow.name()).and_then(|flow| flow.mean);
        let length = average.length.as_secs();
        match &assignment.rules.from {
            None => {
                step("mass", format!("mean * {} m3/h: {} g/s, {} kg in {length} s", exact(flow), mass.g_s, mass.kg))
            }
            Some(_) => {
                let (g_s, kg) = (mass.g_s, mass.kg);
                step("mass", format!("sum of what the blocks have: {kg} kg, {g_s} g/s while it was known"));
            }
        }
    }
    if let Some(confidence) = assignment.confidence {
        step("confidence", format!("less {} * {}, not below 0", confidence.share, confidence.limit));
    }
    if let Plant::Point { .. } = assignment.plant {
        let shares: Vec<String> =
            average.plants.iter().map(|(state, share)| format!("{} {:.1} %", state.name(), share * 100.0)).collect();
        step("plant", shares.join(", "));
    }
    for (code, count) in &average.implausible {
        step("implausible", format!("{code}: {count} samples"));
    }
    step("validated", format!("{} {unit}", exact(average.validated)));
    if let Some(report) = average.report {
        let reported = average.reported().unwrap_or_else(|| "none".to_owned());
        step("reported", format!("{reported} {unit}, {} decimals, {:?}", report.decimals, report.rounding));
    }
    let remarks: Vec<&str> = average.qualifiers.names().collect();
    let remarks = if remarks.is_empty() { String::new() } else { format!("; {}", remarks.join(", ")) };
    step("state", format!("{}{remarks}", average.state.name()));
    for note in &average.notes {
        step("note", note.clone());
    }
    say(format_args!(""));
}

fn formula(derived: &Derived) -> String {
    match derived {
        Derived::NoxAsNo2 { no, no2 } => format!("{no} * M(NO2) / M(NO) + {no2}, with 46.0055 and 30.006 g/mol"),
        Derived::NoOfNox { nox, no2_share } => format!("(1 - {no2_share}) * {nox} * M(NO) / M(NO2)"),
        Derived::No2OfNox { nox, no2_share } => format!("{no2_share} * {nox}"),
        Derived::ExcessAir { oxygen } => format!("21 / (21 - {oxygen})"),
        Derived::GasDensity { fractions } => {
            let parts: Vec<String> = fractions.iter().map(|(name, mass)| format!("{name} * {mass}")).collect();
            format!("({}) / Vm", parts.join(" + "))
        }
        Derived::GasMass { flow, density } => format!("{flow} * {density}"),
    }
}
