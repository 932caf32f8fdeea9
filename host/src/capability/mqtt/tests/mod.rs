//! Promises of a session, against a broker that says what the test tells it to.

mod broker;
mod outages;
mod publishing;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::broker::{Broker, PUBACK, PUBCOMP, PUBREC, PUBREL, RETAIN};
use super::{Connection, Link, MqttError};
use crate::capability::wire::ConnectionState;
use crate::capability::{Addressing, Plug, Surroundings};
use crate::config::model::{MqttLink, MqttVersion, Reconnect, TcpPeer};

const BOTH: [MqttVersion; 2] = [MqttVersion::V3, MqttVersion::V5];

fn settings(broker: &Broker) -> MqttLink {
    MqttLink {
        peer: TcpPeer { address: broker.address(), connect_timeout: Duration::from_secs(2), tls: None },
        version: broker.version,
        client_id: "hub-plant".into(),
        user: None,
        password: None,
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::from_secs(3600),
        largest: 1000,
        rate: 10_000,
        queue: 100,
        reconnect: Reconnect { min: Duration::from_millis(10), max: Duration::from_millis(50) },
    }
}

fn connection(settings: MqttLink, plug: Plug) -> Arc<Connection> {
    let surroundings = Surroundings { pki: "pki".into(), hub: "hub".into(), plug };
    Arc::new(Connection::new("plant", settings, &surroundings))
}

fn device(connection: &Arc<Connection>, topics: &[&str]) -> Link {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    let publish_topics = vec!["set/#".to_owned()];
    let addressing =
        Addressing { device: "device".into(), unit: 1, more_units: vec![], timeout: None, topics, publish_topics };
    Link::new(Arc::clone(connection), &addressing)
}

/// A device that subscribed to `a/#` with quality 1.
fn subscribed(settings: MqttLink) -> Link {
    subscribed_over(&connection(settings, Plug::In))
}

fn subscribed_over(connection: &Arc<Connection>) -> Link {
    let link = device(connection, &["a/#"]);
    link.subscribe(&["a/#".into()], 1).unwrap();
    link
}

/// What is handed out once the bell rang for it: payload, and whether it may have been handed out before.
async fn receive(link: &Link) -> Vec<(String, bool)> {
    loop {
        timeout(Duration::from_secs(5), link.bell().notified()).await.expect("the bell does not ring");
        let found = handed(link);
        // It may have rung for what was taken already.
        if !found.is_empty() {
            break found;
        }
    }
}

fn handed(link: &Link) -> Vec<(String, bool)> {
    let messages = link.receive(100).unwrap().handed.messages;
    let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
    messages.iter().map(|(message, again)| (text(&message.payload), *again || message.is_dup)).collect()
}

fn new(payload: &str) -> (String, bool) {
    (payload.into(), false)
}

async fn wait_for_reason(connection: &Connection) -> String {
    let mut states = connection.reporter().watch();
    let state = states.wait_for(|state| matches!(state, ConnectionState::Waiting(_)));
    match &*timeout(Duration::from_secs(5), state).await.expect("the connection is not lost").unwrap() {
        ConnectionState::Waiting(reason) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_kept_and_not_before() {
    for version in BOTH {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let (mut wire, filters) = broker.welcome(false).await;
        assert_eq!(filters, ["a/#"]);

        wire.publish("a/b", b"one", 1, 7, 0).await;
        assert_eq!(receive(&link).await, [new("one")]);
        assert!(link.is_in_hand());
        wire.silent().await;

        link.kept();
        wire.acknowledged(PUBACK, 7).await;
        assert!(!link.is_in_hand());
    }
}

#[tokio::test]
async fn a_message_of_quality_2_is_acknowledged_in_its_two_steps() {
    for version in BOTH {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let (mut wire, _) = broker.welcome(false).await;

        wire.publish("a/b", b"one", 2, 7, 0).await;
        assert_eq!(receive(&link).await, [new("one")]);
        wire.silent().await;
        link.kept();
        wire.acknowledged(PUBREC, 7).await;
        wire.publish("a/b", b"one", 2, 7, broker::DUP).await;
        wire.acknowledged(PUBREC, 7).await;
        assert!(handed(&link).is_empty(), "it is handed out twice");
        wire.send(PUBREL, &7_u16.to_be_bytes()).await;
        wire.acknowledged(PUBCOMP, 7).await;
    }
}

#[tokio::test]
async fn what_is_not_kept_is_handed_out_again_and_given_up_in_the_end() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"one", 1, 7, 0).await;

    assert_eq!(receive(&link).await, [new("one")]);
    link.not_kept();
    for _ in 0..2 {
        wire.silent().await;
        assert_eq!(handed(&link), [("one".to_owned(), true)]);
        link.not_kept();
    }

    wire.acknowledged(PUBACK, 7).await;
    let received = link.receive(100).unwrap();
    assert_eq!((received.handed.messages.len(), received.handed.dropped), (0, 1));
}

#[tokio::test]
async fn a_message_for_two_devices_is_acknowledged_when_both_have_kept_it() {
    let broker = Broker::new(MqttVersion::V3).await;
    let connection = connection(settings(&broker), Plug::In);
    let (first, second) = (device(&connection, &["#"]), device(&connection, &["a/b"]));
    first.subscribe(&["a/+".into()], 1).unwrap();
    second.subscribe(&["a/b".into()], 1).unwrap();
    let (mut wire, filters) = broker.welcome(false).await;
    assert_eq!(filters, ["a/+"], "the second lies within the first");

    wire.publish("a/b", b"one", 1, 7, 0).await;
    assert_eq!(receive(&first).await, [new("one")]);
    assert_eq!(receive(&second).await, [new("one")]);
    first.kept();
    wire.silent().await;
    second.kept();
    wire.acknowledged(PUBACK, 7).await;
}

#[tokio::test]
async fn a_message_that_nobody_wants_is_acknowledged_at_once() {
    let broker = Broker::new(MqttVersion::V5).await;
    let _link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(true).await;
    wire.publish("z", b"from an earlier configuration", 1, 7, 0).await;
    wire.acknowledged(PUBACK, 7).await;
}

#[tokio::test]
async fn what_the_broker_had_kept_waits_for_a_device_that_subscribes_later() {
    let broker = Broker::new(MqttVersion::V5).await;
    let connection = connection(settings(&broker), Plug::In);
    let (early, late) = (device(&connection, &["a/#"]), device(&connection, &["b/#"]));
    early.subscribe(&["a/#".into()], 1).unwrap();
    let (mut wire, _) = broker.welcome(true).await;
    wire.publish("b/1", b"one", 1, 7, 0).await;
    wire.publish("b/2", b"two", 1, 8, 0).await;
    wire.silent().await;

    late.subscribe(&["b/1".into()], 1).unwrap();
    wire.subscribed(1).await;
    assert_eq!(receive(&late).await, [new("one")]);
    late.kept();
    wire.acknowledged(PUBACK, 7).await;
    wire.acknowledged(PUBACK, 8).await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_counted_and_the_next_arrives() {
    for version in BOTH {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let (mut wire, _) = broker.welcome(false).await;
        wire.publish("a/b", &[b'x'; 1001], 1, 7, 0).await;
        wire.acknowledged(PUBACK, 7).await;
        wire.publish("a/b", &vec![b'x'; 400_000], 1, 8, 0).await;
        wire.acknowledged(PUBACK, 8).await;
        wire.publish("a/b", &[b'x'; 1000], 1, 9, 0).await;

        timeout(Duration::from_secs(5), async {
            let (mut messages, mut dropped) = (0, 0);
            while messages < 1 {
                link.bell().notified().await;
                let handed = link.receive(100).unwrap().handed;
                messages += handed.messages.len();
                dropped += handed.dropped;
            }
            assert_eq!(dropped, 2);
        })
        .await
        .expect("the next message did not arrive");
    }
}

#[tokio::test]
async fn over_the_rate_nothing_is_read_and_nothing_is_lost() {
    let broker = Broker::new(MqttVersion::V3).await;
    let link = subscribed(MqttLink { rate: 5, ..settings(&broker) });
    let (mut wire, _) = broker.welcome(false).await;
    let begun = tokio::time::Instant::now();
    for number in 0..12 {
        wire.publish("a/b", format!("{number}").as_bytes(), 0, 0, 0).await;
    }

    let mut found = Vec::new();
    while found.len() < 12 {
        found.extend(receive(&link).await);
        link.kept();
    }
    let elapsed = begun.elapsed();
    assert_eq!(found, (0..12).map(|number| new(&number.to_string())).collect::<Vec<_>>());
    // The first second may have begun before the first message.
    assert!(elapsed > Duration::from_secs(1), "{elapsed:?} for twelve at five a second");
}

#[tokio::test]
async fn a_message_says_what_it_is() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"old", 1, 7, RETAIN | broker::DUP).await;
    timeout(Duration::from_secs(5), link.bell().notified()).await.unwrap();

    let received = link.receive(100).unwrap();
    let (message, again) = &received.handed.messages[0];
    assert_eq!((message.topic.as_str(), &message.payload[..]), ("a/b", &b"old"[..]));
    assert!(message.is_retained && message.is_dup && !again && message.at.0 > 0);
    assert_eq!((received.is_connected, received.connection), (true, 1));
}

#[tokio::test]
async fn a_filter_that_is_not_granted_or_not_a_filter_is_refused() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = device(&connection(settings(&broker), Plug::In), &["a/+", "b/#"]);
    let check = |filter: &str, qos, expected: &str| match link.subscribe(&[filter.into()], qos) {
        Err(MqttError::BadRequest(text)) => assert!(text.contains(expected), "{text}"),
        other => panic!("{filter}: {other:?}"),
    };
    check("a/#", 1, "\"a/#\" is not granted to this device (topics): a/+, b/#");
    check("#", 1, "not granted");
    check("b/#/c", 1, "at the end");
    check("a/b", 3, "quality of service 3");
    let many = vec!["a/b".to_owned(); 1001];
    assert!(link.subscribe(&many, 0).is_err());
    assert!(link.subscribe(&["a/b".into(), "b/+/c/#".into()], 2).is_ok());
    assert_eq!(link.granted(), ["a/+", "b/#"]);
}

#[tokio::test]
async fn a_subscription_that_the_broker_refuses_fails_the_poll_in_words() {
    for (version, code, expected) in [(MqttVersion::V3, 0x80, "refused"), (MqttVersion::V5, 0x87, "not authorized")] {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let mut wire = broker.accept().await;
        wire.greet(false, 0).await;
        wire.subscribed(code).await;
        let failed = async {
            loop {
                match link.receive(100) {
                    Err(MqttError::Other(text)) => break text,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let text = timeout(Duration::from_secs(5), failed).await.expect("the poll goes on");
        assert_eq!(text, format!("the broker refuses the subscription of a/#: {expected}"));
    }
}
