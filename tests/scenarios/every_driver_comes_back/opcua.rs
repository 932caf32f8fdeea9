//! An analyser with an OPC UA server after the model for analysers (ADI), played by asyncua.

use std::net::SocketAddr;

use super::{Fault, INTERVAL, Peer, Row, link_times};
use crate::support::asyncua::{Asyncua, Plant};
use crate::support::between::Between;

pub const ROWS: &[fn() -> Row] = &[opcua_adi];

const SCALED: &str = "DeviceSet/Analyser/Channel1/Stream1/ParameterSet/ScaledData";
const SCALED_VALUE: f64 = 100.0;
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
            Fault::Refusal => self.server.set_health(1),
            Fault::OutOfRange => self.server.set_status(SCALED, EXCEEDED),
            Fault::Restart => self.server.vanish(),
            Fault::WrongCheck | Fault::Late => unreachable!("excluded"),
        }
    }

    fn end(&mut self, fault: Fault) {
        match fault {
            Fault::Refusal => self.server.set_health(0),
            Fault::OutOfRange => self.server.set(SCALED, SCALED_VALUE),
            Fault::Restart => self.server.restart(),
            _ => self.between.heal(),
        }
    }
}

fn opcua_adi() -> Row {
    let server = Asyncua::start(Plant { adi: true, ..Plant::default() });
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
only = ["*_scaleddata"]
sampling_ms = 100
publishing_ms = 200
"#,
        between.address(),
        link_times(),
        INTERVAL.as_millis()
    );
    let point = |channel: u8| format!("analyser_channel{channel}_stream1_scaleddata");
    Row {
        driver: "opcua-adi",
        over: "OPC UA",
        device: "opcua-adi",
        configuration,
        interval: INTERVAL,
        passing: &[],
        watched: "analyser_channel1_stream1_scaleddata",
        values: [(point(1), SCALED_VALUE), (point(2), 200.0)].into(),
        excluded: &[
            (Fault::WrongCheck, "without security OPC UA has no check of its own"),
            (Fault::Late, "it is not asked for anything that could come late"),
        ],
        peer: Box::new(Analyser { server, between }),
    }
}
