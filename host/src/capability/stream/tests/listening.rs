//! A socket where the instrument connects.

use super::*;
use crate::capability::wire::ConnectionState;

/// A free port; nobody else takes it in the moment between.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn listening(from: &[&str]) -> (SocketAddr, Link) {
    let address = free_address().await;
    let from = from.iter().map(|text| (*text).to_owned()).collect();
    let link = lines(&connection(settings(Wire::Listen { listen: address.to_string(), from })), "d");
    (address, link)
}

async fn connect(address: SocketAddr) -> TcpStream {
    soon(async {
        loop {
            match TcpStream::connect(address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_instrument_that_connects_is_asked_and_heard() {
    let (address, link) = listening(&["127.0.0.1"]).await;
    let refused = soon(link.request(b"?\r".to_vec(), next_frame())).await;
    assert!(matches!(refused, Err(StreamError::Closed(_))), "{refused:?}");
    let mut stream = connect(address).await;
    stream.write_all(b"hello\r").await.unwrap();
    assert_eq!(unasked(&link, 1).await, ["hello\r"]);
    let asked = tokio::spawn(async move { ask(&link, "?\r", next_frame()).await });
    assert_eq!(line(&mut stream).await, "?\r");
    stream.write_all(b"R\r").await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok("R\r".into()));
}

#[tokio::test]
async fn only_what_comes_makes_a_connection_count_as_connected() {
    let (address, link) = listening(&[]).await;
    let mut states = link_connection(&link).reporter().watch();
    let mut stream = connect(address).await;
    open(&link, 1).await;
    assert_ne!(*states.borrow_and_update(), ConnectionState::Connected);
    stream.write_all(b"x").await.unwrap();
    soon(states.wait_for(|state| *state == ConnectionState::Connected)).await.unwrap();
    drop(stream);
    soon(states.wait_for(|state| matches!(state, ConnectionState::Waiting(_)))).await.unwrap();
}

#[tokio::test]
async fn an_instrument_may_go_and_come_again() {
    let (address, link) = listening(&[]).await;
    for (number, text) in [(1, "one\r"), (2, "two\r"), (3, "three\r")] {
        let mut stream = connect(address).await;
        open(&link, number).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(unasked(&link, 1).await, [text]);
        // A scrap of a frame does not reach into the next connection.
        stream.write_all(b"scrap").await.unwrap();
        drop(stream);
        soon(async {
            while link.presence().is_open {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn the_newest_connection_counts() {
    let (address, link) = listening(&[]).await;
    let mut first = connect(address).await;
    open(&link, 1).await;
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { ask(&link, "1\r", next_frame()).await }
    });
    assert_eq!(line(&mut first).await, "1\r");
    let mut second = connect(address).await;
    let answer = waiting.await.unwrap();
    assert!(matches!(answer, Err(StreamError::Closed(_))), "{answer:?}");
    assert_eq!(soon(first.read(&mut [0; 1])).await.unwrap(), 0, "the first is closed");
    let asked = tokio::spawn({
        let link = link.clone();
        async move { ask(&link, "2\r", next_frame()).await }
    });
    assert_eq!(line(&mut second).await, "2\r");
    second.write_all(b"R\r").await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok("R\r".into()));
    assert_eq!(link.presence().count, 2);
}

#[tokio::test]
async fn an_address_that_may_not_connect_is_refused_and_shown() {
    let (address, link) = listening(&["192.0.2.1", "::1"]).await;
    let mut trace = link_trace(&link);
    let mut stream = connect(address).await;
    let peer = stream.local_addr().unwrap();
    assert!(matches!(soon(stream.read(&mut [0; 1])).await, Ok(0) | Err(_)), "it was let in");
    let frame = soon(trace.recv()).await.unwrap();
    assert_eq!((frame.direction, &frame.text), (Direction::State, &format!("refused {peer}")));
    assert_eq!(link.presence().count, 0);
}

#[tokio::test]
async fn a_refused_peer_does_not_disturb_the_instrument() {
    let address = free_address().await;
    let wire = Wire::Listen { listen: address.to_string(), from: vec!["127.0.0.2".into()] };
    let link = lines(&connection(settings(wire)), "d");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    connect(address).await;
    let mut stream = soon(socket.connect(address)).await.unwrap();
    open(&link, 1).await;
    let mut stranger = connect(address).await;
    assert!(matches!(soon(stranger.read(&mut [0; 1])).await, Ok(0) | Err(_)));
    stream.write_all(b"still here\r").await.unwrap();
    assert_eq!(unasked(&link, 1).await, ["still here\r"]);
    assert_eq!(link.presence().count, 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let link = lines(&connection(settings(Wire::Listen { listen: address.to_string(), from: Vec::new() })), "d");
    let answer = soon(link.request(b"?\r".to_vec(), next_frame())).await;
    assert!(matches!(&answer, Err(StreamError::Closed(reason)) if reason.contains(&address.to_string())), "{answer:?}");
    drop(taken);
    let mut stream = connect(address).await;
    stream.write_all(b"hello\r").await.unwrap();
    assert_eq!(unasked(&link, 1).await, ["hello\r"]);
}
