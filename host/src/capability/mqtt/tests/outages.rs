//! Connections that are refused, lost and made again.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::broker::{Broker, DISCONNECT, DUP, PUBACK};
use super::{BOTH, connection, device, handed, new, receive, settings, subscribed, subscribed_over, wait_for_reason};
use crate::capability::Plug;
use crate::config::model::{MqttLink, MqttVersion, TcpPeer, Tls};
use crate::config::secret::Secret;

#[tokio::test]
async fn after_a_lost_connection_all_is_subscribed_again_and_old_acknowledgements_are_not_sent() {
    for version in BOTH {
        let broker = Broker::new(version).await;
        let link = subscribed(settings(&broker));
        let (mut wire, _) = broker.welcome(false).await;
        wire.publish("a/b", b"one", 1, 7, 0).await;
        wire.publish("a/b", b"two", 1, 8, 0).await;
        let mut found = receive(&link).await;
        while found.len() < 2 {
            found.extend(receive(&link).await);
        }
        drop(wire);

        let (mut wire, filters) = broker.welcome(true).await;
        assert_eq!(filters, ["a/#"]);
        link.kept();
        wire.silent().await;

        // The broker has not been told: it sends both again. They were kept and are not handed out twice.
        wire.publish("a/b", b"one", 1, 7, DUP).await;
        wire.acknowledged(PUBACK, 7).await;
        wire.publish("a/b", b"two", 1, 8, DUP).await;
        wire.acknowledged(PUBACK, 8).await;
        assert!(handed(&link).is_empty());
        // An identifier that was acknowledged may mean another message.
        wire.publish("a/b", b"one", 1, 7, DUP).await;
        assert_eq!(receive(&link).await, [("one".to_owned(), true)]);
    }
}

#[tokio::test]
async fn a_message_that_comes_again_while_it_is_in_hand_is_acknowledged_on_the_new_connection() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"one", 1, 7, 0).await;
    assert_eq!(receive(&link).await, [new("one")]);
    drop(wire);

    let (mut wire, _) = broker.welcome(true).await;
    wire.publish("a/b", b"one", 1, 7, DUP).await;
    wire.silent().await;
    link.kept();
    wire.acknowledged(PUBACK, 7).await;
    assert!(handed(&link).is_empty(), "it is handed out twice");
}

#[tokio::test]
async fn a_new_session_of_the_broker_begins_anew() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"one", 1, 7, 0).await;
    assert_eq!(receive(&link).await, [new("one")]);
    drop(wire);

    let (mut wire, _) = broker.welcome(false).await;
    link.kept();
    wire.publish("a/b", b"one", 1, 7, DUP).await;
    assert_eq!(receive(&link).await, [("one".to_owned(), true)]);
    link.kept();
    wire.acknowledged(PUBACK, 7).await;
}

#[tokio::test]
async fn what_finds_the_queue_full_comes_again_in_its_order() {
    let broker = Broker::new(MqttVersion::V3).await;
    let link = subscribed(MqttLink { queue: 4, ..settings(&broker) });
    let (mut wire, _) = broker.welcome(false).await;
    for number in 1..=6 {
        wire.publish("a/b", number.to_string().as_bytes(), 1, number, 0).await;
    }
    // One that is too large is acknowledged at once: those before it have been looked at by then.
    wire.publish("a/b", &[b'x'; 1001], 1, 99, 0).await;
    wire.acknowledged(PUBACK, 99).await;
    let received = link.receive(1).unwrap();
    assert_eq!((received.handed.messages.len(), received.handed.dropped), (1, 2 + 1));

    // There is room for one more now, and it would overtake what was refused.
    link.kept();
    wire.acknowledged(PUBACK, 1).await;
    wire.publish("a/b", b"7", 1, 7, 0).await;
    wire.silent().await;
    assert_eq!(handed(&link), ["2", "3", "4"].map(new));
    link.kept();
    for number in 2..=4 {
        wire.acknowledged(PUBACK, number).await;
    }
    wire.expect(DISCONNECT).await;

    let (mut wire, _) = broker.welcome(true).await;
    for number in 5..=7 {
        wire.publish("a/b", number.to_string().as_bytes(), 1, number, DUP).await;
    }
    let mut found = receive(&link).await;
    while found.len() < 3 {
        found.extend(receive(&link).await);
    }
    assert_eq!(found, ["5", "6", "7"].map(|text| (text.to_owned(), true)));
    link.kept();
    for number in 5..=7 {
        wire.acknowledged(PUBACK, number).await;
    }
}

#[tokio::test]
async fn without_a_session_what_finds_the_queue_full_is_counted_and_let_go() {
    let broker = Broker::new(MqttVersion::V3).await;
    let link = subscribed(MqttLink { queue: 1, session_expiry: Duration::ZERO, ..settings(&broker) });
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"1", 1, 1, 0).await;
    wire.publish("a/b", b"2", 1, 2, 0).await;
    wire.acknowledged(PUBACK, 2).await;
    assert_eq!(receive(&link).await, [new("1")]);
    link.kept();
    wire.acknowledged(PUBACK, 1).await;
}

#[tokio::test]
async fn a_device_that_is_gone_gives_its_messages_back_and_hands_its_filters_in() {
    let broker = Broker::new(MqttVersion::V5).await;
    let connection = connection(settings(&broker), Plug::In);
    let (gone, stays) = (device(&connection, &["a/#"]), device(&connection, &["b"]));
    gone.subscribe(&["a/#".into()], 1).unwrap();
    stays.subscribe(&["b".into()], 1).unwrap();
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"one", 1, 7, 0).await;
    receive(&gone).await;
    drop(gone);
    wire.publish("a/c", b"two", 1, 8, 0).await;
    wire.silent().await;

    // It is set up anew in time: nothing is lost, and nothing was given back.
    let back = device(&connection, &["a/#"]);
    back.subscribe(&["a/#".into()], 1).unwrap();
    wire.subscribed(1).await;
    wire.expect(DISCONNECT).await;
    let (mut wire, filters) = broker.welcome(true).await;
    assert_eq!(filters, ["a/#", "b"]);
    wire.publish("a/b", b"one", 1, 7, DUP).await;
    assert_eq!(receive(&back).await, [("one".to_owned(), true)]);
    wire.publish("a/c", b"two", 1, 8, DUP).await;
    assert_eq!(receive(&back).await, [("two".to_owned(), true)]);
    back.kept();
    wire.acknowledged(PUBACK, 7).await;
    wire.acknowledged(PUBACK, 8).await;

    drop(back);
    tokio::time::sleep(super::super::subscriptions::LINGER).await;
    let body = wire.expect(0xa2).await;
    assert!(body.ends_with(b"a/#"));
}

#[tokio::test]
async fn a_refused_sign_in_is_told_in_words() {
    for (version, code) in [(MqttVersion::V3, 4), (MqttVersion::V5, 0x86)] {
        let broker = Broker::new(version).await;
        let password = Some(Secret::new("test", "secret\n"));
        let connection = connection(MqttLink { user: Some("hub".into()), password, ..settings(&broker) }, Plug::In);
        let _link = subscribed_over(&connection);
        let mut wire = broker.accept().await;
        let connect = wire.greet(false, code).await;
        assert!(connect.ends_with(b"\0\x03hub\0\x06secret"), "{connect:?}");
        let reason = wait_for_reason(&connection).await;
        assert_eq!(reason, format!("{}: connection refused: bad user name or password", broker.address()));
    }
}

#[tokio::test]
async fn an_encrypted_link_says_nothing_in_clear_to_a_plain_broker() {
    let broker = Broker::new(MqttVersion::V5).await;
    let tls = Some(Tls { ca_file: None, server_name: Some("broker".into()), cert_file: None, key_file: None });
    let peer = TcpPeer { address: broker.address(), connect_timeout: Duration::from_secs(1), tls };
    let password = Some(Secret::new("test", "secret"));
    let connection = connection(MqttLink { peer, user: Some("hub".into()), password, ..settings(&broker) }, Plug::In);
    let _link = subscribed_over(&connection);
    let mut wire = broker.accept().await;
    let mut said = Vec::new();
    let listening = timeout(Duration::from_millis(300), wire.stream.read_to_end(&mut said)).await;
    assert!(listening.is_err(), "it hung up before it was answered");
    assert_eq!(said.first(), Some(&0x16), "not a handshake");
    assert!(!said.windows(6).any(|bytes| bytes == b"secret") && !said.windows(4).any(|bytes| bytes == b"MQTT"));

    wire.send(0x20, &[0, 0, 0]).await;
    let reason = wait_for_reason(&connection).await;
    assert!(reason.contains("no encrypted connection"), "{reason}");
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_left() {
    let broker = Broker::new(MqttVersion::V3).await;
    let connection = connection(MqttLink { keep_alive: Duration::from_secs(1), ..settings(&broker) }, Plug::In);
    let _link = subscribed_over(&connection);
    let (_wire, _) = broker.welcome(false).await;
    let reason = wait_for_reason(&connection).await;
    assert!(reason.starts_with("no sign of life from the broker for "), "{reason}");
    broker.welcome(true).await;
}

#[tokio::test]
async fn a_connection_that_is_closed_acknowledges_what_was_kept_and_says_goodbye() {
    let broker = Broker::new(MqttVersion::V5).await;
    let connection = connection(settings(&broker), Plug::In);
    let link = subscribed_over(&connection);
    let (mut wire, _) = broker.welcome(false).await;
    wire.publish("a/b", b"one", 1, 7, 0).await;
    assert_eq!(receive(&link).await, [new("one")]);
    link.kept();
    connection.close().await;
    wire.acknowledged(PUBACK, 7).await;
    wire.expect(DISCONNECT).await;
    assert_eq!(wire.packet().await, None);
    assert!(timeout(Duration::from_millis(200), broker.listener.accept()).await.is_err(), "it connects again");
}

#[tokio::test]
async fn a_connection_that_is_dropped_ends_its_task() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = subscribed(settings(&broker));
    let (mut wire, _) = broker.welcome(false).await;
    drop(link);
    wire.expect(DISCONNECT).await;
}

#[tokio::test]
async fn nothing_is_connected_without_a_plug() {
    let broker = Broker::new(MqttVersion::V5).await;
    let link = device(&connection(settings(&broker), Plug::Out), &["a/#"]);
    link.subscribe(&["a/#".into()], 1).unwrap();
    assert!(!link.receive(10).unwrap().is_connected);
    assert!(link.publish("set/a".into(), vec![], 0, false).await.is_err());
    assert!(timeout(Duration::from_millis(200), broker.listener.accept()).await.is_err());
}
