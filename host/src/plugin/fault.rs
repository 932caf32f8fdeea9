//! What an error of the engine means for the person who looks after the device: a limit with its name, or a trap.
//!
//! A plugin's own names and debug information may be hostile: what is shown of them is short and defused.

use wasmtime::{Error, Trap, WasmBacktrace};

use super::engine::STACK;
use super::instance::CallError;
use super::told;
use crate::capability::Overrun;
use crate::config::model::Limits;

/// Longest name of a function that is worth showing.
const LONGEST_NAME: usize = 120;

/// The limit that was broken, or what else ended the call.
pub(super) fn of(error: &Error, limits: &Limits) -> CallError {
    if let Some(overrun) = error.downcast_ref::<Overrun>() {
        return overrun.clone().into();
    }
    // The engine's own limits have no types, only texts; a hostile plugin for each is in the tests.
    let cause = error.root_cause().to_string();
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return Overrun::Results(limits.results).into();
    }
    if cause.contains("store handle limit exceeded") {
        return Overrun::Handles(limits.handles).into();
    }
    if let Some(parts) = cause.strip_prefix("resource limit exceeded: ") {
        return Overrun::Parts(parts.to_owned()).into();
    }
    let cause = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => format!("call stack exhausted, a plugin has {} KiB", STACK / 1024),
        _ => told::sentence(cause),
    };
    let frame = error.downcast_ref::<WasmBacktrace>().and_then(|trace| trace.frames().first());
    let name = frame.and_then(|frame| frame.func_name()).filter(|name| name.len() <= LONGEST_NAME);
    CallError::Trap(match name {
        Some(name) => format!("{cause}, in {}", told::sentence(name.to_owned())),
        None => cause,
    })
}

/// An error and its causes in one line. For errors of loading, which show no function of the plugin.
pub(super) fn chain(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(cause.lines().next().unwrap_or_default());
    }
    told::sentence(text)
}
