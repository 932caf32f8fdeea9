//! What the authority does with a request.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde_json::json;
use tokio::sync::watch;

use super::behaviour::Behaviour;
use super::handle::{Report, WaitError};
use super::ledger::{Ledger, Received, Stream};
use super::options::Options;
use super::request::{self, Keyed, Refusal};
use crate::simulator::OrderError;
use crate::simulator::door::{DoorKeeper, Presence};
use crate::time::Timestamp;

/// Largest request body, bytes.
const LARGEST_BODY: usize = 16 << 20;

/// An authority; [`Authority::start`] makes one that runs.
#[derive(Debug)]
pub struct Authority {
    options: Options,
    state: Mutex<Inner>,
    progress: watch::Sender<Progress>,
    door: DoorKeeper,
}

#[derive(Debug)]
struct Inner {
    behaviour: Behaviour,
    ledger: Ledger,
    refused: u64,
}

/// Counts since the start, to wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    pub(super) stored: u64,
    pub(super) requests: u64,
}

impl Authority {
    pub(super) fn new(options: Options, ledger: Ledger, door: DoorKeeper) -> Self {
        let stored = ledger.received().len() as u64;
        let behaviour = options.behaviour.clone();
        Authority {
            options,
            state: Mutex::new(Inner { behaviour, ledger, refused: 0 }),
            progress: watch::Sender::new(Progress { stored, requests: 0 }),
            door,
        }
    }

    /// What is stored beyond the first `known` objects.
    pub(super) fn received(&self, known: usize) -> Vec<Received> {
        self.lock().ledger.received().get(known..).unwrap_or_default().to_vec()
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn report(&self) -> Report {
        let requests = self.progress.borrow().requests;
        let inner = self.lock();
        Report {
            behaviour: inner.behaviour.clone(),
            requests,
            refused: inner.refused,
            duplicates: inner.ledger.duplicates,
            differing: inner.ledger.differing,
            received: inner.ledger.received().to_vec(),
        }
    }

    pub(super) async fn set_behaviour(&self, behaviour: Behaviour) -> Result<(), OrderError> {
        let presence = if behaviour == Behaviour::Vanish { Presence::Gone } else { Presence::Here };
        self.lock().behaviour = behaviour;
        self.door.set(presence).await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The ledger changes its memory only after its file, in steps that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` of the progress has reached `wanted`.
    pub(super) async fn wait(
        &self,
        what: &'static str,
        wanted: u64,
        timeout: Duration,
        count: impl Fn(&Progress) -> u64,
    ) -> Result<(), WaitError> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| count(progress) >= wanted);
        if tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok()) {
            return Ok(());
        }
        let have = count(&self.progress.borrow());
        Err(WaitError { what, wanted, have, timeout })
    }

    async fn receive(&self, stream: Stream, headers: &HeaderMap, body: &[u8]) -> Response {
        self.progress.send_modify(|progress| progress.requests += 1);
        let behaviour = self.lock().behaviour.clone();
        match behaviour {
            Behaviour::Stall => std::future::pending().await,
            Behaviour::Unavailable => {
                let body = Json(json!({ "error": "not available now" }));
                return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
            }
            _ => {}
        }
        let objects = match request::read(stream, &self.options, headers, body) {
            Ok(objects) => objects,
            Err(refusal) => return self.refuse(refusal),
        };
        if let Behaviour::Refuse { reason } = behaviour {
            return self.refuse(Refusal::unprocessable(reason));
        }
        let taken = self.store(stream, objects);
        if behaviour == Behaviour::StoreAndStall {
            std::future::pending::<()>().await;
        }
        match taken {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%error, "the authority cannot store what it received");
                let body = Json(json!({ "error": format!("cannot be stored: {error}") }));
                (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
            }
        }
    }

    fn store(&self, stream: Stream, objects: Vec<Keyed>) -> io::Result<Response> {
        let mut inner = self.lock();
        let acknowledgement = inner.ledger.take(stream, objects, Timestamp::now())?;
        let stored = inner.ledger.received().len() as u64;
        self.progress.send_modify(|progress| progress.stored = stored);
        Ok(Json(acknowledgement).into_response())
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        self.lock().refused += 1;
        (refusal.status, Json(refusal.body)).into_response()
    }
}

pub(super) fn router(authority: Arc<Authority>) -> Router {
    Router::new()
        .route("/v1/averages", post(averages))
        .route("/v1/readings", post(readings))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(authority)
}

async fn averages(State(authority): State<Arc<Authority>>, headers: HeaderMap, body: Bytes) -> Response {
    authority.receive(Stream::Averages, &headers, &body).await
}

async fn readings(State(authority): State<Arc<Authority>>, headers: HeaderMap, body: Bytes) -> Response {
    authority.receive(Stream::Readings, &headers, &body).await
}
