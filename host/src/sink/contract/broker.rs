//! A mosquitto of our own as a far end, on a free port of the loopback.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{FarEnd, averages, build, contract, is_accepted};
use crate::config::model::{FieldMap, Mqtt, Shape, SinkKind};
use crate::sink::samples::{average_record, poll_record};
use crate::sink::{Built, Outcome, Sink};

const MISSING: &str = "mosquitto is missing: apt-get install -y mosquitto";

struct Broker {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
    listener: Option<Listener>,
}

/// What subscribed, and what it got.
struct Listener {
    messages: mpsc::UnboundedReceiver<Message>,
    got: Vec<Message>,
    /// Its connection ends with it.
    _client: AsyncClient,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone)]
struct Message {
    topic: String,
    payload: serde_json::Value,
    key: String,
    retain: bool,
}

impl Broker {
    async fn with_settings(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            // The port is free now; should somebody else take it first, mosquitto ends and the next one is tried.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let text = format!("listener {port} 127.0.0.1\nuser root\npersistence false\n{settings}\n");
            std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
            if let Some(process) = run(folder.path()) {
                let mut broker = Broker { folder, port, process: Some(process), listener: None };
                broker.listen().await;
                return broker;
            }
        }
        panic!("mosquitto found no free port");
    }

    async fn listen(&mut self) {
        let mut options = MqttOptions::new("listener", ("127.0.0.1", self.port));
        options.set_credentials("listener", "l");
        options.set_unlimited_incoming_packet_size();
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(10).build();
        let (message_tx, messages) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok(event) = event_loop.poll().await {
                let Event::Incoming(Packet::Publish(publish)) = event else { continue };
                let properties = publish.properties.unwrap();
                let message = Message {
                    topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                    payload: serde_json::from_slice(&publish.payload).unwrap(),
                    key: properties.user_properties[0].1.clone(),
                    retain: publish.retain,
                };
                let _ = message_tx.send(message);
            }
        });
        let subscribed = client.subscribe_tracked("#", QoS::AtLeastOnce).await.unwrap();
        subscribed.wait_completion_async().await.unwrap();
        let got = self.listener.take().map(|listener| listener.got).unwrap_or_default();
        self.listener = Some(Listener { messages, got, _client: client, _task: AbortOnDropHandle::new(task) });
    }

    fn config(&self) -> Mqtt {
        Mqtt {
            url: format!("mqtt://127.0.0.1:{}", self.port),
            client_id: "tutin-north-test".into(),
            user: None,
            password: None,
            ca_file: None,
            topic: None,
            retain: false,
            keep_alive: Duration::from_secs(30),
            shape: Shape::Reading,
            fields: FieldMap::default(),
        }
    }

    async fn messages(&mut self, count: usize) -> Vec<Message> {
        let listener = self.listener.as_mut().unwrap();
        while listener.got.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(10), listener.messages.recv()).await;
            listener.got.push(next.expect("a message is missing").unwrap());
        }
        listener.got.clone()
    }
}

/// Starts mosquitto and waits until it says that it runs. `None` when it could not have the port.
fn run(folder: &Path) -> Option<Child> {
    let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    let mut process = Command::new(program)
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .arg("-v")
        .stderr(Stdio::piped())
        .spawn()
        .expect(MISSING);
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let is_running = lines.by_ref().map_while(Result::ok).any(|line| line.contains(" running"));
    if !is_running {
        let _ = process.wait();
        return None;
    }
    // Its log must be read on, or mosquitto would stop when the pipe is full.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Some(process)
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl FarEnd for Broker {
    async fn start() -> Self {
        Broker::with_settings("allow_anonymous true").await
    }

    fn kind(&self) -> SinkKind {
        SinkKind::Mqtt(self.config())
    }

    async fn vanish(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    async fn come_back(&mut self) {
        self.process = Some(run(self.folder.path()).expect("the port was taken meanwhile"));
        self.listen().await;
    }

    async fn objects(&mut self, count: usize) -> Vec<serde_json::Value> {
        self.messages(count).await.into_iter().map(|message| message.payload).collect()
    }

    async fn arrived(&mut self, count: usize) -> Vec<String> {
        self.messages(count).await.into_iter().map(|message| message.key).collect()
    }
}

contract!(Broker);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_its_topic_and_its_payload() {
    let mut broker = Broker::start().await;
    let mut sink = build(broker.kind());

    let outcomes = sink.deliver(&[average_record(0), poll_record(0)]).await;

    assert_eq!(outcomes[0], Outcome::Accepted { answer: "PUBACK 0x00 Success".into() });
    let messages = broker.messages(3).await;
    assert_eq!(messages[0].topic, "tutin/north/averages/stack-1/NO2");
    assert_eq!(messages[0].payload["mean"], 41.25);
    assert_eq!(messages[1].topic, "tutin/north/readings/no2-north");
    assert_eq!(messages[2].payload["point"], "b");
    sink.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_messages_than_may_be_in_flight_arrive_in_order() {
    let mut broker =
        Broker::with_settings("allow_anonymous true\nmax_inflight_messages 5\nmax_queued_messages 0").await;
    let mut sink = build(broker.kind());

    let outcomes = sink.deliver(&averages(0..500)).await;

    assert!(outcomes.iter().all(is_accepted), "{:?}", outcomes.iter().find(|outcome| !is_accepted(outcome)));
    assert_eq!(broker.arrived(500).await, super::keys(0..500));
    sink.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_does_not_allow_is_rejected_and_the_rest_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("acl");
    std::fs::write(&rules, "topic write tutin/north/averages/#\nuser listener\ntopic read #\n").unwrap();
    let settings = format!("allow_anonymous true\nacl_file {}", rules.display());
    let mut broker = Broker::with_settings(&settings).await;
    let mut sink = build(broker.kind());

    let outcomes = sink.deliver(&[average_record(0), poll_record(0), average_record(1)]).await;

    assert!(is_accepted(&outcomes[0]) && is_accepted(&outcomes[2]), "{outcomes:?}");
    let Outcome::Rejected { reason } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert!(reason.starts_with("PUBACK 0x87 NotAuthorized"), "{reason}");
    assert_eq!(broker.arrived(2).await, ["average-0", "average-1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_does_not_hold_back_the_others() {
    // Said in CONNACK, and not said: there the broker answers with a code that ends the connection.
    for settings in ["allow_anonymous true\nmax_packet_size 700", "allow_anonymous true\nmessage_size_limit 600"] {
        let mut broker = Broker::with_settings(settings).await;
        let fields = FieldMap(vec![crate::config::model::Field {
            name: "points".into(),
            from: crate::config::model::FieldSource::Member("points".into()),
        }]);
        let kind = SinkKind::Mqtt(Mqtt { shape: Shape::Poll, fields, ..broker.config() });
        let mut sink = build(kind);
        let long: Vec<String> = (0..100).map(|point| format!("point_{point}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let mut large = poll_record(1);
        large.content = crate::sink::Content::Poll(crate::sink::PollSelection {
            set: std::sync::Arc::new(crate::sink::samples::poll_of(&long, 1)),
            wanted: None,
        });
        let records = [poll_record(0), large, poll_record(2), poll_record(3)];

        let mut settled = Vec::new();
        for _attempt in 0..20 {
            if settled.len() == records.len() {
                break;
            }
            let most = sink.batch().min(records.len() - settled.len());
            let outcomes = sink.deliver(&records[settled.len()..][..most]).await;
            let is_settled = |outcome: &Outcome| !matches!(outcome, Outcome::Retry { .. });
            settled.extend(outcomes.into_iter().take_while(is_settled));
        }

        assert!(matches!(settled.get(1), Some(Outcome::Rejected { .. })), "{settings}: {settled:?}");
        let accepted = settled.iter().filter(|outcome| is_accepted(outcome)).count();
        assert_eq!(accepted, 3, "{settings}: {settled:?}");
        // One may arrive twice when the broker ends the connection over its neighbour, none may be missing.
        let mut arrived = broker.arrived(3).await;
        while !["poll-0", "poll-2", "poll-3"].iter().all(|key| arrived.contains(&(*key).to_owned())) {
            assert!(arrived.len() < 10, "{arrived:?}");
            arrived = broker.arrived(arrived.len() + 1).await;
        }
        assert_eq!(sink.batch(), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    // "listener" with the password "l", as `mosquitto_passwd -b` writes it.
    std::fs::write(&passwords, "").unwrap();
    assert!(
        Command::new("mosquitto_passwd")
            .arg("-b")
            .arg(&passwords)
            .args(["listener", "l"])
            .status()
            .expect(MISSING)
            .success()
    );
    let settings = format!("allow_anonymous false\npassword_file {}", passwords.display());
    let broker = Broker::with_settings(&settings).await;

    let outcomes = build(broker.kind()).deliver(&[average_record(0)]).await;

    let reason = "the broker refuses the connection: NotAuthorized".into();
    assert_eq!(outcomes, [Outcome::Retry { reason }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_message_is_there_for_who_comes_later() {
    let mut broker = Broker::start().await;
    let mut sink = build(SinkKind::Mqtt(Mqtt { retain: true, ..broker.config() }));
    assert!(sink.deliver(&[average_record(0)]).await.iter().all(is_accepted));

    broker.listener = None;
    broker.listen().await;

    assert!(broker.messages(1).await[0].retain);
}

fn certificate(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/contract/certificates").join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_broker_is_trusted_through_the_authority_of_the_file_only() {
    let server = certificate("server.pem");
    let key = certificate("server.key.pem");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let encrypted = format!(
        "allow_anonymous true\nlistener {free} 127.0.0.1\ncertfile {}\nkeyfile {}",
        server.display(),
        key.display()
    );
    let mut broker = Broker::with_settings(&encrypted).await;
    let url = format!("mqtts://127.0.0.1:{free}");
    let ca_file = Some(certificate("authority.pem"));
    let mut trusting = build(SinkKind::Mqtt(Mqtt { url: url.clone(), ca_file, ..broker.config() }));
    // Another authority: the server's own certificate is none.
    let ca_file = Some(server);
    let mut wary = build(SinkKind::Mqtt(Mqtt { url, ca_file, client_id: "wary".into(), ..broker.config() }));

    assert!(trusting.deliver(&[average_record(0)]).await.iter().all(is_accepted));
    assert_eq!(broker.arrived(1).await, ["average-0"]);

    let outcomes = wary.deliver(&[average_record(1)]).await;
    let Outcome::Retry { reason } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_while_idle_costs_no_failed_attempt() {
    let mut broker = Broker::start().await;
    let Built::Mqtt(mut sink) = build(broker.kind()) else { panic!("not an MQTT sink") };
    assert!(sink.deliver(&[average_record(0)]).await.iter().all(is_accepted));

    broker.vanish().await;
    sink.until_disconnected().await;
    broker.come_back().await;

    let outcomes = sink.deliver(&[average_record(1)]).await;
    assert!(outcomes.iter().all(is_accepted), "{outcomes:?}");
}
