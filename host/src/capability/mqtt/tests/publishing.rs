//! Messages that the hub publishes.

use std::time::Duration;

use tokio::time::timeout;

use super::broker::{Broker, PUBACK, PUBCOMP, PUBREC, PUBREL};
use super::{BOTH, connection, device, settings, subscribed};
use crate::capability::Plug;
use crate::capability::mqtt::{Link, MqttError};
use crate::config::model::MqttVersion;

fn publish(link: &Link, qos: u8) -> tokio::task::JoinHandle<Result<(), MqttError>> {
    let link = link.clone();
    tokio::spawn(async move { link.publish("set/valve".into(), b"open".to_vec(), qos, false).await })
}

#[tokio::test]
async fn publishing_waits_until_the_broker_took_the_message() {
    for version in BOTH {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let (mut wire, _) = broker.welcome(false).await;

        let publishing = publish(&link, 1);
        let body = wire.expect(0x32).await;
        assert!(body.starts_with(b"\0\x09set/valve") && body.ends_with(b"open"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!publishing.is_finished(), "it did not wait");
        wire.send(PUBACK, &body[11..13]).await;
        assert_eq!(publishing.await.unwrap(), Ok(()));

        let publishing = publish(&link, 2);
        let body = wire.expect(0x34).await;
        wire.send(PUBREC, &body[11..13]).await;
        assert_eq!(wire.expect(PUBREL).await[..2], body[11..13]);
        wire.send(PUBCOMP, &body[11..13]).await;
        assert_eq!(publishing.await.unwrap(), Ok(()));

        let publishing = publish(&link, 0);
        wire.expect(0x30).await;
        assert_eq!(publishing.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_message_that_was_not_confirmed_is_not_sent_again() {
    let broker = Broker::new(MqttVersion::V3).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    let publishing = publish(&link, 1);
    wire.expect(0x32).await;
    drop(wire);

    match publishing.await.unwrap() {
        Err(MqttError::Closed(text)) => assert!(text.contains("whether the broker took the message is not known")),
        other => panic!("{other:?}"),
    }
    let (mut wire, _) = broker.welcome(true).await;
    wire.silent().await;
}

#[tokio::test]
async fn what_is_not_granted_or_no_topic_is_not_published() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = device(&connection(settings(&broker), Plug::In), &["a/#"]);
    for (topic, size, qos) in [("a/b", 1, 1), ("set/+", 1, 1), ("", 1, 1), ("set/a", 1001, 1), ("set/a", 1, 3)] {
        let result = link.publish(topic.into(), vec![0; size], qos, false).await;
        assert!(matches!(result, Err(MqttError::BadRequest(_))), "{topic}: {result:?}");
    }
    let connecting = timeout(Duration::from_millis(100), broker.listener.accept()).await;
    assert!(connecting.is_err(), "a bad request connects");
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_is_refused_in_its_words() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    let publishing = publish(&link, 1);
    let body = wire.expect(0x32).await;
    wire.send(PUBACK, &[body[11], body[12], 0x87, 0]).await;
    let expected = MqttError::Other("the broker refuses the message: not authorized".into());
    assert_eq!(publishing.await.unwrap(), Err(expected));
}

#[tokio::test]
async fn without_a_connection_publishing_fails_with_its_reason() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = device(&connection(settings(&broker), Plug::In), &[]);
    drop(broker);
    match timeout(Duration::from_secs(5), publish(&link, 1)).await.unwrap().unwrap() {
        Err(MqttError::Closed(text)) => assert!(text.contains("refused"), "{text}"),
        other => panic!("{other:?}"),
    }
}
