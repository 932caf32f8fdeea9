//! An HTTP server in process as a far end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{FarEnd, averages, build, contract, is_accepted, is_retry, keys};
use crate::config::model::{Acknowledge, Body, FieldMap, HttpJson, HttpMethod, Shape, SinkKind};
use crate::config::secret::Secret;
use crate::sink::samples::{average_record, poll_record};
use crate::sink::{Outcome, Sink};

/// One request as it came.
#[derive(Debug, Clone)]
struct Request {
    headers: HeaderMap,
    objects: Vec<Value>,
}

type Rule = Box<dyn Fn(&Request) -> Response + Send + Sync>;

struct Authority {
    requests: Mutex<Vec<Request>>,
    rule: Rule,
}

struct Web {
    address: SocketAddr,
    authority: Arc<Authority>,
    serving: Option<Serving>,
}

/// A running server. It ends when all its connections are closed, so that none of them answers afterwards.
struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Web {
    async fn with_rule(rule: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let authority = Arc::new(Authority { requests: Mutex::default(), rule: Box::new(rule) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Some(serve(listener, Arc::clone(&authority)));
        Web { address, authority, serving }
    }

    fn config(&self) -> HttpJson {
        HttpJson {
            url: format!("http://{}/deliver", self.address),
            method: HttpMethod::Post,
            headers: vec![("X-Station".into(), Secret::new("test", "KZ-17"))],
            bearer: Some(Secret::new("test", "t0ken\n")),
            ca_file: None,
            key_header: "Idempotency-Key".into(),
            body: Body::Array,
            shape: Shape::Reading,
            fields: FieldMap::default(),
            acknowledge: Acknowledge {
                status: vec![200, 202],
                pointer: Some("/receipt".into()),
                equals: None,
                reject: vec![413, 422],
            },
        }
    }

    fn requests(&self) -> Vec<Request> {
        self.authority.requests.lock().unwrap().clone()
    }
}

fn serve(listener: TcpListener, authority: Arc<Authority>) -> Serving {
    let router = Router::new().fallback(receive).with_state(authority);
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let task =
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap() });
    Serving { stop, task }
}

async fn receive(State(authority): State<Arc<Authority>>, headers: HeaderMap, body: Bytes) -> Response {
    let objects = match serde_json::from_slice(&body).unwrap() {
        Value::Array(objects) => objects,
        object => vec![object],
    };
    let request = Request { headers, objects };
    let response = (authority.rule)(&request);
    if response.status().is_success() {
        authority.requests.lock().unwrap().push(request);
    }
    response
}

fn receipt() -> Response {
    axum::Json(json!({ "receipt": "A-1" })).into_response()
}

fn keys_of(request: &Request) -> impl Iterator<Item = String> {
    request.objects.iter().map(|object| object["key"].as_str().unwrap().to_owned())
}

impl FarEnd for Web {
    async fn start() -> Self {
        Web::with_rule(|_| receipt()).await
    }

    fn kind(&self) -> SinkKind {
        SinkKind::HttpJson(self.config())
    }

    async fn vanish(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.stop.cancel();
        serving.task.await.unwrap();
    }

    async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = Some(serve(listener, Arc::clone(&self.authority)));
    }

    async fn objects(&mut self, count: usize) -> Vec<Value> {
        let objects: Vec<Value> = self.requests().into_iter().flat_map(|request| request.objects).collect();
        assert!(objects.len() >= count, "{objects:?}");
        objects
    }
}

contract!(Web);

#[tokio::test]
async fn a_request_carries_its_key_and_its_secrets() {
    let web = Web::start().await;
    let mut sink = build(web.kind());

    let outcomes = sink.deliver(&averages(0..3)).await;
    sink.deliver(&averages(3..4)).await;

    assert_eq!(outcomes[0], Outcome::Accepted { answer: "A-1".into() });
    let requests = web.requests();
    let header = |request: usize, name: &str| requests[request].headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "idempotency-key"), "average-0..average-2 (3)");
    assert_eq!(header(1, "idempotency-key"), "average-3");
    assert_eq!(header(0, "authorization"), "Bearer t0ken");
    assert_eq!(header(0, "x-station"), "KZ-17");
    assert_eq!(header(0, "content-type"), "application/json");
}

#[tokio::test]
async fn a_refused_record_does_not_condemn_its_neighbours() {
    let web = Web::with_rule(|request| {
        let is_refused = keys_of(request).any(|key| ["average-3", "average-11"].contains(&key.as_str()));
        if is_refused { (StatusCode::UNPROCESSABLE_ENTITY, "no such station").into_response() } else { receipt() }
    })
    .await;
    let mut sink = build(web.kind());

    let outcomes = sink.deliver(&averages(0..12)).await;

    for (block, outcome) in outcomes.iter().enumerate() {
        if [3, 11].contains(&block) {
            assert_eq!(*outcome, Outcome::Rejected { reason: "422 no such station".into() }, "{block}");
        } else {
            assert!(is_accepted(outcome), "{block}: {outcome:?}");
        }
    }
    let expected: Vec<String> =
        keys(0..12).into_iter().filter(|key| key != "average-3" && key != "average-11").collect();
    let arrived: Vec<String> = web.requests().iter().flat_map(keys_of).collect();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn after_a_refusal_a_failure_holds_back_what_comes_later() {
    let web = Web::with_rule(|request| match request.objects.len() {
        4 => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        _ if keys_of(request).any(|key| key == "average-2") => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => receipt(),
    })
    .await;
    let mut sink = build(web.kind());

    let outcomes = sink.deliver(&averages(0..4)).await;

    assert!(outcomes[..2].iter().all(is_accepted), "{outcomes:?}");
    assert!(outcomes[2..].iter().all(is_retry), "{outcomes:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Web::start().await;
    let target = format!("http://{}/", elsewhere.address);
    let web =
        Web::with_rule(move |_| (StatusCode::TEMPORARY_REDIRECT, [("location", target.clone())]).into_response()).await;
    let mut sink = build(web.kind());

    let outcomes = sink.deliver(&[average_record(0)]).await;

    assert!(outcomes.iter().all(is_retry), "{outcomes:?}");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn objects_are_sent_one_by_one_and_a_retry_goes_on_where_it_was() {
    let (tries, refuse_once) = (Mutex::new(0), "poll-0/1");
    let web = Web::with_rule(move |request| {
        let is_that = keys_of(request).any(|key| key == refuse_once);
        let mut tries = tries.lock().unwrap();
        *tries += usize::from(is_that);
        if is_that && *tries == 1 { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { receipt() }
    })
    .await;
    let mut sink = build(SinkKind::HttpJson(HttpJson { body: Body::Object, ..web.config() }));
    assert_eq!(sink.batch(), 1);

    assert!(sink.deliver(&[poll_record(0)]).await.iter().all(is_retry));
    assert!(sink.deliver(&[poll_record(0)]).await.iter().all(is_accepted));

    let arrived: Vec<String> = web.requests().iter().flat_map(keys_of).collect();
    assert_eq!(arrived, ["poll-0/0", "poll-0/1"]);
    let header = web.requests()[1].headers["idempotency-key"].clone();
    assert_eq!(header, "poll-0/1");
}

#[tokio::test]
async fn a_section_that_cannot_work_is_refused_before_anything_is_sent() {
    let web = Web::start().await;
    let refuse = |config: HttpJson| {
        let sink = crate::config::model::Sink { delivery: super::delivery(), kind: SinkKind::HttpJson(config) };
        crate::sink::Built::from_config("north", &sink).unwrap_err().to_string()
    };
    let url = "mqtt://127.0.0.1/".to_owned();
    assert_eq!(refuse(HttpJson { url, ..web.config() }), "not an address for this sink: mqtt://127.0.0.1/");
    let key_header = "a b".to_owned();
    assert_eq!(refuse(HttpJson { key_header, ..web.config() }), "not a header name: \"a b\"");
    let bearer = Some(Secret::new("test", "s3cret\u{1}"));
    let text = refuse(HttpJson { bearer, ..web.config() });
    assert_eq!(text, "the value of header Authorization holds characters that no header can");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_server_is_trusted_through_the_authority_of_the_file_only() {
    use rumqttc::tokio_rustls::TlsAcceptor;
    use rumqttc::tokio_rustls::rustls::{self, ServerConfig};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/contract/certificates");
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"}]") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"receipt\":\"S\"}").await.unwrap();
        }
    });
    let web = Web::start().await;
    let with_authority = |name: &str| {
        let ca_file = Some(folder.join(name));
        build(SinkKind::HttpJson(HttpJson { url: format!("https://{address}/"), ca_file, ..web.config() }))
    };

    let outcomes = with_authority("authority.pem").deliver(&[average_record(0)]).await;
    assert_eq!(outcomes, [Outcome::Accepted { answer: "S".into() }]);

    // Another authority: the server's own certificate is none.
    let outcomes = with_authority("server.pem").deliver(&[average_record(0)]).await;
    let Outcome::Retry { reason } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(reason.contains("certificate"), "{reason}");
}
