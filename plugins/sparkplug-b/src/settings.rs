//! What the administrator says about edge nodes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::settings::{check_id, within, wrong};
use tutin_sdk::{Failure, PointKind};

use crate::topic::NodeName;

/// Edge nodes that publish Sparkplug B.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Edge nodes that are asked for their births when the connection is there, as group/node. Default none: a node is asked when it is
    /// first heard of.
    #[serde(default)]
    pub edge_nodes: Vec<String>,
    /// Metrics that are read, as group/node/device/metric or group/node/metric; * stands for any part. Default all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Metrics that are not read, in the same form. Default none.
    #[serde(default)]
    pub except: Vec<String>,
    /// Points that are there from the beginning, with id, label and unit. Default none.
    #[serde(default)]
    pub points: Vec<KnownPoint>,
    /// What ids of other points are made of: group, node, device, metric, in this order. Default node, device, metric.
    #[serde(default = "id_parts")]
    pub id_parts: Vec<IdPart>,
    /// Most points, 1 to 20,000. Metrics beyond are ignored, with a line in the log. Default 2,000.
    #[serde(default = "most_points")]
    #[schemars(range(min = 1, max = 20_000))]
    pub most_points: u32,
    /// Property that names the unit of a metric, as in engUnit. Default none: the specification names none.
    pub unit_property: Option<String>,
    /// Units as that property writes them, to UCUM codes. A unit that is not here is not taken over. Default none.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
    /// Whether edge nodes are asked for their births (NCMD). Default true.
    #[serde(default = "yes")]
    pub request_rebirth: bool,
    /// Seconds between two requests to the same edge node, 1 to 3,600. Default 30.
    #[serde(default = "rebirth_pause")]
    #[schemars(range(min = 1, max = 3_600))]
    pub rebirth_pause_s: u32,
    /// Polls for which messages wait for one before them, 0 to 100. Default 2.
    #[serde(default = "reorder_polls")]
    #[schemars(range(max = 100))]
    pub reorder_polls: u32,
    /// Seconds without any message of an edge node after which its values are comm_error, 1 to 604,800. Default none: its death tells.
    #[schemars(range(min = 1, max = 604_800))]
    pub stale_after_s: Option<u32>,
    /// Seconds that a message's time may be ahead of the host's; beyond, the time of arrival counts. Default 300.
    #[serde(default = "max_clock_difference")]
    pub max_clock_difference_s: u32,
    /// Days after which a time is not believed: of present values the time of arrival counts, historical ones are ignored. Default 30.
    #[serde(default = "oldest")]
    #[schemars(range(min = 1))]
    pub oldest_days: u32,
}

/// A point that is there from the beginning.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownPoint {
    /// Lower case letters, digits and _, at most 64.
    pub id: String,
    /// group/node/device/metric, or group/node/metric.
    pub metric: String,
    /// What it is, for people. Default the metric.
    pub label: Option<String>,
    /// UCUM code. Default empty: nobody said.
    #[serde(default)]
    pub unit: String,
    /// number or text. Default number.
    #[serde(default)]
    pub kind: PointKind,
}

/// A part of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdPart {
    /// The group.
    Group,
    /// The edge node.
    Node,
    /// The device; nothing for metrics of the edge node itself.
    Device,
    /// The metric.
    Metric,
}

impl Settings {
    /// Everything that the types alone cannot refuse.
    pub fn check(&self) -> Result<(), Failure> {
        within("most_points", self.most_points, 1, 20_000)?;
        within("rebirth_pause_s", self.rebirth_pause_s, 1, 3_600)?;
        within("reorder_polls", self.reorder_polls, 0, 100)?;
        within("stale_after_s", self.stale_after_s.unwrap_or(1), 1, 604_800)?;
        within("oldest_days", self.oldest_days, 1, 36_500)?;
        if self.id_parts.is_empty() {
            return Err(wrong("id_parts", "is empty"));
        }
        for (at, node) in self.edge_nodes.iter().enumerate() {
            if node_name(node).is_none() {
                return Err(wrong(&format!("edge_nodes[{at}]"), format_args!("{node:?} is not group/node")));
            }
        }
        if self.points.len() > self.most_points as usize {
            return Err(wrong("points", format_args!("more than most_points, {}", self.most_points)));
        }
        self.points.iter().enumerate().try_for_each(|(at, point)| self.check_point(at, point))
    }

    fn check_point(&self, at: usize, point: &KnownPoint) -> Result<(), Failure> {
        check_id(&format!("points[{at}].id"), &point.id)?;
        if point.metric.splitn(3, '/').count() < 3 {
            return Err(wrong(
                &format!("points[{at}].metric"),
                "must be group/node/device/metric or group/node/metric",
            ));
        }
        for other in self.points.iter().take(at) {
            if other.id == point.id {
                return Err(wrong(&format!("points[{at}].id"), format_args!("{:?} is there twice", point.id)));
            }
            if other.metric == point.metric {
                return Err(wrong(&format!("points[{at}].metric"), format_args!("{:?} is there twice", point.metric)));
            }
        }
        Ok(())
    }

    /// The edge nodes that are known from the beginning.
    pub fn nodes(&self) -> impl Iterator<Item = NodeName> {
        self.edge_nodes.iter().filter_map(|node| node_name(node))
    }

    /// Whether a metric is read.
    pub fn is_wanted(&self, metric: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| matches(metric, pattern));
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.except)
    }
}

fn node_name(text: &str) -> Option<NodeName> {
    let (group, name) = text.split_once('/')?;
    let is_level = |level: &str| !level.is_empty() && !level.contains(['/', '+', '#']);
    (is_level(group) && is_level(name)).then(|| NodeName { group: group.to_owned(), name: name.to_owned() })
}

/// `*` stands for any part.
fn matches(text: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return text == pattern };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|skip| rest.get(skip..).is_some_and(|rest| matches(rest, after)))
}

fn id_parts() -> Vec<IdPart> {
    vec![IdPart::Node, IdPart::Device, IdPart::Metric]
}

fn most_points() -> u32 {
    2_000
}

fn yes() -> bool {
    true
}

fn rebirth_pause() -> u32 {
    30
}

fn reorder_polls() -> u32 {
    2
}

fn max_clock_difference() -> u32 {
    300
}

fn oldest() -> u32 {
    30
}
