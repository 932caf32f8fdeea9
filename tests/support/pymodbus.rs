//! A Modbus TCP device that was not written by us: pymodbus, in a process of its own, told over standard input what to do.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{python, test_file};

/// What a device holds: for each table, values by the address of the first of them. What is not given is not there, and
/// is answered with exception 2, illegal data address.
#[derive(Debug, Clone)]
pub struct Map {
    unit: u8,
    coils: BTreeMap<u16, Vec<bool>>,
    discrete_inputs: BTreeMap<u16, Vec<bool>>,
    holding_registers: BTreeMap<u16, Vec<u16>>,
    input_registers: BTreeMap<u16, Vec<u16>>,
}

impl Default for Map {
    fn default() -> Self {
        Map {
            unit: 1,
            coils: BTreeMap::new(),
            discrete_inputs: BTreeMap::new(),
            holding_registers: BTreeMap::new(),
            input_registers: BTreeMap::new(),
        }
    }
}

impl Map {
    /// Addressed as this unit instead of 1.
    pub fn unit(mut self, unit: u8) -> Self {
        self.unit = unit;
        self
    }

    /// Coils from this address on.
    pub fn coils(mut self, address: u16, values: &[bool]) -> Self {
        self.coils.insert(address, values.to_vec());
        self
    }

    /// Discrete inputs from this address on.
    pub fn discrete_inputs(mut self, address: u16, values: &[bool]) -> Self {
        self.discrete_inputs.insert(address, values.to_vec());
        self
    }

    /// Holding registers from this address on.
    pub fn holding_registers(mut self, address: u16, values: &[u16]) -> Self {
        self.holding_registers.insert(address, values.to_vec());
        self
    }

    /// Input registers from this address on.
    pub fn input_registers(mut self, address: u16, values: &[u16]) -> Self {
        self.input_registers.insert(address, values.to_vec());
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "unit": self.unit,
            "coils": self.coils,
            "discrete_inputs": self.discrete_inputs,
            "holding_registers": self.holding_registers,
            "input_registers": self.input_registers,
        })
    }
}

/// Registers that hold these numbers as IEEE 754 binary32, most significant word first.
pub fn f32_high_first(values: &[f32]) -> Vec<u16> {
    values.iter().map(|value| value.to_bits()).flat_map(|bits| [(bits >> 16) as u16, bits as u16]).collect()
}

/// A running device.
pub struct Pymodbus {
    map: Map,
    port: u16,
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Pymodbus {
    /// Starts one on a free port.
    pub fn start(map: Map) -> Self {
        Self::start_on(map, 0)
    }

    fn start_on(map: Map, port: u16) -> Self {
        let mut command = Command::new(python());
        command.arg(test_file("support/pymodbus_server.py")).arg(port.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = process.stdin.take().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut device = Pymodbus { map: map.clone(), port, process, stdin, stdout };
        let ready = device.tell(&map.to_json());
        device.port =
            ready.strip_prefix("ready ").and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{ready}"));
        device
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets input registers that the map has.
    pub fn set_input_registers(&mut self, address: u16, values: &[u16]) {
        self.must(&json!({ "set": 4, "address": address, "values": values }));
    }

    /// Sets holding registers that the map has.
    pub fn set_holding_registers(&mut self, address: u16, values: &[u16]) {
        self.must(&json!({ "set": 3, "address": address, "values": values }));
    }

    /// Sets discrete inputs that the map has.
    pub fn set_discrete_inputs(&mut self, address: u16, values: &[bool]) {
        self.must(&json!({ "set": 2, "address": address, "values": values }));
    }

    /// Sets coils that the map has.
    pub fn set_coils(&mut self, address: u16, values: &[bool]) {
        self.must(&json!({ "set": 1, "address": address, "values": values }));
    }

    /// From now on it takes requests and does not answer.
    pub fn fall_silent(&mut self) {
        self.must(&json!({ "silent": true }));
    }

    /// It answers again.
    pub fn speak(&mut self) {
        self.must(&json!({ "silent": false }));
    }

    /// Answers every request with this exception code; 0 ends that.
    pub fn answer_with_exception(&mut self, code: u8) {
        self.must(&json!({ "exception": code }));
    }

    /// The requests since the last call, as (function code, address, count or first value).
    pub fn requests(&mut self) -> Vec<(u8, u16, u16)> {
        serde_json::from_str(&self.tell(&json!({ "requests": true }))).unwrap()
    }

    /// Ends it as a pulled plug does; [`Pymodbus::restart`] brings it back on the same port.
    pub fn vanish(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again on the same port with the map it began with.
    pub fn restart(&mut self) {
        self.vanish();
        *self = Self::start_on(self.map.clone(), self.port);
    }

    fn must(&mut self, command: &Value) {
        let answer = self.tell(command);
        assert_eq!(answer, "ok", "pymodbus refused {command}");
    }

    fn tell(&mut self, command: &Value) -> String {
        writeln!(self.stdin, "{command}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "pymodbus ended at {command}");
        line.trim_end().to_owned()
    }
}

impl Drop for Pymodbus {
    fn drop(&mut self) {
        self.vanish();
    }
}
