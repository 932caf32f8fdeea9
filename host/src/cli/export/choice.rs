//! What the arguments of an export choose, with names checked where a configuration knows them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::{Arguments, Exported};
use crate::config::model::{Config, Origin, Parameter, Source};
use crate::config::nearest;
use crate::export::{AverageSelection, Period, ReadingSelection};

/// Names that a message lists when none is near.
const LISTED: usize = 40;

/// What is exported and which of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Readings.
    Readings(ReadingSelection),
    /// Averages.
    Averages(AverageSelection),
}

/// The choice, or which argument does not fit.
pub fn choose(arguments: &Arguments, config: Option<&Config>) -> anyhow::Result<Choice> {
    let Arguments { from, to, device, point, source, parameter, rule_set, .. } = arguments;
    let period = Period { from: *from, to: *to };
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        bail!("--from {from} is not before --to {to}");
    }
    if let Some(config) = config {
        check_names(arguments, config)?;
    }
    match arguments.what {
        Exported::Readings => {
            refuse(
                "--what readings",
                &[("--rule-set", rule_set.is_empty()), ("--revisions", arguments.revisions.is_none())],
            )?;
            let parameters = match config {
                _ if source.is_empty() && parameter.is_empty() => None,
                Some(config) => Some(points_of(config, source, parameter)),
                None => {
                    bail!("--source and --parameter need --config for readings: the configuration knows their points")
                }
            };
            let (devices, points) = (device.clone(), point.clone());
            Ok(Choice::Readings(ReadingSelection { period, devices, points, parameters }))
        }
        Exported::Averages => {
            refuse("--what averages", &[("--device", device.is_empty()), ("--point", point.is_empty())])?;
            let (sources, parameters, rule_sets) = (source.clone(), parameter.clone(), rule_set.clone());
            Ok(Choice::Averages(AverageSelection { period, sources, parameters, rule_sets }))
        }
    }
}

/// An option that has no meaning here would be a selection that is not made.
fn refuse(what: &str, options: &[(&str, bool)]) -> anyhow::Result<()> {
    match options.iter().find(|(_, absent)| !absent) {
        Some((option, _)) => bail!("{option} has no meaning with {what}"),
        None => Ok(()),
    }
}

fn check_names(arguments: &Arguments, config: &Config) -> anyhow::Result<()> {
    check("device", &arguments.device, config.devices.keys())?;
    check("source", &arguments.source, config.sources.keys())?;
    check("rule set", &arguments.rule_set, config.rule_sets.keys())?;
    check(
        "parameter",
        &arguments.parameter,
        sources_of(config, &arguments.source).flat_map(|source| source.parameters.keys()),
    )
}

fn check<'n>(what: &str, found: &[String], known: impl Iterator<Item = &'n String>) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = known.map(String::as_str).collect();
    let Some(unknown) = found.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    let advice = match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("there is: {}", known.iter().copied().take(LISTED).collect::<Vec<_>>().join(", ")),
    };
    bail!(
        "no {what} {unknown} in the configuration; {advice} For one of former days give --journal instead of --config"
    )
}

/// Sources, all when none is named.
fn sources_of<'c>(config: &'c Config, sources: &'c [String]) -> impl Iterator<Item = &'c Source> {
    config.sources.iter().filter(|(name, _)| sources.is_empty() || sources.contains(name)).map(|(_, source)| source)
}

/// The points that parameters are taken from, or follow from, by device.
fn points_of(config: &Config, sources: &[String], parameters: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut points: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources_of(config, sources) {
        let chosen = |name: &String| parameters.is_empty() || parameters.contains(name);
        let inputs = |parameter: &Parameter| match &parameter.origin {
            Origin::Derived(derived) => derived.inputs().into_iter().map(str::to_owned).collect(),
            Origin::Point { .. } => Vec::new(),
        };
        let asked = source.parameters.iter().filter(|(name, _)| chosen(name));
        let names = asked.flat_map(|(name, parameter)| inputs(parameter).into_iter().chain([name.clone()]));
        for parameter in names.filter_map(|name| source.parameters.get(&name)) {
            if let Origin::Point { device, point } = &parameter.origin {
                points.entry(device.clone()).or_default().insert(point.clone());
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const CONFIG: &str = r#"
[links.line-a]
type = "modbus_tcp"
address = "127.0.0.1:502"

[plugins.teledyne-t]
file = "teledyne-t.wasm"

[devices.no2-north]
plugin = "teledyne-t"
link = "line-a"

[sources.stack-1.parameters.NO2]
device = "no2-north"
point = "no2"

[sources.stack-1.parameters.NOx]
device = "no2-north"
point = "nox"

[sources.stack-2.parameters.CO]
device = "no2-north"
point = "co"

[sinks.out]
type = "file"
path = "-"

[routes.all]
take = "averages"
to = ["out"]
"#;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(line: &str) -> Arguments {
        let line = format!("export --config c.toml --format csv {line}");
        Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}")).arguments
    }

    fn config() -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, CONFIG).unwrap();
        let loaded = crate::config::load(&[file], std::iter::empty());
        loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems))
    }

    fn message(line: &str, config: Option<&Config>) -> String {
        choose(&arguments(line), config).unwrap_err().to_string()
    }

    #[test]
    fn parameters_of_readings_become_points() {
        let config = config();
        let points = |line: &str| match choose(&arguments(line), Some(&config)).unwrap() {
            Choice::Readings(selection) => {
                selection.parameters.map(|devices| devices.into_values().flatten().collect::<Vec<_>>().join(" "))
            }
            Choice::Averages(_) => panic!("{line}"),
        };
        assert_eq!(points("--what readings"), None);
        assert_eq!(points("--what readings --source stack-1").as_deref(), Some("no2 nox"));
        assert_eq!(points("--what readings --parameter NO2 CO").as_deref(), Some("co no2"));
        assert_eq!(points("--what readings --source stack-1 --parameter NO2").as_deref(), Some("no2"));
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest_one() {
        let config = config();
        let check = |line: &str, start: &str| {
            let message = message(line, Some(&config));
            assert!(message.starts_with(start), "{message}");
        };
        check("--what averages --source stak-1", "no source stak-1 in the configuration; did you mean stack-");
        check("--what readings --device no2-nort", "no device no2-nort in the configuration; did you mean no2-north?");
        check("--what averages --rule-set nobody", "no rule set nobody in the configuration; there is: ");
        check(
            "--what averages --source stack-1 --parameter CO",
            "no parameter CO in the configuration; there is: NO2, NOx",
        );
    }

    #[test]
    fn an_option_without_meaning_is_refused() {
        let check = |line: &str, expected: &str| assert_eq!(message(line, None), expected);
        check("--what averages --device a", "--device has no meaning with --what averages");
        check("--what readings --rule-set a", "--rule-set has no meaning with --what readings");
        check("--what readings --revisions all", "--revisions has no meaning with --what readings");
        check(
            "--what readings --source a",
            "--source and --parameter need --config for readings: the configuration knows their points",
        );
        check(
            "--what readings --from 2026-11-02 --to 2026-11-02",
            "--from 2026-11-02T00:00:00Z is not before --to 2026-11-02T00:00:00Z",
        );
    }
}
