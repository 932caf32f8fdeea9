//! The connections of a hub: made when a device first needs them, shared, closed when nobody names them any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::capability::wire::ConnectionState;
use crate::capability::{Connection, Plug, Surroundings};
use crate::config::model::{self, Config, Name};
use crate::journal::{Event, Journal, LinkState};
use crate::time::Timestamp;

/// Shortest time between two entries about one link: a connection that flutters must not fill the journal.
const FLUTTER: Duration = Duration::from_secs(5);

/// Longest time for saying goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// All connections.
pub(super) struct Links {
    surroundings: Surroundings,
    open: BTreeMap<Name, Open>,
}

struct Open {
    settings: model::Link,
    connection: Connection,
    /// Ends with the link: it holds the journal.
    _recorder: AbortOnDropHandle<()>,
}

/// What connections of a hub with this configuration need to know.
pub(super) fn surroundings(config: &Config, plug: Plug) -> Surroundings {
    Surroundings { pki: pki(&config.hub.state), hub: config.hub.name.clone(), plug }
}

/// Folder of the certificates.
pub fn pki(state: &Path) -> std::path::PathBuf {
    state.join("opcua")
}

impl Links {
    pub(super) fn new(config: &Config) -> Self {
        Links { surroundings: surroundings(config, Plug::In), open: BTreeMap::new() }
    }

    /// The connection of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Connection> {
        self.open.get(name).map(|open| &open.connection)
    }

    /// The connection of this name; a new one when there is none yet.
    pub(super) fn connect(&mut self, name: &str, settings: &model::Link, journal: &Journal) -> Connection {
        if let Some(open) = self.open.get(name) {
            return open.connection.clone();
        }
        let connection = Connection::new(name, settings, &self.surroundings);
        let record = tokio::spawn(record(name.to_owned(), connection.reporter().watch(), journal.clone()));
        let recorder = AbortOnDropHandle::new(record);
        let open = Open { settings: settings.clone(), connection: connection.clone(), _recorder: recorder };
        self.open.insert(name.to_owned(), open);
        connection
    }

    /// Closes those that the next configuration does not have, or has with other settings.
    pub(super) async fn retain(&mut self, next: &BTreeMap<Name, model::Link>) {
        let stays = |name: &Name, open: &Open| next.get(name) == Some(&open.settings);
        let gone: Vec<Name> =
            self.open.iter().filter(|(name, open)| !stays(name, open)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(open) = self.open.remove(&name) {
                // Whoever is at the other end may not answer any more.
                let _ = tokio::time::timeout(GOODBYE, open.connection.close()).await;
            }
        }
    }

    /// Closes all.
    pub(super) async fn close(&mut self) {
        self.retain(&BTreeMap::new()).await;
    }
}

/// Writes each change of a connection's state into the journal, until the connection is gone.
async fn record(link: Name, mut state: watch::Receiver<ConnectionState>, journal: Journal) {
    let mut last = ConnectionState::Idle;
    while state.changed().await.is_ok() {
        let now = state.borrow_and_update().clone();
        if now == last {
            continue;
        }
        let (state_name, reason) = match &now {
            ConnectionState::Idle => continue,
            ConnectionState::Connected => (LinkState::Connected, ""),
            ConnectionState::Waiting(reason) => (LinkState::Waiting, reason.as_str()),
        };
        let event =
            Event::Link { link: link.clone(), since: Timestamp::now(), state: state_name, reason: reason.to_owned() };
        if journal.event(event).await.is_err() {
            return;
        }
        last = now;
        tokio::time::sleep(FLUTTER).await;
    }
}
