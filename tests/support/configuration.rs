//! Parts of configurations, so that a scenario shows only what it is about.

use std::fmt::Write;

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
