//! The HJ 212 peer itself.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::json;

use crate::support::SOON;
use crate::support::hj212::{FrameFault, Hj212Logger};

const MN: &str = "010000A8900016F000169DC0";

/// What HJ 212-2017 prints in appendix A, but for the CRC under it, where the text has two digits swapped.
const REQUEST: &str = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";

/// The host's side, line by line.
struct Host {
    listener: TcpListener,
    lines: BufReader<TcpStream>,
}

impl Host {
    fn start() -> (Self, Hj212Logger) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let logger = Hj212Logger::start(listener.local_addr().unwrap(), MN, "123456");
        let lines = Self::accept(&listener);
        (Host { listener, lines }, logger)
    }

    fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        BufReader::new(stream)
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).unwrap();
        line.into_iter().map(char::from).collect()
    }

    fn send(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }
}

#[test]
fn the_logger_pushes_frames_with_the_right_crc_and_takes_the_answer() {
    let (mut host, mut logger) = Host::start();
    logger.wait_until_connected();
    let data =
        "DataTime=20261101080000;a21026-Rtd=286.00,a21026-ZsRtd=317.78,a21026-Flag=N;a19001-Rtd=7.5,a19001-Flag=N";
    let qn = logger.push_with(2011, data, &json!({ "qn": "20261101080000123", "flag": 5, "chunk": 9 }));
    assert_eq!(qn, "20261101080000123");

    // Length and CRC are those of an independent computation.
    let body = format!("QN={qn};ST=31;CN=2011;PW=123456;MN={MN};Flag=5;CP=&&{data}&&");
    assert_eq!(host.line(), format!("##0191{body}6D40\r\n"));
    assert!(!logger.is_answered(&qn, 0.1));

    // The frame of appendix A is in the form that is expected of us: a wrong CRC is not taken, a right one is.
    host.send(&REQUEST.replace("1C80", "1C08"));
    host.send(REQUEST);
    assert!(host.line().contains("CN=9011"));
    assert!(host.line().contains("ExeRtn=1&&"));
    assert_eq!(logger.requests(), [(1062, "20160801085857223".to_owned(), "RtdInterval=30".to_owned())]);

    host.send("##0087QN=20261101081000001;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;CP=&&&&4F40\r\n");
    assert!(logger.is_answered("20261101081000001", 20.0));
}

#[test]
fn the_logger_sends_wrong_frames_when_told() {
    let (mut host, mut logger) = Host::start();
    logger.wait_until_connected();
    let mut push = |fault| {
        let more = match fault {
            Some(fault) => logger.push_wrong(2051, "DataTime=20261101081000;a21026-Avg=1", fault),
            None => logger.push(2051, "DataTime=20261101081000;a21026-Avg=1"),
        };
        assert_eq!(more.len(), 17);
        host.line()
    };
    // QN differ, and with them the CRC; everything else has one length.
    let right = push(None);
    let length = |line: &str| line[2..6].parse::<usize>().unwrap();

    assert_eq!(length(&right) + 12, right.len());
    assert_eq!(length(&push(Some(FrameFault::Length))) + 5, right.len());
    assert!(push(Some(FrameFault::Garbage)).starts_with("\0\u{ff}#1##"));
    let first = push(Some(FrameFault::Twice));
    assert_eq!(first, host.line());
    logger.push_wrong(2051, "DataTime=20261101081000;a21026-Avg=1", FrameFault::Short);
    logger.send_raw("\n");
    assert_eq!(host.line().len(), right.len() / 2 + 1);
}

#[test]
fn the_logger_finds_in_its_history_what_is_asked_for() {
    let (mut host, mut logger) = Host::start();
    let entries =
        [("20261101080000", "a21026-Avg=1"), ("20261101081000", "a21026-Avg=2"), ("20261101082000", "a21026-Avg=3")];
    logger.keep(2051, &entries);
    logger.wait_until_connected();
    let asked = "QN=20261101090000001;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&BeginTime=20261101080500;EndTime=20261101082000&&";
    let request = format!("##{:04}{asked}F501\r\n", asked.len());

    host.send(&request);
    for expected in ["CN=9011", "a21026-Avg=2", "a21026-Avg=3", "ExeRtn=1&&"] {
        let line = host.line();
        assert!(line.contains(expected), "{expected}: {line}");
    }

    logger.keep(2051, &[]);
    host.send(&request);
    assert!(host.line().contains("CN=9011"));
    assert!(host.line().contains("ExeRtn=100&&"));

    logger.fall_silent();
    host.send(&request);
    logger.reset_connection();
    let ended = host.lines.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
    host.lines = Host::accept(&host.listener);
    logger.speak();
    logger.leave();
    assert_eq!(host.line(), "");
    logger.come_back();
    host.lines = Host::accept(&host.listener);
    host.send(&request);
    assert!(host.line().contains("CN=9011"));
}
