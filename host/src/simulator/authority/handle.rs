//! The authority as its owner sees it: started, watched, told what to do, ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::behaviour::Behaviour;
use super::control;
use super::ledger::{Ledger, Received};
use super::options::Options;
use super::server::{self, Authority};
use crate::simulator::door::{self, DoorKeeper};
use crate::simulator::{OrderError, StartError, http};

/// A running authority. Dropping it ends the authority.
#[derive(Debug)]
pub struct AuthorityHandle {
    authority: Arc<Authority>,
    address: SocketAddr,
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

impl Authority {
    /// Starts an authority that listens on `bind`; port 0 lets the system choose. Listens from before this returns,
    /// unless it begins with [`Behaviour::Vanish`].
    pub async fn start(options: Options, bind: SocketAddr) -> Result<AuthorityHandle, StartError> {
        let ledger = match &options.store {
            None => Ledger::default(),
            Some(path) => Ledger::open(path).map_err(|source| StartError::Store { path: path.clone(), source })?,
        };
        let (listener, address) = door::bind(bind).await?;
        let (door, orders) = DoorKeeper::new(address);
        let behaviour = options.behaviour.clone();
        let authority = Arc::new(Authority::new(options, ledger, door));
        let shutdown = CancellationToken::new();
        let router = server::router(Arc::clone(&authority));
        let mut tasks = JoinSet::new();
        tasks.spawn(door::keep(listener, address, orders, shutdown.clone(), move |listener, closing| {
            http::serve(listener, router.clone(), closing)
        }));
        if behaviour == Behaviour::Vanish {
            // An order that cannot be carried out here shows as an authority that is there after all.
            let _ = authority.set_behaviour(behaviour).await;
        }
        let guard = shutdown.clone().drop_guard();
        Ok(AuthorityHandle { authority, address, shutdown, tasks, _end_with_the_handle: guard })
    }
}

impl AuthorityHandle {
    /// Where it listens. Stays the same while it has vanished.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`, without a path; averages go to `/v1/averages`, readings to `/v1/readings`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has stored, in order of arrival, each object once.
    pub fn received(&self) -> Vec<Received> {
        self.authority.received(0)
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
        let mut progress = self.authority.progress();
        // The sender lives as long as the handle.
        let _ = progress.wait_for(|progress| progress.stored > known as u64).await;
        self.authority.received(known)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
