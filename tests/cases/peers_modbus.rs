//! The Modbus peers themselves: serial pairs, frames of each kind, and every fault that they can be told to have.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::support::SOON;
use crate::support::mbpoll::{self, Table};
use crate::support::pymodbus::{Fault, Framer, Map, Pymodbus};
use crate::support::serial::SerialPair;

/// Unit 1, function 4, from register 30, one register; then the answer with 4711.
const RTU_REQUEST: &[u8] = &[1, 4, 0, 30, 0, 1, 0x51, 0xcc];
const RTU_ANSWER: &[u8] = &[1, 4, 2, 0x12, 0x67, 0xf4, 0x7a];
const TCP_REQUEST: &[u8] = &[0, 7, 0, 0, 0, 6, 1, 4, 0, 30, 0, 1];
const TCP_ANSWER: &[u8] = &[0, 7, 0, 0, 0, 5, 1, 4, 2, 0x12, 0x67];

fn unit(number: u8) -> Map {
    Map::default().unit(number).input_registers(30, &[4710 + u16::from(number)])
}

/// An end of a pair, read in a thread of its own so that waiting for it has an end. The thread ends with the pair: open each end once.
struct Port {
    file: File,
    bytes: Receiver<u8>,
}

impl Port {
    fn open(path: &Path) -> Self {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let (sender, bytes) = channel();
        let source = file.try_clone().unwrap();
        std::thread::spawn(move || {
            BufReader::new(source).bytes().map_while(Result::ok).all(|byte| sender.send(byte).is_ok())
        });
        Port { file, bytes }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).unwrap();
    }

    /// The next this many bytes; fewer when the port ended.
    fn receive(&self, length: usize) -> Vec<u8> {
        (0..length).map_while(|_| self.bytes.recv_timeout(SOON).ok()).collect()
    }

    fn ask(&mut self, request: &[u8], length: usize) -> Vec<u8> {
        self.send(request);
        self.receive(length)
    }
}

fn connect(device: &Pymodbus) -> TcpStream {
    let stream = TcpStream::connect(device.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What comes until there is nothing for a while, or the kind of the error that ended it.
fn ask(stream: &mut TcpStream, request: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    stream.write_all(request).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) if answer.is_empty() => return Err(ErrorKind::UnexpectedEof),
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answer),
            Err(error) => return Err(error.kind()),
        }
    }
}

#[test]
fn a_serial_pair_carries_bytes_both_ways_and_can_be_unplugged() {
    let mut pair = SerialPair::start();
    let (mut hub, mut device) = (Port::open(&pair.hub_end()), Port::open(&pair.device_end()));
    let every_byte: Vec<u8> = (0..=255).collect();
    for _ in 0..2 {
        hub.send(&every_byte);
        assert_eq!(device.receive(256), every_byte);
        (hub, device) = (device, hub);
    }

    pair.cut();
    assert_eq!(hub.bytes.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
    assert!(!pair.hub_end().exists());

    pair.join();
    let (mut hub, device) = (Port::open(&pair.hub_end()), Port::open(&pair.device_end()));
    hub.send(b"again");
    assert_eq!(device.receive(5), b"again");
}

#[test]
fn pymodbus_answers_in_rtu_and_ascii_on_a_line_and_comes_back_after_it_was_unplugged() {
    let ascii = (&b":0104001E0001DC\r\n"[..], &b":010402126780\r\n"[..]);
    for (framer, (request, answer)) in [(Framer::Rtu, (RTU_REQUEST, RTU_ANSWER)), (Framer::Ascii, ascii)] {
        let mut pair = SerialPair::start();
        let mut device = Pymodbus::start_serial(&[unit(1)], framer, &pair.device_end());
        let mut port = Port::open(&pair.hub_end());
        assert_eq!(port.ask(request, answer.len()), answer, "{framer:?}");

        pair.cut();
        pair.join();
        device.wait_until_open();
        let mut port = Port::open(&pair.hub_end());
        assert_eq!(port.ask(request, answer.len()), answer, "{framer:?} after it was unplugged");

        device.restart();
        assert_eq!(port.ask(request, answer.len()), answer, "{framer:?} after a restart");
    }
}

#[test]
fn a_line_of_32_units_answers_for_each_but_the_silent_one_and_nobody_for_a_33rd() {
    let pair = SerialPair::start();
    let units: Vec<_> = (1..=32).map(unit).collect();
    let mut line = Pymodbus::start_serial(&units, Framer::Ascii, &pair.device_end());
    let mut port = Port::open(&pair.hub_end());
    let request = |unit: u8| format!(":{unit:02X}04001E0001{:02X}\r\n", 0_u8.wrapping_sub(unit + 4 + 30 + 1));
    line.fail_unit(7, &Fault::Silent);

    for nobody in [7, 33] {
        port.send(request(nobody).as_bytes());
        assert_eq!(port.bytes.recv_timeout(Duration::from_millis(200)), Err(RecvTimeoutError::Timeout), "{nobody}");
    }
    for unit in (1..=32).filter(|unit| *unit != 7) {
        let answer = String::from_utf8(port.ask(request(unit).as_bytes(), 15)).unwrap();
        let value = 4710 + u16::from(unit);
        assert!(answer.starts_with(&format!(":{unit:02X}0402{value:04X}")), "{unit}: {answer}");
    }
    assert_eq!(line.requests_by_unit()[..2], [(7, 4, 30, 1), (1, 4, 30, 1)]);

    line.set_input_registers_of(32, 30, &[0xabcd]);
    line.heal();
    assert!(port.ask(request(7).as_bytes(), 15).starts_with(b":070402126D"));
    assert!(port.ask(request(32).as_bytes(), 15).starts_with(b":200402ABCD"));
}

#[test]
fn a_line_with_a_speed_takes_the_time_of_its_characters() {
    let pair = SerialPair::start();
    let _line = Pymodbus::start_serial_at(1200, &[unit(1)], Framer::Rtu, &pair.device_end());
    let mut port = Port::open(&pair.hub_end());

    let begin = Instant::now();
    for _ in 0..3 {
        port.ask(RTU_REQUEST, RTU_ANSWER.len());
    }

    // Three times 15 characters of 11 bits.
    let least = Duration::from_secs_f64(3.0 * 15.0 * 11.0 / 1200.0);
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
}

#[test]
fn pymodbus_has_on_tcp_every_fault_it_is_told_to_have_and_then_none() {
    let late = Fault::Late(Duration::from_millis(150));
    let cases: [(Fault, Result<&[u8], ErrorKind>); 10] = [
        (Fault::Silent, Ok(&[])),
        (late, Ok(TCP_ANSWER)),
        (Fault::GarbageBefore(vec![9, 9]), Ok(&[9, 9, 0, 7, 0, 0, 0, 5, 1, 4, 2, 0x12, 0x67])),
        (Fault::GarbageInstead(vec![9, 9]), Ok(&[9, 9])),
        (Fault::Short(8), Ok(&TCP_ANSWER[..8])),
        (Fault::OtherTransaction, Ok(&[0, 8, 0, 0, 0, 5, 1, 4, 2, 0x12, 0x67])),
        (Fault::OtherUnit(9), Ok(&[0, 7, 0, 0, 0, 5, 9, 4, 2, 0x12, 0x67])),
        (Fault::Exception(6), Ok(&[0, 7, 0, 0, 0, 3, 1, 0x84, 6])),
        (Fault::Close, Err(ErrorKind::UnexpectedEof)),
        (Fault::Reset, Err(ErrorKind::ConnectionReset)),
    ];
    let mut device = Pymodbus::start(unit(1));
    for (fault, expected) in cases {
        let mut stream = connect(&device);
        device.fail_once(&fault);
        assert_eq!(ask(&mut stream, TCP_REQUEST), expected.map(<[u8]>::to_vec), "{fault:?}");
        if expected.is_ok() {
            assert_eq!(ask(&mut stream, TCP_REQUEST), Ok(TCP_ANSWER.to_vec()), "after {fault:?}");
        }
    }
    assert_eq!(ask(&mut connect(&device), TCP_REQUEST), Ok(TCP_ANSWER.to_vec()));
}

#[test]
fn pymodbus_can_have_a_wrong_checksum_where_there_is_one() {
    let mut device = Pymodbus::start_tcp(&[unit(1)], Framer::Rtu);
    let mut stream = connect(&device);
    device.fail_once(&Fault::WrongChecksum);
    assert_eq!(ask(&mut stream, RTU_REQUEST), Ok(vec![1, 4, 2, 0x12, 0x67, 0xf4, 0x7a ^ 0xff]));
    assert_eq!(ask(&mut stream, RTU_REQUEST), Ok(RTU_ANSWER.to_vec()));

    let pair = SerialPair::start();
    let mut device = Pymodbus::start_serial(&[unit(1)], Framer::Ascii, &pair.device_end());
    device.fail_once(&Fault::WrongChecksum);
    let mut port = Port::open(&pair.hub_end());
    assert_eq!(port.ask(b":0104001E0001DC\r\n", 15), b":010402126781\r\n");
}

#[test]
fn a_late_answer_comes_after_the_next_one_was_asked_for() {
    let pair = SerialPair::start();
    let mut device = Pymodbus::start_serial(&[unit(1)], Framer::Rtu, &pair.device_end());
    let mut port = Port::open(&pair.hub_end());

    device.fail_once(&Fault::Late(Duration::from_millis(200)));
    port.send(RTU_REQUEST);
    std::thread::sleep(Duration::from_millis(50));
    device.set_input_registers(30, &[1]);
    let first = port.ask(RTU_REQUEST, RTU_ANSWER.len());
    let second = port.ask(&[], RTU_ANSWER.len());

    assert_eq!(first[3..5], [0, 1]);
    assert_eq!(second, RTU_ANSWER);
}

#[test]
fn a_forgotten_connection_is_dead_and_a_new_one_lives() {
    let mut device = Pymodbus::start(unit(1));
    let (mut first, mut second) = (connect(&device), connect(&device));
    assert_eq!(ask(&mut first, TCP_REQUEST), Ok(TCP_ANSWER.to_vec()));

    device.forget_connections();
    assert_eq!(ask(&mut first, TCP_REQUEST), Ok(Vec::new()));
    let mut third = connect(&device);
    assert_eq!(ask(&mut third, TCP_REQUEST), Ok(TCP_ANSWER.to_vec()));

    device.reset_connections();
    for stream in [&mut second, &mut third] {
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn mbpoll_reads_what_pymodbus_holds() {
    let device = Pymodbus::start(Map::default().unit(5).holding_registers(10, &[1, 40_000]).coils(3, &[true]));

    let read = |unit, table, from, count| mbpoll::registers(&device.address(), unit, table, from, count);

    assert_eq!(read(5, Table::HoldingRegisters, 10, 2), Ok(vec![1, 40_000]));
    assert_eq!(read(5, Table::Coils, 3, 1), Ok(vec![1]));
    let refused = read(5, Table::InputRegisters, 10, 1).unwrap_err();
    assert!(refused.contains("Illegal data address"), "{refused}");
}
