//! Parts of configurations, so that a scenario shows only what it is about.

use std::fmt::Write;

use super::asyncua::NAMESPACE;
use super::hub::plugin;

/// A plugin that was built with the workspace.
pub fn with_plugin(name: &str) -> String {
    format!("[plugins.{name}]\nfile = {:?}\n", plugin(name))
}

/// A Teledyne T200 behind a link of its own, polled ten times a second.
pub fn t200(device: &str, address: &str) -> String {
    format!(
        r#"
[links.{device}]
type = "modbus_tcp"
address = "{address}"
timeout = "300ms"
reconnect_min = "50ms"
reconnect_max = "200ms"

[devices.{device}]
plugin = "teledyne-t"
link = "{device}"
interval = "100ms"
grants = ["tutin:modbus/control"]
commands = ["*"]
settings = {{ model = "T200" }}
"#
    )
}

/// A source with NO2 of a device in mg/m3, averaged over blocks of two seconds.
pub fn short_blocks(device: &str) -> String {
    format!(
        r#"
[rule_sets.short]
block = "2s"
lateness = "200ms"

[sources.stack-1]
rule_sets = ["short"]
plant = "operating"

[sources.stack-1.parameters.NO2]
device = "{device}"
point = "no2"
unit = "mg/m3"
"#
    )
}

/// A route of averages to a sink, and the sink, given without its header.
pub fn averages_to(sink: &str, body: &str) -> String {
    format!("\n[routes.averages-to-{sink}]\ntake = \"averages\"\nto = [\"{sink}\"]\n\n[sinks.{sink}]\n{body}\n")
}

/// A live route of readings to standard output, one line for each poll.
pub fn readings_to_stdout() -> String {
    let mut text = String::from("\n[routes.live]\ntake = \"readings\"\npath = \"live\"\nto = [\"screen\"]\n");
    text.write_str("\n[sinks.screen]\ntype = \"file\"\npath = \"-\"\nshape = \"poll\"\n").unwrap();
    text
}

/// A device of the misbehaving plugin.
pub fn misbehaving(device: &str, behaviour: &str) -> String {
    format!(
        r#"
[links.{device}]
type = "modbus_tcp"
address = "127.0.0.1:9"

[devices.{device}]
plugin = "misbehaving"
link = "{device}"
interval = "100ms"
settings = {{ behaviour = "{behaviour}", after_polls = 3 }}
"#
    )
}

/// A device of mqtt-json behind a broker that takes plain numbers from `plant/no2`, and asks nobody for longer than a test takes. `more` are options of
/// the link.
pub fn boiler(port: u16, more: &str) -> String {
    with_plugin("mqtt-json")
        + &format!(
            r#"
[links.broker]
type = "mqtt"
address = "127.0.0.1:{port}"
client_id = "hub-under-test"
reconnect_min = "50ms"
reconnect_max = "300ms"
{more}

[devices.boiler]
plugin = "mqtt-json"
link = "broker"
topics = ["plant/#"]
interval = "500ms"

[devices.boiler.settings]
stale_after_s = 3600
points = [{{ id = "no2", unit = "[ppb]" }}]
messages = [{{ topic = "plant/{{id}}", format = "plain", values = [{{ id = "{{id}}" }}] }}]
"#
        )
}

/// A device of opcua-adi that monitors these items of the plant that asyncua serves.
pub fn analyser(url: &str, policy: &str, items: usize) -> String {
    let nodes: Vec<String> = (1..=items)
        .map(|item| format!("  {{ id = \"item_{item}\", node = \"nsu={NAMESPACE};s=item.{item}\", unit = \"1\" }},"))
        .collect();
    with_plugin("opcua-adi")
        + &format!(
            r#"
[links.server]
type = "opcua"
url = "{url}"
policy = "{policy}"
silence = "5s"
reconnect_min = "100ms"
reconnect_max = "500ms"

[devices.analyser]
plugin = "opcua-adi"
link = "server"
interval = "10s"
limits = {{ memory = "64MiB", call = "2s" }}

[devices.analyser.settings]
discover = false
nodes = [
{}
]
"#,
            nodes.join("\n")
        )
}
