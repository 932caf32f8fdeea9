//! Requests and their replies on one connection.

use super::*;

#[tokio::test]
async fn a_reply_is_a_whole_frame_however_it_was_cut_on_the_way() {
    let (listener, link) = instrument().await;
    let mut trace = link_trace(&link);
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        assert_eq!(line(&mut stream).await, "no\r");
        for piece in ["no 4", "2.", "5 ppb\r"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stream
    });
    assert_eq!(ask(&link, "no\r", next_frame()).await, Ok("no 42.5 ppb\r".into()));
    drop(peer.await.unwrap());

    let mut seen = Vec::new();
    while let Ok(frame) = trace.try_recv() {
        if frame.direction != Direction::State {
            seen.push((frame.direction, frame.text.clone()));
        }
    }
    assert_eq!(seen, [(Direction::Out, "no<CR>".into()), (Direction::In, "no 42.5 ppb<CR>".into())]);
}

#[tokio::test]
async fn an_echo_is_taken_off_as_announced() {
    let bad = |text: &str| Err(StreamError::BadResponse(text.into()));
    let check = async |echo, begins: &[u8], answer: &'static str, expected: Result<&str, StreamError>| {
        let (listener, link) = instrument().await;
        let peer = tokio::spawn(async move {
            let mut stream = accept(&listener).await;
            line(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read(&mut [0; 1]).await;
        });
        let begins = if begins.is_empty() { Vec::new() } else { vec![begins.to_vec()] };
        let answered = ask(&link, "DA\r", Exchange { echo, begins, ..next_frame() }).await;
        assert_eq!(answered, expected.map(str::to_owned), "{echo:?} {answer:?}");
        drop(link);
        peer.abort();
    };
    check(Echo::No, b"", "DA\rMD01\r", Ok("DA\r")).await;
    check(Echo::Exact, b"", "DA\rMD01\r", Ok("MD01\r")).await;
    check(Echo::Perhaps, b"", "DA\rMD01\r", Ok("MD01\r")).await;
    check(Echo::Perhaps, b"", "MD01\r", Ok("MD01\r")).await;
    // It begins like the echo and is the reply.
    check(Echo::Perhaps, b"", "DATA\r", Ok("DATA\r")).await;
    let other = "1 bytes of the echo DA<CR> came, and then others";
    check(Echo::Exact, b"", "DB\rMD01\r", bad(other)).await;
    check(Echo::Exact, b"MD", "MD01\r", bad("a reply without the echo in front of it")).await;
    // A line that nobody asked for comes before the echo.
    check(Echo::Exact, b"MD", "WARN\rDA\rMD01\r", Ok("MD01\r")).await;
    check(Echo::Perhaps, b"MD", "WARN\rDA\rMD01\r", Ok("MD01\r")).await;
}

#[tokio::test]
async fn a_reply_of_several_frames_ends_with_the_last_or_in_silence() {
    let (listener, link) = instrument().await;
    tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        loop {
            line(&mut stream).await;
            stream.write_all(b"a\rb\r").await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(b"c\r").await.unwrap();
        }
    });
    let up_to = |frames, quiet| Exchange { frames, quiet, ..next_frame() };
    assert_eq!(ask(&link, "L\r", up_to(3, None)).await, Ok("a\r|b\r|c\r".into()));
    assert_eq!(ask(&link, "L\r", up_to(9, Some(Duration::from_millis(100)))).await, Ok("a\r|b\r|c\r".into()));
    assert_eq!(ask(&link, "L\r", up_to(4, None)).await, Err(StreamError::Timeout(TIMEOUT)));
}

#[tokio::test]
async fn the_timeout_of_the_exchange_counts_before_that_of_the_device_and_of_the_link() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = connection(settings(tcp(listener.local_addr().unwrap())));
    let of_device = Duration::from_millis(60);
    let addressing = Addressing { timeout: Some(of_device), ..device("own") };
    let own = Link::new(Arc::clone(&connection), &addressing);
    own.frames(ended_by(&[b"\r"]), Unasked::Waits).unwrap();
    let of_exchange = Duration::from_millis(30);

    let waited = async |link: &Link, timeout| ask(link, "?\r", Exchange { timeout, ..next_frame() }).await;
    assert_eq!(waited(&own, Some(of_exchange)).await, Err(StreamError::Timeout(of_exchange)));
    assert_eq!(waited(&own, None).await, Err(StreamError::Timeout(of_device)));
    assert_eq!(waited(&lines(&connection, "other"), None).await, Err(StreamError::Timeout(TIMEOUT)));
    let too_long = waited(&own, Some(Duration::from_secs(61))).await;
    assert!(matches!(too_long, Err(StreamError::BadRequest(text)) if text.contains("timeout-ms is 61000")));
}

#[tokio::test]
async fn nothing_is_sent_that_breaks_the_contract() {
    let (listener, link) = instrument().await;
    let stream = accept(&listener).await;
    let bad = async |request: Vec<u8>, exchange: Exchange, text: &str| {
        let answer = link.request(request, exchange).await;
        assert!(matches!(&answer, Err(StreamError::BadRequest(reason)) if reason.contains(text)), "{answer:?}");
    };
    bad(Vec::new(), next_frame(), "no bytes").await;
    bad(vec![0; 65_537], next_frame(), "65537 bytes").await;
    bad(vec![0], Exchange { frames: 0, ..next_frame() }, "frames is 0").await;
    bad(vec![0], Exchange { begins: vec![Vec::new()], ..next_frame() }, "begins").await;
    let rule = |rule: Framing, text: &str| {
        let answer = link.frames(rule, Unasked::Waits);
        assert!(matches!(&answer, Err(StreamError::BadRequest(reason)) if reason.contains(text)), "{answer:?}");
    };
    rule(ended_by(&[]), "one of ends, length and gap-ms");
    rule(ended_by(&[b""]), "ends");
    rule(Framing { longest: 65_537, ..ended_by(&[b"\r"]) }, "longest is 65537");
    let fresh = Link::new(connection(settings(tcp(listener.local_addr().unwrap()))), &device("fresh"));
    let answer = fresh.request(vec![1], next_frame()).await;
    assert!(matches!(answer, Err(StreamError::BadRequest(text)) if text.contains("frames")));
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_line_that_is_gone_costs_no_time_and_comes_back() {
    let (listener, link) = instrument().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(ask(&link, "?\r", next_frame()).await, Err(StreamError::Closed(_))));
    let begin = std::time::Instant::now();
    for _ in 0..5 {
        let answer = ask(&link, "?\r", next_frame()).await;
        assert!(matches!(&answer, Err(StreamError::Closed(reason)) if reason.contains(&address.to_string())));
    }
    assert!(begin.elapsed() < TIMEOUT, "a closed link made its caller wait");

    let listener = TcpListener::bind(address).await.unwrap();
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        line(&mut stream).await;
        stream.write_all(b"back\r").await.unwrap();
        stream
    });
    assert_eq!(ask_until_open(&link, "?\r").await, Ok("back\r".into()));
    peer.await.unwrap();
}

#[tokio::test]
async fn one_who_closes_each_connection_at_once_is_not_flooded() {
    let (listener, link) = instrument().await;
    let mut count = 0;
    let _ = tokio::time::timeout(Duration::from_millis(400), async {
        loop {
            drop(accept(&listener).await);
            count += 1;
        }
    })
    .await;
    // Pauses of 20, 40, 80 and again 80 ms.
    assert!((2..=7).contains(&count), "{count} connections");
    assert!(!link.presence().is_open || link.presence().count <= 7);
}

#[tokio::test]
async fn an_instrument_that_vanishes_without_a_goodbye_is_found_again() {
    let (listener, link) = instrument().await;
    // It is gone, and the system does not know: the connection stays open and nothing comes.
    let vanished = accept(&listener).await;
    assert_eq!(ask(&link, "1\r", next_frame()).await, Err(StreamError::Timeout(TIMEOUT)));
    let reason = link_state(&link);
    assert!(reason.contains("d: timeout"), "{reason}");
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        assert_eq!(line(&mut stream).await, "2\r");
        stream.write_all(b"here\r").await.unwrap();
        stream
    });
    assert_eq!(ask_until_open(&link, "2\r").await, Ok("here\r".into()));
    assert_eq!(link.presence().count, 2);
    drop((vanished, peer.await.unwrap()));
}

#[tokio::test]
async fn a_closed_link_says_goodbye_and_answers_nobody() {
    let (listener, link) = instrument().await;
    let mut stream = accept(&listener).await;
    open(&link, 1).await;
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { link.request(b"?\r".to_vec(), next_frame()).await }
    });
    line(&mut stream).await;
    soon(link_connection(&link).close()).await;
    assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap(), 0);
    let closed = Err(StreamError::Closed("the hub has closed this link".into()));
    assert_eq!(waiting.await.unwrap(), closed);
    assert_eq!(link.request(b"?\r".to_vec(), next_frame()).await, closed);
    assert!(!link.presence().is_open);
}

#[tokio::test]
async fn a_link_that_nobody_holds_closes_its_connection() {
    let (listener, link) = instrument().await;
    let mut stream = accept(&listener).await;
    drop(link);
    assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_is_connected_while_checking() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = lines(&connection_with(settings(tcp(listener.local_addr().unwrap())), Plug::Out), "d");
    let unplugged = StreamError::Closed(crate::capability::UNPLUGGED.into());
    assert_eq!(soon(link.request(b"?".to_vec(), next_frame())).await, Err(unplugged.clone()));
    assert_eq!(soon(link.send(b"?".to_vec())).await, Err(unplugged));
    let knock = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(knock.is_err(), "it connected");
}
