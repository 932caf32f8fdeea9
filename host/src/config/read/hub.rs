//! `[hub]`, `[journal]` and `[limits]`.

use crate::config::kind::{FilePath, Size, Span, Text, Whole};
use crate::config::model::{Hub, Journal, Limits};
use crate::config::quantity::{show_duration, show_size};
use crate::config::section::Section;

pub(super) fn hub(section: &mut Section<'_, '_>) -> Option<Hub> {
    let name = section.or("name", &Text::NAME, "hub");
    let state = section.or("state", &FilePath { what: "the path of a folder", except: None }, "state");
    Some(Hub { name: name?, state: state? })
}

pub(super) fn journal(section: &mut Section<'_, '_>) -> Option<Journal> {
    let commit_interval = section.or("commit_interval", &Span::millis(1, 10_000), "200ms");
    let commit_readings = section.or("commit_readings", &Whole::from_to(1, 1_000_000), "20000");
    Some(Journal { commit_interval: commit_interval?, commit_readings: commit_readings? })
}

const MEMORY: Size = Size { min: 1 << 20, max: 1 << 30 };
const CALL: Span = Span::millis(10, 10_000);
const WAIT: Span = Span::millis(1_000, 600_000);
const HOST_CALLS: Whole<u32> = Whole::from_to(1, 1_000_000);
const LOG_LINES: Whole<u32> = Whole::from_to(0, 10_000);
const SAMPLES: Whole<usize> = Whole::from_to(1, 1_000_000);

/// Reads `[limits]`, or the limits of a device, whose defaults are those of `[limits]`.
pub(super) fn limits(section: &mut Section<'_, '_>, common: Option<&Limits>) -> Option<Limits> {
    let (memory, call, wait, host_calls, lines, samples);
    match common {
        None => {
            memory = section.or("memory", &MEMORY, "16MiB");
            call = section.or("call", &CALL, "100ms");
            wait = section.or("wait", &WAIT, "60s");
            host_calls = section.or("host_calls", &HOST_CALLS, "1000");
            lines = section.or("log_lines_per_second", &LOG_LINES, "20");
            samples = section.or("samples", &SAMPLES, "100000");
        }
        Some(common) => {
            memory = section.or_inherited("memory", &MEMORY, &show_size(common.memory));
            call = section.or_inherited("call", &CALL, &show_duration(common.call));
            wait = section.or_inherited("wait", &WAIT, &show_duration(common.wait));
            host_calls = section.or_inherited("host_calls", &HOST_CALLS, &common.host_calls.to_string());
            let common_lines = common.log_lines_per_second.to_string();
            lines = section.or_inherited("log_lines_per_second", &LOG_LINES, &common_lines);
            samples = section.or_inherited("samples", &SAMPLES, &common.samples.to_string());
        }
    }
    Some(Limits {
        memory: memory?,
        call: call?,
        wait: wait?,
        host_calls: host_calls?,
        log_lines_per_second: lines?,
        samples: samples?,
    })
}
