//! Opening lines: TCP, TCP with TLS, serial ports.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_serial::{SerialPortBuilderExt, SerialStream};

use crate::config::model::{Parity, SerialPort, TcpPeer, Tls};
use crate::tls::{self, Identity, TlsError};

/// Why a line could not be opened. The text has the place in it.
#[derive(Debug, Error)]
pub enum DialError {
    /// Nobody listens, or the way there is broken.
    #[error("{place}: {source}")]
    Io {
        /// Where.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("{place}: no connection within {millis} ms")]
    Timeout {
        /// Where.
        place: String,
        /// How long it was waited.
        millis: u128,
    },
    /// There can be no encryption, and it was asked for.
    #[error("{place}: no encrypted connection: {reason}")]
    Tls {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// The port cannot be used so.
    #[error("serial port {place}: {reason}")]
    Serial {
        /// Which.
        place: String,
        /// Why.
        reason: String,
    },
}

/// An open line.
#[derive(Debug)]
pub enum Io {
    /// Without encryption.
    Tcp(TcpStream),
    /// With encryption.
    Tls(Box<TlsStream<TcpStream>>),
    /// A serial port.
    Serial(Box<SerialStream>),
}

/// Connects, with TLS where it was asked for and never without it then.
pub async fn dial_tcp(peer: &TcpPeer) -> Result<Io, DialError> {
    let place = || peer.address.clone();
    let connect = async {
        let stream = TcpStream::connect(peer.address.as_str()).await.and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        let stream = stream.map_err(|source| DialError::Io { place: place(), source })?;
        match &peer.tls {
            None => Ok(Io::Tcp(stream)),
            Some(settings) => encrypt(stream, peer, settings).await,
        }
    };
    match timeout(peer.connect_timeout, connect).await {
        Ok(opened) => opened,
        Err(_) => Err(DialError::Timeout { place: place(), millis: peer.connect_timeout.as_millis() }),
    }
}

async fn encrypt(stream: TcpStream, peer: &TcpPeer, settings: &Tls) -> Result<Io, DialError> {
    let refused = |reason: String| DialError::Tls { place: peer.address.clone(), reason };
    let config = config(settings).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        refused(format!("{error}{cause}"))
    })?;
    let host = settings.server_name.as_deref().unwrap_or_else(|| host(&peer.address));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| refused(format!("{host}: {error}")))?;
    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Io::Tls(Box::new(stream))),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// A client for a link's encryption.
pub fn config(settings: &Tls) -> Result<rustls::ClientConfig, TlsError> {
    let identity = Identity::of(settings.cert_file.as_deref(), settings.key_file.as_deref());
    tls::client_config(settings.ca_file.as_deref(), identity)
}

/// The host of `host:port`, an IPv6 address without its brackets.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Opens a serial port for the hub alone.
pub fn dial_serial(settings: &SerialPort) -> Result<Io, DialError> {
    let place = settings.port.display().to_string();
    let data_bits = match settings.data_bits {
        5 => tokio_serial::DataBits::Five,
        6 => tokio_serial::DataBits::Six,
        7 => tokio_serial::DataBits::Seven,
        _ => tokio_serial::DataBits::Eight,
    };
    let parity = match settings.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if settings.stop_bits == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let builder = tokio_serial::new(place.as_str(), settings.baud)
        .data_bits(data_bits)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(tokio_serial::FlowControl::None);
    match builder.open_native_async() {
        Ok(stream) => Ok(Io::Serial(Box::new(stream))),
        Err(error) => Err(DialError::Serial { place, reason: error.to_string() }),
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_read(ctx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(ctx, buffer),
            Io::Serial(stream) => Pin::new(stream).poll_read(ctx, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_write(ctx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(ctx, bytes),
            Io::Serial(stream) => Pin::new(stream).poll_write(ctx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_flush(ctx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(ctx),
            Io::Serial(stream) => Pin::new(stream).poll_flush(ctx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(ctx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(ctx),
            Io::Serial(stream) => Pin::new(stream).poll_shutdown(ctx),
        }
    }
}
