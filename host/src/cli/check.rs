//! `tutin check`: finds what can be found without any instrument, and says it all at once.
//!
//! Nothing is started, written or sent. Exit code 0: usable, perhaps with warnings; 1: at least one error; 2: a
//! file could not be read.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::cross_check::{self, Convertible, Members, PluginFinding};
use crate::config::model::Config;
use crate::config::problem::{self, Problem, Severity};
use crate::config::report::{self, Style};
use crate::config::{Loaded, load};

/// Arguments of `tutin check`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// How problems are shown.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub format: Format,
    /// Print the effective configuration with the origin of each option; secrets stay references.
    #[arg(long)]
    pub show: bool,
}

/// How problems are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With the line in question.
    Pretty,
    /// One line each: file:line:column: message.
    Short,
    /// One JSON object.
    Json,
}

/// Whether colours and frames can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A terminal that shows them.
    Terminal,
    /// A file, a pipe, or a person who set `NO_COLOR`.
    Plain,
}

/// What the rest of the hub knows and the configuration alone does not.
pub struct Knowledge<'k> {
    /// Opens the plugins offline and says what it found.
    pub plugin_checks: &'k dyn Fn(&Config) -> Vec<PluginFinding>,
    /// Whether units convert.
    pub convertible: &'k Convertible<'k>,
    /// What field maps may name.
    pub members: Members<'k>,
}

/// Checks and tells. The effective configuration goes to `output` and the problems then to `errors`; without `--show`
/// the problems are the output. Returns the exit code.
pub fn check(
    arguments: &Arguments,
    environment: impl Iterator<Item = (String, String)>,
    knowledge: &Knowledge<'_>,
    screen: Screen,
    output: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<u8> {
    let loaded = load_and_check(&arguments.files, environment, knowledge);
    if arguments.format == Format::Json {
        writeln!(output, "{:#}", as_json(&loaded, arguments))?;
        return Ok(exit_code(&loaded));
    }
    let style = match (arguments.format, screen) {
        (Format::Short, _) => Style::Short,
        (_, Screen::Terminal) => Style::Graphic,
        (_, Screen::Plain) => Style::Narrated,
    };
    let report = report::render(&loaded.problems, style);
    let told: &mut dyn Write = if arguments.show {
        output.write_all(loaded.effective.as_bytes())?;
        errors
    } else {
        output
    };
    told.write_all(report.as_bytes())?;
    writeln!(told, "{}", summary(&loaded, arguments))?;
    Ok(exit_code(&loaded))
}

/// Reads a configuration and finds out about it what can be found out without any instrument.
pub(super) fn load_and_check(
    files: &[PathBuf],
    environment: impl Iterator<Item = (String, String)>,
    knowledge: &Knowledge<'_>,
) -> Loaded {
    let mut loaded = load(files, environment);
    loaded.problems.extend(offline(&loaded, knowledge));
    problem::sort(&mut loaded.problems);
    loaded
}

/// What needs files and plugins, but no instrument.
fn offline(loaded: &Loaded, knowledge: &Knowledge<'_>) -> Vec<Problem> {
    let mut problems = cross_check::missing_files(&loaded.files);
    if let Some(config) = &loaded.config {
        // A plugin that is not there needs no second complaint from the one who tries to open it.
        if problems.is_empty() {
            let findings = (knowledge.plugin_checks)(config);
            problems.extend(cross_check::check(config, &loaded.places, &findings, knowledge.convertible));
        }
        problems.extend(cross_check::check_members(config, &loaded.places, knowledge.members));
    }
    problems
}

fn exit_code(loaded: &Loaded) -> u8 {
    if !loaded.unreadable.is_empty() {
        return 2;
    }
    u8::from(loaded.problems.iter().any(|problem| problem.severity == Severity::Error))
}

/// As in `configs/minimal.toml: 1 device, 1 source, 1 route, 1 sink: no problem found`.
fn summary(loaded: &Loaded, arguments: &Arguments) -> String {
    let files: Vec<String> = arguments.files.iter().map(|file| file.display().to_string()).collect();
    let found = problem::count(&loaded.problems).unwrap_or_else(|| "no problem found".to_owned());
    match &loaded.config {
        Some(config) => format!("{}: {}: {found}", files.join(", "), contents(config)),
        None => format!("{}: {found}; plugins were not asked, mend these first", files.join(", ")),
    }
}

fn contents(config: &Config) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    [
        count(config.devices.len(), "device"),
        count(config.sources.len(), "source"),
        count(config.routes.len(), "route"),
        count(config.sinks.len(), "sink"),
    ]
    .join(", ")
}

fn as_json(loaded: &Loaded, arguments: &Arguments) -> serde_json::Value {
    let of = |severity: Severity| loaded.problems.iter().filter(|problem| problem.severity == severity).count();
    json!({
        "files": arguments.files,
        "errors": of(Severity::Error),
        "warnings": of(Severity::Warning),
        "problems": loaded.problems.iter().map(report::as_json).collect::<Vec<_>>(),
        "digest": loaded.config.as_ref().map(|config| config.digest.as_str()),
        "effective": arguments.show.then_some(loaded.effective.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::cross_check::Gas;
    use crate::reading::{Point, PointKind};

    const SOUND: &str = r#"
[links.line-a]
type = "modbus_tcp"
address = "10.0.0.5"
[plugins.p]
file = "driver.wasm"
[devices.t200]
plugin = "p"
link = "line-a"
[sources.stack.parameters.NO2]
device = "t200"
point = "no2"
[routes.r]
take = "averages"
to = ["out"]
[sinks.out]
type = "file"
path = "-"
"#;

    struct Told {
        code: u8,
        output: String,
        errors: String,
    }

    fn run(text: &str, more: &[&str], format: Format, show: bool) -> Told {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), text).unwrap();
        std::fs::write(folder.path().join("driver.wasm"), "").unwrap();
        let files = ["a.toml"].iter().chain(more).map(|name| folder.path().join(name)).collect();
        let point = Point { id: "no2".into(), label: "NO2".into(), unit: "[ppb]".into(), kind: PointKind::Number };
        let plugin_checks =
            |_: &Config| vec![PluginFinding::Points { device: "t200".into(), points: vec![point.clone()] }];
        let convertible = |_: &str, _: &str, _: Gas<'_>| Err("a test has no units".to_owned());
        let members = Members { averages: &["mean"], alarms: &["alarm"], readings: &["value"] };
        let knowledge = Knowledge { plugin_checks: &plugin_checks, convertible: &convertible, members };
        let arguments = Arguments { files, format, show };
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let none = std::iter::empty();
        let code = check(&arguments, none, &knowledge, Screen::Plain, &mut output, &mut errors).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&format!("{}/", folder.path().display()), "");
        Told { code, output: text(output), errors: text(errors) }
    }

    #[test]
    fn a_sound_file_is_said_to_be_sound() {
        let told = run(SOUND, &[], Format::Pretty, false);

        assert_eq!(told.output, "a.toml: 1 device, 1 source, 1 route, 1 sink: no problem found\n");
        assert_eq!(told.code, 0);
    }

    #[test]
    fn an_error_ends_with_code_1_and_a_warning_with_0() {
        let error = run(&SOUND.replace("\"10.0.0.5\"", "5"), &[], Format::Short, false);
        assert_eq!(error.code, 1);
        assert!(
            error.output.ends_with("a.toml: 1 error; plugins were not asked, mend these first\n"),
            "{}",
            error.output
        );

        let warning = run(&format!("{SOUND}[sinks.b]\ntype = \"file\"\npath = \"b\"\n"), &[], Format::Short, false);
        assert_eq!(warning.code, 0);
        assert!(warning.output.contains("2 sinks: 1 warning\n"), "{}", warning.output);
    }

    #[test]
    fn a_file_that_cannot_be_read_ends_with_code_2() {
        let told = run(SOUND, &["none.toml"], Format::Short, false);

        assert_eq!(told.code, 2);
        assert!(told.output.starts_with("error: cannot read none.toml: No such file"), "{}", told.output);
    }

    #[test]
    fn what_plugins_know_is_checked_too() {
        let told = run(&SOUND.replace("\"no2\"", "\"no\""), &[], Format::Short, false);

        assert_eq!(told.code, 1);
        let expected = "a.toml:12:9: error: sources.stack.parameters.NO2.point: device \"t200\" has no point \"no\"; \
                        did you mean \"no2\"?\n";
        assert!(told.output.starts_with(expected), "{}", told.output);
    }

    #[test]
    fn a_missing_plugin_is_told_once_and_beside_other_mistakes() {
        let text = SOUND.replace("driver.wasm", "none.wasm");
        let told = run(&text, &[], Format::Short, false);
        assert_eq!(told.output.matches("none.wasm").count(), 1, "{}", told.output);
        assert_eq!(told.code, 1);

        let told = run(&text.replace("\"10.0.0.5\"", "5"), &[], Format::Short, false);
        assert!(told.output.ends_with("2 errors; plugins were not asked, mend these first\n"), "{}", told.output);
    }

    #[test]
    fn the_effective_configuration_can_be_piped_away_from_the_problems() {
        let told = run(SOUND, &[], Format::Short, true);

        assert!(told.output.contains("interval = \"1s\" # default\n"), "{}", told.output);
        assert!(!told.output.contains("no problem found"));
        assert!(told.errors.contains("no problem found"));
    }

    #[test]
    fn json_says_where_and_what() {
        let told = run(&SOUND.replace("\"10.0.0.5\"", "5"), &[], Format::Json, false);

        let json: serde_json::Value = serde_json::from_str(&told.output).unwrap();
        let problem = &json["problems"][0];
        assert_eq!((json["errors"].as_u64(), json["warnings"].as_u64()), (Some(1), Some(0)));
        assert_eq!(problem["path"], "links.line-a.address");
        assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(4), Some(11)));
        assert!(problem["file"].as_str().unwrap().ends_with("a.toml"));
    }
}
