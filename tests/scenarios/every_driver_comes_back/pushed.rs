//! What comes unasked: stations that connect to the hub, and senders behind an MQTT broker.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use tutin::time::Timestamp;

use super::{Fault, Peer, Row, SENT_INTERVAL, link_times};
use crate::support::between::Between;
use crate::support::hj212::{FrameFault, Hj212Logger};
use crate::support::mosquitto::Mosquitto;
use crate::support::ports;
use crate::support::sparkplug::{Metric, Sparkplug};

pub const ROWS: &[fn() -> Row] = &[hj212_station, mqtt_json, sparkplug_b];

/// From one message to the next.
const PERIOD: Duration = Duration::from_millis(200);

const NOT_ASKED: (Fault, &str) = (Fault::Late, "it is not asked for anything that could come late");
const NO_CHECK: (Fault, &str) = (Fault::WrongCheck, "MQTT has no check of its own");

/// Sends over and over, well or in the way of a fault, until it is dropped.
struct Feed<S> {
    shared: Arc<Mutex<Shared<S>>>,
    sending: Option<JoinHandle<()>>,
}

struct Shared<S> {
    sender: S,
    fault: Option<Fault>,
    is_over: bool,
}

impl<S: Send + 'static> Feed<S> {
    fn start(sender: S, mut send: impl FnMut(&mut S, Option<Fault>) + Send + 'static) -> Self {
        let shared = Arc::new(Mutex::new(Shared { sender, fault: None, is_over: false }));
        let fed = Arc::clone(&shared);
        let sending = std::thread::spawn(move || {
            loop {
                let mut shared = fed.lock().unwrap();
                if shared.is_over {
                    return;
                }
                let fault = shared.fault;
                send(&mut shared.sender, fault);
                drop(shared);
                std::thread::sleep(PERIOD);
            }
        });
        Feed { shared, sending: Some(sending) }
    }

    /// From now on it sends in the way of this fault; `work` is done to the sender before it sends again.
    fn change(&self, fault: Option<Fault>, work: impl FnOnce(&mut S)) {
        let mut shared = self.shared.lock().unwrap();
        shared.fault = fault;
        work(&mut shared.sender);
    }
}

impl<S> Drop for Feed<S> {
    fn drop(&mut self) {
        // A sender that panicked has been told of by then.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        // The peer ends with its last owner, and not after the test.
        let _ = self.sending.take().map(JoinHandle::join);
    }
}

/// Does to the network what a fault does there; false where it does nothing there.
fn break_network(between: &Between, fault: Fault) -> bool {
    match fault {
        Fault::Refused => between.refuse(),
        Fault::Reset => between.reset(),
        Fault::Silence => between.fall_silent(),
        _ => return false,
    }
    true
}

const MN: &str = "010000A8900016F000169DC0";
const PASSWORD: &str = "123456";

struct Station {
    between: Between,
    feed: Feed<Hj212Logger>,
}

impl Peer for Station {
    fn begin(&mut self, fault: Fault) {
        if !break_network(&self.between, fault) {
            let work = |logger: &mut Hj212Logger| {
                if fault == Fault::Restart {
                    logger.vanish()
                }
            };
            self.feed.change(Some(fault), work);
        }
    }

    fn end(&mut self, fault: Fault) {
        self.between.heal();
        let address = self.between.address();
        let work = |logger: &mut Hj212Logger| {
            if fault == Fault::Restart {
                *logger = Hj212Logger::start(address, MN, PASSWORD);
            }
        };
        self.feed.change(None, work);
    }
}

/// Real-time data of now with this flag of the first.
fn real_time(flag: char) -> String {
    let now: String = Timestamp::now().to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    format!("DataTime={now};a21026-Rtd=286.25,a21026-Flag={flag};a19001-Rtd=7.5,a19001-Flag=N")
}

fn hj212_station() -> Row {
    let hub = ports::free();
    let between = Between::start(SocketAddr::from(([127, 0, 0, 1], hub)));
    let logger = Hj212Logger::start(between.address(), MN, PASSWORD);
    let feed = Feed::start(logger, |logger, fault| match fault {
        None => drop(logger.push(2011, &real_time('N'))),
        Some(Fault::WrongCheck) => drop(logger.push_wrong(2011, &real_time('N'), FrameFault::Crc)),
        Some(Fault::Short) => drop(logger.push_wrong(2011, &real_time('N'), FrameFault::Short)),
        Some(Fault::Garbage) => drop(logger.push_wrong(2011, &real_time('N'), FrameFault::Garbage)),
        Some(Fault::Refusal) => drop(logger.push(2011, &real_time('D'))),
        Some(Fault::OutOfRange) => drop(logger.push(2011, &real_time('T'))),
        Some(_) => {}
    });
    let configuration = format!(
        r#"
[links.hj212-station]
type = "stream_listen"
listen = "127.0.0.1:{hub}"
{}
[devices.hj212-station]
plugin = "hj212-station"
link = "hj212-station"
interval = "{}ms"
# A page of history that is not answered holds up what is measured now for longer than two intervals.
backfill = "0s"

[devices.hj212-station.settings]
mn = "{MN}"
pw = "{PASSWORD}"
st = 31
utc_offset = "+00:00"
stale_after = 1
units = {{ a21026 = "mg/m3", a19001 = "%" }}
expected = ["a21026-Rtd", "a19001-Rtd"]
"#,
        link_times(),
        SENT_INTERVAL.as_millis()
    );
    Row {
        driver: "hj212-station",
        over: "TCP, the station connects",
        device: "hj212-station",
        configuration,
        interval: SENT_INTERVAL,
        passing: &[],
        watched: "a21026_rtd",
        values: [("a21026_rtd".to_owned(), 286.25), ("a19001_rtd".to_owned(), 7.5)].into(),
        excluded: &[NOT_ASKED],
        peer: Box::new(Station { between, feed }),
    }
}

struct Topic {
    between: Between,
    feed: Feed<Mosquitto>,
}

impl Peer for Topic {
    fn begin(&mut self, fault: Fault) {
        if !break_network(&self.between, fault) {
            let work = |broker: &mut Mosquitto| {
                if fault == Fault::Restart {
                    broker.kill()
                }
            };
            self.feed.change(Some(fault), work);
        }
    }

    fn end(&mut self, fault: Fault) {
        self.between.heal();
        let work = |broker: &mut Mosquitto| {
            if fault == Fault::Restart {
                broker.restart()
            }
        };
        self.feed.change(None, work);
    }
}

/// A link to a broker.
fn mqtt_link(name: &str, address: SocketAddr) -> String {
    let times = link_times().replacen("timeout", "connect_timeout", 1);
    format!("\n[links.{name}]\ntype = \"mqtt\"\naddress = \"{address}\"\n{times}")
}

fn mqtt_json() -> Row {
    let broker = Mosquitto::start();
    let between = Between::start(SocketAddr::from(([127, 0, 0, 1], broker.port())));
    let feed = Feed::start(broker, |broker, fault| {
        let payload: &[u8] = match fault {
            None => br#"{"no2": 41.25, "co": 7.5, "q": "good"}"#,
            Some(Fault::Short) => br#"{"no2": 41.25, "c"#,
            Some(Fault::Refusal) => br#"{"no2": 41.25, "co": 7.5, "q": "good", "error": "E1"}"#,
            Some(Fault::OutOfRange) => br#"{"no2": 9999, "co": 7.5, "q": "over"}"#,
            Some(Fault::Garbage) => b"\x00\xff#\x15\x80",
            Some(_) => return,
        };
        broker.publish("plant/stack", payload);
    });
    let device = format!(
        r#"
[devices.mqtt-json]
plugin = "mqtt-json"
link = "mqtt-json"
topics = ["plant/stack"]
interval = "{}ms"

[devices.mqtt-json.settings]
stale_after_s = 1
points = [{{ id = "no2", unit = "[ppb]" }}, {{ id = "co", unit = "[ppm]" }}]

[[devices.mqtt-json.settings.messages]]
topic = "plant/stack"

[[devices.mqtt-json.settings.messages.values]]
id = "no2"
value = "no2"
error = "error"
quality = {{ path = "q", states = {{ "good" = "valid", "over" = "over_range" }}, otherwise = "fault" }}

[[devices.mqtt-json.settings.messages.values]]
id = "co"
value = "co"
"#,
        SENT_INTERVAL.as_millis()
    );
    Row {
        driver: "mqtt-json",
        over: "MQTT",
        device: "mqtt-json",
        configuration: mqtt_link("mqtt-json", between.address()) + &device,
        interval: SENT_INTERVAL,
        passing: &[],
        watched: "no2",
        values: [("no2".to_owned(), 41.25), ("co".to_owned(), 7.5)].into(),
        excluded: &[NO_CHECK, NOT_ASKED],
        peer: Box::new(Topic { between, feed }),
    }
}

/// An edge node, and the broker that it speaks through.
struct Edge {
    broker: Mosquitto,
    node: Sparkplug,
}

impl Edge {
    fn metrics() -> [Metric; 2] {
        [Metric::double("NO2", 1, 41.25), Metric::double("CO", 2, 7.5)]
    }

    fn born(broker: &Mosquitto) -> Sparkplug {
        Sparkplug::start(broker, &[], &[("gas", &Self::metrics())])
    }
}

struct EdgeNode {
    between: Between,
    feed: Feed<Edge>,
}

impl Peer for EdgeNode {
    fn begin(&mut self, fault: Fault) {
        if !break_network(&self.between, fault) {
            let work = |edge: &mut Edge| match fault {
                Fault::Restart => edge.node.vanish(),
                Fault::Refusal => edge.node.device_death("gas"),
                _ => {}
            };
            self.feed.change(Some(fault), work);
        }
    }

    fn end(&mut self, fault: Fault) {
        self.between.heal();
        let work = |edge: &mut Edge| match fault {
            Fault::Restart => edge.node = Edge::born(&edge.broker),
            Fault::Refusal => edge.node.device_birth("gas"),
            _ => {}
        };
        self.feed.change(None, work);
    }
}

fn sparkplug_b() -> Row {
    let broker = Mosquitto::start();
    let between = Between::start(SocketAddr::from(([127, 0, 0, 1], broker.port())));
    let node = Edge::born(&broker);
    let topic = "spBv1.0/plant/DDATA/edge/gas";
    let feed = Feed::start(Edge { broker, node }, move |edge, fault| match fault {
        None => edge.node.send(Some("gas"), &json!({ "NO2": 41.25, "CO": 7.5 })),
        Some(Fault::OutOfRange) => edge.node.send(Some("gas"), &json!({ "NO2": null, "CO": 7.5 })),
        // The field of the sequence number says that it is longer than the payload.
        Some(Fault::Short) => edge.broker.publish(topic, b"\x08\xa0\xd3\x12\x18".as_slice()),
        Some(Fault::Garbage) => edge.broker.publish(topic, b"\x00\xff#\x15\x80".as_slice()),
        Some(_) => {}
    });
    let device = format!(
        r#"
[devices.sparkplug-b]
plugin = "sparkplug-b"
link = "sparkplug-b"
topics = ["spBv1.0/plant/#"]
publish_topics = ["spBv1.0/plant/NCMD/+"]
grants = ["tutin:mqtt/control"]
interval = "{}ms"

[devices.sparkplug-b.settings]
edge_nodes = ["plant/edge"]
stale_after_s = 1
rebirth_pause_s = 1
points = [
    {{ id = "no2", metric = "plant/edge/gas/NO2", unit = "[ppb]" }},
    {{ id = "co", metric = "plant/edge/gas/CO", unit = "[ppm]" }},
]
"#,
        SENT_INTERVAL.as_millis()
    );
    Row {
        driver: "sparkplug-b",
        over: "MQTT",
        device: "sparkplug-b",
        configuration: mqtt_link("sparkplug-b", between.address()) + &device,
        interval: SENT_INTERVAL,
        // The driver asks for births, and all is well until the next of them.
        passing: &[Fault::Short, Fault::Garbage],
        watched: "no2",
        values: [("no2".to_owned(), 41.25), ("co".to_owned(), 7.5)].into(),
        excluded: &[NO_CHECK, NOT_ASKED],
        peer: Box::new(EdgeNode { between, feed }),
    }
}
