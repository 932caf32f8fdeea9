//! The WebAssembly engine: what guests may use of the language, and the clock that their calls are measured with.

use std::thread;

use wasmtime::{Config, WasmBacktraceDetails};

use crate::capability::{Lane, Usage};

/// Stack of a guest, bytes. Rust drivers use a few KiB.
pub(super) const STACK: usize = 512 * 1024;

/// One engine serves all plugins. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    lane: Lane,
}

impl Engine {
    /// An engine and the thread that advances its epoch. The thread ends when the last clone is dropped.
    pub fn new() -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(STACK)
            .async_stack_size(2 * STACK)
            .wasm_memory64(false)
            .wasm_multi_memory(false)
            .wasm_relaxed_simd(false)
            // A plugin's own debug information is a language more that it could be hostile in.
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(8));
        let inner = wasmtime::Engine::new(&config)?;
        let weak = inner.weak();
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(crate::capability::TICK);
            }
        })?;
        Ok(Engine { inner, lane: Lane::default() })
    }

    /// The engine itself.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// Where guests take turns that compute for long.
    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }
}

/// What a guest's store does at each tick that the guest computes through: hold it against the limit, then let the other tasks of the
/// thread have a turn, and go on when it has one in the lane of those who compute for long.
pub fn at_tick(usage: &mut Usage) -> wasmtime::Result<wasmtime::UpdateDeadline> {
    usage.tick()?;
    Ok(wasmtime::UpdateDeadline::YieldCustom(1, Box::pin(usage.lane().turn(usage.clock()))))
}
