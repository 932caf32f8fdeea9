//! A broker that says what the test tells it to, byte for byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::config::model::MqttVersion;

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) const PUBACK: u8 = 0x40;
pub(super) const PUBREC: u8 = 0x50;
pub(super) const PUBREL: u8 = 0x62;
pub(super) const PUBCOMP: u8 = 0x70;
pub(super) const SUBSCRIBE: u8 = 0x82;
pub(super) const PINGREQ: u8 = 0xc0;
pub(super) const DISCONNECT: u8 = 0xe0;
pub(super) const DUP: u8 = 8;
pub(super) const RETAIN: u8 = 1;

pub(super) struct Broker {
    pub listener: TcpListener,
    pub version: MqttVersion,
}

/// One connection, seen from the broker.
pub(super) struct Wire {
    pub stream: TcpStream,
    version: MqttVersion,
}

impl Broker {
    pub(super) async fn new(version: MqttVersion) -> Self {
        Broker { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), version }
    }

    pub(super) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// The next connection, before anything was said.
    pub(super) async fn accept(&self) -> Wire {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap();
        Wire { stream, version: self.version }
    }

    /// The next connection, greeted and subscribed; with what was subscribed to.
    pub(super) async fn welcome(&self, session_present: bool) -> (Wire, Vec<String>) {
        let mut wire = self.accept().await;
        wire.greet(session_present, 0).await;
        let filters = wire.subscribed(0).await;
        (wire, filters)
    }
}

impl Wire {
    fn is_5(&self) -> bool {
        self.version == MqttVersion::V5
    }

    pub(super) async fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let byte = (length & 0x7f) as u8;
            length >>= 7;
            packet.push(if length > 0 { byte | 0x80 } else { byte });
            if length == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.stream.write_all(&packet).await.unwrap();
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((first, body))
    }

    /// The next packet that is not a sign of life; those are answered.
    pub(super) async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            match timeout(PATIENCE, self.read()).await.expect("nothing comes") {
                Some((PINGREQ, _)) => self.send(0xd0, &[]).await,
                other => return other,
            }
        }
    }

    /// The next packet is of this kind.
    pub(super) async fn expect(&mut self, first: u8) -> Vec<u8> {
        let (found, body) = self.packet().await.expect("the connection ended");
        assert_eq!(found, first, "{body:?}");
        body
    }

    /// The next packet is this acknowledgement.
    pub(super) async fn acknowledged(&mut self, first: u8, packet: u16) {
        let body = self.expect(first).await;
        assert_eq!(body[..2], packet.to_be_bytes(), "another packet is acknowledged");
    }

    /// Nothing comes for a while.
    pub(super) async fn silent(&mut self) {
        let pause = Duration::from_millis(150);
        while let Ok(packet) = timeout(pause, self.read()).await {
            match packet {
                Some((PINGREQ, _)) => self.send(0xd0, &[]).await,
                packet => panic!("it said {packet:?}"),
            }
        }
    }

    /// Takes CONNECT and answers with this code.
    pub(super) async fn greet(&mut self, session_present: bool, code: u8) -> Vec<u8> {
        let connect = self.expect(0x10).await;
        let present = u8::from(session_present);
        let body: &[u8] = if self.is_5() { &[present, code, 0] } else { &[present, code] };
        self.send(0x20, body).await;
        connect
    }

    /// Takes SUBSCRIBE and answers with this code for each filter.
    pub(super) async fn subscribed(&mut self, code: u8) -> Vec<String> {
        let body = self.expect(SUBSCRIBE).await;
        let mut rest = &body[if self.is_5() { 3 } else { 2 }..];
        let mut filters = Vec::new();
        while let [high, low, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            filters.push(String::from_utf8(tail[..length].to_vec()).unwrap());
            rest = &tail[length + 1..];
        }
        let mut answer = body[..2].to_vec();
        answer.extend_from_slice(if self.is_5() { &[0] } else { &[] });
        answer.extend(filters.iter().map(|_| code));
        self.send(0x90, &answer).await;
        filters
    }

    /// Sends a message; `marks` are dup and retain.
    pub(super) async fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, packet: u16, marks: u8) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        if qos > 0 {
            body.extend_from_slice(&packet.to_be_bytes());
        }
        if self.is_5() {
            body.push(0);
        }
        body.extend_from_slice(payload);
        self.send(0x30 | qos << 1 | marks, &body).await;
    }
}
