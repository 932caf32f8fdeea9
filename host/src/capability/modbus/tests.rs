//! The connection against a scripted slave: what arrives, byte for byte, and what comes back when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::prelude::Request;

use super::link::{Connection, Link};
use super::request::{self, RequestError};
use crate::capability::{Addressing, Plug};
use crate::config::model::{ModbusTcpLink, Reconnect, TcpPeer};

fn settings(address: SocketAddr) -> ModbusTcpLink {
    ModbusTcpLink {
        peer: TcpPeer { address: address.to_string(), connect_timeout: Duration::from_millis(500), tls: None },
        timeout: Duration::from_millis(100),
        reconnect: Reconnect { min: Duration::from_millis(20), max: Duration::from_millis(80) },
    }
}

async fn slave() -> (TcpListener, Link) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = Connection::tcp("line", settings(listener.local_addr().unwrap()), Plug::In);
    (listener, Link::new(Arc::new(connection), &device(1, &[7])))
}

/// A device that is addressed as this unit.
fn device(unit: u8, more_units: &[u8]) -> Addressing {
    Addressing {
        device: "d".into(),
        unit,
        more_units: more_units.to_vec(),
        timeout: None,
        topics: Vec::new(),
        publish_topics: Vec::new(),
    }
}

async fn read(link: &Link, address: u16) -> Result<Vec<u16>, RequestError> {
    link.call(Request::ReadInputRegisters(address, 1), |response| request::registers(response, 1)).await
}

/// One request: transaction id, unit, function, address.
async fn receive(stream: &mut TcpStream) -> ([u8; 2], u8, u8, u16) {
    let mut frame = [0; 12];
    stream.read_exact(&mut frame).await.unwrap();
    ([frame[0], frame[1]], frame[6], frame[7], u16::from_be_bytes([frame[8], frame[9]]))
}

/// The answer to a read of one register: its own address as the value.
async fn answer(stream: &mut TcpStream, ([a, b], unit, function, address): ([u8; 2], u8, u8, u16)) {
    let [high, low] = address.to_be_bytes();
    stream.write_all(&[a, b, 0, 0, 0, 5, unit, function, 2, high, low]).await.unwrap();
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_current_one() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let slow = receive(&mut first).await;
        // The master gave up and came back on a new connection before the slave answered on the old one.
        let (mut second, _) = listener.accept().await.unwrap();
        let current = receive(&mut second).await;
        let _ = first.write_all(&[slow.0[0], slow.0[1], 0, 0, 0, 5, 1, 4, 2, 0, 1]).await;
        answer(&mut second, current).await;
        let next = receive(&mut second).await;
        answer(&mut second, next).await;
    });

    assert_eq!(read(&link, 1).await, Err(RequestError::Timeout(Duration::from_millis(100))));
    assert_eq!(read(&link, 2).await, Ok(vec![2]));
    assert_eq!(read(&link, 3).await, Ok(vec![3]));
    device.await.unwrap();
}

#[tokio::test]
async fn an_answer_to_another_question_closes_the_connection() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (_, unit, function, address) = receive(&mut stream).await;
        answer(&mut stream, ([0xff, 0xff], unit, function, address)).await;
        // The master closes: the next read finds the end.
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    });
    assert!(matches!(read(&link, 1).await, Err(RequestError::BadResponse(_))));
    device.await.unwrap();
}

#[tokio::test]
async fn an_answer_of_another_length_closes_the_connection() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let ([a, b], unit, function, _) = receive(&mut stream).await;
        stream.write_all(&[a, b, 0, 0, 0, 7, unit, function, 4, 0, 1, 0, 2]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    });
    assert!(matches!(read(&link, 1).await, Err(RequestError::BadResponse(_))));
    device.await.unwrap();
}

#[tokio::test]
async fn an_exception_is_a_value_and_keeps_the_connection() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let ([a, b], unit, function, _) = receive(&mut stream).await;
        stream.write_all(&[a, b, 0, 0, 0, 3, unit, function | 0x80, 2]).await.unwrap();
        let next = receive(&mut stream).await;
        answer(&mut stream, next).await;
    });
    assert_eq!(read(&link, 1).await, Err(RequestError::Exception(2)));
    assert_eq!(read(&link, 5).await, Ok(vec![5]));
    device.await.unwrap();
}

#[tokio::test]
async fn a_device_that_is_gone_costs_no_time_and_comes_back() {
    let (listener, link) = slave().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(read(&link, 1).await, Err(RequestError::Closed(_))));
    let begin = std::time::Instant::now();
    assert!(matches!(read(&link, 1).await, Err(RequestError::Closed(reason)) if reason.contains(&address.to_string())));
    assert!(begin.elapsed() < Duration::from_millis(250), "a closed link made its caller wait");

    let listener = TcpListener::bind(address).await.unwrap();
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = receive(&mut stream).await;
        answer(&mut stream, request).await;
    });
    let value = loop {
        match read(&link, 9).await {
            Err(RequestError::Closed(_)) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert_eq!(value, Ok(vec![9]));
    device.await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_dropped_half_way_closes_the_connection() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        receive(&mut first).await;
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
        let (mut second, _) = listener.accept().await.unwrap();
        let request = receive(&mut second).await;
        answer(&mut second, request).await;
    });
    let dropped = tokio::time::timeout(Duration::from_millis(30), read(&link, 1)).await;
    assert!(dropped.is_err());
    assert_eq!(read(&link, 2).await, Ok(vec![2]));
    device.await.unwrap();
}

#[tokio::test]
async fn units_share_one_connection_and_only_granted_ones_are_asked() {
    let (listener, link) = slave().await;
    let device = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut units = Vec::new();
        for _ in 0..2 {
            let request = receive(&mut stream).await;
            units.push(request.1);
            answer(&mut stream, request).await;
        }
        units
    });
    let other = link.to_unit(7).unwrap();
    read(&link, 1).await.unwrap();
    read(&other, 1).await.unwrap();
    assert_eq!(device.await.unwrap(), [1, 7]);
    assert!(matches!(link.to_unit(8).map(|_| ()), Err(RequestError::BadRequest(_))));
}

#[tokio::test]
async fn a_silent_unit_does_not_close_the_door_for_its_neighbour() {
    let (listener, link) = slave().await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                loop {
                    let request = receive(&mut stream).await;
                    if request.1 == 1 {
                        answer(&mut stream, request).await;
                    }
                }
            });
        }
    });
    let silent = link.to_unit(7).unwrap();
    for address in 0..3 {
        assert!(matches!(read(&silent, 0).await, Err(RequestError::Timeout(_))));
        assert_eq!(read(&link, address).await, Ok(vec![address]));
    }
}
