//! One live instance of a plugin: every call into it, measured and bounded.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::bindings::exports::tutin::driver::driver as contract;
use super::bindings::{Driver as World, DriverPre};
use super::engine::at_tick;
use super::loader::{Plugin, chain};
use crate::capability::{Guest, Overrun};
use crate::config::model::Limits;

pub use contract::{Batch, Description, History, Point as ContractPoint};

/// The instance is unusable and must be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// It broke a limit.
    #[error("plugin {0}")]
    Overrun(#[from] Overrun),
    /// It trapped: a panic, an out-of-bounds access, a stack overflow …
    #[error("plugin trapped: {0}")]
    Trap(String),
}

/// The driver says that it could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The instrument did not answer.
    #[error("{0}")]
    Communication(String),
    /// It answered, but not as the driver can use.
    #[error("{0}")]
    Device(String),
    /// The settings do not fit.
    #[error("settings: {0}")]
    Settings(String),
    /// The driver has no such function.
    #[error("not supported by this driver: {0}")]
    Unsupported(String),
    /// The instrument refuses for now.
    #[error("busy: {0}")]
    Busy(String),
    /// The driver is at fault.
    #[error("driver at fault: {0}")]
    Internal(String),
}

impl Failure {
    /// Its code in the contract.
    pub fn code(&self) -> u16 {
        match self {
            Failure::Communication(_) => 1,
            Failure::Device(_) => 2,
            Failure::Settings(_) => 3,
            Failure::Unsupported(_) => 4,
            Failure::Busy(_) => 5,
            Failure::Internal(_) => 6,
        }
    }

    /// What the driver said.
    pub fn message(&self) -> &str {
        match self {
            Failure::Communication(message)
            | Failure::Device(message)
            | Failure::Settings(message)
            | Failure::Unsupported(message)
            | Failure::Busy(message)
            | Failure::Internal(message) => message,
        }
    }
}

impl From<contract::Failure> for Failure {
    fn from(failure: contract::Failure) -> Self {
        match failure.code {
            1 => Failure::Communication(failure.message),
            3 => Failure::Settings(failure.message),
            4 => Failure::Unsupported(failure.message),
            5 => Failure::Busy(failure.message),
            6 => Failure::Internal(failure.message),
            _ => Failure::Device(failure.message),
        }
    }
}

impl Plugin {
    /// What the plugin says that it is. Asked once, of an instance of its own: the schema of the settings takes memory that
    /// no device needs.
    pub async fn description(&self, limits: &Limits) -> Result<&Description, CallError> {
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let guest = Guest::new(name.into(), BTreeMap::new(), limits.clone());
        self.description.get_or_try_init(async || Instance::new(self, guest).await?.describe().await).await
    }
}

/// A plugin that is loaded but has no device yet: it can be described and opened.
pub struct Instance {
    store: Store<Guest>,
    world: World,
}

/// A plugin that drives a device.
pub struct Driver {
    instance: Instance,
    device: ResourceAny,
}

impl Instance {
    /// Instantiates the plugin for this guest.
    pub async fn new(plugin: &Plugin, guest: Guest) -> Result<Self, CallError> {
        let pre: &DriverPre<Guest> = &plugin.pre;
        let mut store = Store::new(pre.engine(), guest);
        store.limiter(|guest| guest);
        store.epoch_deadline_callback(|mut store| at_tick(&mut store.data_mut().usage));
        let wait = begin_call(&mut store);
        let world = bounded(wait, pre.instantiate_async(&mut store)).await?;
        Ok(Instance { store, world })
    }

    async fn describe(&mut self) -> Result<Description, CallError> {
        let wait = begin_call(&mut self.store);
        bounded(wait, self.world.tutin_driver_driver().call_describe(&mut self.store)).await
    }

    /// Makes the device from its settings, a JSON object.
    pub async fn open(mut self, settings: &str) -> Result<Result<Driver, Failure>, CallError> {
        let wait = begin_call(&mut self.store);
        let device = self.world.tutin_driver_driver().device();
        let opened = bounded(wait, device.call_open(&mut self.store, settings)).await?;
        Ok(opened.map(|device| Driver { instance: self, device }).map_err(Failure::from))
    }
}

impl Driver {
    /// From now on things come when the guest's clock is so many nanoseconds ahead of the host's: for rehearsing a past moment.
    pub fn shift_clock(&mut self, nanos: i64) {
        self.instance.store.data_mut().clock_shift = nanos;
    }

    /// Linear memory that it has, bytes.
    pub fn memory(&self) -> u64 {
        self.instance.store.data().memory()
    }

    /// The device's points.
    pub async fn points(&mut self) -> Result<Vec<ContractPoint>, CallError> {
        let (store, device, handle) = self.parts();
        bounded(begin_call(store), device.call_points(&mut *store, handle)).await
    }

    /// Reads the instrument once. `now` in nanoseconds UTC.
    pub async fn poll(&mut self, now: i64) -> Result<Result<Batch, Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let batch = bounded(begin_call(store), device.call_poll(&mut *store, handle, now)).await?;
        Ok(batch.map_err(Failure::from))
    }

    /// A page of what the instrument's own logger remembers. Times in nanoseconds UTC.
    pub async fn backfill(&mut self, begin: i64, end: i64, next: &str) -> Result<Result<History, Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let history = bounded(begin_call(store), device.call_backfill(&mut *store, handle, begin, end, next)).await?;
        Ok(history.map_err(Failure::from))
    }

    /// Carries out a command.
    pub async fn command(&mut self, name: &str, arguments: &str) -> Result<Result<String, Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let answer = bounded(begin_call(store), device.call_command(&mut *store, handle, name, arguments)).await?;
        Ok(answer.map_err(Failure::from))
    }

    /// What the next instance needs to go on.
    pub async fn snapshot(&mut self) -> Result<Vec<u8>, CallError> {
        let (store, device, handle) = self.parts();
        bounded(begin_call(store), device.call_snapshot(&mut *store, handle)).await
    }

    /// Takes over from a snapshot.
    pub async fn restore(&mut self, state: &[u8]) -> Result<Result<(), Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let restored = bounded(begin_call(store), device.call_restore(&mut *store, handle, state)).await?;
        Ok(restored.map_err(Failure::from))
    }

    fn parts(&mut self) -> (&mut Store<Guest>, contract::GuestDevice<'_>, ResourceAny) {
        let Instance { store, world } = &mut self.instance;
        (store, world.tutin_driver_driver().device(), self.device)
    }
}

/// A new call: nothing used yet, one tick until the guest gives way. Returns how long the call may take in all.
fn begin_call(store: &mut Store<Guest>) -> Duration {
    store.set_epoch_deadline(1);
    let usage = &mut store.data_mut().usage;
    usage.begin();
    usage.limits().wait
}

/// Waits for a call. Whatever goes wrong leaves the instance unusable, a call that was dropped too.
async fn bounded<T>(wait: Duration, call: impl Future<Output = wasmtime::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(wait, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(match error.downcast_ref::<Overrun>() {
            Some(overrun) => CallError::Overrun(overrun.clone()),
            None => CallError::Trap(chain(&error)),
        }),
        Err(_) => Err(CallError::Overrun(Overrun::Wait(wait))),
    }
}
