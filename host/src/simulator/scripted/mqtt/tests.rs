//! Promises of the broker, to the hub's own link as a driver has it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wasmtime::component::Resource;

use super::{Broker, Message};
use crate::capability::mqtt::bindings::tutin::mqtt::client::HostLink;
use crate::capability::mqtt::bindings::tutin::mqtt::control;
use crate::capability::{self, Addressing, Guest, Plug, Surroundings, mqtt};
use crate::config::model::{Limits, MqttLink, MqttVersion, Reconnect, TcpPeer};

const BOTH: [MqttVersion; 2] = [MqttVersion::V3, MqttVersion::V5];
const PATIENCE: Duration = Duration::from_secs(5);

/// The hub's end: a link, and the driver that was given it.
struct Hub {
    connection: capability::Connection,
    link: capability::Link,
    guest: Guest,
    handle: Resource<mqtt::Link>,
}

impl Hub {
    async fn new(broker: SocketAddr, version: MqttVersion) -> Self {
        let settings = MqttLink {
            peer: TcpPeer { address: broker.to_string(), connect_timeout: PATIENCE, tls: None },
            version,
            client_id: "hub".into(),
            user: None,
            password: None,
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(3600),
            largest: 1000,
            rate: 10_000,
            queue: 100,
            reconnect: Reconnect { min: Duration::from_millis(10), max: Duration::from_millis(50) },
        };
        let surroundings = Surroundings { pki: "pki".into(), hub: "hub".into(), plug: Plug::In };
        let connection = mqtt::Connection::new("broker", settings, &surroundings);
        let connection = capability::Connection::Mqtt(Arc::new(connection));
        let device = Addressing {
            device: "device".into(),
            unit: 1,
            more_units: vec![],
            timeout: None,
            topics: vec!["plant/#".into()],
            publish_topics: vec!["set/#".into()],
        };
        let link = connection.link(&device);
        let links = BTreeMap::from([("broker".to_owned(), link.clone())]);
        let mut guest = Guest::new("device".into(), links, Limits::default(), Arc::default());
        let handle = guest.open("broker".into()).await.unwrap().unwrap();
        Hub { connection, link, guest, handle }
    }

    fn handle(&self) -> Resource<mqtt::Link> {
        Resource::new_borrow(self.handle.rep())
    }

    async fn subscribe(&mut self, filter: &str, qos: u8) {
        let handle = self.handle();
        self.guest.subscribe(handle, vec![filter.into()], qos).await.unwrap().unwrap();
    }

    /// The next messages: payload, retained, again.
    async fn receive(&mut self, count: usize) -> Vec<(String, bool, bool)> {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(self.at_once().await);
            if found.len() < count {
                let bell = self.link.bell().unwrap();
                timeout(PATIENCE, bell.notified()).await.unwrap_or_else(|_| panic!("only {found:?}"));
            }
        }
        found
    }

    async fn at_once(&mut self) -> Vec<(String, bool, bool)> {
        let handle = self.handle();
        let incoming = self.guest.receive(handle, 100).await.unwrap().unwrap();
        let messages = incoming.messages.into_iter();
        messages.map(|m| (String::from_utf8(m.payload).unwrap(), m.retained, m.again)).collect()
    }

    async fn publish(&mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Result<(), String> {
        let handle = self.handle();
        let answer = control::Host::publish(&mut self.guest, handle, topic.into(), payload.into(), qos, retain).await;
        answer.unwrap().map_err(|error| format!("{error:?}"))
    }
}

async fn broker(messages: &[Message]) -> Broker {
    Broker::start("127.0.0.1:0".parse().unwrap(), messages).await.unwrap()
}

/// Waits until nobody is there.
async fn left(broker: &Broker) {
    let mut changes = broker.state.subscribe();
    let left = changes.wait_for(|state| state.subscribed().is_empty());
    timeout(PATIENCE, left).await.expect("somebody stays").unwrap();
}

fn message(topic: &str, payload: &str, retained: bool, qos: u8) -> Message {
    Message { topic: topic.into(), payload: payload.into(), retained, qos }
}

fn new(payload: &str) -> (String, bool, bool) {
    (payload.into(), false, false)
}

fn kept(payload: &str) -> (String, bool, bool) {
    (payload.into(), true, false)
}

#[tokio::test]
async fn a_driver_gets_what_is_retained_and_what_is_published_of_what_it_subscribed_to() {
    for version in BOTH {
        let broker = broker(&[
            message("plant/a", "1", true, 1),
            message("plant/a", "gone", false, 1),
            message("z", "2", true, 1),
        ])
        .await;
        let mut hub = Hub::new(broker.address(), version).await;
        assert!(!broker.joined(Duration::ZERO).await);
        hub.subscribe("plant/+", 1).await;
        assert!(broker.joined(PATIENCE).await);
        assert_eq!(broker.subscribed(), ["plant/+"]);
        assert_eq!(hub.receive(1).await, [kept("1")]);

        for (topic, payload, qos) in
            [("plant/a", "3", 0), ("plant/b", "4", 1), ("plant/b/c", "5", 1), ("plant/c", "6", 2)]
        {
            broker.publish(&message(topic, payload, false, qos));
        }
        assert!(broker.settled(PATIENCE).await);
        assert_eq!(hub.receive(3).await, [new("3"), new("4"), new("6")]);
        hub.link.kept();
        assert_eq!(hub.at_once().await, []);
    }
}

#[tokio::test]
async fn what_is_published_while_the_hub_is_away_waits_for_it() {
    for version in BOTH {
        let broker = broker(&[]).await;
        let mut hub = Hub::new(broker.address(), version).await;
        hub.subscribe("plant/#", 1).await;
        assert!(broker.joined(PATIENCE).await);
        hub.connection.close().await;
        left(&broker).await;

        for (payload, qos) in [("1", 1), ("2", 0), ("3", 2)] {
            broker.publish(&message("plant/a", payload, false, qos));
        }
        let mut hub = Hub::new(broker.address(), version).await;
        hub.subscribe("plant/#", 1).await;

        assert_eq!(hub.receive(2).await, [new("1"), new("3")]);
    }
}

#[tokio::test]
async fn what_was_not_kept_comes_again_marked_and_what_was_kept_does_not() {
    for version in BOTH {
        let broker = broker(&[]).await;
        let mut hub = Hub::new(broker.address(), version).await;
        hub.subscribe("plant/#", 1).await;
        assert!(broker.joined(PATIENCE).await);
        broker.publish(&message("plant/a", "1", false, 1));
        assert_eq!(hub.receive(1).await, [new("1")]);
        hub.link.kept();
        broker.publish(&message("plant/a", "2", false, 1));
        assert_eq!(hub.receive(1).await, [new("2")]);
        // The hub ends with the second in hand.
        hub.connection.close().await;
        left(&broker).await;

        let mut hub = Hub::new(broker.address(), version).await;
        hub.subscribe("plant/#", 1).await;
        broker.publish(&message("plant/a", "3", false, 1));

        assert_eq!(hub.receive(2).await, [("2".into(), false, true), new("3")]);
    }
}

#[tokio::test]
async fn what_a_driver_publishes_is_told_once_and_kept_if_it_says_so() {
    for version in BOTH {
        let broker = broker(&[]).await;
        let mut hub = Hub::new(broker.address(), version).await;
        for qos in 0..3 {
            hub.publish("set/range", &format!("{qos}"), qos, qos == 2).await.unwrap();
        }
        // The first was not confirmed, but they came in order.
        let expected: Vec<_> = (0..3).map(|qos| message("set/range", &format!("{qos}"), qos == 2, qos)).collect();
        assert_eq!(broker.published(), expected);
        assert_eq!(broker.published(), []);

        let mut wire = Wire::connect(broker.address(), "other", false, None).await;
        wire.subscribe("set/#", 1).await;
        assert_eq!(wire.publish().await, (0x33, "set/range".into(), b"2".to_vec()), "quality 1, retained");
    }
}

#[tokio::test]
async fn a_broker_ends_with_its_handle() {
    let broker = broker(&[]).await;
    let address = broker.address();
    let mut wire = Wire::connect(address, "one", true, None).await;

    drop(broker);

    assert!(timeout(PATIENCE, wire.stream.read_u8()).await.unwrap().is_err(), "the connection goes on");
    assert!(TcpStream::connect(address).await.is_err(), "it listens");
}

#[tokio::test]
async fn the_will_of_a_client_that_goes_without_a_goodbye_is_published() {
    let broker = broker(&[]).await;
    let mut watcher = Wire::connect(broker.address(), "watcher", true, None).await;
    watcher.subscribe("will/+", 1).await;
    for (name, has_goodbye) in [("polite", true), ("lost", false)] {
        let mut wire = Wire::connect(broker.address(), name, true, Some(&format!("will/{name}"))).await;
        if has_goodbye {
            wire.send(0xe0, &[]).await;
            // The broker closes after it.
            assert!(timeout(PATIENCE, wire.stream.read_u8()).await.unwrap().is_err());
        }
    }
    assert_eq!(watcher.publish().await, (0x32, "will/lost".into(), b"off".to_vec()));
    assert_eq!(broker.published(), [message("will/lost", "off", false, 1)]);
}

#[tokio::test]
async fn the_newer_connection_of_a_client_has_the_session() {
    let broker = broker(&[]).await;
    let mut older = Wire::connect(broker.address(), "one", false, None).await;
    older.subscribe("a", 1).await;

    let mut newer = Wire::connect(broker.address(), "one", false, None).await;

    assert!(timeout(PATIENCE, older.stream.read_u8()).await.unwrap().is_err(), "the older goes on");
    broker.publish(&message("a", "1", false, 1));
    assert_eq!(newer.publish().await, (0x32, "a".into(), b"1".to_vec()));
    assert_eq!(newer.was_present, 1);
    let again = Wire::connect(broker.address(), "one", true, None).await;
    assert_eq!(again.was_present, 0, "it wanted none");
}

#[tokio::test]
async fn it_is_settled_when_a_client_that_acknowledges_nothing_has_all_it_may_have() {
    let broker = broker(&[]).await;
    let mut hub = Hub::new(broker.address(), MqttVersion::V5).await;
    hub.subscribe("plant/#", 1).await;
    assert!(broker.joined(PATIENCE).await);
    // The hub takes 100 at a time.
    for number in 0..150 {
        broker.publish(&message("plant/a", &format!("{number}"), false, 1));
    }
    assert!(broker.settled(PATIENCE).await);
    assert_eq!(hub.receive(100).await.len(), 100);
    assert_eq!(hub.at_once().await, []);
    hub.link.kept();
    assert_eq!(hub.receive(50).await.last(), Some(&new("149")));
}

#[tokio::test]
async fn what_is_held_back_comes_when_it_is_released() {
    let broker = broker(&[message("plant/a", "1", true, 1)]).await;
    broker.hold();
    let mut hub = Hub::new(broker.address(), MqttVersion::V5).await;
    assert!(!broker.is_known());
    hub.subscribe("plant/#", 1).await;
    assert!(broker.joined(PATIENCE).await && broker.is_known());
    broker.publish(&message("plant/a", "2", false, 1));
    hub.publish("set/range", "5", 1, false).await.unwrap();
    assert_eq!((broker.heard(), broker.is_settled(), hub.at_once().await), (1, false, vec![]));

    broker.release();

    assert_eq!(hub.receive(2).await, [kept("1"), new("2")]);
    assert!(broker.is_settled());
}

#[tokio::test]
async fn who_says_what_is_no_mqtt_is_left() {
    let broker = broker(&[]).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xc0, 0], &[0x10, 0xff, 0xff, 0xff, 0xff]] {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        assert!(timeout(PATIENCE, stream.read_u8()).await.unwrap().is_err(), "{garbage:?}");
    }
    let mut wire = Wire::connect(broker.address(), "one", true, None).await;
    wire.send(0x20, &[0, 0]).await;
    assert!(timeout(PATIENCE, wire.stream.read_u8()).await.unwrap().is_err());
}

/// A client of MQTT 3.1.1, byte for byte.
struct Wire {
    stream: TcpStream,
    was_present: u8,
}

impl Wire {
    async fn connect(address: SocketAddr, client: &str, is_clean: bool, will: Option<&str>) -> Self {
        let mut wire = Wire { stream: TcpStream::connect(address).await.unwrap(), was_present: 0 };
        // Quality 1 and present.
        let flags = u8::from(is_clean) << 1 | if will.is_some() { 0x0c } else { 0 };
        let mut body = [&text("MQTT")[..], &[4, flags, 0, 0], &text(client)].concat();
        if let Some(topic) = will {
            body.extend([text(topic), text("off")].concat());
        }
        wire.send(0x10, &body).await;
        let (first, answer) = wire.packet().await;
        assert_eq!((first, answer[1]), (0x20, 0));
        wire.was_present = answer[0];
        wire
    }

    async fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(0x82, &[&[0, 1][..], &text(filter), &[qos]].concat()).await;
        assert_eq!(self.packet().await, (0x90, vec![0, 1, qos]));
    }

    /// The next message: first byte, topic, payload.
    async fn publish(&mut self) -> (u8, String, Vec<u8>) {
        let (first, body) = self.packet().await;
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let identifier = if first & 6 == 0 { 0 } else { 2 };
        let topic = String::from_utf8(body[2..2 + length].to_vec()).unwrap();
        (first, topic, body[2 + length + identifier..].to_vec())
    }

    /// Shorter than 128 bytes.
    async fn send(&mut self, first: u8, body: &[u8]) {
        self.stream.write_all(&[&[first, body.len() as u8], body].concat()).await.unwrap();
    }

    async fn packet(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let first = self.stream.read_u8().await.unwrap();
            let mut body = vec![0; usize::from(self.stream.read_u8().await.unwrap())];
            self.stream.read_exact(&mut body).await.unwrap();
            (first, body)
        };
        timeout(PATIENCE, read).await.expect("nothing comes")
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
