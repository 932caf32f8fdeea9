//! What the journal's writer asks after each commit: the line of averagers, and where their averages go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::average::AverageKey;
use crate::config::model::Route;
use crate::journal::{Derive, Derived, JournalError, Reader};
use crate::pipeline::{Assignment, AverageRoutes, Line};
use crate::reading::PollSet;
use crate::time::Timestamp;

/// The line and its routes, shared between the hub, which changes them, and the journal's writer, which uses them. The lock is held for
/// the length of a pure computation, or of a replay.
#[derive(Clone)]
pub struct Derivation {
    hub: Arc<str>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    line: Line,
    routes: AverageRoutes,
}

impl Derivation {
    /// A derivation without streams.
    pub fn new(hub: &str) -> Self {
        Derivation { hub: hub.into(), inner: Arc::default() }
    }

    /// Replaces the routes and the digest that averages carry from now on.
    pub fn set_routes<'a>(&self, routes: impl IntoIterator<Item = &'a Route>, configuration: &str) {
        let mut inner = self.lock();
        inner.routes = AverageRoutes::new(routes);
        inner.line.configuration = configuration.to_owned();
    }

    /// Takes away a source's streams.
    pub fn withdraw(&self, source: &str) {
        self.lock().line.withdraw(source);
    }

    /// Adds streams and replays for them what the journal holds of their open blocks. Returns how many blocks are over
    /// already.
    pub fn assign(&self, assignments: Vec<Assignment>, reader: &mut Reader, now: Timestamp) -> Result<usize, JournalError> {
        let mut fresh = Line::default();
        let mut over = 0;
        let mut inner = self.lock();
        for assignment in assignments {
            let Assignment { source, parameter, rule_set, rules, .. } = &assignment;
            let from = reader.closed_until(source, parameter, rule_set)?.unwrap_or(now);
            let open = now.since(from).as_nanos() / rules.block.as_nanos().max(1);
            over += usize::try_from(open).unwrap_or(usize::MAX);
            fresh.assign(assignment, from, 0);
        }
        let through = reader.last_entry()?;
        if let Some(from) = fresh.oldest_open() {
            reader.replay(from.before(CLOCK_SLACK), |entry, set| fresh.take(entry, &set))?;
        }
        fresh.seen(through);
        inner.line.adopt(fresh);
        Ok(over)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device's clock may be this much ahead of the hub's without its readings being missed by a replay.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

impl Derive for Derivation {
    fn committed(&mut self, entry: u64, sets: &[Arc<PollSet>]) {
        let mut inner = self.lock();
        for set in sets {
            inner.line.take(entry, set);
        }
        inner.line.seen(entry);
        for problem in inner.line.problems() {
            warn!("{problem}; its blocks stay empty");
        }
    }

    fn derive(&mut self, now: Timestamp) -> Vec<Derived> {
        let inner = &mut *self.lock();
        let averages = inner.line.close(now);
        let deliveries = |key: &AverageKey| {
            let text = self.key(key);
            inner.routes.sinks(key).into_iter().map(|sink| (sink.to_owned(), text.clone())).collect()
        };
        averages.into_iter().map(|average| Derived { deliveries: deliveries(&average.key), average }).collect()
    }
}

impl Derivation {
    /// The idempotency key of an average: the same for every attempt, after every restart.
    fn key(&self, key: &AverageKey) -> String {
        let AverageKey { source, parameter, rule_set, start, revision } = key;
        format!("{}/{source}/{parameter}/{rule_set}/{start}/{revision}", self.hub)
    }
}
