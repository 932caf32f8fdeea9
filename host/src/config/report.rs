//! Problems as text: with the quoted line for people at a terminal, in sentences for screen readers and logs, one line
//! each for editors, and JSON for programs.
//!
//! Secrets that stand where they must not, and texts that may be some, are masked before any line is quoted.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, NarratableReportHandler, SourceCode,
};
use serde_json::{Value, json};

use crate::config::place::{OriginName, Place};
use crate::config::problem::{Problem, Severity};

/// How problems are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The line in question in a frame, coloured.
    Graphic,
    /// The same in sentences, without lines and colours.
    Narrated,
    /// `file:line:column: error: path: message; help`.
    Short,
}

/// All problems as text, one after the other.
pub fn render(problems: &[Problem], style: Style) -> String {
    problems.iter().map(|problem| render_one(problem, problems, style)).collect()
}

/// One problem as JSON.
pub fn as_json(problem: &Problem) -> Value {
    let place = problem.place.as_ref();
    let position = place.and_then(Place::line_column);
    let file = place.and_then(|place| match &place.origin.name {
        OriginName::File(file) => Some(file.display().to_string()),
        _ => None,
    });
    let variable = place.and_then(|place| match &place.origin.name {
        OriginName::Environment(name) => Some(name.clone()),
        _ => None,
    });
    json!({
        "severity": problem.severity.name(),
        "path": problem.path,
        "message": problem.message,
        "help": problem.help,
        "file": file,
        "variable": variable,
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
    })
}

fn render_one(problem: &Problem, all: &[Problem], style: Style) -> String {
    if style == Style::Short {
        return format!("{problem}\n");
    }
    let source = problem
        .place
        .as_ref()
        .map(|place| NamedSource::new(place.origin.name.to_string(), masked(place, all)).with_language("TOML"));
    let quoted = Quoted { problem, source };
    let mut text = String::new();
    let written = match style {
        Style::Graphic => {
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).render_report(&mut text, &quoted)
        }
        _ => NarratableReportHandler::new().render_report(&mut text, &quoted),
    };
    // Writing to a string fails only when miette cannot find the span in the text; then one line must do.
    if written.is_err() { format!("{problem}\n") } else { text + "\n" }
}

/// The text of the place's origin with each secret in it replaced by as many stars.
fn masked(place: &Place, problems: &[Problem]) -> String {
    let mut text = place.origin.text.clone();
    let places = problems.iter().flat_map(|problem| &problem.conceal);
    for secret in places.filter(|other| Arc::ptr_eq(&other.origin, &place.origin)) {
        if text.get(secret.span.clone()).is_some() {
            text.replace_range(secret.span.clone(), &"*".repeat(secret.span.len()));
        }
    }
    text
}

/// A problem with its file's text, as miette wants it.
struct Quoted<'p> {
    problem: &'p Problem,
    source: Option<NamedSource<String>>,
}

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.sentence())
    }
}

impl std::error::Error for Quoted<'_> {}

impl Diagnostic for Quoted<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.as_ref()?;
        let span = LabeledSpan::new_primary_with_span(Some("here".to_owned()), place.span.clone());
        Some(Box::new(std::iter::once(span)))
    }
}
