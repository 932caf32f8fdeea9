//! What came of the checks: as text for people, JSON for programs, JUnit for those who collect test results.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

/// All checks of one plugin.
#[derive(Debug)]
pub struct Report {
    /// Its name and version.
    pub plugin: String,
    /// Its file.
    pub file: PathBuf,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// The case whose instrument was played.
    pub case: PathBuf,
    /// In the order of the obligations.
    pub checks: Vec<Check>,
    /// How long all took.
    pub took: Duration,
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What happened.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well; what was seen, in a few words.
    Passed(String),
    /// Not well: what the driver did, one text for each time.
    Failed(Vec<String>),
    /// There is nothing to check, and why.
    NotApplicable(String),
}

impl Outcome {
    /// Failed with these faults, or passed with this to say.
    pub fn of(faults: Vec<String>, seen: impl Into<String>) -> Self {
        if faults.is_empty() { Outcome::Passed(seen.into()) } else { Outcome::Failed(faults) }
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed(_) => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::NotApplicable(_) => "-",
        }
    }
}

impl Report {
    /// Checks that failed.
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_))).count()
    }

    /// For people.
    pub fn text(&self) -> String {
        let Report { plugin, file, digest, case, checks, took } = self;
        let digest = digest.get(..16).unwrap_or_default();
        let mut text =
            format!("{plugin} ({}, sha256 {digest})\nagainst the instrument of {}\n\n", file.display(), case.display());
        for Check { name, what, why, outcome, .. } in checks {
            let word = outcome.word();
            // Writing to a text cannot fail.
            let _ = match outcome {
                Outcome::Passed(seen) => writeln!(text, "  {word:<7} {name:<12} {what}: {seen}"),
                Outcome::NotApplicable(reason) => writeln!(text, "  {word:<7} {name:<12} {what}: {reason}"),
                Outcome::Failed(faults) => {
                    let faults: String = faults.iter().map(|fault| format!("          {:<12} {fault}\n", "")).collect();
                    write!(text, "  {word:<7} {name:<12} {what}\n{faults}          {:<12} why it matters: {why}\n", "")
                }
            };
        }
        let _ = writeln!(text, "\n{} checks, {} failed, {:.1} s", checks.len(), self.failed(), took.as_secs_f64());
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let check = |check: &Check| {
            let (seen, faults) = match &check.outcome {
                Outcome::Passed(seen) | Outcome::NotApplicable(seen) => (Some(seen), None),
                Outcome::Failed(faults) => (None, Some(faults)),
            };
            let outcome = match &check.outcome {
                Outcome::Passed(_) => "passed",
                Outcome::Failed(_) => "failed",
                Outcome::NotApplicable(_) => "not_applicable",
            };
            json!({
                "name": check.name, "what": check.what, "outcome": outcome, "seen": seen, "faults": faults, "why": check.why,
                "seconds": check.took.as_secs_f64(),
            })
        };
        json!({
            "plugin": self.plugin,
            "file": self.file.display().to_string(),
            "sha256": self.digest,
            "case": self.case.display().to_string(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "failed": self.failed(),
            "seconds": self.took.as_secs_f64(),
        })
    }

    /// For collectors of test results: one suite, a test case for each check.
    pub fn junit(&self) -> String {
        let skipped = self.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotApplicable(_))).count();
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{skipped}\" time=\"{:.3}\">\n",
            escaped(&self.plugin),
            self.checks.len(),
            self.failed(),
            self.took.as_secs_f64(),
        );
        for Check { name, what, why, outcome, took } in &self.checks {
            let time = took.as_secs_f64();
            let class = escaped(&self.plugin);
            let inside = match outcome {
                Outcome::Passed(seen) => format!("<system-out>{}</system-out>", escaped(&format!("{what}: {seen}"))),
                Outcome::NotApplicable(reason) => format!("<skipped message=\"{}\"/>", escaped(reason)),
                Outcome::Failed(faults) => {
                    let message = escaped(&faults.join("; "));
                    format!(
                        "<failure message=\"{message}\">{}</failure>",
                        escaped(&format!("{what}; why it matters: {why}"))
                    )
                }
            };
            // Writing to a text cannot fail.
            let _ = writeln!(
                xml,
                "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{time:.3}\">{inside}</testcase>"
            );
        }
        xml + "  </testsuite>\n</testsuites>\n"
    }
}

/// Text for XML: what no XML may hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_and_why_in_each_form() {
        let check = |name, outcome| Check {
            name,
            what: "it falls silent",
            why: "nobody <knows>",
            outcome,
            took: Duration::from_millis(5),
        };
        let report = Report {
            plugin: "mine 0.1.0".into(),
            file: "mine.wasm".into(),
            digest: "ab".repeat(32),
            case: "cases/measuring".into(),
            checks: vec![
                check("silence", Outcome::Failed(vec!["no2 is \"valid\"\u{1}".into()])),
                check("reset", Outcome::Passed("back after 10 ms".into())),
                check("exception", Outcome::NotApplicable("there are none".into())),
            ],
            took: Duration::from_millis(20),
        };
        for part in ["FAILED  silence", "no2 is \"valid\"", "why it matters: nobody <knows>", "3 checks, 1 failed"] {
            assert!(report.text().contains(part), "{part}: {}", report.text());
        }
        assert_eq!(report.json()["checks"][0]["outcome"], "failed");
        let junit = report.junit();
        for part in ["failures=\"1\" skipped=\"1\"", "no2 is &quot;valid&quot;\"", "nobody &lt;knows&gt;"] {
            assert!(junit.contains(part), "{part}: {junit}");
        }
    }
}
