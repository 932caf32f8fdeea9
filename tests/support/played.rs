//! An instrument on a byte stream, played over TCP from the first exchanges of a driver's own case, with faults on demand.
//!
//! The case says what is asked and what is answered (`plugins/NAME/cases/*`), so that the hub's link, the driver and the configuration are
//! tested against what the driver's own tests are tested against, now through a real socket. It is no independent peer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::{ports, test_file};

/// What is read of a case: the settings, and the first poll.
pub struct Case {
    settings: toml::Value,
    /// Requests and the frames of their replies; without frames nothing is answered.
    exchanges: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// The numbers that the first poll brings, by point.
    values: BTreeMap<String, f64>,
}

impl Case {
    /// `plugins/DRIVER/cases/NAME`.
    pub fn read(driver: &str, name: &str) -> Self {
        let folder = test_file(&format!("../plugins/{driver}/cases/{name}"));
        let read =
            |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
        let case: toml::Value = toml::from_str(&read("case.toml")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let steps = case["step"].as_array().unwrap();
        let number = steps.iter().position(|step| step.get("exchange").is_some()).unwrap();
        let exchanges = steps[number]["exchange"].as_array().unwrap().iter().map(|exchange| {
            let frames = exchange.get("reply").and_then(toml::Value::as_array).into_iter().flatten();
            let frames = frames.map(|frame| bytes(frame.as_str().unwrap())).collect();
            (bytes(exchange["request"].as_str().unwrap()), frames)
        });
        let expected = read("expected.jsonl");
        let samples = expected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let samples = samples.filter(|line| line["step"] == number + 1);
        let numbers = samples.filter_map(|it| Some((it["point"].as_str()?.to_owned(), it["value"].as_f64()?)));
        Case { settings: case["settings"].clone(), exchanges: exchanges.collect(), values: numbers.collect() }
    }

    /// The numbers that the first poll brings, by point.
    pub fn values(&self) -> BTreeMap<String, f64> {
        self.values.clone()
    }

    /// The same with another setting.
    pub fn with(mut self, setting: &str, value: impl Into<toml::Value>) -> Self {
        self.settings.as_table_mut().unwrap().insert(setting.to_owned(), value.into());
        self
    }

    /// The device's table of settings, with its header.
    pub fn settings_of(&self, device: &str) -> String {
        let settings = toml::Table::from_iter([("settings".to_owned(), self.settings.clone())]);
        let device = toml::Table::from_iter([(device.to_owned(), settings.into())]);
        toml::to_string(&toml::Table::from_iter([("devices".to_owned(), device.into())])).unwrap()
    }
}

/// Control characters in place of their names, and `<B1>` for any byte.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(name, _)| name);
        let byte = name.and_then(|name| match name {
            "STX" => Some(2),
            "ETX" => Some(3),
            "CR" => Some(13),
            "LF" => Some(10),
            hex if hex.len() == 2 => u8::from_str_radix(hex, 16).ok(),
            _ => None,
        });
        let length = match (byte, name) {
            (Some(byte), Some(name)) => {
                bytes.push(byte);
                name.len() + 2
            }
            _ => {
                bytes.extend(character.to_string().bytes());
                character.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    bytes
}

/// What the instrument does instead of answering as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It takes requests and does not answer.
    Silent,
    /// It answers after this time.
    Late(Duration),
    /// It resets the connection instead.
    Reset,
    /// A digit of the answer is another than the one that its check was made for.
    WrongChecksum,
    /// Only the first half of the answer comes.
    Short,
    /// These bytes come before the answer.
    GarbageBefore(Vec<u8>),
    /// This request is answered with this.
    Says(Vec<u8>, Vec<u8>),
}

/// A running instrument. Dropping it ends it.
pub struct Played {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    exchanges: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    is_gone: bool,
    /// How often it was started; connections of former lives are never heard again.
    life: u32,
}

impl Played {
    /// Starts one on a free port.
    pub fn start(case: &Case) -> Self {
        // Not one that the system takes for another connection while this instrument is gone.
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let shared = Arc::new(Shared { exchanges: case.exchanges.clone(), state: Mutex::default() });
        let played = Played { port, shared };
        played.listen(listener);
        played
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on every answer has this fault.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.lock().unwrap().fault = Some(fault);
    }

    /// It answers as it should again.
    pub fn heal(&self) {
        self.shared.state.lock().unwrap().fault = None;
    }

    /// It closes its connections, and new ones are refused.
    pub fn vanish(&self) {
        self.shared.state.lock().unwrap().is_gone = true;
        // The port is closed when nobody can connect any more.
        while TcpStream::connect(self.address()).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It comes back on the same port.
    pub fn come_back(&self) {
        self.shared.state.lock().unwrap().is_gone = false;
        self.listen(TcpListener::bind(self.address()).unwrap());
    }

    /// It starts anew: it knows nothing of its former connections, and does not close them either.
    pub fn forget_connections(&self) {
        self.shared.state.lock().unwrap().life += 1;
    }

    fn listen(&self, listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            while !shared.is_gone() {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let shared = Arc::clone(&shared);
                        std::thread::spawn(move || shared.serve(stream));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().is_gone = true;
    }
}

impl Shared {
    fn is_gone(&self) -> bool {
        self.state.lock().unwrap().is_gone
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let life = self.state.lock().unwrap().life;
        let mut came = Vec::new();
        let mut buffer = [0; 1024];
        while !self.is_gone() {
            if self.state.lock().unwrap().life != life {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            let fault = self.state.lock().unwrap().fault.clone();
            let count = match stream.peek(&mut buffer) {
                Ok(0) => return,
                // What was not read when a socket is closed makes it a reset.
                Ok(_) if fault == Some(Fault::Reset) => return,
                Ok(_) => stream.read(&mut buffer).unwrap_or_default(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => return,
            };
            came.extend_from_slice(&buffer[..count]);
            while let Some(answer) = self.answer(&mut came, fault.as_ref()) {
                if let Some(Fault::Late(delay)) = fault {
                    std::thread::sleep(delay);
                }
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }

    /// Takes a whole request from what came; what stands before it is nothing.
    fn answer(&self, came: &mut Vec<u8>, fault: Option<&Fault>) -> Option<Vec<u8>> {
        let found = self.exchanges.iter().filter_map(|(request, frames)| {
            let at = came.windows(request.len()).position(|part| part == request)?;
            Some((at + request.len(), request, frames))
        });
        let (end, request, frames) = found.min_by_key(|(end, ..)| *end)?;
        came.drain(..end);
        let answer = frames.concat();
        Some(match fault {
            Some(Fault::Silent | Fault::Reset) => Vec::new(),
            Some(Fault::WrongChecksum) => falsified(answer),
            Some(Fault::Short) => answer[..answer.len() / 2].to_vec(),
            Some(Fault::GarbageBefore(garbage)) => [garbage.clone(), answer].concat(),
            Some(Fault::Says(asked, reply)) if asked == request => reply.clone(),
            Some(Fault::Says(..) | Fault::Late(_)) | None => answer,
        })
    }
}

fn falsified(mut answer: Vec<u8>) -> Vec<u8> {
    let half = answer.len() / 2;
    if let Some(digit) = answer[half..].iter_mut().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
    }
    answer
}
