//! How much a device may bring in the long run: what comes faster waits, so that the journal's queue has room for the others.
//!
//! A bucket holds what may come in one second (`limits.samples_per_second`) and fills at that rate; who takes more than there is waits until
//! it is filled again. A text counts as a sample for each
//! 64 bytes of it, and so does a new list of points.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use super::device::Outlet;
use super::opening::DeviceSpec;
use crate::capability::Meter;
use crate::reading::{DeviceCatalog, PollSet};

/// Bytes of text that are worth one sample.
const BYTES_OF_A_SAMPLE: usize = 64;
/// What is held back is logged at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// The limit's name, as it is configured.
const LIMIT: &str = "limits.samples_per_second";

/// An outlet that holds a device to its rate.
pub(super) struct Paced<O> {
    outlet: Arc<O>,
    device: Arc<str>,
    meter: Arc<Meter>,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    /// Samples a second, and the most that there can be.
    rate: f64,
    left: f64,
    filled_at: Instant,
    catalog: Option<Arc<DeviceCatalog>>,
    told_at: Option<Instant>,
}

impl<O> Paced<O> {
    pub fn new(outlet: Arc<O>, spec: &DeviceSpec) -> Self {
        let rate = f64::from(spec.limits.samples_per_second);
        let bucket = Bucket { rate, left: rate, filled_at: Instant::now(), catalog: None, told_at: None };
        Paced { outlet, device: Arc::clone(&spec.name), meter: Arc::clone(&spec.meter), bucket: Mutex::new(bucket) }
    }

    /// How long the device must wait before it may bring more.
    fn pause(&self, set: &PollSet) -> Option<Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let pause = bucket.take(set, now)?;
        self.meter.broke(LIMIT);
        if bucket.told_at.is_none_or(|at| now.duration_since(at) >= TELL_EVERY) {
            bucket.told_at = Some(now);
            warn!(device = &*self.device, "held back: more than {} samples a second ({LIMIT})", bucket.rate);
        }
        Some(pause)
    }
}

impl<O: Outlet> Outlet for Paced<O> {
    async fn put(&self, set: Arc<PollSet>) {
        let pause = self.pause(&set);
        self.outlet.put(set).await;
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }

    async fn kept(&self) -> bool {
        self.outlet.kept().await
    }
}

impl Bucket {
    fn take(&mut self, set: &PollSet, now: Instant) -> Option<Duration> {
        let filled = now.duration_since(self.filled_at).as_secs_f64() * self.rate;
        (self.left, self.filled_at) = ((self.left + filled).min(self.rate), now);
        self.left -= self.cost(set) as f64;
        (self.left < 0.0).then(|| Duration::from_secs_f64(-self.left / self.rate))
    }

    fn cost(&mut self, set: &PollSet) -> usize {
        let texts: usize = set.columns.texts.iter().map(|(_, text)| text.len() / BYTES_OF_A_SAMPLE).sum();
        let is_known = self.catalog.as_ref().is_some_and(|catalog| Arc::ptr_eq(catalog, &set.catalog));
        if is_known {
            return set.len() + texts;
        }
        self.catalog = Some(Arc::clone(&set.catalog));
        let points = set.catalog.points.iter();
        let points: usize = points.map(|p| 1 + (p.id.len() + p.label.len() + p.unit.len()) / BYTES_OF_A_SAMPLE).sum();
        set.len() + texts + points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Columns, Point, PointKind};
    use crate::time::Timestamp;

    fn set(catalog: &Arc<DeviceCatalog>, rows: usize, text: usize) -> PollSet {
        let columns = Columns { points: vec![0; rows], texts: vec![(0, "x".repeat(text))], ..Columns::default() };
        PollSet { catalog: Arc::clone(catalog), received_at: Timestamp(0), columns }
    }

    #[test]
    fn a_burst_passes_and_a_flood_waits_in_proportion() {
        let point = Point { id: "p".into(), label: String::new(), unit: String::new(), kind: PointKind::Text };
        let (device, plugin, plugin_digest) = (String::new(), String::new(), String::new());
        let catalog = Arc::new(DeviceCatalog { device, plugin, plugin_digest, points: vec![point] });
        let now = Instant::now();
        let known = Some(Arc::clone(&catalog));
        let mut bucket = Bucket { rate: 100.0, left: 50.0, filled_at: now, catalog: known, told_at: None };

        assert_eq!(bucket.take(&set(&catalog, 50, 0), now), None);
        assert_eq!(bucket.take(&set(&catalog, 20, 0), now), Some(Duration::from_millis(200)));
        let later = now + Duration::from_secs(9);
        assert_eq!(bucket.take(&set(&catalog, 60, 0), later), None);
        assert_eq!(bucket.take(&set(&catalog, 0, 64 * 60), later), Some(Duration::from_millis(200)), "texts count");
    }
}
