//! What is wrong, where, and what to do about it.
//!
//! A reader never stops at the first problem: it returns what it could read and all its problems, so that a person
//! mends a file once.

use std::fmt;

use crate::config::mistake::Mistake;
use crate::config::place::Place;

/// Whether the configuration can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Which option or section, as in `devices.no2.interval`; empty when it is the whole file.
    pub path: String,
    /// What is wrong, without the path.
    pub message: String,
    /// What to do: the nearest name, the valid ones, where they are defined.
    pub help: Option<String>,
    /// Where it stands; `None` when no file could be read.
    pub place: Option<Place>,
    /// Text that is or may be a secret and must be masked wherever it would be quoted.
    pub conceal: Vec<Place>,
}

impl Problem {
    /// A mistake found by the configuration itself.
    pub(crate) fn new(path: impl Into<String>, place: Option<Place>, mistake: &Mistake) -> Self {
        let conceal = place.iter().filter(|_| matches!(mistake, Mistake::PlainSecret)).cloned().collect();
        Problem {
            severity: mistake.severity(),
            path: path.into(),
            message: mistake.to_string(),
            help: mistake.help(),
            place,
            conceal,
        }
    }

    /// Path and message in one sentence.
    pub fn sentence(&self) -> String {
        if self.path.is_empty() { self.message.clone() } else { format!("{}: {}", self.path, self.message) }
    }
}

impl fmt::Display for Problem {
    /// One line: `file:line:column: error: path: message; help`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.severity.name(), self.sentence())?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Puts problems in the order in which a person meets them: without place first, then file by file from top to bottom.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let key = |problem: &Problem| problem.place.as_ref().map(Place::order);
        key(a).cmp(&key(b)).then(a.severity.cmp(&b.severity)).then_with(|| a.path.cmp(&b.path))
    });
}

/// How many there are of each severity, as in `2 errors, 1 warning`; `None` when there is none.
pub fn count(problems: &[Problem]) -> Option<String> {
    let of = |severity: Severity| {
        let found = problems.iter().filter(|problem| problem.severity == severity).count();
        let plural = if found == 1 { "" } else { "s" };
        (found > 0).then(|| format!("{found} {}{plural}", severity.name()))
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(of).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
