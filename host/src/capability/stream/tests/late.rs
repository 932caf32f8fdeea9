//! Replies that come when nobody waits for them any more: on every wire they are thrown away or queued, and never taken for the reply to
//! the next request.

use tokio::io::AsyncWrite;
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc};

use super::wires::{pty, serial};
use super::*;

/// How long an instrument takes when it is not too late.
const LATER: Duration = Duration::from_millis(225);

/// What the instrument speaks through; the newest connection, whichever the question came over.
type Mouth = Arc<Mutex<Option<Box<dyn AsyncWrite + Send + Unpin>>>>;

/// The first request is answered after `delay`, all others so late that this one would come before them, over whatever connection is there then, as a converter
/// between a network and a serial line does.
async fn slow_once(mut requests: mpsc::UnboundedReceiver<String>, mouth: Mouth, delay: Duration) {
    let mut delay = Some(delay);
    while let Some(request) = requests.recv().await {
        let (mouth, delay) = (Arc::clone(&mouth), delay.take());
        tokio::spawn(async move {
            tokio::time::sleep(delay.unwrap_or(LATER)).await;
            let reply = format!("{}!\r", request.trim_end());
            if let Some(mouth) = &mut *mouth.lock().await {
                let _ = mouth.write_all(reply.as_bytes()).await;
            }
        });
    }
}

async fn listen_to(mut ears: impl AsyncRead + Unpin, requests: mpsc::UnboundedSender<String>) {
    let mut bytes = Vec::new();
    while let Ok(byte) = ears.read_u8().await {
        bytes.push(byte);
        if byte == b'\r' {
            let _ = requests.send(String::from_utf8(std::mem::take(&mut bytes)).unwrap());
        }
    }
}

/// An instrument on a stream of bytes; it may get another one.
struct Slow {
    mouth: Mouth,
    requests: mpsc::UnboundedSender<String>,
}

impl Slow {
    fn new(delay: Duration) -> Self {
        let mouth: Mouth = Arc::default();
        let (requests, receiver) = mpsc::unbounded_channel();
        tokio::spawn(slow_once(receiver, Arc::clone(&mouth), delay));
        Slow { mouth, requests }
    }

    async fn on(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (ears, tongue) = tokio::io::split(stream);
        *self.mouth.lock().await = Some(Box::new(tongue));
        tokio::spawn(listen_to(ears, self.requests.clone()));
    }
}

/// Asks twice; the first reply comes late.
async fn check(link: &Link, exchange: &Exchange) {
    let first = ask(link, "a1\r", exchange.clone()).await;
    assert_eq!(first, Err(StreamError::Timeout(TIMEOUT)));
    let patient = Exchange { timeout: Some(TIMEOUT * 8), ..exchange.clone() };
    for request in ["a2", "a3"] {
        let answer = ask(link, &format!("{request}\r"), patient.clone()).await;
        assert_eq!(answer, Ok(format!("{request}!\r")));
    }
}

/// Late within the drain, after it, and at twice the timeout, by devices that say how a reply begins and by those that do not.
fn delays() -> impl Iterator<Item = (Duration, Exchange)> {
    [1.1, 1.5, 1.98]
        .into_iter()
        .flat_map(|factor| [next_frame(), begins_with(b"a")].map(|exchange| (TIMEOUT.mul_f64(factor), exchange)))
}

#[tokio::test]
async fn on_a_connection_that_the_hub_makes() {
    for (delay, exchange) in delays() {
        let (listener, link) = instrument().await;
        let slow = Slow::new(delay);
        let peer = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                slow.on(stream).await;
            }
        });
        check(&link, &exchange).await;
        peer.abort();
    }
}

#[tokio::test]
async fn on_a_socket_where_the_instrument_connects() {
    for (delay, exchange) in delays() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let link = lines(&connection(settings(Wire::Listen { listen: address.to_string(), from: Vec::new() })), "d");
        let stream = loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                break stream;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Slow::new(delay).on(stream).await;
        open(&link, 1).await;
        check(&link, &exchange).await;
        assert_eq!(link.presence().count, 1, "the connection is the instrument's to close");
    }
}

#[tokio::test]
async fn on_a_serial_line() {
    for (delay, exchange) in delays() {
        let (instrument, _held, port) = pty();
        let link = lines(&connection(settings(serial(port))), "d");
        Slow::new(delay).on(instrument).await;
        check(&link, &exchange).await;
    }
}

#[tokio::test]
async fn in_a_datagram() {
    for (delay, exchange) in delays() {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let link = lines(&connection(settings(Wire::Udp { address: socket.local_addr().unwrap().to_string() })), "d");
        let peer = tokio::spawn(async move {
            let (mut buffer, mut delay) = ([0; 100], Some(delay));
            loop {
                let (read, from) = socket.recv_from(&mut buffer).await.unwrap();
                let reply = format!("{}!\r", std::str::from_utf8(&buffer[..read]).unwrap().trim_end());
                let (socket, delay) = (Arc::clone(&socket), delay.take());
                tokio::spawn(async move {
                    tokio::time::sleep(delay.unwrap_or(LATER)).await;
                    socket.send_to(reply.as_bytes(), from).await.unwrap();
                });
            }
        });
        check(&link, &exchange).await;
        peer.abort();
    }
}

#[tokio::test]
async fn what_follows_a_broken_frame_is_thrown_away_until_the_line_is_quiet() {
    let (mut instrument, _held, port) = pty();
    let link = lines(&connection(settings(serial(port))), "d");
    link.frames(Framing { longest: 8, ..ended_by(&[b"\r"]) }, Unasked::Waits).unwrap();
    let mut trace = link_trace(&link);
    let peer = tokio::spawn(async move {
        line(&mut instrument).await;
        instrument.write_all(b"far too long").await.unwrap();
        for piece in [" and", " more\r", "1!\r"] {
            tokio::time::sleep(QUIET / 4).await;
            instrument.write_all(piece.as_bytes()).await.unwrap();
        }
        line(&mut instrument).await;
        instrument.write_all(b"2!\r").await.unwrap();
        instrument
    });
    let broken = ask(&link, "1\r", next_frame()).await;
    assert!(matches!(&broken, Err(StreamError::BadResponse(text)) if text.contains("longer than 8")), "{broken:?}");
    assert_eq!(ask(&link, "2\r", next_frame()).await, Ok("2!\r".into()));
    assert!(link.receive(9).frames.is_empty());
    drop(peer.await.unwrap());
    let mut thrown = Vec::new();
    while let Ok(frame) = trace.try_recv() {
        if frame.text.starts_with("thrown away") {
            thrown.push(frame.hex.clone());
        }
    }
    let thrown = thrown.concat();
    for text in ["far too ", " more\r", "1!\r"] {
        assert!(thrown.contains(&crate::notation::hex(text.as_bytes())), "{text:?} is not in the trace");
    }
}

#[tokio::test]
async fn a_silent_device_does_not_hold_up_those_whose_replies_are_told_apart() {
    let (mut instrument, _held, port) = pty();
    let connection = connection(settings(serial(port)));
    let (silent, other) = (lines(&connection, "a"), lines(&connection, "b"));
    let peer = tokio::spawn(async move {
        loop {
            if line(&mut instrument).await.starts_with('b') {
                instrument.write_all(b"b!\r").await.unwrap();
            }
        }
    });
    assert_eq!(ask(&silent, "a\r", begins_with(b"a")).await, Err(StreamError::Timeout(TIMEOUT)));
    let begin = std::time::Instant::now();
    assert_eq!(ask(&other, "b\r", begins_with(b"b")).await, Ok("b!\r".into()));
    assert!(begin.elapsed() < TIMEOUT, "it waited for the silent one: {:?}", begin.elapsed());
    peer.abort();
}

#[tokio::test]
async fn a_line_that_never_falls_silent_is_used_again() {
    let (instrument, _held, port) = pty();
    let link = lines(&connection(settings(serial(port))), "d");
    let (mut ears, mut tongue) = tokio::io::split(instrument);
    let peer = tokio::spawn(async move {
        loop {
            tongue.write_all(b"push\r").await.unwrap();
            tokio::time::sleep(QUIET / 4).await;
        }
    });
    let heard = tokio::spawn(async move {
        loop {
            line(&mut ears).await;
        }
    });
    assert_eq!(ask(&link, "?\r", begins_with(b"R")).await, Err(StreamError::Timeout(TIMEOUT)));
    link.receive(1000);
    assert!(unasked(&link, 5).await.iter().all(|frame| frame == "push\r"));
    peer.abort();
    heard.abort();
}
