//! What is particular to TLS, datagrams and serial ports.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use tokio::net::UdpSocket;
use tokio_serial::{SerialPort as _, SerialStream};

use super::*;
use crate::config::model::{Parity, SerialPort, Tls};

/// A pseudo-terminal: the instrument's end, what keeps the other end there while the hub does not use it, and the name of that.
pub(super) fn pty() -> (SerialStream, File, PathBuf) {
    /// `O_NOCTTY` and `O_NONBLOCK` of Linux.
    const NO_TERMINAL: i32 = 0o400 | 0o4000;
    let (instrument, mut other) = SerialStream::pair().unwrap();
    other.set_exclusive(false).unwrap();
    let port = PathBuf::from(other.name().unwrap());
    let held = File::options().read(true).write(true).custom_flags(NO_TERMINAL).open(&port).unwrap();
    (instrument, held, port)
}

pub(super) fn serial(port: PathBuf) -> Wire {
    Wire::Serial(SerialPort { port, baud: 9_600, data_bits: 8, parity: Parity::None, stop_bits: 1 })
}

fn encrypted(address: SocketAddr, ca_file: &str) -> Wire {
    let tls =
        Some(Tls { ca_file: Some(certificates().join(ca_file)), server_name: None, cert_file: None, key_file: None });
    Wire::Tcp(TcpPeer { address: address.to_string(), connect_timeout: Duration::from_millis(500), tls })
}

fn certificates() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/sink/contract/certificates")
}

#[tokio::test]
async fn nothing_is_sent_in_clear_where_encryption_was_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = lines(&connection(settings(encrypted(listener.local_addr().unwrap(), "authority.pem"))), "d");
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        // It speaks first, as instruments without encryption do.
        stream.write_all(b"hello\r").await.unwrap();
        let mut bytes = Vec::new();
        let _ = soon(stream.read_to_end(&mut bytes)).await;
        bytes
    });
    let answer = ask(&link, "secret\r", next_frame()).await;
    assert!(
        matches!(&answer, Err(StreamError::Closed(text)) if text.contains("no encrypted connection")),
        "{answer:?}"
    );
    let bytes = peer.await.unwrap();
    // All it got is the beginning of a handshake: TLS record type 22, version 3.
    assert_eq!(bytes.get(..2), Some([22, 3].as_slice()));
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    assert!(link.receive(9).frames.is_empty(), "what came in clear was handed out");
}

#[tokio::test]
async fn an_encrypted_instrument_is_read_if_its_certificate_is_trusted() {
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, crypto::ring};

    let chain = vec![CertificateDer::from_pem_file(certificates().join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificates().join("server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::spawn(async move {
        loop {
            let Ok(mut stream) = acceptor.accept(accept(&listener).await).await else { continue };
            line(&mut stream).await;
            stream.write_all(b"R\r").await.unwrap();
        }
    });
    let trusting = lines(&connection(settings(encrypted(address, "authority.pem"))), "d");
    assert_eq!(ask(&trusting, "?\r", next_frame()).await, Ok("R\r".into()));
    let wary = lines(&connection(settings(encrypted(address, "server.pem"))), "d");
    let answer = ask(&wary, "?\r", next_frame()).await;
    assert!(matches!(&answer, Err(StreamError::Closed(text)) if text.contains("certificate")), "{answer:?}");
    peer.abort();
}

async fn udp_instrument() -> (UdpSocket, Link) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let link = lines(&connection(settings(Wire::Udp { address: socket.local_addr().unwrap().to_string() })), "d");
    (socket, link)
}

#[tokio::test]
async fn a_datagram_is_a_frame_whatever_is_in_it() {
    let (socket, link) = udp_instrument().await;
    let peer = tokio::spawn(async move {
        let mut buffer = [0; 100];
        let (read, hub) = soon(socket.recv_from(&mut buffer)).await.unwrap();
        assert_eq!(&buffer[..read], b"?\r");
        for datagram in ["W 1\r2\r", "?\r", "R 1\rR 2\r", "after"] {
            socket.send_to(datagram.as_bytes(), hub).await.unwrap();
        }
        socket
    });
    let exchange = Exchange { echo: Echo::Exact, ..begins_with(b"R") };
    assert_eq!(ask(&link, "?\r", exchange).await, Ok("R 1\rR 2\r".into()));
    assert_eq!(unasked(&link, 2).await, ["W 1\r2\r", "after"]);
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_datagram_from_elsewhere_does_not_count() {
    let (socket, link) = udp_instrument().await;
    let peer = tokio::spawn(async move {
        let mut buffer = [0; 100];
        let (_, hub) = soon(socket.recv_from(&mut buffer)).await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.send_to(b"forged", hub).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        socket.send_to(b"true", hub).await.unwrap();
        socket
    });
    assert_eq!(ask(&link, "?\r", next_frame()).await, Ok("true".into()));
    assert!(link.receive(9).frames.is_empty());
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn datagrams_that_are_too_long_are_neither_sent_nor_taken() {
    let (socket, link) = udp_instrument().await;
    link.frames(Framing { longest: 4, ..ended_by(&[b"\r"]) }, Unasked::Waits).unwrap();
    let answer = link.send(vec![0; 65_508]).await;
    assert!(matches!(&answer, Err(StreamError::BadRequest(text)) if text.contains("65507")), "{answer:?}");
    let peer = tokio::spawn(async move {
        let mut buffer = [0; 100];
        let (_, hub) = soon(socket.recv_from(&mut buffer)).await.unwrap();
        socket.send_to(b"12345", hub).await.unwrap();
        socket
    });
    let answer = ask(&link, "?", next_frame()).await;
    assert!(matches!(&answer, Err(StreamError::BadResponse(text)) if text.contains("longer than 4")), "{answer:?}");
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn an_instrument_on_a_serial_port_is_asked_and_heard() {
    let (mut instrument, _held, port) = pty();
    let link = lines(&connection(settings(serial(port))), "d");
    let peer = tokio::spawn(async move {
        assert_eq!(line(&mut instrument).await, "?\r");
        instrument.write_all(b"W\rR\r").await.unwrap();
        instrument
    });
    assert_eq!(ask(&link, "?\r", begins_with(b"R")).await, Ok("R\r".into()));
    assert_eq!(unasked(&link, 1).await, ["W\r"]);
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_frame_that_silence_ends_is_the_reply_after_the_gap() {
    let (mut instrument, _held, port) = pty();
    let link = Link::new(connection(settings(serial(port))), &device("d"));
    let gap = Some(Duration::from_millis(60));
    link.frames(Framing { gap, ..ended_by(&[b"\x03"]) }, Unasked::Waits).unwrap();
    let peer = tokio::spawn(async move {
        line(&mut instrument).await;
        for piece in ["12", "34"] {
            instrument.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        instrument
    });
    assert_eq!(ask(&link, "?\r", next_frame()).await, Ok("1234".into()));
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_serial_port_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    let link = lines(&connection(settings(serial(port.clone()))), "d");
    let answer = ask(&link, "?\r", next_frame()).await;
    assert!(matches!(&answer, Err(StreamError::Closed(text)) if text.contains("port")), "{answer:?}");
    let (mut instrument, _held, there) = pty();
    std::os::unix::fs::symlink(there, port).unwrap();
    let peer = tokio::spawn(async move {
        line(&mut instrument).await;
        instrument.write_all(b"R\r").await.unwrap();
        instrument
    });
    assert_eq!(ask_until_open(&link, "?\r").await, Ok("R\r".into()));
    drop(peer.await.unwrap());
}
