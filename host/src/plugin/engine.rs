//! The WebAssembly engine: what guests may use of the language, and the clock that their calls are measured with.

use std::thread;

use wasmtime::{Config, WasmBacktraceDetails};

use crate::capability::{Lane, TICK, Usage};

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
                thread::sleep(TICK);
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
/// thread have a turn, and go on when it has one in the lane of those who compute for long. A short call in which the tick happens to
/// fall goes on at once: it has not yet computed for as long as a tick.
pub fn at_tick(usage: &mut Usage) -> wasmtime::Result<wasmtime::UpdateDeadline> {
    if usage.tick()? < TICK {
        return Ok(wasmtime::UpdateDeadline::Continue(1));
    }
    Ok(wasmtime::UpdateDeadline::YieldCustom(1, Box::pin(usage.lane().turn(usage.clock()))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use wasmtime::UpdateDeadline;

    use super::*;
    use crate::capability::timed;
    use crate::config::model::Limits;

    #[tokio::test]
    async fn a_tick_takes_its_turn_only_from_a_call_that_computed_as_long() {
        let mut usage = Usage::new(Limits::default(), Arc::default());
        let clock = Arc::clone(usage.clock());
        let call = async {
            let early = at_tick(&mut usage).unwrap();
            let begin = Instant::now();
            while begin.elapsed() < 20 * TICK {
                std::hint::spin_loop();
            }
            (early, at_tick(&mut usage).unwrap())
        };

        let (early, late) = timed(call, &clock).await;

        assert!(matches!(early, UpdateDeadline::Continue(1)));
        assert!(matches!(late, UpdateDeadline::YieldCustom(1, _)));
    }
}
