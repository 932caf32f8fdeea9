//! How far an export is, on standard error: one line that is renewed on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::export::Progress;

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

/// Where and how often.
#[derive(Debug)]
pub struct Display {
    form: Form,
    begin: Instant,
    shown: Instant,
    last: Option<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Silent,
    /// The same line again and again.
    OneLine,
    Lines,
}

impl Display {
    /// Shown on a terminal, and when it is `wanted`.
    pub fn new(wanted: bool) -> Self {
        let form = match (std::io::stderr().is_terminal(), wanted) {
            (true, _) => Form::OneLine,
            (false, true) => Form::Lines,
            (false, false) => Form::Silent,
        };
        let begin = Instant::now();
        Display { form, begin, shown: begin, last: None }
    }

    /// Shows it unless something was shown a moment ago.
    pub fn show(&mut self, progress: Progress) {
        self.last = Some(progress);
        let pause = if self.form == Form::OneLine { ON_TERMINAL } else { ELSEWHERE };
        if self.form != Form::Silent && self.shown.elapsed() >= pause {
            self.shown = Instant::now();
            self.print(progress);
        }
    }

    /// Shows where it ended.
    pub fn end(&mut self) {
        let Some(last) = self.last.filter(|_| self.form != Form::Silent) else { return };
        self.print(last);
        if self.form == Form::OneLine {
            eprintln!();
        }
    }

    fn print(&self, progress: Progress) {
        let text = line(progress, self.begin.elapsed());
        match self.form {
            Form::Silent => {}
            Form::OneLine => eprint!("\r\x1b[K{text}"),
            Form::Lines => eprintln!("{text}"),
        }
    }
}

/// As in `1200 of 28000 entries (4 %), 120000 rows, 98000 rows/s`.
fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress { passed, rows } = progress;
    let percent = passed.done.saturating_mul(100).checked_div(passed.all).unwrap_or(100);
    let rate = (rows as f64 / elapsed.as_secs_f64().max(0.001)).round();
    format!("{} of {} entries ({percent} %), {rows} rows, {rate} rows/s", passed.done, passed.all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Passed;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let check = |done, all, rows, expected: &str| {
            assert_eq!(line(Progress { passed: Passed { done, all }, rows }, Duration::from_secs(2)), expected);
        };
        check(1200, 28_000, 120_000, "1200 of 28000 entries (4 %), 120000 rows, 60000 rows/s");
        check(0, 0, 0, "0 of 0 entries (100 %), 0 rows, 0 rows/s");
    }
}
