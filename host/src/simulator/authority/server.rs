//! The authority behind a socket, and the handle that rules it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::behaviour::Behaviour;
use super::check::{AVERAGE, Requirement, RequirementError};
use super::control;
use super::ledger::{Ledger, Received, Stream};
use crate::simulator::door::{self, DoorKeeper, Presence};
use crate::simulator::{OrderError, StartError, http};
use crate::time::Timestamp;

/// Largest request body, bytes.
const LARGEST_BODY: usize = 16 << 20;

/// How a simulated authority is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What `Authorization: Bearer …` must carry. Default: nothing is asked for.
    pub token: Option<String>,
    /// Members that an average must have. Default `source:text`, `parameter:text`, `start:time`, `mean|value:number`.
    pub required: Vec<Requirement>,
    /// File to which every object is appended as a JSON line before it is acknowledged. Default: memory only.
    pub store: Option<PathBuf>,
    /// How it begins. Default [`Behaviour::Accept`].
    pub behaviour: Behaviour,
}

/// The authority itself, shared by its requests.
#[derive(Debug)]
pub struct Authority {
    options: Options,
    address: SocketAddr,
    state: Mutex<Inner>,
    progress: watch::Sender<Progress>,
    door: DoorKeeper,
}

/// A running authority. Dropping it ends the authority.
#[derive(Debug)]
pub struct AuthorityHandle {
    authority: Arc<Authority>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    _end_with_the_handle: DropGuard,
}

/// All that an authority can tell of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How it treats requests now.
    #[serde(flatten)]
    pub behaviour: Behaviour,
    /// Requests since the start, whatever became of them.
    pub requests: u64,
    /// Requests that were answered with 400, 401 or 422.
    pub refused: u64,
    /// Objects that came again.
    pub duplicates: u64,
    /// Objects that came again with other content under the same key.
    pub differing: u64,
    /// Stored objects in order of arrival.
    pub received: Vec<Received>,
}

/// It did not come in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {timeout:?} for {wanted} {what}, there are {have}")]
pub struct WaitError {
    /// Objects or requests.
    pub what: &'static str,
    /// How many were waited for.
    pub wanted: u64,
    /// How many there are.
    pub have: u64,
    /// How long it was waited.
    pub timeout: Duration,
}

#[derive(Debug)]
struct Inner {
    behaviour: Behaviour,
    ledger: Ledger,
    refused: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    stored: u64,
    requests: u64,
}

impl Options {
    /// Takes the requirements as text, see [`Requirement`].
    pub fn require(mut self, texts: &[&str]) -> Result<Self, RequirementError> {
        self.required = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(self)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            token: None,
            // They are constants; a test reads each of them.
            required: AVERAGE.iter().filter_map(|text| text.parse().ok()).collect(),
            store: None,
            behaviour: Behaviour::Accept,
        }
    }
}

impl Authority {
    /// Starts an authority that listens on `bind`; port 0 lets the system choose. Listens from before this returns.
    pub async fn start(options: Options, bind: SocketAddr) -> Result<AuthorityHandle, StartError> {
        let ledger = match &options.store {
            None => Ledger::default(),
            Some(path) => Ledger::open(path).map_err(|source| StartError::Store { path: path.clone(), source })?,
        };
        let (listener, address) = door::bind(bind).await?;
        let (door, orders) = DoorKeeper::new(address);
        let behaviour = options.behaviour.clone();
        let stored = ledger.received().len() as u64;
        let authority = Arc::new(Authority {
            options,
            address,
            state: Mutex::new(Inner { behaviour: behaviour.clone(), ledger, refused: 0 }),
            progress: watch::Sender::new(Progress { stored, requests: 0 }),
            door,
        });
        let shutdown = CancellationToken::new();
        let router = router(Arc::clone(&authority));
        let mut tasks = JoinSet::new();
        tasks.spawn(door::keep(listener, address, orders, shutdown.clone(), move |listener, closing| {
            http::serve(listener, router.clone(), closing)
        }));
        if behaviour == Behaviour::Vanish {
            // An order that cannot be carried out here shows as an authority that is there after all.
            let _ = authority.door.set(Presence::Gone).await;
        }
        let guard = shutdown.clone().drop_guard();
        Ok(AuthorityHandle { authority, shutdown, tasks, _end_with_the_handle: guard })
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

    async fn wait(
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
        let objects = match self.read(stream, headers, body) {
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

    fn store(&self, stream: Stream, objects: Vec<(String, Map<String, Value>)>) -> io::Result<Response> {
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

    fn read(
        &self,
        stream: Stream,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<(String, Map<String, Value>)>, Refusal> {
        let header_text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(token) = &self.options.token {
            let given = header_text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
            if given != Some(token) {
                return Err(Refusal::new(StatusCode::UNAUTHORIZED, "wrong or missing bearer token"));
            }
        }
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("not JSON: {error}")))?;
        let values = match body {
            Value::Array(values) if values.is_empty() => return Err(Refusal::unprocessable("the array is empty")),
            Value::Array(values) => values,
            single => vec![single],
        };
        let header_key = header_text("idempotency-key");
        let only = values.len() == 1;
        let required: &[Requirement] = match stream {
            Stream::Averages => &self.options.required,
            Stream::Readings => &[],
        };
        let object = |(index, value): (usize, Value)| {
            let Value::Object(object) = value else {
                return Err(Refusal::of_object(index, None, "is no object"));
            };
            for requirement in required {
                requirement
                    .check(&object)
                    .map_err(|problem| Refusal::of_object(index, Some(problem.member), &problem.message))?;
            }
            let key = match (object.get("key"), header_key) {
                (Some(Value::String(key)), _) if !key.is_empty() => key.clone(),
                (Some(_), _) => {
                    return Err(Refusal::of_object(
                        index,
                        Some("key".into()),
                        "member key must be a text that is not empty",
                    ));
                }
                (None, Some(key)) if only => key.to_owned(),
                (None, Some(key)) => format!("{key}#{index}"),
                (None, None) => {
                    let message = "member key is missing, and there is no Idempotency-Key header";
                    return Err(Refusal::of_object(index, Some("key".into()), message));
                }
            };
            Ok((key, object))
        };
        values.into_iter().enumerate().map(object).collect()
    }
}

impl AuthorityHandle {
    /// Where it listens. Stays the same while it has vanished.
    pub fn address(&self) -> SocketAddr {
        self.authority.address
    }

    /// `http://host:port`, without a path; averages go to `/v1/averages`, readings to `/v1/readings`.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority.address)
    }

    /// What it has stored, in order of arrival, each object once.
    pub fn received(&self) -> Vec<Received> {
        self.authority.lock().ledger.received().to_vec()
    }

    /// Counts and everything stored.
    pub fn report(&self) -> Report {
        self.authority.report()
    }

    /// Changes how requests are treated from now on. Those that are stalled stay so. With [`Behaviour::Vanish`] it
    /// does not listen any more when this returns, and its connections end; with any other it listens.
    pub async fn set_behaviour(&self, behaviour: Behaviour) -> Result<(), OrderError> {
        self.authority.set_behaviour(behaviour).await
    }

    /// Waits until `count` objects are stored, and returns all that are.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Received>, WaitError> {
        self.authority.wait("objects", count as u64, timeout, |progress| progress.stored).await?;
        Ok(self.received())
    }

    /// Waits until `count` requests have come since the start, whatever became of them.
    pub async fn wait_for_requests(&self, count: u64, timeout: Duration) -> Result<(), WaitError> {
        self.authority.wait("requests", count, timeout, |progress| progress.requests).await
    }

    /// The objects after the first `known`, as soon as there is one. Cancel safe.
    pub async fn after(&self, known: usize) -> Vec<Received> {
        let mut progress = self.authority.progress.subscribe();
        // The sender lives as long as the handle.
        let _ = progress.wait_for(|progress| progress.stored > known as u64).await;
        self.authority.lock().ledger.received().get(known..).unwrap_or_default().to_vec()
    }

    /// Opens a control port: `GET /received`, `POST /control`. Returns where; it ends with the authority.
    pub async fn open_control(&mut self, bind: SocketAddr) -> Result<SocketAddr, StartError> {
        let (listener, address) = door::bind(bind).await?;
        let router = control::router(Arc::clone(&self.authority));
        self.tasks.spawn(http::serve(listener, router, self.shutdown.child_token()));
        Ok(address)
    }

    /// Ends it; returns when it is gone.
    pub async fn shutdown(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Refusal { status, body: json!({ "error": error.into() }) }
    }

    fn unprocessable(error: impl Into<String>) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    fn of_object(index: usize, member: Option<String>, message: &str) -> Self {
        let body = json!({ "error": format!("object {index}: {message}"), "index": index, "member": member });
        Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, body }
    }
}

fn router(authority: Arc<Authority>) -> Router {
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
