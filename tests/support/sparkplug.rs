//! A Sparkplug B edge node whose payloads were not written by us: pysparkplug, in a process of its own, told over standard input what to do.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::mosquitto::{Mosquitto, PASSWORD, USER};
use super::told::Told;

/// A metric as its birth tells it.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type as pysparkplug names it, like `DOUBLE`, `FLOAT`, `INT64`, `BOOLEAN`, `STRING`.
    pub kind: &'static str,
    /// The number that stands for its name in data.
    pub alias: Option<u64>,
    /// Its value at birth; null for none.
    pub value: Value,
}

impl Metric {
    /// A number in double precision, with an alias.
    pub fn double(name: &'static str, alias: u64, value: f64) -> Self {
        Metric { name, kind: "DOUBLE", alias: Some(alias), value: json!(value) }
    }

    fn to_json(&self) -> Value {
        json!({ "name": self.name, "type": self.kind, "alias": self.alias, "value": self.value })
    }
}

/// How data name their metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the alias where the metric has one.
    Alias,
    Name,
}

/// A running node `edge` of group `plant`, with its devices.
pub struct Sparkplug {
    told: Told,
}

impl Sparkplug {
    /// Starts one; returns when it is born.
    pub fn start(broker: &Mosquitto, metrics: &[Metric], devices: &[(&str, &[Metric])]) -> Self {
        let list = |metrics: &[Metric]| metrics.iter().map(Metric::to_json).collect::<Vec<_>>();
        let devices: serde_json::Map<_, _> =
            devices.iter().map(|(name, metrics)| ((*name).to_owned(), json!(list(metrics)))).collect();
        let secure = broker.url().starts_with("mqtts");
        let tls = secure.then(|| {
            let file = |name: &str| broker.certificates().file(name);
            json!({ "ca": file("ca.pem"), "certificate": file("client.crt"), "key": file("client.pem") })
        });
        let description = json!({
            "port": broker.port(),
            "group": "plant",
            "node": "edge",
            "tls": tls,
            "user": secure.then_some(USER),
            "password": secure.then_some(PASSWORD),
            "metrics": list(metrics),
            "devices": devices,
        });
        let (told, _) = Told::start("sparkplug_node.py", &[], &description);
        Sparkplug { told }
    }

    /// Sends values of a device, or of the node itself, of now and by alias. Null is no value.
    pub fn send(&mut self, device: Option<&str>, values: &Value) {
        self.told.must(&json!({ "data": device, "values": values }));
    }

    /// Sends values of this time.
    pub fn send_at(&mut self, device: Option<&str>, values: &Value, at: SystemTime, by: By) {
        self.told.must(&data(device, values, at, by, false));
    }

    /// Sends values of this time that are said to be historical.
    pub fn send_historical(&mut self, device: Option<&str>, values: &Value, at: SystemTime) {
        self.told.must(&data(device, values, at, By::Alias, true));
    }

    /// This many messages seem to be lost before the next.
    pub fn lose(&mut self, messages: u8) {
        self.told.must(&json!({ "skip": messages }));
    }

    /// All births again.
    pub fn birth(&mut self) {
        self.told.order("birth");
    }

    /// The birth of one device again.
    pub fn device_birth(&mut self, device: &str) {
        self.told.must(&json!({ "device_birth": device }));
    }

    /// The death of one device.
    pub fn device_death(&mut self, device: &str) {
        self.told.must(&json!({ "device_death": device }));
    }

    /// From now on requests for a rebirth are not followed.
    pub fn ignore_rebirth_requests(&mut self) {
        self.told.must(&json!({ "obedient": false }));
    }

    /// It publishes its death and leaves.
    pub fn die(&mut self) {
        self.told.order("die");
    }

    /// It comes back from that, as a new life with the next number.
    pub fn live_again(&mut self) {
        self.told.order("connect");
    }

    /// Ends it as a pulled plug does: the broker publishes its death.
    pub fn vanish(&mut self) {
        self.told.kill();
    }

    /// The commands since the last call, as topic and values by name.
    pub fn commands(&mut self) -> Vec<(String, Value)> {
        serde_json::from_value(self.told.get(&json!({ "commands": true }))).unwrap()
    }
}

fn data(device: Option<&str>, values: &Value, at: SystemTime, by: By, historical: bool) -> Value {
    let at = at.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let by = if by == By::Alias { "alias" } else { "name" };
    json!({ "data": device, "values": values, "at": at, "by": by, "historical": historical })
}
