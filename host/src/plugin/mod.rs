//! Driver plugins: loading, permission, limits, and the task that polls one device.
//!
//! A component is checked before anything of it runs (`loader`); each device has its own instance, owned by one
//! task (`device`); whatever the instance does, it ends at a limit that has a name (`engine`, `instance`).
//!
//! Invariant: a plugin can harm nobody but its own device. It is dropped and made anew after any trap; its memory, computing
//! time, host calls and results are bounded; what it did not ask for in its imports does not exist for it.

pub mod admission;
mod backfill;
mod batch;
mod bells;
mod cache;
mod compile;
pub mod device;
mod engine;
mod fault;
mod instance;
mod loader;
mod opening;
mod outline;
mod pace;
mod place;
mod polling;
pub mod registry;
mod schedule;
pub mod swap;
mod told;
pub mod trust;
#[cfg(test)]
mod version_tests;

pub use admission::{Refusal, Wanted};
pub use batch::BatchFault;
pub use compile::{CompileError, Compiler};
pub use device::{DeviceStatus, Outlet, Phase};
pub use engine::Engine;
pub use instance::{CallError, Description, Driver, Failure, Instance};
pub use loader::{Excess, LoadError, Loader, Plugin, read as read_file};
pub use opening::{DeviceSpec, Features, OpenError, Opened, Polled, open};
pub use told::Told;

#[expect(missing_docs, reason = "generated from wit/driver")]
pub mod bindings {
    wasmtime::component::bindgen!({
        inline: "package tutin:host-driver; world driver { include tutin:driver/plugin@0.1.0; }",
        path: ["../wit/log", "../wit/driver"],
        world: "tutin:host-driver/driver",
        exports: { default: async },
        with: { "tutin:log/log@0.1.0": crate::capability::log::bindings::tutin::log::log },
    });
}
