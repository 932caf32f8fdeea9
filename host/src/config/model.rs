//! The configuration as the rest of the hub sees it: valid by type, free of files and positions.
//!
//! Every value here has passed the reader of its section; names of other sections have been checked to exist. A
//! section that equals its former self is a unit that a change need not touch, hence `PartialEq` everywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::config::emission::{Origin, Parameter, PlantPoint, RuleSet, Source, ZeroSpan};
pub use crate::config::journal::{Journal, Retention};
pub use crate::config::limits::{Limits, Loading};
pub use crate::config::link::{
    Link, ModbusFraming, ModbusLineLink, ModbusTcpLink, MqttLink, MqttVersion, OpcUaIdentity, OpcUaLink, OpcUaMode,
    OpcUaPolicy, Parity, Reconnect, SerialPort, StreamLink, TcpPeer, Tls, Wire,
};
use crate::config::secret::Secret;
pub use crate::config::trust::{Plugin, Trust};
use crate::status_table::StatusTable;

/// Name of a section's member, as in `[devices.NAME]`.
pub type Name = String;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[hub]`
    pub hub: Hub,
    /// `[journal]`
    pub journal: Journal,
    /// `[limits]`
    pub limits: Limits,
    /// `[loading]`
    pub loading: Loading,
    /// `[links.*]`
    pub links: BTreeMap<Name, Link>,
    /// `[trust]`
    pub trust: Trust,
    /// `[plugins.*]`
    pub plugins: BTreeMap<Name, Plugin>,
    /// `[devices.*]`
    pub devices: BTreeMap<Name, Device>,
    /// `[rule_sets.*]`
    pub rule_sets: BTreeMap<Name, RuleSet>,
    /// `[status_tables.*]`
    pub status_tables: BTreeMap<Name, StatusTable>,
    /// `[sources.*]`
    pub sources: BTreeMap<Name, Source>,
    /// `[routes.*]`
    pub routes: BTreeMap<Name, Route>,
    /// `[sinks.*]`
    pub sinks: BTreeMap<Name, Sink>,
    /// SHA-256 in hex of `text`.
    pub digest: String,
    /// Every option with its value, one in a line, secrets as references.
    pub text: String,
}

/// The hub itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Hub {
    /// Name of this hub in keys and payloads. Default `hub`.
    pub name: Name,
    /// How long after the last late reading of a closed block it is derived again. Default 1 min, 1 s to 24 h.
    pub revise_after: Duration,
    /// Whether devices go over to a plugin file as soon as another one is put in its place. Default true.
    pub watch_plugins: bool,
    /// Folder for the journal and the cache of compiled plugins. Default `state`, relative to the first configuration file.
    pub state: PathBuf,
}

/// An instrument behind a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Member of `[plugins]` that reads it.
    pub plugin: Name,
    /// Member of `[links]` that it is behind.
    pub link: Name,
    /// Modbus unit that the driver's link is addressed to. Default 1, 0 to 255.
    pub unit: u8,
    /// Further units on the same connection that the driver may address. Default none.
    pub more_units: Vec<u8>,
    /// Longest wait for this device's answers, where its line is shared with quicker ones. Default: that of the link, 10 ms to 60 s.
    pub timeout: Option<Duration>,
    /// MQTT topic filters that the driver may subscribe to. Default none.
    pub topics: Vec<String>,
    /// MQTT topics that the driver may publish to, as filters. Default none.
    pub publish_topics: Vec<String>,
    /// Commands that people may give it. Default none.
    pub commands: Vec<Pattern>,
    /// How far back the device's own logger is read after an outage; 0 s: not at all. Default 24 h, 0 s to 365 d.
    pub backfill: Duration,
    /// Time from one poll to the next. Default 1 s, 0 s to 24 h. 0 s polls again as soon as the last poll has ended; a device that a source
    /// takes parameters from needs more, since nobody could say how many samples a block should have.
    pub interval: Duration,
    /// Interfaces that the plugin may import beyond `tutin:log/log` and reading its link, as in `tutin:modbus/control`.
    pub grants: Vec<String>,
    /// Own limits; each member that is not given is that of `[limits]`.
    pub limits: Limits,
    /// The driver's own settings, a JSON object.
    pub settings: serde_json::Value,
}

/// What goes where.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What it carries and which of it.
    pub select: Select,
    /// Members of `[sinks]`, at least one.
    pub to: Vec<Name>,
}

/// What a route carries. `take = "averages"`, `take = "alarms"` or `take = "readings"`. Each list holds names in which `*` stands for any
/// text; the default is `["*"]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// Closed blocks, always through the journal.
    Averages {
        /// Names of sources.
        sources: Vec<Pattern>,
        /// Names of parameters.
        parameters: Vec<Pattern>,
        /// Names of rule sets.
        rule_sets: Vec<Pattern>,
    },
    /// What becomes of alarms.
    Alarms {
        /// What they are about.
        kinds: Vec<Pattern>,
        /// Names of sources.
        sources: Vec<Pattern>,
        /// Names of parameters.
        parameters: Vec<Pattern>,
    },
    /// Raw readings.
    Readings {
        /// Names of devices.
        devices: Vec<Pattern>,
        /// Ids of points.
        points: Vec<Pattern>,
        /// Live routes are operational: readings leave before they are durable, and are dropped when the sink is slow.
        path: Path,
    },
}

/// How readings travel. `path = "journal"` (default) or `path = "live"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// After the commit, each delivered until confirmed.
    Journal,
    /// Before the commit, each tried once or a few times while there is room.
    Live,
}

/// A name in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub String);

impl Pattern {
    /// True when the name fits.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(first) = parts.next() else { return false };
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.len() >= last.len() && rest.ends_with(last)
    }
}

/// A destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// What the runner does for every kind.
    pub delivery: Delivery,
    /// The section's `type` says which kind.
    pub kind: SinkKind,
}

/// What the runner needs to know, the same for every kind of sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Records in one attempt. Default 100, 1 to 10,000.
    pub batch: usize,
    /// Longest time of one attempt. Default 10 s, 100 ms to 10 min.
    pub timeout: Duration,
    /// First pause after a failed attempt; it doubles up to `retry_max`, with jitter. Default 1 s, 10 ms to 1 h.
    pub retry_min: Duration,
    /// Longest pause between attempts. Default 60 s, not under `retry_min`, to 24 h.
    pub retry_max: Duration,
    /// Records that a live route may have waiting; beyond it the oldest are dropped and counted. Default 1,000, 1 to 1,000,000.
    pub live_queue: usize,
    /// An average that is handed over later than this after it could have been, the end of its block, goes out marked late, behind newer
    /// ones. Default 5 min, 1 s to 24 h.
    pub late_after: Duration,
    /// Late averages a second, so that history does not crowd out what is new. Default 100, 1 to 100,000.
    pub history_rate: u32,
}

/// Kinds of sinks.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkKind {
    /// `type = "http_json"`
    HttpJson(HttpJson),
    /// `type = "file"`
    File(File),
    /// `type = "mqtt"`
    Mqtt(Mqtt),
}

/// How readings become JSON objects. Averages are always one object each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `shape = "reading"` (default): one object per reading.
    Reading,
    /// `shape = "poll"`: one object per device poll with point ids as keys: `{"device":…,"at":…,"r0":…,"r1":…}`.
    Poll,
}

/// Which members of a record go into a payload and under which name, in this order. Empty: all, under their own
/// names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldMap(pub Vec<Field>);

impl SinkKind {
    /// The field map of the sink, whatever its kind.
    pub fn fields(&self) -> &FieldMap {
        match self {
            SinkKind::HttpJson(sink) => &sink.fields,
            SinkKind::File(sink) => &sink.fields,
            SinkKind::Mqtt(sink) => &sink.fields,
        }
    }

    /// The same, to change.
    pub fn fields_mut(&mut self) -> &mut FieldMap {
        match self {
            SinkKind::HttpJson(sink) => &mut sink.fields,
            SinkKind::File(sink) => &mut sink.fields,
            SinkKind::Mqtt(sink) => &mut sink.fields,
        }
    }
}

impl FieldMap {
    /// Names in the payload that take a member of the record, and which.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|field| match &field.from {
            FieldSource::Member(member) => Some((field.name.as_str(), member.as_str())),
            FieldSource::Fixed(_) | FieldSource::Code { .. } => None,
        })
    }
}

/// One member of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name in the payload.
    pub name: String,
    /// Where its value comes from.
    pub from: FieldSource,
}

/// Where a member's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// A member of the record, as in `"mean"`.
    Member(String),
    /// A fixed value, written `"= text"`.
    Fixed(String),
    /// What a member of `[status_tables]` has for the record's state, written `"code.NAME"`.
    Code {
        /// Its name.
        name: Name,
        /// The table itself, so that a sink changes with it.
        table: Arc<StatusTable>,
    },
}

/// JSON over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpJson {
    /// Where to, `http://` or `https://`.
    pub url: String,
    /// POST (default) or PUT.
    pub method: HttpMethod,
    /// Further request headers. Values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// PEM file with the authorities to trust besides the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Header that carries the idempotency key of a single record, or of a batch the first and last. Default `Idempotency-Key`.
    pub key_header: String,
    /// One record per request as an object, or a batch as an array. `body = "object"` or `"array"` (default).
    pub body: Body,
    /// How readings become objects.
    pub shape: Shape,
    /// Which members, under which names.
    pub fields: FieldMap,
    /// Which answer is an acknowledgement and which a refusal.
    pub acknowledge: Acknowledge,
}

/// Request methods that carry a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HttpMethod {
    Post,
    Put,
}

/// What one request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// One record.
    Object,
    /// As many as the batch allows.
    Array,
}

/// Which answer means what. A status in neither list means: try again.
#[derive(Debug, Clone, PartialEq)]
pub struct Acknowledge {
    /// Statuses that can be an acknowledgement. Default 200, 201, 202, 204.
    pub status: Vec<u16>,
    /// JSON pointer into the answer that must be there, as in `/receipt`; its value is kept as the receipt. Default none.
    pub pointer: Option<String>,
    /// Text that the value at `pointer` must equal. Default: any value but null and false.
    pub equals: Option<String>,
    /// Statuses that mean the far end will never take it. Default 400, 409, 413, 422.
    pub reject: Vec<u16>,
}

/// Files on disk, or standard output.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Path, relative to the configuration file; `-` is standard output.
    pub path: PathBuf,
    /// `format = "jsonl"` (default) or `"csv"`.
    pub format: FileFormat,
    /// How readings become lines. CSV always has one line per reading.
    pub shape: Shape,
    /// Which members, under which names.
    pub fields: FieldMap,
    /// A file that grew beyond this is closed and renamed with a number. Default 100 MiB, 1 KiB to 1 TiB.
    pub rotate_bytes: u64,
    /// How many renamed files are kept; 0 keeps all. Default 0.
    pub keep: u32,
}

/// Formats of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// JSON Lines.
    JsonLines,
    /// RFC 4180 with a header line.
    Csv,
}

/// Publishing to an MQTT 5 broker with QoS 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// `mqtt://host:port` or `mqtts://host:port`; ports 1883 and 8883 when left out.
    pub url: String,
    /// Client identifier; unique at the broker. Default `tutin-` and the hub's name and the sink's.
    pub client_id: String,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// PEM file with the authorities to trust besides the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Topic with `{hub}`, `{device}`, `{point}`, `{source}`, `{parameter}`, `{rule_set}` filled in. What a record does not have must not be
    /// used. Default `tutin/{hub}/averages/{source}/{parameter}` for averages, `tutin/{hub}/readings/{device}` for readings.
    pub topic: Option<String>,
    /// Keep the last message of each topic at the broker. Default false.
    pub retain: bool,
    /// Keep-alive. Default 30 s, 5 s to 10 min.
    pub keep_alive: Duration,
    /// How readings become messages.
    pub shape: Shape,
    /// Which members, under which names.
    pub fields: FieldMap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(Pattern(pattern.into()).matches(name), expected, "{pattern} on {name}");
        };
        check("*", "anything", true);
        check("no2", "no2", true);
        check("no2", "no2x", false);
        check("no*", "no2", true);
        check("*-north", "no2-north", true);
        check("a*b*c", "a-b-b-c", true);
        check("ab*ba", "aba", false);
        check("", "x", false);
    }
}
