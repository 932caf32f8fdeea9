//! One live instance of a plugin: every call into it, measured and bounded.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use thiserror::Error;
use wasmtime::Store;
use wasmtime::component::ResourceAny;

use super::bindings::exports::tutin::driver::driver as contract;
use super::bindings::{Driver as World, DriverPre};
use super::engine::at_tick;
use super::fault;
use super::loader::Plugin;
use super::told::{self, Told};
use crate::capability::{CallClock, Guest, Lane, LastWords, Meter, Overrun, timed};
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
    /// What it says of itself is not what the contract allows.
    #[error("plugin described badly: {0}")]
    Told(#[from] Told),
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
    #[error("{}", of_settings(.0))]
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

/// A sentence about the settings, which says so once: most drivers begin with the member, as in "settings.model: unknown".
fn of_settings(message: &str) -> String {
    let says_so = message.strip_prefix("settings").is_some_and(|rest| rest.starts_with([':', '.', '[']));
    if says_so { message.to_owned() } else { format!("settings: {message}") }
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
        let message = told::sentence(failure.message);
        match failure.code {
            1 => Failure::Communication(message),
            3 => Failure::Settings(message),
            4 => Failure::Unsupported(message),
            5 => Failure::Busy(message),
            6 => Failure::Internal(message),
            _ => Failure::Device(message),
        }
    }
}

impl Plugin {
    /// What the plugin says that it is. Asked once, of an instance of its own: the schema of the settings takes memory that
    /// no device needs.
    pub async fn description(&self, limits: &Limits) -> Result<&Description, CallError> {
        self.described(limits, Arc::default()).await
    }

    /// The same; what it uses is added to the meter.
    pub(super) async fn described(&self, limits: &Limits, meter: Arc<Meter>) -> Result<&Description, CallError> {
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let guest = Guest::new(name.into(), BTreeMap::new(), limits.clone(), meter);
        let describe = async || {
            let description = Instance::new(self, guest).await?.describe().await?;
            told::check(&description)?;
            Ok(description)
        };
        self.description.get_or_try_init(describe).await
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
        store.data_mut().usage.take_turns_in(&plugin.lane);
        store.limiter(|guest| guest);
        store.epoch_deadline_callback(|mut store| at_tick(&mut store.data_mut().usage));
        let limits = store.data().usage.limits();
        let (results, handles) = (limits.results, limits.handles);
        store.set_hostcall_fuel(usize::try_from(results).unwrap_or(usize::MAX));
        store.set_max_component_handles(usize::try_from(handles).unwrap_or(usize::MAX));
        let running = begin_call(&mut store);
        let world = bounded(running, pre.instantiate_async(&mut store)).await?;
        Ok(Instance { store, world })
    }

    async fn describe(&mut self) -> Result<Description, CallError> {
        let running = begin_call(&mut self.store);
        bounded(running, self.world.tutin_driver_driver().call_describe(&mut self.store)).await
    }

    /// Makes the device from its settings, a JSON object.
    pub async fn open(mut self, settings: &str) -> Result<Result<Driver, Failure>, CallError> {
        let running = begin_call(&mut self.store);
        let device = self.world.tutin_driver_driver().device();
        let opened = bounded(running, device.call_open(&mut self.store, settings)).await?;
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
        batch.as_ref().map_or(Ok(()), |batch| self.check_rows(batch))?;
        Ok(batch.map_err(Failure::from))
    }

    /// A page of what the instrument's own logger remembers. Times in nanoseconds UTC.
    pub async fn backfill(&mut self, begin: i64, end: i64, next: &str) -> Result<Result<History, Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let history = bounded(begin_call(store), device.call_backfill(&mut *store, handle, begin, end, next)).await?;
        let next = history.as_ref().map_or("", |history| history.next.as_str());
        told::bytes("the place where a back-fill goes on", next, told::LONGEST_NEXT)?;
        Ok(history.map_err(Failure::from))
    }

    /// Carries out a command.
    pub async fn command(&mut self, name: &str, arguments: &str) -> Result<Result<String, Failure>, CallError> {
        let (store, device, handle) = self.parts();
        let answer = bounded(begin_call(store), device.call_command(&mut *store, handle, name, arguments)).await?;
        Ok(answer.map(told::sentence).map_err(Failure::from))
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

    /// What the device has used; for whoever finds out later that a limit was broken.
    pub(super) fn meter(&self) -> &Meter {
        self.instance.store.data().usage.meter()
    }

    fn check_rows(&self, batch: &Batch) -> Result<(), CallError> {
        let (returned, limit) = (batch.points.len(), self.instance.store.data().usage.limits().samples);
        if returned <= limit {
            return Ok(());
        }
        let overrun = Overrun::Samples { returned, limit };
        self.meter().broke(overrun.limit());
        Err(overrun.into())
    }

    fn parts(&mut self) -> (&mut Store<Guest>, contract::GuestDevice<'_>, ResourceAny) {
        let Instance { store, world } = &mut self.instance;
        (store, world.tutin_driver_driver().device(), self.device)
    }
}

/// What a call is held against while it runs.
struct Running {
    limits: Limits,
    clock: Arc<CallClock>,
    lane: Lane,
    meter: Arc<Meter>,
    words: Arc<LastWords>,
}

/// A new call: nothing used yet, one tick until the guest gives way.
fn begin_call(store: &mut Store<Guest>) -> Running {
    store.set_epoch_deadline(1);
    let usage = &mut store.data_mut().usage;
    usage.begin();
    let (limits, clock, meter) = (usage.limits().clone(), Arc::clone(usage.clock()), Arc::clone(usage.meter()));
    Running { limits, clock, lane: usage.lane().clone(), meter, words: Arc::clone(usage.words()) }
}

/// Waits for a call. Whatever goes wrong leaves the instance unusable, a call that was dropped too.
async fn bounded<T>(running: Running, call: impl Future<Output = wasmtime::Result<T>>) -> Result<T, CallError> {
    let Running { limits, clock, lane, meter, words } = running;
    let call = async {
        lane.enter(&clock, &meter).await;
        timed(call, &clock).await
    };
    let ended = tokio::time::timeout(limits.wait, call).await;
    meter.called(clock.spent());
    let error = match ended {
        Ok(Ok(value)) => {
            meter.did_well();
            return Ok(value);
        }
        Ok(Err(error)) => match (fault::of(&error, &limits), words.take()) {
            (CallError::Trap(reason), Some(words)) => CallError::Trap(format!("{reason}; it said: {words}")),
            (error, _) => error,
        },
        Err(_) => CallError::Overrun(Overrun::Wait(limits.wait)),
    };
    match &error {
        CallError::Overrun(overrun) => drop(meter.broke(overrun.limit())),
        CallError::Trap(_) | CallError::Told(_) => meter.trapped(),
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_once_that_it_is_about_the_settings() {
        let check = |said: &str, expected: &str| assert_eq!(Failure::Settings(said.into()).to_string(), expected);
        check("settings: missing field `model`", "settings: missing field `model`");
        check("settings.points[0].id: is there twice", "settings.points[0].id: is there twice");
        check("the link cannot be opened", "settings: the link cannot be opened");
        check("settingsfile is unknown", "settings: settingsfile is unknown");
    }
}
