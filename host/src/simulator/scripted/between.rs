//! A stretch of network between the hub and an instrument, on which things go wrong when told so.
//!
//! What the hub sends always arrives; faults are in what comes back. It knows no protocol: it alters bytes, holds them or breaks the connection.
//!
//! Invariant: a connection out of which something was taken is closed when the fault ends, as a device that was started again does; it never
//! goes on with a hole in its bytes.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// Room for what is read at once.
const PIECE: usize = 16 << 10;
/// Pieces that are on their way at once when they are late.
const LATE_PIECES: usize = 1_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nothing comes back any more; the connection stays.
    Silent,
    /// Connections are reset, new ones as soon as they are made.
    Reset,
    /// Other bytes come, as many.
    Garbage,
    /// Of each piece the first half comes and then nothing.
    Truncated,
    /// Everything comes, after a pause.
    Late,
}

/// Which of its two ends the instrument is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instrument {
    /// It is connected to.
    Listens,
    /// It connects.
    Connects,
}

/// A port that passes connections on to another address. Dropping it ends it.
#[derive(Debug)]
pub struct Between {
    address: SocketAddr,
    fault: watch::Sender<Told>,
    _task: AbortOnDropHandle<()>,
}

/// What is wrong at the moment, and how many times that has changed.
#[derive(Debug, Clone, Copy)]
struct Told {
    fault: Fault,
    changes: u32,
}

struct Path {
    to: SocketAddr,
    instrument: Instrument,
    pause: Duration,
}

impl Between {
    /// Passes on to this address; `pause` is how late things are when they are late.
    pub async fn start(to: SocketAddr, instrument: Instrument, pause: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (fault, told) = watch::channel(Told { fault: Fault::None, changes: 0 });
        let task = tokio::spawn(listen(listener, Path { to, instrument, pause }, told));
        Ok(Between { address, fault, _task: AbortOnDropHandle::new(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this goes wrong.
    pub fn set(&self, fault: Fault) {
        self.fault.send_if_modified(|told| {
            let is_news = told.fault != fault;
            told.fault = fault;
            told.changes += u32::from(is_news);
            is_news
        });
    }

    /// What goes wrong at the moment.
    pub fn fault(&self) -> Fault {
        self.fault.borrow().fault
    }
}

async fn listen(listener: TcpListener, path: Path, told: watch::Receiver<Told>) {
    let mut passed = tokio::task::JoinSet::new();
    let path = std::sync::Arc::new(path);
    while let Ok((near, _)) = listener.accept().await {
        while passed.try_join_next().is_some() {}
        let (path, told) = (std::sync::Arc::clone(&path), told.clone());
        passed.spawn(async move {
            // Whatever ends a connection is what it is there for.
            let _ = pass(near, &path, told).await;
        });
    }
}

async fn pass(near: TcpStream, path: &Path, mut told: watch::Receiver<Told>) -> io::Result<()> {
    let far = TcpStream::connect(path.to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut hub, mut instrument) = match path.instrument {
        Instrument::Listens => (near, far),
        Instrument::Connects => (far, near),
    };
    let (mut from_hub, mut from_instrument) = (vec![0; PIECE], vec![0; PIECE]);
    let mut late: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut is_damaged = false;
    let mut changes = told.borrow_and_update().changes;
    loop {
        let now = *told.borrow_and_update();
        if now.fault == Fault::Reset || is_damaged && now.changes != changes {
            hub.set_zero_linger()?;
            instrument.set_zero_linger()?;
            return Ok(());
        }
        changes = now.changes;
        let due = late.front().map(|(due, _)| *due);
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return Ok(()) },
            count = hub.read(&mut from_hub) => {
                let bytes = piece(&from_hub, count?)?;
                instrument.write_all(bytes).await?;
            }
            () = wait(due), if due.is_some() => {
                if let Some((_, bytes)) = late.pop_front() {
                    hub.write_all(&bytes).await?;
                }
            }
            count = instrument.read(&mut from_instrument), if late.len() < LATE_PIECES => {
                let bytes = piece(&from_instrument, count?)?;
                is_damaged |= !matches!(now.fault, Fault::None | Fault::Late);
                match now.fault {
                    Fault::Late => late.push_back((Instant::now() + path.pause, bytes.to_vec())),
                    fault => hub.write_all(&altered(bytes, fault)).await?,
                }
            }
        }
    }
}

async fn wait(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
}

/// What was read; nothing means that the other end has closed.
fn piece(buffer: &[u8], count: usize) -> io::Result<&[u8]> {
    buffer.get(..count).filter(|bytes| !bytes.is_empty()).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// What is left of a piece.
fn altered(bytes: &[u8], fault: Fault) -> Vec<u8> {
    match fault {
        Fault::None | Fault::Late => bytes.to_vec(),
        Fault::Silent | Fault::Reset => Vec::new(),
        Fault::Truncated => bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec(),
        // No byte stays what it was, and most are no characters of any protocol on a line.
        Fault::Garbage => bytes.iter().enumerate().map(|(at, byte)| !byte ^ (at as u8).wrapping_mul(29)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        if stream.write_all(bytes).await.is_err() {
            return Vec::new();
        }
        let mut buffer = [0; 64];
        match tokio::time::timeout(Duration::from_millis(100), stream.read(&mut buffer)).await {
            Ok(Ok(count)) => buffer[..count].to_vec(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn each_fault_does_what_it_says_and_a_connection_with_a_hole_does_not_go_on() {
        let between = Between::start(echo().await, Instrument::Listens, Duration::from_millis(300)).await.unwrap();
        let connect = || TcpStream::connect(between.address());
        for (fault, expected) in
            [(Fault::None, &b"no 12.5"[..]), (Fault::Silent, b""), (Fault::Truncated, b"no "), (Fault::Late, b"")]
        {
            between.set(Fault::None);
            let mut stream = connect().await.unwrap();
            assert_eq!(ask(&mut stream, b"no 12.5").await, b"no 12.5", "{fault:?}");
            between.set(fault);
            assert_eq!(ask(&mut stream, b"no 12.5").await, expected, "{fault:?}");
            between.set(Fault::None);
            let after = ask(&mut stream, b"no 12.5").await;
            let goes_on = matches!(fault, Fault::None | Fault::Late);
            assert_eq!(after == b"no 12.5", goes_on, "{fault:?}: {after:?}");
        }
        between.set(Fault::Garbage);
        let mut stream = connect().await.unwrap();
        let garbage = ask(&mut stream, b"no 12.5").await;
        assert!(garbage.len() == 7 && garbage.iter().zip(b"no 12.5").all(|(a, b)| a != b), "{garbage:?}");
        between.set(Fault::Reset);
        assert!(stream.read(&mut [0; 8]).await.is_err(), "it was not reset");
    }
}
