//! `[hub]`, `[journal]` and `[limits]`.

use crate::config::kind::{FilePath, Flag, Size, Span, Text, Whole};
use crate::config::model::{Hub, Journal, Limits, Retention};
use crate::config::quantity::{show_duration, show_size};
use crate::config::section::Section;

pub(super) fn hub(section: &mut Section<'_, '_>) -> Option<Hub> {
    let name = section.or("name", &Text::NAME, "hub");
    let revise_after = section.or("revise_after", &Span::millis(1_000, 86_400_000), "1min");
    let state = section.or("state", &FilePath { what: "the path of a folder", except: None }, "state");
    let watch_plugins = section.or("watch_plugins", &Flag, "true");
    Some(Hub { name: name?, revise_after: revise_after?, watch_plugins: watch_plugins?, state: state? })
}

pub(super) fn journal(section: &mut Section<'_, '_>) -> Option<Journal> {
    let commit_interval = section.or("commit_interval", &Span::millis(1, 10_000), "200ms");
    let commit_readings = section.or("commit_readings", &Whole::from_to(1, 1_000_000), "20000");
    let held_readings = section.or("held_readings", &Whole::from_to(0, 100_000_000), "2000000");
    let checkpoint_interval = section.or("checkpoint_interval", &Span::millis(1_000, 86_400_000), "10min");
    let retention = section.part("retention", retention);
    Some(Journal {
        commit_interval: commit_interval?,
        commit_readings: commit_readings?,
        held_readings: held_readings?,
        checkpoint_interval: checkpoint_interval?,
        retention: retention?,
    })
}

const KEPT: Span = Span::millis(2 * 86_400_000, 36_500 * 86_400_000);
const BOUND: Size = Size { min: 0, max: 1 << 50 };

fn retention(section: &mut Section<'_, '_>) -> Option<Retention> {
    let raw = section.or("raw", &KEPT, "365d");
    let averages = section.or("averages", &KEPT, "2190d");
    let events = section.or("events", &KEPT, "2190d");
    let raw_bytes = section.or("raw_bytes", &BOUND, "0B");
    let averages_bytes = section.or("averages_bytes", &BOUND, "0B");
    let events_bytes = section.or("events_bytes", &BOUND, "0B");
    let every = section.or("every", &Span::millis(1_000, 86_400_000), "1min");
    Some(Retention {
        raw: raw?,
        averages: averages?,
        events: events?,
        raw_bytes: raw_bytes?,
        averages_bytes: averages_bytes?,
        events_bytes: events_bytes?,
        every: every?,
    })
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
