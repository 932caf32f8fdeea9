//! `tutin:log`: what a plugin has to say, rate-limited and defused.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, trace, warn};

use crate::capability::guest::Guest;

#[expect(missing_docs, reason = "generated from wit/log")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-log; world host { import tutin:log/log@0.1.0; }",
        path: ["../wit/log"],
        imports: { default: trappable },
    });
}

/// Longest line that is kept, bytes.
const LINE_BYTES: usize = 4096;

/// Longest part of an error line that is told with the end of its instance, bytes.
const WORDS_BYTES: usize = 300;

/// How many lines a guest may still write in this second.
#[derive(Debug)]
pub struct LineBudget {
    per_second: u32,
    left: u32,
    since: Instant,
    dropped: u64,
}

impl LineBudget {
    /// A full budget.
    pub fn new(per_second: u32) -> Self {
        LineBudget { per_second, left: per_second, since: Instant::now(), dropped: 0 }
    }

    /// Takes one line from the budget. `Some(n)`: it may be written, and `n` before it were dropped.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.left, self.since) = (self.per_second, now);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.dropped))
            }
            None => {
                self.dropped = self.dropped.saturating_add(1);
                None
            }
        }
    }
}

impl bindings::tutin::log::log::Host for Guest {
    fn write(&mut self, level: u8, message: String) -> wasmtime::Result<()> {
        self.usage.host_call()?;
        if level == 1 {
            self.usage.words().hear(&defuse(&message, WORDS_BYTES));
        }
        let Some(dropped) = self.lines.take(Instant::now()) else {
            self.usage.meter().dropped_line();
            return Ok(());
        };
        let name = &*self.name;
        if dropped > 0 {
            warn!(plugin = name, "{dropped} log lines dropped (limits.log_lines_per_second)");
        }
        let line = defuse(&message, LINE_BYTES);
        match level {
            1 => error!(plugin = name, "{line}"),
            2 => warn!(plugin = name, "{line}"),
            4 => debug!(plugin = name, "{line}"),
            5 => trace!(plugin = name, "{line}"),
            _ => info!(plugin = name, "{line}"),
        }
        Ok(())
    }

    fn shown(&mut self) -> wasmtime::Result<u8> {
        self.usage.host_call()?;
        let level = tracing::level_filters::LevelFilter::current().into_level();
        Ok(level.map_or(0, |level| match level {
            tracing::Level::ERROR => 1,
            tracing::Level::WARN => 2,
            tracing::Level::INFO => 3,
            tracing::Level::DEBUG => 4,
            tracing::Level::TRACE => 5,
        }))
    }
}

/// One line without control characters, so that a plugin cannot forge lines or drive a terminal; at most so many bytes of the message.
pub(crate) fn defuse(message: &str, most: usize) -> String {
    let end = (0..=most.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    message.get(..end).unwrap_or_default().chars().fold(String::with_capacity(end), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default())
        } else {
            line.push(c)
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_forge_a_second_line() {
        assert_eq!(defuse("fine\n2026 ERROR forged\u{1b}[2J", 100), "fine\\n2026 ERROR forged\\u{1b}[2J");
        assert_eq!(defuse(&"ж".repeat(4000), LINE_BYTES).len(), LINE_BYTES);
    }

    #[test]
    fn lines_above_the_rate_are_dropped_and_counted() {
        let mut budget = LineBudget::new(2);
        let now = budget.since;
        assert_eq!(
            [budget.take(now), budget.take(now), budget.take(now), budget.take(now)],
            [Some(0), Some(0), None, None]
        );
        assert_eq!(budget.take(now + Duration::from_secs(1)), Some(2));
    }
}
