//! Lines against scripted instruments: what arrives there, byte for byte, and what comes back when.

mod acknowledging;
mod exchanges;
mod framing;
mod late;
mod listening;
mod sharing;
mod wires;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Connection, Echo, Exchange, Framing, Link, StreamError, Unasked};
use crate::capability::wire::Direction;
use crate::capability::{Addressing, Plug, Surroundings};
use crate::config::model::{Reconnect, StreamLink, TcpPeer, Wire};

const TIMEOUT: Duration = Duration::from_millis(250);
const QUIET: Duration = Duration::from_millis(40);

fn ended_by(ends: &[&[u8]]) -> Framing {
    let ends = ends.iter().map(|end| end.to_vec()).collect();
    Framing { starts: Vec::new(), ends, trailer: 0, length: None, gap: None, longest: 4096 }
}

/// The next frame is the reply.
fn next_frame() -> Exchange {
    Exchange { echo: Echo::No, begins: Vec::new(), frames: 1, quiet: None, timeout: None }
}

fn begins_with(begin: &[u8]) -> Exchange {
    Exchange { begins: vec![begin.to_vec()], ..next_frame() }
}

fn tcp(address: SocketAddr) -> Wire {
    Wire::Tcp(TcpPeer { address: address.to_string(), connect_timeout: Duration::from_millis(500), tls: None })
}

fn settings(wire: Wire) -> StreamLink {
    let reconnect = Reconnect { min: Duration::from_millis(20), max: Duration::from_millis(80) };
    StreamLink { wire, timeout: TIMEOUT, pause: Duration::ZERO, quiet: QUIET, queue: 100, reconnect }
}

fn connection(settings: StreamLink) -> Arc<Connection> {
    connection_with(settings, Plug::In)
}

fn connection_with(settings: StreamLink, plug: Plug) -> Arc<Connection> {
    let surroundings = Surroundings { pki: "pki".into(), hub: "hub".into(), plug };
    Arc::new(Connection::new("line", settings, &surroundings))
}

fn device(name: &str) -> Addressing {
    Addressing {
        device: name.into(),
        unit: 1,
        more_units: Vec::new(),
        timeout: None,
        topics: Vec::new(),
        publish_topics: Vec::new(),
    }
}

/// A device with lines that end in CR, which nothing wakes.
fn lines(connection: &Arc<Connection>, name: &str) -> Link {
    let link = Link::new(Arc::clone(connection), &device(name));
    link.frames(ended_by(&[b"\r"]), Unasked::Waits).unwrap();
    link
}

/// An instrument behind a TCP connection, and a device that reads it.
async fn instrument() -> (TcpListener, Link) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = lines(&connection(settings(tcp(listener.local_addr().unwrap()))), "d");
    (listener, link)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    soon(listener.accept()).await.unwrap().0
}

/// What must happen, and soon.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("it did not happen")
}

/// One line that ends in CR.
async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r") {
        bytes.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

async fn ask(link: &Link, request: &str, exchange: Exchange) -> Result<String, StreamError> {
    let frames = soon(link.request(request.into(), exchange)).await?;
    Ok(frames.iter().map(|frame| String::from_utf8_lossy(frame).into_owned()).collect::<Vec<_>>().join("|"))
}

/// Asks until there is a connection.
async fn ask_until_open(link: &Link, request: &str) -> Result<String, StreamError> {
    soon(async {
        loop {
            match ask(link, request, next_frame()).await {
                Err(StreamError::Closed(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    })
    .await
}

/// Waits for so many frames that came unasked.
async fn unasked(link: &Link, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    soon(async {
        while found.len() < count {
            found.extend(link.receive(100).frames.into_iter().map(|frame| String::from_utf8(frame.bytes).unwrap()));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    found
}

async fn open(link: &Link, count: u64) {
    soon(async {
        while !(link.presence().is_open && link.presence().count >= count) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

fn link_connection(link: &Link) -> &Connection {
    link.connection()
}

fn link_trace(link: &Link) -> crate::capability::wire::Frames {
    link.connection().trace().watch()
}

/// Why there is no connection, or nothing.
fn link_state(link: &Link) -> String {
    link.connection().reporter().reason_or("")
}
