//! What is only sent when what came is durable.

use super::*;

async fn pushed(text: &str) -> (TcpListener, TcpStream, Link) {
    let (listener, link) = instrument().await;
    let mut stream = accept(&listener).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    (listener, stream, link)
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(80), stream.read(&mut [0; 1])).await.is_err()
}

#[tokio::test]
async fn an_acknowledgement_waits_until_what_it_is_for_is_kept() {
    let (_listener, mut stream, link) = pushed("data\r").await;
    assert_eq!(unasked(&link, 1).await, ["data\r"]);
    link.send_when_kept(b"ack\r".to_vec()).unwrap();
    assert!(link.is_in_hand());
    assert!(is_silent(&mut stream).await, "acknowledged too early");
    link.kept();
    assert!(!link.is_in_hand());
    assert_eq!(line(&mut stream).await, "ack\r");
    assert!(link.receive(9).frames.is_empty(), "what is kept is not handed out again");
}

#[tokio::test]
async fn what_could_not_be_kept_is_not_acknowledged_and_handed_out_again() {
    let (_listener, mut stream, link) = pushed("1\r2\r").await;
    assert_eq!(unasked(&link, 2).await, ["1\r", "2\r"]);
    link.send_when_kept(b"lost\r".to_vec()).unwrap();
    link.not_kept();
    assert!(!link.is_in_hand());
    assert_eq!(unasked(&link, 2).await, ["1\r", "2\r"]);
    link.send_when_kept(b"ack\r".to_vec()).unwrap();
    link.kept();
    assert_eq!(line(&mut stream).await, "ack\r", "and not the one before");
}

#[tokio::test]
async fn an_acknowledgement_is_not_sent_over_another_connection() {
    let (listener, stream, link) = pushed("old\r").await;
    assert_eq!(unasked(&link, 1).await, ["old\r"]);
    drop(stream);
    let mut stream = accept(&listener).await;
    open(&link, 2).await;
    // The driver answers only now; the instrument at the other end may wait for another one.
    link.send_when_kept(b"ack old\r".to_vec()).unwrap();
    link.kept();
    assert!(is_silent(&mut stream).await);

    stream.write_all(b"new\r").await.unwrap();
    assert_eq!(unasked(&link, 1).await, ["new\r"]);
    link.send_when_kept(b"ack new\r".to_vec()).unwrap();
    link.kept();
    assert_eq!(line(&mut stream).await, "ack new\r");
}

#[tokio::test]
async fn what_is_kept_is_acknowledged_even_while_the_hub_stops() {
    let (_listener, mut stream, link) = pushed("data\r").await;
    unasked(&link, 1).await;
    link.send_when_kept(b"ack\r".to_vec()).unwrap();
    link.kept();
    soon(link_connection(&link).close()).await;
    assert_eq!(line(&mut stream).await, "ack\r");
}

#[tokio::test]
async fn acknowledgements_do_not_break_into_an_exchange() {
    let (_listener, mut stream, link) = pushed("data\r").await;
    unasked(&link, 1).await;
    link.send_when_kept(b"ack\r".to_vec()).unwrap();
    let asked = tokio::spawn({
        let link = link.clone();
        async move { ask(&link, "?\r", next_frame()).await }
    });
    assert_eq!(line(&mut stream).await, "?\r");
    link.kept();
    assert!(is_silent(&mut stream).await, "it spoke while the instrument was to speak");
    stream.write_all(b"R\r").await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok("R\r".into()));
    assert_eq!(line(&mut stream).await, "ack\r");
}
