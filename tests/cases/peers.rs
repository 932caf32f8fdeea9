//! The peers themselves: a test that fails here says nothing about the hub.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::mqttbytes::QoS;
use rumqttc::{Client, MqttOptions, PublishOptions};
use tokio_modbus::prelude::*;

use crate::support::mosquitto::Mosquitto;
use crate::support::pymodbus::{Map, Pymodbus, f32_high_first};
use crate::support::store;

async fn connect(device: &Pymodbus) -> client::Context {
    let address: SocketAddr = device.address().parse().unwrap();
    tcp::connect_slave(address, Slave(1)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pymodbus_answers_with_the_bits_of_its_floats() {
    let floats = [12.625_f32, -0.0, f32::from_bits(0x7f7f_ffff), f32::from_bits(0x0000_0001)];
    let mut device = Pymodbus::start(Map::default().input_registers(30, &f32_high_first(&floats)));
    let mut client = connect(&device).await;

    let words = client.read_input_registers(30, 8).await.unwrap().unwrap();
    assert_eq!(words, [0x414a, 0, 0x8000, 0, 0x7f7f, 0xffff, 0, 1]);
    assert_eq!(device.requests(), [(4, 30, 8)]);

    device.set_input_registers(32, &f32_high_first(&[1.5]));
    assert_eq!(client.read_input_registers(32, 2).await.unwrap().unwrap(), [0x3fc0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pymodbus_has_four_tables_and_nothing_beside_them() {
    let mut device = Pymodbus::start(
        Map::default()
            .coils(20, &[true, false, true])
            .discrete_inputs(15, &[true, false, true])
            .holding_registers(5, &[7, 8])
            .holding_registers(9, &[10]),
    );
    let mut client = connect(&device).await;

    assert_eq!(client.read_discrete_inputs(15, 3).await.unwrap().unwrap(), [true, false, true]);
    assert_eq!(client.read_coils(20, 3).await.unwrap().unwrap(), [true, false, true]);
    assert_eq!(client.read_holding_registers(5, 2).await.unwrap().unwrap(), [7, 8]);
    for (address, count) in [(7, 1), (5, 3), (8, 2), (10, 1)] {
        let answer = client.read_holding_registers(address, count).await.unwrap();
        assert_eq!(answer, Err(ExceptionCode::IllegalDataAddress), "{count} from {address}");
    }
    assert_eq!(client.read_discrete_inputs(14, 2).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));
    assert_eq!(client.read_coils(23, 1).await.unwrap(), Err(ExceptionCode::IllegalDataAddress));

    device.set_discrete_inputs(16, &[true]);
    assert_eq!(client.read_discrete_inputs(15, 3).await.unwrap().unwrap(), [true, true, true]);
    client.write_single_coil(21, true).await.unwrap().unwrap();
    assert_eq!(client.read_coils(20, 3).await.unwrap().unwrap(), [true, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pymodbus_refuses_falls_silent_and_comes_back_when_told() {
    let mut device = Pymodbus::start(Map::default().input_registers(0, &[42]));
    let mut client = connect(&device).await;

    device.answer_with_exception(6);
    assert_eq!(client.read_input_registers(0, 1).await.unwrap(), Err(ExceptionCode::ServerDeviceBusy));
    device.answer_with_exception(0);

    device.fall_silent();
    let answer = tokio::time::timeout(Duration::from_millis(200), client.read_input_registers(0, 1)).await;
    assert!(answer.is_err(), "it answered {answer:?}");
    device.speak();

    device.restart();
    let mut client = connect(&device).await;
    assert_eq!(client.read_input_registers(0, 1).await.unwrap().unwrap(), [42]);
}

#[test]
fn mosquitto_passes_a_message_on_and_comes_back_on_the_same_port() {
    let mut broker = Mosquitto::start();
    let first = broker.subscribe("stack/#");
    publish(&broker, "stack/no2", "12.5");
    let message = first.next();
    assert_eq!((message.topic.as_str(), message.payload.as_slice()), ("stack/no2", &b"12.5"[..]));

    broker.restart();

    let second = broker.subscribe("stack/#");
    publish(&broker, "stack/no2", "13");
    assert_eq!(second.next().payload, b"13");
}

fn publish(broker: &Mosquitto, topic: &str, payload: &str) {
    let options = MqttOptions::new("test-publisher", ("127.0.0.1", broker.port()));
    let (client, mut connection) = Client::builder(options).capacity(4).build();
    client.publish(topic, payload.to_owned(), PublishOptions::new(QoS::AtLeastOnce)).unwrap();
    client.disconnect().unwrap();
    while let Ok(Ok(_)) = connection.recv() {}
}

#[test]
fn the_journal_can_be_read_beside_a_writer_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.sqlite");
    let writer = rusqlite::Connection::open(&file).unwrap();
    writer
        .execute_batch("pragma journal_mode = wal; create table entry (number integer); insert into entry values (7)")
        .unwrap();

    assert_eq!(store::number(&file, "select max(number) from entry"), 7);
    assert!(store::try_query(&file, "delete from entry").is_err());
    assert!(store::try_query(&folder.path().join("no such file"), "select 1").is_err());
}
