//! Several devices on one line, and what comes unasked.

use std::time::Instant;

use super::*;

/// Answers each line with itself and `!`.
async fn parrot(listener: TcpListener) -> Vec<String> {
    let mut stream = accept(&listener).await;
    let mut heard = Vec::new();
    loop {
        let request = line(&mut stream).await;
        if request == "end\r" {
            stream.write_all(b"end!\r").await.unwrap();
            return heard;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let reply = format!("{}!\r", request.trim_end());
        heard.push(request);
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
}

async fn listener_and(change: impl FnOnce(&mut StreamLink)) -> (TcpListener, Arc<Connection>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(tcp(listener.local_addr().unwrap()));
    change(&mut settings);
    (listener, connection(settings))
}

#[tokio::test]
async fn devices_on_a_line_take_turns() {
    let (listener, connection) = listener_and(|_| {}).await;
    let peer = tokio::spawn(parrot(listener));
    let ask_often = |name: &'static str| {
        let link = lines(&connection, name);
        tokio::spawn(async move {
            for _ in 0..6 {
                let request = format!("{name}\r");
                assert_eq!(ask(&link, &request, next_frame()).await, Ok(format!("{name}!\r")));
            }
        })
    };
    for asking in ["a", "b", "c"].map(ask_often) {
        asking.await.unwrap();
    }
    ask(&lines(&connection, "d"), "end\r", next_frame()).await.unwrap();
    let heard = peer.await.unwrap();
    let is_fair = |turns: &[String]| turns[0] != turns[1] && turns[1] != turns[2] && turns[0] != turns[2];
    assert!(heard.windows(3).all(is_fair), "{heard:?}");
}

#[tokio::test]
async fn the_pause_is_kept_between_commands() {
    let pause = Duration::from_millis(80);
    let (listener, connection) = listener_and(|settings| settings.pause = pause).await;
    let link = lines(&connection, "d");
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        let mut moments = Vec::new();
        for number in 0..4 {
            line(&mut stream).await;
            let came_at = Instant::now();
            tokio::time::sleep(Duration::from_millis(20)).await;
            // The third is not answered.
            if number != 2 {
                stream.write_all(b"!\r").await.unwrap();
            }
            moments.push((came_at, Instant::now()));
        }
        moments
    });
    ask(&link, "1\r", next_frame()).await.unwrap();
    ask(&link, "2\r", next_frame()).await.unwrap();
    link.send(b"3\r".to_vec()).await.unwrap();
    ask(&link, "4\r", next_frame()).await.unwrap();
    let moments = peer.await.unwrap();
    for pair in moments[..3].windows(2) {
        let between = pair[1].0 - pair[0].1;
        assert!(between >= pause - Duration::from_millis(5), "{between:?} from a reply to the next command");
    }
    let between = moments[3].0 - moments[2].0;
    assert!(between >= pause - Duration::from_millis(5), "{between:?} after a command without a reply");
}

#[tokio::test]
async fn what_comes_unasked_is_queued_beside_the_reply_for_each_device() {
    let (listener, connection) = listener_and(|_| {}).await;
    let (asking, other) = (lines(&connection, "a"), lines(&connection, "b"));
    other.frames(ended_by(&[b"\r"]), Unasked::Wakes).unwrap();
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        line(&mut stream).await;
        stream.write_all(b"W one\rR 1\rW two\r").await.unwrap();
        stream
    });
    assert_eq!(ask(&asking, "?\r", begins_with(b"R")).await, Ok("R 1\r".into()));
    assert_eq!(unasked(&asking, 2).await, ["W one\r", "W two\r"]);
    assert_eq!(unasked(&other, 2).await, ["W one\r", "W two\r"]);
    let is_rung =
        async |link: &Link| tokio::time::timeout(Duration::from_millis(50), link.bell().notified_owned()).await.is_ok();
    assert!(is_rung(&other).await, "it asked to be woken");
    assert!(!is_rung(&asking).await, "it did not ask to be woken");
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_full_queue_drops_the_oldest_and_counts() {
    let (listener, connection) = listener_and(|settings| settings.queue = 3).await;
    let link = lines(&connection, "d");
    let mut stream = accept(&listener).await;
    stream.write_all(b"1\r2\r3\r4\r5\r").await.unwrap();
    let incoming = soon(async {
        loop {
            let incoming = link.receive(2);
            if !incoming.frames.is_empty() {
                return incoming;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let frames: Vec<&[u8]> = incoming.frames.iter().map(|frame| frame.bytes.as_slice()).collect();
    assert_eq!((frames, incoming.dropped, incoming.more), (vec![b"3\r".as_slice(), b"4\r"], 2, true));
    let rest = link.receive(9);
    assert_eq!((rest.frames.len(), rest.dropped, rest.more), (1, 0, false));
}

#[tokio::test]
async fn each_device_hears_the_frames_of_its_own_rule() {
    let (listener, connection) = listener_and(|_| {}).await;
    let (cr, framed) = (lines(&connection, "a"), Link::new(Arc::clone(&connection), &device("b")));
    framed.frames(Framing { starts: vec![vec![2]], ..ended_by(&[b"\x03"]) }, Unasked::Waits).unwrap();
    let peer = tokio::spawn(async move {
        let mut stream = accept(&listener).await;
        stream.write_all(b"\x02early\x03\r").await.unwrap();
        line(&mut stream).await;
        stream.write_all(b"x\r\x02reply\x03R\r\x02la").await.unwrap();
        tokio::time::sleep(QUIET / 4).await;
        stream.write_all(b"te\x03\r").await.unwrap();
        line(&mut stream).await;
        stream.write_all(b"\x02beside\x03\rR\r").await.unwrap();
        stream
    });
    assert_eq!(unasked(&framed, 1).await, ["\x02early\x03"]);
    assert_eq!(ask(&cr, "?\r", begins_with(b"\x02reply")).await, Ok("\x02reply\x03R\r".into()));
    // What was a part of the reply is nobody else's.
    assert_eq!(unasked(&framed, 1).await, ["\x02late\x03"]);
    assert_eq!(ask(&cr, "?\r", begins_with(b"R")).await, Ok("R\r".into()));
    assert_eq!(unasked(&framed, 1).await, ["\x02beside\x03"]);
    assert_eq!(unasked(&cr, 4).await, ["\x02early\x03\r", "x\r", "\x02late\x03\r", "\x02beside\x03\r"]);
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_request_whose_device_has_gone_is_not_sent() {
    let (listener, connection) = listener_and(|_| {}).await;
    let peer = tokio::spawn(parrot(listener));
    let (first, second) = (lines(&connection, "a"), lines(&connection, "b"));
    let running = tokio::spawn(async move { ask(&first, "a\r", next_frame()).await });
    tokio::time::sleep(Duration::from_millis(3)).await;
    let dropped = tokio::time::timeout(Duration::from_millis(1), second.request(b"b\r".to_vec(), next_frame())).await;
    assert!(dropped.is_err());
    running.await.unwrap().unwrap();
    ask(&second, "end\r", next_frame()).await.unwrap();
    assert_eq!(peer.await.unwrap(), ["a\r"]);
}

#[tokio::test]
async fn a_frame_under_way_is_let_finish_before_a_request() {
    let (listener, connection) = listener_and(|_| {}).await;
    let link = lines(&connection, "d");
    let mut stream = accept(&listener).await;
    stream.write_all(b"W un").await.unwrap();
    // The bytes are on their way when the request is made.
    let asked = tokio::spawn({
        let link = link.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ask(&link, "?\r", next_frame()).await
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.write_all(b"asked\r").await.unwrap();
    line(&mut stream).await;
    stream.write_all(b"R\r").await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok("R\r".into()));
    assert_eq!(unasked(&link, 1).await, ["W unasked\r"]);
}

#[tokio::test]
async fn a_scrap_on_the_line_does_not_spoil_the_next_reply() {
    let (listener, connection) = listener_and(|_| {}).await;
    let link = lines(&connection, "d");
    let mut stream = accept(&listener).await;
    stream.write_all(b"\xff").await.unwrap();
    tokio::time::sleep(QUIET * 2).await;
    let asked = tokio::spawn(async move { ask(&link, "?\r", next_frame()).await });
    line(&mut stream).await;
    stream.write_all(b"R\r").await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok("R\r".into()));
}

#[test]
fn what_all_have_heard_is_not_heard_again_when_an_exchange_lets_it_pass() {
    use super::super::audience::{Audience, Seats};
    use super::super::framing::Cut;
    use super::super::seat::Seat;
    use crate::capability::wire::Trace;
    use crate::time::Timestamp;

    // A frame is under way when one device's exchange begins; the other cuts by another rule.
    let (seats, trace, mut audience) = (Seats::default(), Trace::new("line"), Audience::default());
    let [asking, other] = ["a", "b"].map(|name| Arc::new(Seat::new(&name.into(), 9)));
    asking.set_rule(ended_by(&[b"\r"]), Unasked::Waits);
    other.set_rule(ended_by(&[b"\n"]), Unasked::Waits);
    seats.add(&asking);
    seats.add(&other);
    audience.hear(&seats, &trace, b"W un", Timestamp(1));
    let rule = asking.rule().unwrap();
    let mut cutter = audience.lend(&rule);

    let mut cuts = Vec::new();
    b"asked\r".iter().for_each(|byte| cutter.push(*byte, Timestamp(2), &mut cuts));
    let [Cut::Frame(frame)] = cuts.as_slice() else { panic!("{cuts:?}") };
    audience.overhear(&seats, &rule, frame);
    audience.give_back(cutter);
    audience.hear(&seats, &trace, b"\n", Timestamp(3));

    let heard = |seat: &Seat| seat.receive(9).frames.into_iter().map(|frame| frame.bytes).collect::<Vec<_>>();
    assert_eq!(heard(&asking), [b"W unasked\r"]);
    assert_eq!(heard(&other), [b"W unasked\r\n"]);
}
