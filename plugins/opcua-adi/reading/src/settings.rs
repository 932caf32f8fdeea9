//! What the administrator says about an analyser.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::clock::SECOND;
use tutin_sdk::opcua::Node;
use tutin_sdk::settings::{check_id, within, wrong};
use tutin_sdk::{Failure, PointKind, State};

use crate::commands::METHODS;

/// An analyser with an OPC UA server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Nodes to read, for servers without the models DI, ADI or PA-DIM, and to give found nodes an id, a label and a unit. Default none.
    #[serde(default)]
    pub nodes: Vec<NodeSetting>,
    /// Whether nodes are looked for by the models. Default: when `nodes` is empty.
    pub discover: Option<bool>,
    /// Where looking begins. Default i=85, the Objects folder.
    #[serde(default = "objects")]
    pub root: Node,
    /// Ids of found points that are read; * stands for any part. Default all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Most points, 1 to 10,000. What is found beyond is not read, with a line in the log. Default 1,000.
    #[serde(default = "most_points")]
    #[schemars(range(min = 1, max = 10_000))]
    pub most_points: u32,
    /// Most objects that are browsed, 1 to 100,000. Default 20,000.
    #[serde(default = "most_objects")]
    #[schemars(range(min = 1, max = 100_000))]
    pub most_objects: u32,
    /// DeviceHealth of the nodes in `nodes`. Default none: the server does not say.
    pub health: Option<Node>,
    /// State while DeviceHealth is CHECK_FUNCTION (2), maintenance or calibration. Default maintenance.
    #[serde(default = "maintenance")]
    pub check_function: State,
    /// State while DeviceHealth is MAINTENANCE_REQUIRED (4), valid or maintenance. Default valid; the number is kept beside the value.
    #[serde(default)]
    pub maintenance_required: State,
    /// States by what a device's or channel's state machine says, in place of the proposal: {"Local" = "maintenance"}. Default none.
    #[serde(default)]
    pub machine_states: BTreeMap<String, State>,
    /// Units as the server writes them, to UCUM codes: {"mg/m³" = "mg/m3"}. A unit that is not here is not taken over. Default none.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// How often the server samples, milliseconds, 0 to 3,600,000. Default 1,000.
    #[serde(default = "second")]
    #[schemars(range(max = 3_600_000))]
    pub sampling_ms: u32,
    /// How often the server reports, milliseconds, 50 to 3,600,000. Default 1,000.
    #[serde(default = "second")]
    #[schemars(range(min = 50, max = 3_600_000))]
    pub publishing_ms: u32,
    /// Values that the server keeps per node between two reports, 1 to 10,000. Default 10.
    #[serde(default = "queue")]
    #[schemars(range(min = 1, max = 10_000))]
    pub queue: u32,
    /// Seconds that a source time may be ahead of the host's; beyond, the host's counts. Default 300.
    #[serde(default = "max_clock_difference")]
    pub max_clock_difference_s: u32,
    /// Names of methods that opcua-adi-control may call, as in StartSingleAcquisition. Default none.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// A node to read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeSetting {
    /// The point's id: lower case letters, digits and _, at most 64.
    pub id: String,
    /// The node, with its namespace URI: `nsu=http://vendor.example/;s=Stack1.NO2`.
    pub node: Node,
    /// What it is, for people. Default the id.
    pub label: Option<String>,
    /// UCUM code. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
    /// number or text. Default number.
    #[serde(default)]
    pub kind: PointKind,
    /// DeviceHealth that speaks of this node. Default that of `health`.
    pub health: Option<Node>,
    /// What opcua-adi-control may write to it. Default nothing.
    pub writable: Option<Limits>,
}

/// Least and greatest value that may be written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In the node's unit.
    pub min: f64,
    /// In the node's unit.
    pub max: f64,
}

impl Settings {
    /// Whether to look for nodes.
    pub fn is_discovering(&self) -> bool {
        self.discover.unwrap_or(self.nodes.is_empty())
    }

    /// From one repetition of a value to the next, nanoseconds: the sampling interval. A beat that comes a little early is a beat.
    pub(crate) fn beat(&self) -> i64 {
        i64::from(self.sampling_ms) * (SECOND / 1_000) * 9 / 10
    }

    /// How long a change may be under way from its sampling to its notification, nanoseconds.
    pub(crate) fn under_way(&self) -> i64 {
        i64::from(self.sampling_ms.saturating_add(self.publishing_ms)) * (SECOND / 1_000)
    }

    /// Everything that the types alone cannot refuse.
    pub fn check(&self) -> Result<(), Failure> {
        within("most_points", self.most_points, 1, 10_000)?;
        within("most_objects", self.most_objects, 1, 100_000)?;
        within("sampling_ms", self.sampling_ms, 0, 3_600_000)?;
        within("publishing_ms", self.publishing_ms, 50, 3_600_000)?;
        within("queue", self.queue, 1, 10_000)?;
        if !matches!(self.check_function, State::Maintenance | State::Calibration) {
            return Err(wrong("check_function", "must be maintenance or calibration"));
        }
        if !matches!(self.maintenance_required, State::Valid | State::Maintenance) {
            return Err(wrong("maintenance_required", "must be valid or maintenance"));
        }
        if !self.is_discovering() && self.nodes.is_empty() {
            return Err(wrong("nodes", "is empty and discover is false: nothing would be read"));
        }
        if let Some(unknown) = self.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(wrong("methods", format_args!("{unknown:?} is none of {}", METHODS.join(", "))));
        }
        if self.nodes.len() > self.most_points as usize {
            return Err(wrong("nodes", format_args!("more than most_points, {}", self.most_points)));
        }
        self.nodes.iter().enumerate().try_for_each(|(at, node)| self.check_node(at, node))
    }

    fn check_node(&self, at: usize, node: &NodeSetting) -> Result<(), Failure> {
        check_id(&format!("nodes[{at}].id"), &node.id)?;
        if self.nodes.iter().take(at).any(|other| other.id == node.id) {
            return Err(wrong(&format!("nodes[{at}].id"), format_args!("{:?} is there twice", node.id)));
        }
        if self.nodes.iter().take(at).any(|other| other.node == node.node) {
            return Err(wrong(&format!("nodes[{at}].node"), format_args!("{} is there twice", node.node)));
        }
        match node.writable {
            Some(limits) if limits.min.is_nan() || limits.max.is_nan() || limits.min > limits.max => {
                Err(wrong(&format!("nodes[{at}].writable"), "min must not be above max"))
            }
            _ => Ok(()),
        }
    }
}

fn objects() -> Node {
    Node::standard(85)
}

fn most_points() -> u32 {
    1_000
}

fn most_objects() -> u32 {
    20_000
}

fn maintenance() -> State {
    State::Maintenance
}

fn second() -> u32 {
    1_000
}

fn queue() -> u32 {
    10
}

fn max_clock_difference() -> u32 {
    300
}
