//! A line against scripted slaves behind a converter: what arrives, byte for byte, and what is taken for an answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_modbus::prelude::Request;

use super::frame::{unwrap, wrap};
use super::link::{Connection, Link};
use super::request::{self, RequestError};
use crate::capability::{Addressing, Plug};
use crate::config::model::{ModbusFraming, ModbusLineLink, Reconnect, TcpPeer, Wire};

const TIMEOUT: Duration = Duration::from_millis(60);
const FRAMINGS: [ModbusFraming; 2] = [ModbusFraming::Rtu, ModbusFraming::Ascii];

async fn line(framing: ModbusFraming) -> (TcpListener, Link) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = ModbusLineLink {
        framing,
        wire: Wire::Tcp(TcpPeer { address, connect_timeout: Duration::from_secs(1), tls: None }),
        timeout: TIMEOUT,
        silence: None,
        turnaround: Duration::ZERO,
        reconnect: Reconnect { min: Duration::from_millis(10), max: Duration::from_millis(300) },
    };
    let device = Addressing {
        device: "d".into(),
        unit: 1,
        more_units: vec![0, 7, 8],
        timeout: None,
        topics: Vec::new(),
        publish_topics: Vec::new(),
    };
    (listener, Link::new(Arc::new(Connection::line("line", settings, Plug::In)), &device))
}

async fn read(link: &Link, address: u16) -> Result<Vec<u16>, RequestError> {
    link.call(Request::ReadInputRegisters(address, 1), |response| request::registers(response, 1)).await
}

/// Reads again while the unit is left alone or its line is opened again.
async fn read_in_the_end(link: &Link, address: u16) -> Vec<u16> {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        match read(link, address).await {
            Ok(words) => return words,
            Err(error) if Instant::now() > patience => panic!("address {address}: {error}"),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// The next request: unit and protocol data unit.
async fn receive(stream: &mut TcpStream, framing: ModbusFraming) -> Option<(u8, Vec<u8>)> {
    let mut came = Vec::new();
    loop {
        came.push(stream.read_u8().await.ok()?);
        if let Some(request) = unwrap(framing, &came) {
            return Some(request);
        }
    }
}

/// What a slave answers whose input registers hold their own addresses.
fn answer(framing: ModbusFraming, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let address = u16::from_be_bytes([pdu[1], pdu[2]]);
    let count = pdu[4];
    let words = (0..u16::from(count)).flat_map(|offset| (address + offset).to_be_bytes());
    let pdu: Vec<u8> = [pdu[0], count * 2].into_iter().chain(words).collect();
    wrap(framing, unit, &pdu)
}

/// A slave that answers in the order of its requests, the one number `late` so much later than it should. What it owes comes over whatever
/// connection there is by then.
fn slow_slave(listener: TcpListener, framing: ModbusFraming, late: usize, by: Duration) {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (send, mut answers) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        let mut received = 0;
        let mut next = None;
        loop {
            tokio::select! {
                request = receive(&mut stream, framing) => {
                    let Some((unit, pdu)) = request else {
                        (stream, _) = listener.accept().await.unwrap();
                        continue;
                    };
                    let delay = if received == late { by } else { Duration::ZERO };
                    received += 1;
                    send.send((Instant::now() + delay, answer(framing, unit, &pdu))).unwrap();
                }
                Some(queued) = answers.recv(), if next.is_none() => next = Some(queued),
                () = sleep_until(next.as_ref().map_or(Instant::now(), |(at, _)| *at)), if next.is_some() => {
                    let (_, bytes) = next.take().unwrap();
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_current_one() {
    for framing in FRAMINGS {
        // Within the time that the unit is left alone, and long after it was asked again.
        for late_by in [90, 150, 260, 420] {
            let (listener, link) = line(framing).await;
            slow_slave(listener, framing, 1, Duration::from_millis(late_by));
            for address in 1..=4 {
                assert_eq!(read_in_the_end(&link, address).await, [address], "{framing:?} late by {late_by} ms");
            }
        }
    }
}

/// A slave that takes requests and answers none for a while, then all of them, one after the other, over whichever connection its
/// converter has then.
fn stalling_slave(listener: TcpListener, framing: ModbusFraming, from: usize, stall: Duration) {
    tokio::spawn(async move {
        let (mut waiting, mut received, mut until) = (Vec::new(), 0, Instant::now());
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            loop {
                tokio::select! {
                    request = receive(&mut stream, framing) => {
                        let Some((unit, pdu)) = request else { break };
                        waiting.push(answer(framing, unit, &pdu));
                        received += 1;
                        if received == from {
                            until = Instant::now() + stall;
                        }
                    }
                    () = sleep_until(until), if !waiting.is_empty() => {
                        sleep(Duration::from_millis(10)).await;
                        let bytes = waiting.remove(0);
                        if stream.write_all(&bytes).await.is_err() {
                            break;
                        }
                    }
                }
            }
        }
    });
}

#[tokio::test]
async fn a_unit_that_answers_everything_after_a_stall_is_brought_into_step() {
    for framing in FRAMINGS {
        for stall in [200, 700, 1500] {
            let (listener, link) = line(framing).await;
            stalling_slave(listener, framing, 3, Duration::from_millis(stall));
            let (mut answered, patience) = (0, Instant::now() + Duration::from_secs(20));
            // Another address each time, and two shapes in turn, as a driver has that reads two blocks.
            for address in 1.. {
                let count = 1 + address % 2;
                let read = Request::ReadInputRegisters(address, count);
                match link.call(read, |response| request::registers(response, count)).await {
                    Ok(words) => {
                        let expected: Vec<u16> = (address..address + count).collect();
                        assert_eq!(words, expected, "{framing:?} {stall} ms");
                        answered += 1;
                    }
                    Err(error) => {
                        assert!(Instant::now() < patience, "{framing:?} {stall} ms, address {address}: {error}");
                        sleep(Duration::from_millis(5)).await;
                    }
                }
                if answered == 10 {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_broken_answer_is_an_error_and_the_next_is_right() {
    for framing in FRAMINGS {
        let (listener, link) = line(framing).await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for turn in 0.. {
                let Some((unit, pdu)) = receive(&mut stream, framing).await else { return };
                let mut bytes = answer(framing, unit, &pdu);
                match turn {
                    0 => bytes[4] ^= 0x01,
                    1 => bytes.truncate(5),
                    _ => {}
                }
                stream.write_all(&bytes).await.unwrap();
            }
        });
        assert!(matches!(read(&link, 1).await, Err(RequestError::BadResponse(_))), "{framing:?}: a wrong check");
        assert!(matches!(read(&link, 2).await, Err(RequestError::BadResponse(_))), "{framing:?}: a short frame");
        assert_eq!(read(&link, 3).await, Ok(vec![3]), "{framing:?}");
    }
}

#[tokio::test]
async fn noise_and_what_another_unit_says_are_passed_over() {
    for framing in FRAMINGS {
        let (listener, link) = line(framing).await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Some((unit, pdu)) = receive(&mut stream, framing).await {
                let mut bytes = vec![0x00, 0xff, 0x33];
                bytes.extend(wrap(framing, unit + 1, &[4, 2, 0xde, 0xad]));
                bytes.extend(wrap(framing, unit, &[4, 4, 0xde, 0xad, 0xbe, 0xef]));
                bytes.extend(answer(framing, unit, &pdu));
                for byte in bytes {
                    stream.write_all(&[byte]).await.unwrap();
                }
            }
        });
        for address in 1..=3 {
            assert_eq!(read(&link, address).await, Ok(vec![address]), "{framing:?}");
        }
    }
}

#[tokio::test]
async fn an_exception_is_a_value_and_the_line_stays_in_step() {
    let framing = ModbusFraming::Rtu;
    let (listener, link) = line(framing).await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (unit, _) = receive(&mut stream, framing).await.unwrap();
        stream.write_all(&wrap(framing, unit, &[0x84, 2])).await.unwrap();
        let (unit, pdu) = receive(&mut stream, framing).await.unwrap();
        stream.write_all(&answer(framing, unit, &pdu)).await.unwrap();
    });
    assert_eq!(read(&link, 1).await, Err(RequestError::Exception(2)));
    assert_eq!(read(&link, 5).await, Ok(vec![5]));
}

#[tokio::test]
async fn a_dead_slave_does_not_delay_its_neighbours() {
    let framing = ModbusFraming::Rtu;
    let (listener, link) = line(framing).await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some((unit, pdu)) = receive(&mut stream, framing).await {
            if unit == 1 {
                stream.write_all(&answer(framing, unit, &pdu)).await.unwrap();
            }
        }
    });
    let dead = link.to_unit(7).unwrap();
    assert_eq!(read(&dead, 1).await, Err(RequestError::Timeout(TIMEOUT)));
    let begin = Instant::now();
    assert!(matches!(read(&dead, 1).await, Err(RequestError::Closed(reason)) if reason.contains("unit 7")));
    assert_eq!(read(&link, 1).await, Ok(vec![1]));
    assert!(begin.elapsed() < TIMEOUT, "the neighbour waited for the dead one");
}

#[tokio::test]
async fn a_request_that_was_dropped_half_way_leaves_no_answer_for_the_next() {
    for framing in FRAMINGS {
        let (listener, link) = line(framing).await;
        slow_slave(listener, framing, 1, Duration::from_millis(40));
        assert_eq!(read_in_the_end(&link, 1).await, [1]);
        let dropped = tokio::time::timeout(Duration::from_millis(10), read(&link, 2)).await;
        assert!(dropped.is_err());
        for address in 3..6 {
            assert_eq!(read_in_the_end(&link, address).await, [address], "{framing:?}");
        }
    }
}

#[tokio::test]
async fn a_converter_that_closed_is_connected_again() {
    let framing = ModbusFraming::Rtu;
    let (listener, link) = line(framing).await;
    tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (unit, pdu) = receive(&mut stream, framing).await.unwrap();
            stream.write_all(&answer(framing, unit, &pdu)).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    assert_eq!(read(&link, 1).await, Ok(vec![1]));
    assert!(matches!(read(&link, 2).await, Err(RequestError::Closed(_))));
    tokio::time::timeout(Duration::from_secs(5), async {
        // The second connection has one answer: the probe takes it, and the first request after it is closed on.
        while !matches!(read(&link, 3).await, Err(RequestError::Closed(reason)) if reason.contains("closed")) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it was not connected again");
}

#[tokio::test]
async fn a_converter_that_started_anew_without_a_word_is_connected_again() {
    let (listener, link) = line(ModbusFraming::Rtu).await;
    let slave = tokio::spawn(async move {
        // The first connection is kept and never heard.
        let (_deaf, _) = listener.accept().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some((unit, pdu)) = receive(&mut stream, ModbusFraming::Rtu).await {
            stream.write_all(&answer(ModbusFraming::Rtu, unit, &pdu)).await.unwrap();
        }
    });

    assert_eq!(read(&link, 40).await, Err(RequestError::Timeout(TIMEOUT)));
    assert_eq!(read_in_the_end(&link, 41).await, [41]);

    slave.abort();
}

#[tokio::test]
async fn nobody_is_asked_at_the_address_of_all() {
    let (_listener, link) = line(ModbusFraming::Rtu).await;
    let all = link.to_unit(0).unwrap();
    assert!(matches!(read(&all, 1).await, Err(RequestError::BadRequest(_))));
}
