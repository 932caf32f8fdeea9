//! A Modbus device, or a line of them, that was not written by us: pymodbus, in a process of its own, told over standard input what to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::told::Told;

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

/// How frames begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framer {
    /// Modbus TCP.
    Socket,
    /// Over a serial line, or over TCP as some gateways do.
    Rtu,
    /// The same in characters.
    Ascii,
}

/// What a device does instead of answering as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It takes requests and does not answer.
    Silent,
    /// It answers after this time.
    Late(Duration),
    /// These bytes come before the answer.
    GarbageBefore(Vec<u8>),
    /// These bytes come instead of the answer.
    GarbageInstead(Vec<u8>),
    /// The CRC or LRC is wrong; Modbus TCP has none.
    WrongChecksum,
    /// Only so many bytes of the answer come.
    Short(usize),
    /// The answer is for the transaction after the one asked for; only Modbus TCP has them.
    OtherTransaction,
    /// The answer says that it comes from this unit.
    OtherUnit(u8),
    /// It answers with this exception code.
    Exception(u8),
    /// The connection is closed instead.
    Close,
    /// The same with a reset.
    Reset,
}

impl Fault {
    fn to_json(&self) -> Value {
        match self {
            Fault::Silent => json!({ "fault": "silent" }),
            Fault::Late(delay) => json!({ "fault": "late", "ms": delay.as_millis() as u64 }),
            Fault::GarbageBefore(bytes) => json!({ "fault": "garbage", "bytes": bytes }),
            Fault::GarbageInstead(bytes) => json!({ "fault": "noise", "bytes": bytes }),
            Fault::WrongChecksum => json!({ "fault": "checksum" }),
            Fault::Short(length) => json!({ "fault": "short", "length": length }),
            Fault::OtherTransaction => json!({ "fault": "transaction" }),
            Fault::OtherUnit(unit) => json!({ "fault": "stranger", "stranger": unit }),
            Fault::Exception(code) => json!({ "fault": "exception", "code": code }),
            Fault::Close => json!({ "fault": "close" }),
            Fault::Reset => json!({ "fault": "reset" }),
        }
    }
}

/// A running device.
pub struct Pymodbus {
    description: Value,
    endpoint: String,
    told: Told,
}

impl Pymodbus {
    /// Starts one on a free port.
    pub fn start(map: Map) -> Self {
        Self::start_tcp(&[map], Framer::Socket)
    }

    /// Starts several units behind one free port.
    pub fn start_tcp(units: &[Map], framer: Framer) -> Self {
        Self::start_at("0".to_owned(), describe(units, framer, None))
    }

    /// Starts several units on a serial line.
    pub fn start_serial(units: &[Map], framer: Framer, path: &Path) -> Self {
        Self::start_at(path.display().to_string(), describe(units, framer, None))
    }

    /// The same on a line that takes the time which this many bits a second need, 11 to a character.
    pub fn start_serial_at(baud: u32, units: &[Map], framer: Framer, path: &Path) -> Self {
        Self::start_at(path.display().to_string(), describe(units, framer, Some(baud)))
    }

    fn start_at(endpoint: String, description: Value) -> Self {
        let (told, port) = Told::start("pymodbus_server.py", &[&endpoint], &description);
        let endpoint = if port == "0" { endpoint } else { port };
        Pymodbus { description, endpoint, told }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.endpoint.parse().expect("it is on a serial line")
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Sets input registers that the map of the first unit has.
    pub fn set_input_registers(&mut self, address: u16, values: &[u16]) {
        self.told.must(&json!({ "set": 4, "address": address, "values": values }));
    }

    /// Sets holding registers that the map of the first unit has.
    pub fn set_holding_registers(&mut self, address: u16, values: &[u16]) {
        self.told.must(&json!({ "set": 3, "address": address, "values": values }));
    }

    /// Sets discrete inputs that the map of the first unit has.
    pub fn set_discrete_inputs(&mut self, address: u16, values: &[bool]) {
        self.told.must(&json!({ "set": 2, "address": address, "values": values }));
    }

    /// Sets coils that the map of the first unit has.
    pub fn set_coils(&mut self, address: u16, values: &[bool]) {
        self.told.must(&json!({ "set": 1, "address": address, "values": values }));
    }

    /// Sets input registers that the map of this unit has.
    pub fn set_input_registers_of(&mut self, unit: u8, address: u16, values: &[u16]) {
        self.told.must(&json!({ "set": 4, "unit": unit, "address": address, "values": values }));
    }

    /// From now on every answer has this fault.
    pub fn fail(&mut self, fault: &Fault) {
        self.told.must(&fault.to_json());
    }

    /// The next answer has this fault; with several units, the next of each.
    pub fn fail_once(&mut self, fault: &Fault) {
        self.told.must(&with(fault.to_json(), "times", 1));
    }

    /// From now on every answer of this unit has this fault.
    pub fn fail_unit(&mut self, unit: u8, fault: &Fault) {
        self.told.must(&with(fault.to_json(), "unit", unit));
    }

    /// The next answer of this unit has this fault.
    pub fn fail_unit_once(&mut self, unit: u8, fault: &Fault) {
        self.told.must(&with(with(fault.to_json(), "unit", unit), "times", 1));
    }

    /// Every unit answers as it should again.
    pub fn heal(&mut self) {
        self.told.must(&json!({ "fault": null }));
    }

    /// From now on it takes requests and does not answer.
    pub fn fall_silent(&mut self) {
        self.fail(&Fault::Silent);
    }

    /// It answers again.
    pub fn speak(&mut self) {
        self.heal();
    }

    /// Answers every request with this exception code; 0 ends that.
    pub fn answer_with_exception(&mut self, code: u8) {
        if code == 0 { self.heal() } else { self.fail(&Fault::Exception(code)) }
    }

    /// Resets every connection.
    pub fn reset_connections(&mut self) {
        self.told.order("reset");
    }

    /// Waits until it has its serial line again after that was cut and joined; what is sent before is lost.
    pub fn wait_until_open(&mut self) {
        self.told.order("wait");
    }

    /// The connections of now are never heard again and never closed, as after a restart of a device nobody told; new ones are served.
    pub fn forget_connections(&mut self) {
        self.told.order("half_open");
    }

    /// The requests since the last call, as (function code, address, count or first value).
    pub fn requests(&mut self) -> Vec<(u8, u16, u16)> {
        self.requests_by_unit().into_iter().map(|(_, function, address, count)| (function, address, count)).collect()
    }

    /// The same with the unit in front.
    pub fn requests_by_unit(&mut self) -> Vec<(u8, u8, u16, u16)> {
        serde_json::from_value(self.told.get(&json!({ "requests": true }))).unwrap()
    }

    /// Ends it as a pulled plug does; [`Pymodbus::restart`] brings it back on the same port or line.
    pub fn vanish(&mut self) {
        self.told.kill();
    }

    /// Starts it again on the same port or line with the maps it began with.
    pub fn restart(&mut self) {
        self.vanish();
        *self = Self::start_at(self.endpoint.clone(), self.description.clone());
    }
}

fn describe(units: &[Map], framer: Framer, baud: Option<u32>) -> Value {
    let framer = match framer {
        Framer::Socket => "socket",
        Framer::Rtu => "rtu",
        Framer::Ascii => "ascii",
    };
    let units: Vec<_> = units.iter().map(Map::to_json).collect();
    json!({ "framer": framer, "baud": baud, "units": units })
}

fn with(mut command: Value, name: &str, value: u8) -> Value {
    command[name] = json!(value);
    command
}
