//! Requests and what an instrument on a line makes of them, over loopback.

use super::*;

fn exchange(request: &[u8], reply: &[u8]) -> Exchange {
    Exchange::new(request.to_vec(), reply.to_vec())
}

async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    hear(stream).await
}

async fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut buffer = [0; 64];
    match tokio::time::timeout(Duration::from_millis(200), stream.read(&mut buffer)).await {
        Ok(count) => buffer[..count.unwrap()].to_vec(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn exchanges_come_first_then_answers_in_turn_and_the_rest_is_remembered() {
    let line = Line::new([exchange(b"R\r", b"1\r"), exchange(b"R\r", b"2\r"), exchange(b"R", b"short")], vec![]);
    let open = line.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(open.address).await.unwrap();
    line.expect([exchange(b"Z\r", b"zero\r"), exchange(b"S\r", b"span\r")]);

    for (request, reply) in [
        (&b"R\r"[..], &b"1\r"[..]),
        (b"Z\r", b"zero\r"),
        (b"R\r", b"2\r"),
        (b"R\r", b"1\r"),
        (b"R", b"short"),
        (b"?\r", b""),
    ] {
        assert_eq!(ask(&mut stream, request).await, reply, "{request:?}");
    }
    assert_eq!(line.unexpected(), [b"?\r".to_vec()]);
    assert_eq!(line.outstanding(), [exchange(b"S\r", b"span\r")]);
    line.push(b"by itself".to_vec());
    assert_eq!(hear(&mut stream).await, b"by itself");
}

#[tokio::test]
async fn a_modbus_answer_takes_over_the_transaction_of_its_request() {
    let ask_for = |transaction: u8| vec![0, transaction, 0, 0, 0, 2, 1, 4];
    let reply = |transaction: u8, value: u8| vec![0, transaction, 0, 0, 0, 2, 1, value];
    let answers = [exchange(&ask_for(1), &reply(1, 10)), exchange(&ask_for(2), &reply(2, 20))];
    let line = Line::new(answers, vec![]);
    let open = line.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(open.address).await.unwrap();
    assert!(line.untold() > 0 && line.is_unasked(&ask_for(7)));
    for (transaction, value) in [(7, 10), (8, 20), (9, 10)] {
        assert_eq!(ask(&mut stream, &ask_for(transaction)).await, reply(transaction, value));
    }
    assert!(line.untold() == 0 && !line.is_unasked(&ask_for(7)));
    assert_eq!(line.told(), 2);
}

#[tokio::test]
async fn an_instrument_that_connects_comes_again_and_says_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = Line::new([], vec![(Duration::ZERO, b"hello".to_vec())]);
    let _open = line.connect(listener.local_addr().unwrap());
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(hear(&mut stream).await, b"hello");
    }
}

#[tokio::test]
async fn an_instrument_that_breaks_the_connection_is_there_again_for_the_next() {
    let line = Line::new([exchange(b"R\r", b"1\r")], vec![]);
    let open = line.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    line.expect([Exchange { then: Then::Breaks, ..exchange(b"R\r", b"half") }]);

    let mut stream = TcpStream::connect(open.address).await.unwrap();
    assert_eq!(ask(&mut stream, b"R\r").await, b"half");
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "the connection stays");
    let mut stream = TcpStream::connect(open.address).await.unwrap();
    assert_eq!(ask(&mut stream, b"R\r").await, b"1\r");
}
