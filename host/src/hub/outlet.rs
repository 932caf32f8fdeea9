//! Where a device's readings go: to live routes at once, and to the journal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::error;

use crate::config::model::{Config, Name, Path};
use crate::journal::Journal;
use crate::pipeline::ReadingRoute;
use crate::plugin::Outlet;
use crate::reading::{DeviceCatalog, PollSet};
use crate::sink::{Content, LiveSender, PollSelection, Record, Timeliness};

/// The outlet of one device.
pub struct HubOutlet {
    journal: Journal,
    live: Arc<LiveRoutes>,
}

/// All routes with `path = "live"`.
pub struct LiveRoutes {
    hub: String,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    routes: Vec<ReadingRoute>,
    senders: HashMap<Name, LiveSender>,
    /// Where each device's polls go, worked out once for each catalog.
    targets: HashMap<String, (Arc<DeviceCatalog>, Vec<Target>)>,
}

#[derive(Clone)]
struct Target {
    wanted: Option<Arc<[bool]>>,
    sender: LiveSender,
}

impl HubOutlet {
    /// An outlet that offers to the live routes before it appends to the journal.
    pub fn new(journal: Journal, live: Arc<LiveRoutes>) -> Self {
        HubOutlet { journal, live }
    }
}

impl Outlet for HubOutlet {
    async fn put(&self, set: Arc<PollSet>) {
        self.live.offer(&set);
        if let Err(error) = self.journal.append(set).await {
            error!("a poll could not be stored: {error}");
        }
    }

    async fn kept(&self) -> bool {
        self.journal.flush().await.is_ok()
    }
}

impl LiveRoutes {
    /// No routes.
    pub fn new(hub: &str) -> Self {
        LiveRoutes { hub: hub.to_owned(), table: Mutex::default() }
    }

    /// Replaces the routes; `senders` are the live queues of the sinks.
    pub fn set(&self, config: &Config, senders: impl IntoIterator<Item = (Name, LiveSender)>) {
        let routes =
            config.routes.values().filter_map(ReadingRoute::new).filter(|route| route.path == Path::Live).collect();
        let table = Table { routes, senders: senders.into_iter().collect(), targets: HashMap::new() };
        self.with(|current| *current = table);
    }

    /// Lets go of a sink's queue, so that it can end.
    pub fn forget(&self, sink: &str) {
        self.with(|table| {
            table.senders.remove(sink);
            table.targets.clear();
        });
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.with(|table| *table = Table::default());
    }

    fn offer(&self, set: &Arc<PollSet>) {
        self.with(|table| {
            if table.routes.is_empty() {
                return;
            }
            let device = set.catalog.device.as_str();
            let known = table.targets.get(device).is_some_and(|(catalog, _)| Arc::ptr_eq(catalog, &set.catalog));
            if !known {
                let targets = table.targets_of(&set.catalog);
                table.targets.insert(device.to_owned(), (Arc::clone(&set.catalog), targets));
            }
            let Some((_, targets)) = table.targets.get(device) else { return };
            if targets.is_empty() {
                return;
            }
            let key: Arc<str> = format!("{}/{device}/live/{}", self.hub, set.received_at.0).into();
            for Target { wanted, sender } in targets {
                let content = Content::Poll(PollSelection { set: Arc::clone(set), wanted: wanted.clone() });
                sender.offer(Record { key: Arc::clone(&key), content, timeliness: Timeliness::OnTime });
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        work(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn targets_of(&self, catalog: &DeviceCatalog) -> Vec<Target> {
        let mut targets = Vec::new();
        for route in &self.routes {
            let Some(wanted) = route.wanted(catalog) else { continue };
            let wanted = wanted.contains(&false).then_some(wanted);
            let senders = route.to.iter().filter_map(|sink| self.senders.get(sink).cloned());
            targets.extend(senders.map(|sender| Target { wanted: wanted.clone(), sender }));
        }
        targets
    }
}
