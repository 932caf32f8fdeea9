//! What a program says, line by line, for tests that wait until it says something.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one program, from both of its outputs, in the order in which they came.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<(Origin, String)>,
    ended: usize,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Stdout,
    Stderr,
}

impl Lines {
    /// Takes over everything that comes from there, until it ends.
    pub fn collect(&self, origin: Origin, source: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                lines.state().lines.push((origin, text));
                lines.shared.changed.notify_all();
                line.clear();
            }
            lines.state().ended += 1;
            lines.shared.changed.notify_all();
        });
    }

    /// Waits for the first line at or after `start` that fits and returns its position and text; `None` when the time is over,
    /// or when both outputs have ended without it.
    pub fn wait(&self, start: usize, longest: Duration, fits: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let deadline = Instant::now() + longest;
        let mut state = self.state();
        let mut seen = start;
        loop {
            for (position, (_, line)) in state.lines.iter().enumerate().skip(seen) {
                if fits(line) {
                    return Some((position, line.clone()));
                }
            }
            seen = state.lines.len().max(start);
            let left = deadline.checked_duration_since(Instant::now())?;
            if state.ended >= 2 {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until both outputs have ended.
    pub fn wait_for_end(&self, longest: Duration) -> bool {
        let state = self.state();
        let running = |state: &mut State| state.ended < 2;
        let waited = self.shared.changed.wait_timeout_while(state, longest, running);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How many there are now: the position from which later ones can be waited for.
    pub fn count(&self) -> usize {
        self.state().lines.len()
    }

    /// Those of one origin.
    pub fn of(&self, origin: Origin) -> Vec<String> {
        let state = self.state();
        state.lines.iter().filter(|(from, _)| *from == origin).map(|(_, line)| line.clone()).collect()
    }

    /// Everything, for a failure's message.
    pub fn text(&self) -> String {
        let state = self.state();
        let mut text = String::new();
        for (origin, line) in &state.lines {
            let mark = if *origin == Origin::Stderr { "err" } else { "out" };
            text.push_str(&format!("    {mark} | {line}\n"));
        }
        text
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
