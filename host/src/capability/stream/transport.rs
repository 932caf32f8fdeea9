//! What carries the bytes: a connection that the hub makes, a serial port, datagrams, or a socket where the instrument connects.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::capability::wire::{Io, dial_serial, dial_tcp};
use crate::config::model::{SerialPort, Wire};

/// Longest wait for a name, and for the goodbye of a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// An instrument that only speaks when it has something to say is asked by the system whether it is still there: after so
/// much silence, and then so often, nine times.
const SILENCE: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_secs(3);
/// Room for what is read at once.
const PIECE: usize = 4 << 10;
const DATAGRAM: usize = 64 << 10;

/// An open line.
#[derive(Debug)]
pub(super) enum Line {
    /// Bytes in a row.
    Bytes(Io),
    /// Pieces that are frames.
    Datagrams(UdpSocket),
}

/// A socket where the instrument connects.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    from: Vec<IpAddr>,
}

/// Who knocked.
#[derive(Debug)]
pub(super) enum Knock {
    /// It may come in.
    Welcome(Line, SocketAddr),
    /// It may not.
    Refused(SocketAddr),
    /// The system could not say who it was.
    Failed(String),
}

/// Opens the line that the hub itself opens; the error has the place in it.
pub(super) async fn dial(wire: &Wire) -> Result<Line, String> {
    let io = match wire {
        Wire::Tcp(peer) => dial_tcp(peer).await,
        Wire::Serial(port) => dial_serial(port),
        Wire::Udp { address } => return dial_udp(address).await,
        Wire::Listen { listen, .. } => return Err(format!("{listen}: here the instrument connects")),
    };
    let io = io.map_err(|error| error.to_string())?;
    keep_alive(&io).map_err(|error| format!("{}: {error}", place(wire)))?;
    Ok(Line::Bytes(io))
}

/// A socket of its own for each connection, and only for this address: what comes from elsewhere, or for the socket
/// before, is dropped by the system.
async fn dial_udp(address: &str) -> Result<Line, String> {
    let connect = async {
        let peer = lookup_host(address).await?.next();
        let peer = peer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
        let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(peer).await?;
        Ok::<_, io::Error>(socket)
    };
    match timeout(LONGEST_WAIT, connect).await {
        Ok(Ok(socket)) => Ok(Line::Datagrams(socket)),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: the name was not found within {} s", LONGEST_WAIT.as_secs())),
    }
}

fn keep_alive(io: &Io) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL);
    match io {
        Io::Tcp(stream) => SockRef::from(stream).set_tcp_keepalive(&probes),
        Io::Tls(stream) => SockRef::from(stream.get_ref().0).set_tcp_keepalive(&probes),
        Io::Serial(_) => Ok(()),
    }
}

/// Where a wire leads, for people.
pub(super) fn place(wire: &Wire) -> String {
    match wire {
        Wire::Serial(port) => port.port.display().to_string(),
        Wire::Tcp(peer) => peer.address.clone(),
        Wire::Udp { address } => address.clone(),
        Wire::Listen { listen, .. } => listen.clone(),
    }
}

/// How long so many bytes are on their way when the system has taken them.
pub(super) fn transmission(wire: &Wire, bytes: usize) -> Duration {
    match wire {
        Wire::Serial(port) => SerialPort::character(port).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)),
        Wire::Tcp(_) | Wire::Udp { .. } | Wire::Listen { .. } => Duration::ZERO,
    }
}

/// Room for what arrives at once on such a wire.
pub(super) fn room(wire: &Wire) -> Box<[u8]> {
    vec![0; if matches!(wire, Wire::Udp { .. }) { DATAGRAM } else { PIECE }].into()
}

impl Line {
    /// Whether each piece that is read is a frame.
    pub(super) fn is_datagrams(&self) -> bool {
        matches!(self, Line::Datagrams(_))
    }

    /// Reads what is there, at least something. Cancel safe.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        match self {
            Line::Datagrams(socket) => socket.recv(buffer).await.map_err(|error| error.to_string()),
            Line::Bytes(io) => match io.read(buffer).await {
                Ok(0) => Err("the other end closed the connection".into()),
                Ok(read) => Ok(read),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// Gives all bytes to the system.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Line::Datagrams(socket) => socket.send(bytes).await.map(drop),
            // Flushing a serial port would block the thread until the last bit is out.
            Line::Bytes(io @ Io::Serial(_)) => io.write_all(bytes).await,
            Line::Bytes(io) => {
                io.write_all(bytes).await?;
                io.flush().await
            }
        }
    }

    /// Says goodbye, if the other end listens.
    pub(super) async fn close(self) {
        if let Line::Bytes(mut io @ (Io::Tcp(_) | Io::Tls(_))) = self {
            // It is closed in any case.
            let _ = timeout(LONGEST_WAIT, io.shutdown()).await;
        }
    }
}

impl Door {
    /// Listens; those that may connect are IP addresses, none: any.
    pub(super) async fn open(listen: &str, from: &[String]) -> Result<Self, String> {
        let from = from.iter().map(|text| text.parse::<IpAddr>().map_err(|_| format!("{text:?} is no IP address")));
        let from = from.collect::<Result<Vec<_>, _>>()?;
        let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
        Ok(Door { listener, from })
    }

    /// Waits until somebody knocks. Cancel safe.
    pub(super) async fn knock(&self) -> Knock {
        match self.listener.accept().await {
            Err(error) => {
                // Most often there is no file left for it; the next attempt would fail at once.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Knock::Failed(error.to_string())
            }
            Ok((stream, peer)) if self.from.is_empty() || self.from.contains(&peer.ip().to_canonical()) => {
                welcome(stream, peer)
            }
            Ok((_, peer)) => Knock::Refused(peer),
        }
    }
}

fn welcome(stream: TcpStream, peer: SocketAddr) -> Knock {
    let io = Io::Tcp(stream);
    let prepared = match &io {
        Io::Tcp(stream) => stream.set_nodelay(true).and_then(|()| keep_alive(&io)),
        _ => Ok(()),
    };
    match prepared {
        Ok(()) => Knock::Welcome(Line::Bytes(io), peer),
        Err(error) => Knock::Failed(format!("{peer}: {error}")),
    }
}
