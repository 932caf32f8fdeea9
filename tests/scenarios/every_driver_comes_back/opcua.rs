//! An analyser with an OPC UA server whose variables are listed, played by asyncua.

use std::net::SocketAddr;

use super::{Fault, Peer, Row, SENT_INTERVAL, link_times};
use crate::support::asyncua::{Asyncua, NAMESPACE, Plant};
use crate::support::between::Between;

pub const ROWS: &[fn() -> Row] = &[opcua_adi];

/// Variables that keep their value; it is their number.
const NO2: (&str, f64) = ("s=browse.0.41", 41.0);
const CO: (&str, f64) = ("s=browse.0.75", 75.0);
/// BadDeviceFailure.
const FAILED: u32 = 0x808B_0000;
/// UncertainEngineeringUnitsExceeded.
const EXCEEDED: u32 = 0x4094_0000;

struct Analyser {
    server: Asyncua,
    between: Between,
}

impl Peer for Analyser {
    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Refused => self.between.refuse(),
            Fault::Reset => self.between.reset(),
            Fault::Silence => self.between.fall_silent(),
            Fault::Short => self.between.cut_short(),
            Fault::Garbage => self.between.make_noise(),
            Fault::Refusal => self.server.set_status(NO2.0, FAILED),
            Fault::OutOfRange => self.server.set_status(NO2.0, EXCEEDED),
            Fault::Restart => self.server.vanish(),
            Fault::WrongCheck | Fault::Late => unreachable!("excluded"),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Refusal | Fault::OutOfRange => self.server.set(NO2.0, NO2.1 as i64),
            Fault::Restart => self.server.restart(),
            _ => self.between.heal(),
        }
    }
}

fn opcua_adi() -> Row {
    let server = Asyncua::start(Plant { items: 0, histories: 0, browse: 100, ..Plant::default() });
    let between = Between::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let configuration = format!(
        r#"
[links.opcua-adi]
type = "opcua"
url = "opc.tcp://{}/plant"
policy = "none"
silence = "1s"
{}
[devices.opcua-adi]
plugin = "opcua-adi"
link = "opcua-adi"
interval = "{}ms"

[devices.opcua-adi.settings]
nodes = [
    {{ id = "no2", node = "nsu={NAMESPACE};{}" }},
    {{ id = "co", node = "nsu={NAMESPACE};{}" }},
]
sampling_ms = 100
publishing_ms = 200
"#,
        between.address(),
        link_times(),
        SENT_INTERVAL.as_millis(),
        NO2.0,
        CO.0
    );
    Row {
        driver: "opcua-adi",
        over: "OPC UA",
        device: "opcua-adi",
        configuration,
        interval: SENT_INTERVAL,
        passing: &[],
        watched: "no2",
        values: [("no2".to_owned(), NO2.1), ("co".to_owned(), CO.1)].into(),
        excluded: &[
            (Fault::WrongCheck, "without security OPC UA has no check of its own"),
            (Fault::Late, "it is not asked for anything that could come late"),
        ],
        peer: Box::new(Analyser { server, between }),
    }
}
