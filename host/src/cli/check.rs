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
    let mut loaded = load(&arguments.files, environment);
    loaded.problems.extend(offline(&loaded, knowledge));
    problem::sort(&mut loaded.problems);
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
        None => format!("{}: {found}", files.join(", ")),
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
