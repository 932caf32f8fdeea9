//! `[hub]`, `[journal]`, `[limits]` and `[loading]`.

use crate::config::kind::{FilePath, Flag, Kind, Size, Span, Text, Whole};
use crate::config::model::{Hub, Journal, Limits, Loading, Retention};
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
const SAMPLES_A_SECOND: Whole<u32> = Whole::from_to(1, 100_000_000);
const RESULTS: Size = Size { min: 64 << 10, max: 1 << 30 };
const SNAPSHOT: Size = Size { min: 0, max: 64 << 20 };
const HANDLES: Whole<u32> = Whole::from_to(1, 100_000);
const TABLE_ELEMENTS: Whole<u32> = Whole::from_to(1, 10_000_000);
const RESTARTS: Whole<u32> = Whole::from_to(0, 1_000);

/// Reads `[limits]`, or the limits of a device, whose defaults are those of `[limits]`.
pub(super) fn limits(section: &mut Section<'_, '_>, common: Option<&Limits>) -> Option<Limits> {
    let built_in = Limits::default();
    let (inherits, common) = (common.is_some(), common.unwrap_or(&built_in));
    let mut reader = LimitsReader { section, inherits };
    let memory = reader.read("memory", &MEMORY, show_size(common.memory));
    let call = reader.read("call", &CALL, show_duration(common.call));
    let wait = reader.read("wait", &WAIT, show_duration(common.wait));
    let host_calls = reader.read("host_calls", &HOST_CALLS, common.host_calls.to_string());
    let lines = reader.read("log_lines_per_second", &LOG_LINES, common.log_lines_per_second.to_string());
    let samples = reader.read("samples", &SAMPLES, common.samples.to_string());
    let a_second = reader.read("samples_per_second", &SAMPLES_A_SECOND, common.samples_per_second.to_string());
    let results = reader.read("results", &RESULTS, show_size(common.results));
    let snapshot = reader.read("snapshot", &SNAPSHOT, show_size(common.snapshot));
    let handles = reader.read("handles", &HANDLES, common.handles.to_string());
    let table_elements = reader.read("table_elements", &TABLE_ELEMENTS, common.table_elements.to_string());
    let restarts = reader.read("restarts", &RESTARTS, common.restarts.to_string());
    Some(Limits {
        memory: memory?,
        call: call?,
        wait: wait?,
        host_calls: host_calls?,
        log_lines_per_second: lines?,
        samples: samples?,
        samples_per_second: a_second?,
        results: results?,
        snapshot: snapshot?,
        handles: handles?,
        table_elements: table_elements?,
        restarts: restarts?,
    })
}

/// Reads options that a device may have of its own.
struct LimitsReader<'s, 'r, 'a> {
    section: &'s mut Section<'r, 'a>,
    inherits: bool,
}

impl LimitsReader<'_, '_, '_> {
    fn read<K: Kind>(&mut self, key: &'static str, kind: &K, default: String) -> Option<K::Value> {
        if self.inherits {
            self.section.or_inherited(key, kind, &default)
        } else {
            self.section.or(key, kind, &default)
        }
    }
}

const FILE: Size = Size { min: 64 << 10, max: 1 << 30 };
const ITEMS: Whole<u64> = Whole::from_to(1_000, 100_000_000);
const FUNCTION: Size = Size { min: 4 << 10, max: 16 << 20 };
const COMPILE: Span = Span::millis(1_000, 3_600_000);
const COMPILE_MEMORY: Size = Size { min: 256 << 20, max: 64 << 30 };

pub(super) fn loading(section: &mut Section<'_, '_>) -> Option<Loading> {
    let file = section.or("file", &FILE, "64MiB");
    let items = section.or("items", &ITEMS, "500000");
    let function = section.or("function", &FUNCTION, "1MiB");
    let compile = section.or("compile", &COMPILE, "2min");
    let compile_memory = section.or("compile_memory", &COMPILE_MEMORY, "4GiB");
    Some(Loading {
        file: file?,
        items: items?,
        function: function?,
        compile: compile?,
        compile_memory: compile_memory?,
    })
}
