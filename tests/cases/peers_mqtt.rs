//! The MQTT peers themselves: a broker that keeps things and asks who comes, and a Sparkplug edge node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumqttc::{Client, MqttOptions, Transport};
use serde_json::{Value, json};

use crate::support::mosquitto::{ClientCertificate, Mosquitto, PASSWORD, USER};
use crate::support::sparkplug::{By, Metric, Sparkplug};
use crate::support::told::Told;

/// Whether the broker lets a client in.
fn is_let_in(options: MqttOptions) -> bool {
    let (_client, mut connection) = Client::builder(options).capacity(4).build();
    matches!(connection.recv_timeout(Duration::from_secs(20)), Ok(Ok(_)))
}

#[test]
fn mosquitto_keeps_sessions_and_retained_messages_over_a_crash() {
    let mut broker = Mosquitto::start_persistent();
    drop(broker.subscribe_as("hub", "stack/#"));
    broker.publish("stack/no2", "12.5");
    broker.publish_retained("unit", "mg/m3");
    broker.save();

    broker.restart();

    let message = broker.subscribe_as("hub", "stack/#").next();
    assert_eq!((message.topic.as_str(), message.payload.as_slice()), ("stack/no2", &b"12.5"[..]));
    let message = broker.subscribe("unit").next();
    assert_eq!((message.payload.as_slice(), message.retained), (&b"mg/m3"[..], true));
}

#[test]
fn mosquitto_with_tls_lets_in_who_has_the_password_and_the_certificate() {
    let broker = Mosquitto::start_tls(ClientCertificate::Required);
    let subscriber = broker.subscribe("stack/#");
    broker.publish("stack/no2", "12.5");
    assert_eq!(subscriber.next().payload, b"12.5");

    let read = |name: &str| std::fs::read(broker.certificates().file(name)).unwrap();
    let identity = |name: &str| Some((read(&format!("{name}.crt")), read(&format!("{name}.pem"))));
    let with = |identity, password: &str| {
        let mut options = MqttOptions::new("somebody", ("127.0.0.1", broker.port()));
        options.set_transport(Transport::tls(read("ca.pem"), identity, None));
        options.set_credentials(USER, password.to_owned());
        options
    };
    assert!(is_let_in(with(identity("client"), PASSWORD)));
    assert!(!is_let_in(with(identity("client"), "wrong")));
    assert!(!is_let_in(with(identity("stranger"), PASSWORD)));
    assert!(!is_let_in(with(None, PASSWORD)));
    assert!(!is_let_in(MqttOptions::new("somebody", ("127.0.0.1", broker.port()))));
}

#[test]
fn mosquitto_with_tls_asks_for_no_certificate_when_told_so() {
    let broker = Mosquitto::start_tls(ClientCertificate::NotAsked);
    let ca = std::fs::read(broker.certificates().authority()).unwrap();
    let mut options = MqttOptions::new("somebody", ("127.0.0.1", broker.port()));
    options.set_transport(Transport::tls(ca, None, None)).set_credentials(USER, PASSWORD);
    assert!(is_let_in(options));
}

/// The next message as kind, device, seq and its metrics.
fn next(host: &mut Told) -> (String, Option<String>, Option<u8>, Vec<Value>) {
    serde_json::from_value(host.get(&json!({ "next": true }))).unwrap()
}

/// What a metric is called and what it is, without its time.
fn named(metrics: &[Value]) -> Vec<(Value, Value, Value)> {
    metrics.iter().map(|metric| (metric[0].clone(), metric[1].clone(), metric[2].clone())).collect()
}

#[test]
fn the_sparkplug_node_is_born_sends_by_alias_and_dies() {
    let broker = Mosquitto::start();
    let (mut host, _) = Told::start("sparkplug_host.py", &[&broker.port().to_string()], &json!({}));
    let stack = [Metric::double("NO2", 7, 12.5), Metric::double("CO", 8, 1.0)];
    let mut node = Sparkplug::start(&broker, &[], &[("stack", &stack)]);
    let device = Some("stack".to_owned());

    let (kind, _, seq, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), seq), ("NBIRTH", Some(0)));
    assert_eq!((&metrics[0][0], &metrics[0][2]), (&json!("bdSeq"), &json!(0)));
    let (kind, of, seq, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), of, seq), ("DBIRTH", device.clone(), Some(1)));
    let born = [(json!("NO2"), json!(7), json!(12.5)), (json!("CO"), json!(8), json!(1.0))];
    assert_eq!(named(&metrics), born);

    node.send(Some("stack"), &json!({ "NO2": 13.25 }));
    let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    node.send_historical(Some("stack"), &json!({ "CO": 2.5 }), at);
    node.lose(3);
    node.send_at(Some("stack"), &json!({ "CO": null }), SystemTime::now(), By::Name);
    let (kind, of, seq, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), of, seq), ("DDATA", device.clone(), Some(2)));
    assert_eq!(named(&metrics), [(json!(null), json!(7), json!(13.25))]);
    let (_, _, seq, metrics) = next(&mut host);
    assert_eq!((seq, &metrics), (Some(3), &vec![json!([null, 8, 2.5, 1_700_000_000_123_u64, true, false])]));
    let (_, _, seq, metrics) = next(&mut host);
    assert_eq!(seq, Some(7));
    assert_eq!((&metrics[0][0], &metrics[0][2], &metrics[0][5]), (&json!("CO"), &json!(null), &json!(true)));

    node.device_death("stack");
    let (kind, of, seq, _) = next(&mut host);
    assert_eq!((kind.as_str(), of, seq), ("DDEATH", device, Some(8)));

    host.order("rebirth");
    let (kind, _, seq, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), seq, &metrics[0][2]), ("NBIRTH", Some(0), &json!(0)));
    assert_eq!(next(&mut host).0, "DBIRTH");
    assert_eq!(node.commands(), [("spBv1.0/plant/NCMD/edge".to_owned(), json!({ "Node Control/Rebirth": true }))]);

    node.die();
    let (kind, _, _, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), &metrics[0][2]), ("NDEATH", &json!(0)));
    node.live_again();
    let (kind, _, _, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), &metrics[0][2]), ("NBIRTH", &json!(1)));
    assert_eq!(next(&mut host).0, "DBIRTH");
    node.vanish();
    let (kind, _, _, metrics) = next(&mut host);
    assert_eq!((kind.as_str(), &metrics[0][2]), ("NDEATH", &json!(1)));
}

#[test]
fn the_sparkplug_node_comes_over_tls_too() {
    let broker = Mosquitto::start_tls(ClientCertificate::Required);
    let subscriber = broker.subscribe("spBv1.0/plant/#");
    let _node = Sparkplug::start(&broker, &[Metric::double("load", 1, 50.0)], &[]);
    assert_eq!(subscriber.next().topic, "spBv1.0/plant/NBIRTH/edge");
}
