//! A data logger that connects to the hub and pushes HJ 212 frames: a process of its own, told over standard input what to do. This peer is ours;
//! `hj212_rtu.py` says why.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::told::Told;

/// A running logger.
pub struct Hj212Logger {
    told: Told,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// The CRC.
    Crc,
    /// The length, which is seven too much.
    Length,
    /// Its second half is missing.
    Short,
    /// Other bytes are before it.
    Garbage,
    /// It comes twice.
    Twice,
}

impl FrameFault {
    fn name(self) -> &'static str {
        match self {
            FrameFault::Crc => "crc",
            FrameFault::Length => "length",
            FrameFault::Short => "short",
            FrameFault::Garbage => "garbage",
            FrameFault::Twice => "twice",
        }
    }
}

impl Hj212Logger {
    /// Starts one with this MN and password that connects there, and again 200 ms after it lost the connection.
    pub fn start(host: SocketAddr, mn: &str, password: &str) -> Self {
        let description = json!({
            "address": host.to_string(), "mn": mn, "password": password, "st": "31", "retry_ms": 200,
        });
        let (told, _) = Told::start("hj212_rtu.py", &[], &description);
        Hj212Logger { told }
    }

    /// Waits until it is connected.
    pub fn wait_until_connected(&mut self) {
        self.told.order("wait");
    }

    /// Pushes data of a command like 2011, 2051 or 2061 and asks for an answer. Returns their QN.
    pub fn push(&mut self, command: u16, data: &str) -> String {
        self.told.ask(&json!({ "push": command, "data": data }))
    }

    /// The same with more said, as `hj212_rtu.py` has it: `flag`, `qn`, `packets`, `chunk`.
    pub fn push_with(&mut self, command: u16, data: &str, more: &Value) -> String {
        let mut push = json!({ "push": command, "data": data });
        push.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.told.ask(&push)
    }

    /// The same in a frame that is wrong.
    pub fn push_wrong(&mut self, command: u16, data: &str, fault: FrameFault) -> String {
        self.push_with(command, data, &json!({ "fault": fault.name() }))
    }

    /// Sends these bytes, each below 256 as a character.
    pub fn send_raw(&mut self, text: &str) {
        self.told.must(&json!({ "raw": text }));
    }

    /// Whether the host answers, or has answered, this QN within so many seconds.
    pub fn is_answered(&mut self, qn: &str, seconds: f64) -> bool {
        self.told.ask(&json!({ "answered": qn, "for": seconds })) == "ok"
    }

    /// What a request for the history of this command finds: the time of each entry, as `yyyymmddhhmmss`, and its data. Oldest first.
    pub fn keep(&mut self, command: u16, entries: &[(&str, &str)]) {
        self.told.must(&json!({ "log": command, "entries": entries }));
    }

    /// The requests since the last call, as command, QN and data.
    pub fn requests(&mut self) -> Vec<(u16, String, String)> {
        serde_json::from_value(self.told.get(&json!({ "requests": true }))).unwrap()
    }

    /// From now on it does not answer requests.
    pub fn fall_silent(&mut self) {
        self.told.must(&json!({ "silent": true }));
    }

    /// It answers them again.
    pub fn speak(&mut self) {
        self.told.must(&json!({ "silent": false }));
    }

    /// It closes the connection and stays away.
    pub fn leave(&mut self) {
        self.told.must(&json!({ "away": true }));
    }

    /// It connects again.
    pub fn come_back(&mut self) {
        self.told.must(&json!({ "away": false }));
    }

    /// It resets the connection and connects again.
    pub fn reset_connection(&mut self) {
        self.told.order("reset");
    }

    /// Ends it as a pulled plug does.
    pub fn vanish(&mut self) {
        self.told.kill();
    }
}
