//! Joins a [`Driver`] to the generated bindings.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::exports::tutin::driver::driver as contract;
use crate::driver::{Driver, Timestamp};
use crate::failure::Failure;
use crate::{log, settings};

/// The component's `driver` interface, implemented by the driver `D`.
pub struct Exported<D>(PhantomData<D>);

/// The contract's `device` resource. The host makes one call at a time; a second one is an error, not a trap.
pub struct Opened<D> {
    driver: RefCell<D>,
}

impl<D: Driver> contract::Guest for Exported<D> {
    type Device = Opened<D>;

    fn describe() -> contract::Description {
        D::description().into_contract::<D::Settings>()
    }
}

impl<D: Driver> contract::GuestDevice for Opened<D> {
    fn open(settings: String) -> Result<contract::Device, contract::Failure> {
        report_panics();
        let settings = settings::parse(&settings)?;
        let driver = D::open(settings)?;
        Ok(contract::Device::new(Opened { driver: RefCell::new(driver) }))
    }

    fn points(&self) -> Vec<contract::Point> {
        let points = self.with(|driver| Ok(driver.points())).unwrap_or_default();
        points.into_iter().map(|point| point.into_contract()).collect()
    }

    fn poll(&self, now: i64) -> Result<contract::Batch, contract::Failure> {
        Ok(self.with(|driver| driver.poll(Timestamp(now))?.into_batch())?)
    }

    fn backfill(&self, begin: i64, end: i64, next: String) -> Result<contract::History, contract::Failure> {
        let history = self.with(|driver| driver.backfill(Timestamp(begin), Timestamp(end), &next))?;
        Ok(contract::History { samples: history.samples.into_batch()?, next: history.next })
    }

    fn command(&self, name: String, arguments: String) -> Result<String, contract::Failure> {
        Ok(self.with(|driver| driver.command(&name, &arguments))?)
    }

    fn snapshot(&self) -> Vec<u8> {
        self.with(|driver| Ok(driver.snapshot())).unwrap_or_default()
    }

    fn restore(&self, state: Vec<u8>) -> Result<(), contract::Failure> {
        Ok(self.with(|driver| driver.restore(&state))?)
    }
}

impl<D: Driver> Opened<D> {
    fn with<T>(&self, call: impl FnOnce(&mut D) -> Result<T, Failure>) -> Result<T, Failure> {
        match self.driver.try_borrow_mut() {
            Ok(mut driver) => call(&mut driver),
            Err(_) => Err(Failure::internal("a call was made while another was running")),
        }
    }
}

/// A component has no standard error: without this the text of a panic would be lost.
fn report_panics() {
    static ONCE: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string().replace('\n', " ")))));
    }
}
