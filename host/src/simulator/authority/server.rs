//! The authority behind a socket, and the handle that rules it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::behaviour::Behaviour;
use super::check::{AVERAGE, Requirement, RequirementError};
use super::control;
use super::ledger::{Ledger, Received, Stream};
use super::request::{self, Keyed, Refusal};
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::simulator::http::test_client;

    const LONG: Duration = Duration::from_secs(20);

    async fn started(token: Option<&str>) -> AuthorityHandle {
        let options = Options { token: token.map(str::to_owned), ..Options::default() };
        Authority::start(options, "127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    fn average(key: &str) -> Value {
        json!({ "key": key, "source": "stack-1", "parameter": "NOx", "start": "2026-11-01T03:00:00Z", "mean": 81.952 })
    }

    async fn send(authority: &AuthorityHandle, path: &str, body: &Value) -> (u16, Value) {
        let request = test_client().post(authority.url() + path).body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    #[test]
    fn the_default_requirements_are_all_there() {
        assert_eq!(Options::default().required.len(), AVERAGE.len());
        assert_eq!(Options::default().require(&AVERAGE), Ok(Options::default()));
    }

    #[tokio::test]
    async fn an_average_is_stored_before_its_receipt_is_given() {
        let authority = started(None).await;

        let (status, answer) = send(&authority, "/v1/averages", &average("a")).await;

        assert_eq!(status, 200);
        assert_eq!(answer["accepted"], 1);
        let received = authority.received();
        assert_eq!(received.len(), 1);
        assert_eq!(answer["receipt"], received[0].receipt);
        assert_eq!(Value::Object(received[0].object.clone()), average("a"));
    }

    #[tokio::test]
    async fn an_array_is_taken_whole_and_a_second_copy_gets_the_same_receipt() {
        let authority = started(None).await;
        let batch = json!([average("a"), average("b")]);

        let (_, first) = send(&authority, "/v1/averages", &batch).await;
        let (_, again) = send(&authority, "/v1/averages", &batch).await;

        assert_eq!((&first["accepted"], &first["duplicates"]), (&json!(2), &json!(0)));
        assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(2), &json!(2)));
        assert_eq!(first["receipt"], again["receipt"]);
        assert_eq!(authority.received().len(), 2);
        assert_eq!(authority.report().duplicates, 2);
    }

    #[tokio::test]
    async fn one_bad_object_refuses_its_whole_request_by_member() {
        let authority = started(None).await;
        let mut bad = average("b");
        bad["start"] = json!("yesterday");

        let (status, answer) = send(&authority, "/v1/averages", &json!([average("a"), bad])).await;

        assert_eq!(status, 422);
        assert_eq!((&answer["index"], &answer["member"]), (&json!(1), &json!("start")));
        assert_eq!(answer["error"], "object 1: member start must be an RFC 3339 time, not \"yesterday\"");
        assert!(authority.received().is_empty());
        assert_eq!(authority.report().refused, 1);
    }

    #[tokio::test]
    async fn a_header_is_the_key_of_a_single_object_and_the_beginning_of_those_of_an_array() {
        let authority = started(None).await;
        let post = async |body: Value| {
            let request = test_client().post(authority.url() + "/v1/readings").header("Idempotency-Key", "k");
            request.body(body.to_string()).send().await.unwrap().status().as_u16()
        };

        assert_eq!(post(json!({ "r0": 1.5 })).await, 200);
        assert_eq!(post(json!([{ "r0": 1.5 }, { "r0": 2.5 }])).await, 200);
        assert_eq!(post(json!({ "r0": 1.5, "key": "own" })).await, 200);

        let keys: Vec<String> = authority.received().into_iter().map(|received| received.key).collect();
        assert_eq!(keys, ["k", "k#0", "k#1", "own"]);
        let (status, answer) = send(&authority, "/v1/readings", &json!({ "r0": 1.5 })).await;
        assert_eq!((status, &answer["member"]), (422, &json!("key")));
    }

    #[tokio::test]
    async fn what_is_not_json_or_no_object_is_refused() {
        let authority = started(None).await;
        let client = test_client();
        let answer = client.post(authority.url() + "/v1/averages").body("{").send().await.unwrap();
        assert_eq!(answer.status(), 400);

        assert_eq!(send(&authority, "/v1/averages", &json!([])).await.0, 422);
        assert_eq!(send(&authority, "/v1/averages", &json!([1])).await.0, 422);
    }

    #[tokio::test]
    async fn a_wrong_token_is_refused_before_the_object_is_looked_at() {
        let authority = started(Some("right")).await;
        let post = async |token: &str| {
            let request = test_client().post(authority.url() + "/v1/averages").bearer_auth(token);
            request.body(average("a").to_string()).send().await.unwrap().status().as_u16()
        };

        assert_eq!(send(&authority, "/v1/averages", &json!("nonsense")).await.0, 401);
        assert_eq!(post("wrong").await, 401);
        assert_eq!(post("right").await, 200);
    }

    #[tokio::test]
    async fn it_refuses_and_is_unavailable_on_demand_and_stores_nothing_meanwhile() {
        let authority = started(None).await;

        authority.set_behaviour(Behaviour::Refuse { reason: "not this plant".into() }).await.unwrap();
        let refused = send(&authority, "/v1/averages", &average("a")).await;
        authority.set_behaviour(Behaviour::Unavailable).await.unwrap();
        let unavailable = send(&authority, "/v1/averages", &average("a")).await;

        assert_eq!(refused, (422, json!({ "error": "not this plant" })));
        assert_eq!(unavailable.0, 503);
        assert!(authority.received().is_empty());
        assert_eq!(authority.report().requests, 2);
    }

    #[tokio::test]
    async fn a_stalled_request_ends_when_the_authority_vanishes_and_can_be_sent_again() {
        let authority = started(None).await;
        authority.set_behaviour(Behaviour::Stall).await.unwrap();
        let url = authority.url() + "/v1/averages";
        let stalled = tokio::spawn(test_client().post(&url).body(average("a").to_string()).send());
        authority.wait_for_requests(1, LONG).await.unwrap();

        authority.set_behaviour(Behaviour::Vanish).await.unwrap();
        let cut = tokio::time::timeout(LONG, stalled).await.expect("the connection is closed").unwrap();
        assert!(cut.is_err(), "{cut:?}");
        let refused = test_client().post(&url).body(average("a").to_string()).send().await.unwrap_err();
        assert!(refused.is_connect(), "{refused}");

        authority.set_behaviour(Behaviour::Accept).await.unwrap();
        assert_eq!(send(&authority, "/v1/averages", &average("a")).await.0, 200);
        assert_eq!(authority.wait_for(1, LONG).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_was_stored_without_an_answer_comes_again_as_a_duplicate() {
        let authority = started(None).await;
        authority.set_behaviour(Behaviour::StoreAndStall).await.unwrap();
        let url = authority.url() + "/v1/averages";
        let unanswered = tokio::spawn(test_client().post(&url).body(average("a").to_string()).send());
        let stored = authority.wait_for(1, LONG).await.unwrap();
        unanswered.abort();

        authority.set_behaviour(Behaviour::Accept).await.unwrap();
        let (_, answer) = send(&authority, "/v1/averages", &average("a")).await;

        assert_eq!(answer["receipt"], stored[0].receipt);
        assert_eq!(answer["duplicates"], 1);
        assert_eq!(authority.received().len(), 1);
    }

    #[tokio::test]
    async fn waiting_in_vain_says_what_is_there() {
        let authority = started(None).await;
        send(&authority, "/v1/averages", &average("a")).await;

        let error = authority.wait_for(2, Duration::from_millis(1)).await.unwrap_err();

        assert_eq!(error.to_string(), "waited 1ms for 2 objects, there are 1");
        assert_eq!(authority.after(0).await.len(), 1);
    }

    #[tokio::test]
    async fn a_file_has_the_object_when_the_receipt_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("received.jsonl");
        let options = Options { store: Some(store.clone()), ..Options::default() };
        let authority = Authority::start(options, "127.0.0.1:0".parse().unwrap()).await.unwrap();

        let (_, answer) = send(&authority, "/v1/averages", &average("a")).await;

        let line: Received = serde_json::from_str(&std::fs::read_to_string(&store).unwrap()).unwrap();
        assert_eq!(answer["receipt"], line.receipt);
    }
}
