//! Modbus instruments, played by pymodbus.

use std::fmt::Write;

use super::{Fault, INTERVAL, Peer, Row, TIMEOUT, link, link_times};
use crate::support::pymodbus::{self, Framer, Map, Pymodbus, f32_high_first};
use crate::support::serial::SerialPair;
use crate::support::t200;

pub const ROWS: &[fn() -> Row] = &[teledyne_t, map_over_tcp, map_over_rtu, map_over_rtu_tcp, map_over_ascii];

const NO_CHECK: (Fault, &str) = (Fault::WrongCheck, "Modbus TCP has no check of its own");
const NO_CONNECTION: (Fault, &str) = (Fault::Reset, "a serial line has no connection that could be reset");

/// Registers of the mapped instrument.
const COUNTERS: u16 = 40;
const FLOW: u16 = 100;
const FLOW_VALUE: f32 = 1234.5;

struct Modbus {
    peer: Pymodbus,
    line: Option<SerialPair>,
    /// Where the watched value stands, the value, and one that cannot be.
    address: u16,
    good: f32,
    impossible: f32,
}

impl Peer for Modbus {
    fn begin(&mut self, fault: Fault) {
        match (fault, &mut self.line) {
            (Fault::Refused, Some(line)) => line.cut(),
            (Fault::Restart, None) => self.peer.forget_connections(),
            (Fault::Refused, None) | (Fault::Restart, Some(_)) => self.peer.vanish(),
            (Fault::OutOfRange, _) => self.peer.set_input_registers(self.address, &f32_high_first(&[self.impossible])),
            (Fault::Reset, _) => self.peer.fail(&pymodbus::Fault::Reset),
            (Fault::Silence, _) => self.peer.fall_silent(),
            (Fault::WrongCheck, _) => self.peer.fail(&pymodbus::Fault::WrongChecksum),
            (Fault::Short, _) => self.peer.fail(&pymodbus::Fault::Short(5)),
            (Fault::Refusal, _) => self.peer.fail(&pymodbus::Fault::Exception(4)),
            (Fault::Late, _) => self.peer.fail(&pymodbus::Fault::Late(TIMEOUT * 3 / 2)),
            (Fault::Garbage, _) => self.peer.fail(&pymodbus::Fault::GarbageBefore(vec![0x00, 0xFF, 0x23, 0x15, 0x80])),
        }
    }

    fn end(&mut self, fault: Fault) {
        match (fault, &mut self.line) {
            (Fault::Refused, Some(line)) => {
                line.join();
                self.peer.wait_until_open();
            }
            (Fault::Restart, None) => {}
            (Fault::Refused, None) | (Fault::Restart, Some(_)) => self.peer.restart(),
            (Fault::OutOfRange, _) => self.peer.set_input_registers(self.address, &f32_high_first(&[self.good])),
            _ => self.peer.heal(),
        }
    }
}

fn teledyne_t() -> Row {
    let peer = Pymodbus::start(t200::map());
    let device = "teledyne-t";
    let settings = "grants = [\"tutin:modbus/control\"]\n\n[devices.teledyne-t.settings]\nmodel = \"T200\"\n";
    let configuration = link(device, "modbus_tcp", &peer.address()) + &super::device(device, "teledyne-t") + settings;
    let registers = [
        ("pmt_detector", 0),
        ("nox", t200::NOX_R1),
        ("no", t200::NO_R1),
        ("no2", t200::NO2_R1),
        ("sample_flow_rate", 62),
        ("internal_box_temp", 66),
    ];
    let value = |address| f64::from(t200::value_at(address));
    let peer =
        Modbus { peer, line: None, address: t200::NO2_R1, good: t200::value_at(t200::NO2_R1), impossible: f32::NAN };
    Row {
        driver: "teledyne-t",
        over: "Modbus TCP",
        device,
        configuration,
        interval: INTERVAL,
        passing: &[],
        watched: "no2",
        values: registers.iter().map(|(point, address)| ((*point).to_owned(), value(*address))).collect(),
        excluded: &[NO_CHECK],
        peer: Box::new(peer),
    }
}

fn map_over_tcp() -> Row {
    let peer = Pymodbus::start(mapped());
    let link = link("map-tcp", "modbus_tcp", &peer.address());
    map("Modbus TCP", "map-tcp", link, peer, None, &[NO_CHECK])
}

fn map_over_rtu_tcp() -> Row {
    let peer = Pymodbus::start_tcp(&[mapped()], Framer::Rtu);
    let link = link("map-rtu-tcp", "modbus_rtu_tcp", &peer.address());
    map("Modbus RTU over TCP", "map-rtu-tcp", link, peer, None, &[])
}

fn map_over_rtu() -> Row {
    let line = SerialPair::start();
    let peer = Pymodbus::start_serial(&[mapped()], Framer::Rtu, &line.device_end());
    let link = serial_link("map-rtu", "modbus_rtu", &line);
    map("Modbus RTU", "map-rtu", link, peer, Some(line), &[NO_CONNECTION])
}

fn map_over_ascii() -> Row {
    let line = SerialPair::start();
    let peer = Pymodbus::start_serial(&[mapped()], Framer::Ascii, &line.device_end());
    let link = serial_link("map-ascii", "modbus_ascii", &line);
    map("Modbus ASCII", "map-ascii", link, peer, Some(line), &[NO_CONNECTION])
}

/// A counter in each of forty registers, and a flow.
fn mapped() -> Map {
    let counters: Vec<u16> = (0..COUNTERS).map(|n| 1000 + n).collect();
    Map::default().holding_registers(0, &counters).input_registers(FLOW, &f32_high_first(&[FLOW_VALUE]))
}

fn map(
    over: &'static str,
    device: &'static str,
    link: String,
    peer: Pymodbus,
    line: Option<SerialPair>,
    excluded: &'static [(Fault, &'static str)],
) -> Row {
    let mut configuration = link + &super::device(device, "modbus-map");
    write!(
        configuration,
        r#"
[devices.{device}.settings]
word_order = "high_first"

[[devices.{device}.settings.points]]
id = "flow"
table = "input"
address = {FLOW}
type = "f32"
range = [0, 5000]

[[devices.{device}.settings.points]]
id = "r{{n}}"
table = "holding"
address = 0
type = "u16"
repeat = {{ count = {COUNTERS} }}
"#
    )
    .unwrap();
    let counters = (0..COUNTERS).map(|n| (format!("r{n}"), f64::from(1000 + n)));
    let flow = [("flow".to_owned(), f64::from(FLOW_VALUE))];
    Row {
        driver: "modbus-map",
        over,
        device,
        configuration,
        interval: INTERVAL,
        passing: &[],
        watched: "flow",
        values: counters.chain(flow).collect(),
        excluded,
        peer: Box::new(Modbus { peer, line, address: FLOW, good: FLOW_VALUE, impossible: 1.0e9 }),
    }
}

fn serial_link(name: &str, kind: &str, line: &SerialPair) -> String {
    format!("\n[links.{name}]\ntype = \"{kind}\"\nport = {:?}\nbaud = 19200\n{}", line.hub_end(), link_times())
}
