//! Opening a device: permission, instance, settings, points.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{self, Refusal};
use super::batch::{self, BatchFault};
use super::instance::{CallError, Driver, Failure, Instance};
use super::loader::Plugin;
use crate::capability::{Guest, Link, Meter};
use crate::config::model::Limits;
use crate::reading::{DeviceCatalog, PollSet};
use crate::time::Timestamp;

/// Everything that a device task needs. Two equal configurations make equal devices.
#[derive(Clone)]
pub struct DeviceSpec {
    /// The device's name.
    pub name: Arc<str>,
    /// The plugin that reads it.
    pub plugin: Arc<Plugin>,
    /// Links, by the name that the driver opens them with.
    pub links: BTreeMap<String, Link>,
    /// What kind of link the device is behind, as the configuration calls it.
    pub link_type: &'static str,
    /// Interfaces that the configuration grants.
    pub granted: Vec<String>,
    /// Limits of the plugin.
    pub limits: Limits,
    /// Where it is kept what the plugin has used for this device.
    pub meter: Arc<Meter>,
    /// How far back the device's own logger is read after an outage.
    pub backfill: Duration,
    /// When the device was last heard of before this hub ran, when that is known.
    pub unheard_since: Option<Timestamp>,
    /// Time from poll to poll.
    pub interval: Duration,
    /// The driver's settings, a JSON object.
    pub settings: String,
}

/// Why a device's driver is not there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The plugin may not run for this device.
    #[error("plugin {0}")]
    Refused(#[from] Refusal),
    /// The instance fell.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The driver does not want these settings.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// What it returned contradicts the contract.
    #[error("driver at fault: {0}")]
    Batch(#[from] BatchFault),
}

impl OpenError {
    /// True when a restart cannot help: somebody must change the configuration or the plugin.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, OpenError::Refused(_) | OpenError::Failure(Failure::Settings(_) | Failure::Unsupported(_)))
    }
}

/// A driver that is open, with what its readings have in common.
pub struct Opened {
    /// The driver.
    pub driver: Driver,
    /// Its points.
    pub catalog: Arc<DeviceCatalog>,
    /// What it can do besides.
    pub features: Features,
}

/// Checks the plugin's imports against the grants, instantiates it and opens the device.
pub async fn open(spec: &DeviceSpec) -> Result<Opened, OpenError> {
    admission::check_link(&spec.plugin.wanted, &spec.name, spec.link_type, &spec.granted)?;
    admission::check_grants(&spec.plugin.wanted, &spec.name, &spec.granted)?;
    let (name, meter) = (Arc::clone(&spec.name), Arc::clone(&spec.meter));
    let guest = Guest::new(name, spec.links.clone(), spec.limits.clone(), meter);
    let description = spec.plugin.described(&spec.limits, Arc::clone(&spec.meter)).await?;
    let mut driver = Instance::new(&spec.plugin, guest).await?.open(&spec.settings).await??;
    let points = batch::points(driver.points().await?)?;
    let catalog = Arc::new(DeviceCatalog {
        device: spec.name.to_string(),
        plugin: format!("{} {}", description.name, description.version),
        plugin_digest: spec.plugin.digest.clone(),
        points,
    });
    Ok(Opened { driver, catalog, features: Features(description.features) })
}

/// Which optional functions a driver has: the bits of `description.features`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(pub u32);

impl Features {
    /// It reads back what the instrument's own logger remembers.
    pub fn backfill(self) -> bool {
        self.0 & 1 != 0
    }

    /// It leaves a snapshot for its next instance.
    pub fn snapshot(self) -> bool {
        self.0 & 2 != 0
    }
}

/// What one poll brought.
#[derive(Debug)]
pub struct Polled {
    /// The readings.
    pub set: PollSet,
    /// The driver has more and wants to be asked again at once.
    pub more: bool,
}

impl Opened {
    /// Polls once, by this clock. An error is the driver's end; a failure is its answer.
    pub async fn poll(&mut self, now: Timestamp, most_samples: usize) -> Result<Result<Polled, Failure>, OpenError> {
        let batch = match self.driver.poll(now.0).await? {
            Ok(batch) => batch,
            Err(failure) => return Ok(Err(failure)),
        };
        if batch.points_changed {
            self.take_points().await?;
        }
        let more = batch.more;
        let set = batch::poll_set(batch, &self.catalog, Timestamp::now(), most_samples)?;
        Ok(Ok(Polled { set, more }))
    }

    /// A page of what the instrument's own logger remembers, and where the next begins; empty at the end.
    pub async fn page(
        &mut self,
        (begin, end): (Timestamp, Timestamp),
        next: &str,
        most_samples: usize,
    ) -> Result<Result<(PollSet, String), Failure>, OpenError> {
        let history = match self.driver.backfill(begin.0, end.0, next).await? {
            Ok(history) => history,
            Err(failure) => return Ok(Err(failure)),
        };
        if history.samples.points_changed {
            self.take_points().await?;
        }
        let set = batch::poll_set(history.samples, &self.catalog, Timestamp::now(), most_samples)?;
        Ok(Ok((set, history.next)))
    }

    /// The driver knows other points now; what it says from here on refers to them.
    pub(super) async fn take_points(&mut self) -> Result<(), OpenError> {
        let points = batch::points(self.driver.points().await?)?;
        self.catalog = Arc::new(DeviceCatalog { points, ..(*self.catalog).clone() });
        Ok(())
    }
}
