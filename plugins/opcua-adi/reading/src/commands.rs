//! Methods and writes, for the component that may.
//!
//! Source of the names: OPC 10020 (ADI) 1.01, methods of AnalyserDeviceType and AnalyserChannelType.

use schemars::JsonSchema;
use serde::Deserialize;
use tutin_sdk::opcua::{Client, Control, Error, Link, Value, status_name};
use tutin_sdk::settings::{arguments, nearest};
use tutin_sdk::{Description, Driver, Failure, History, Point, Samples, Timestamp};

use crate::OpcuaAdi;
use crate::settings::Settings;

/// Methods that the settings may allow. Those that replace the configuration of an analyser are not among them.
pub const METHODS: [&str; 18] = [
    "Abort",
    "AbortAllChannels",
    "Clear",
    "GotoMaintenance",
    "GotoOperating",
    "Hold",
    "Reset",
    "ResetAllChannels",
    "Start",
    "StartAllChannels",
    "StartSingleAcquisition",
    "Stop",
    "StopAllChannels",
    "Suspend",
    "Unhold",
    "Unsuspend",
    "GetConfigDataDigest",
    "CompareConfigDataDigest",
];
/// BadInvalidState, BadTooManyOperations, BadResourceUnavailable: refusals that may pass.
const PASSING: [u16; 3] = [0x80AF, 0x8010, 0x8004];

/// The driver with methods and writes.
#[derive(Debug)]
pub struct ControllingAdi<L>(OpcuaAdi<L>);

/// A method of an element.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallArguments {
    /// Name of the method; it must be in the settings' `methods`.
    pub method: String,
    /// The element that has it: browse names joined by dots, as in Analyser.Channel1. May be left out when only one has it.
    pub element: Option<String>,
    /// Its arguments, in order: true or false, whole numbers, numbers, texts. StartSingleAcquisition's first is the execution cycle:
    /// 4 calibration, 8 validation, 16 sampling, plus 32768 for a grab sample. Default none.
    #[serde(default)]
    pub arguments: Vec<serde_json::Value>,
}

/// A value for a node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteArguments {
    /// Id of a point of the settings' `nodes` with `writable`.
    pub point: String,
    /// The value, within the limits, in the point's unit.
    pub value: f64,
}

impl<L: Client + Control> ControllingAdi<L> {
    /// With a link.
    pub fn new(link: L, settings: Settings) -> Result<Self, Failure> {
        Ok(ControllingAdi(OpcuaAdi::new(link, settings)?))
    }

    /// The driver that reads.
    pub fn reading(&mut self) -> &mut OpcuaAdi<L> {
        &mut self.0
    }

    /// Carries out a command.
    pub fn run(&self, name: &str, json: &str) -> Result<String, Failure> {
        match name {
            "call-method" => self.call(arguments(json)?),
            "write-value" => self.write(arguments(json)?),
            _ => Err(Failure::unsupported(format!("this driver has no command {name:?}"))),
        }
    }

    fn call(&self, asked: CallArguments) -> Result<String, Failure> {
        let CallArguments { method, element, arguments } = asked;
        let allowed = &self.0.settings().methods;
        if !allowed.contains(&method) {
            let meant = nearest(&method, allowed.iter().map(String::as_str));
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            return Err(Failure::unsupported(format!(
                "arguments.method: settings.methods does not allow {method:?}{meant}"
            )));
        }
        let is_asked = |found: &&crate::discover::Method| {
            found.name == method && element.as_ref().is_none_or(|element| found.element == *element)
        };
        let mut having = self.0.items().methods.iter().filter(is_asked);
        let Some(found) = having.next() else {
            return Err(Failure::device(format!(
                "no element of the server has a method {method}, as far as it was browsed"
            )));
        };
        if let Some(other) = having.next() {
            let why = format!("arguments.element: both {} and {} have {method}", found.element, other.element);
            return Err(Failure::unsupported(why));
        }
        let values = arguments.iter().enumerate().map(|(at, value)| argument(at, value));
        let values = values.collect::<Result<Vec<Value>, Failure>>()?;
        let answer = self.0.link().call(&found.object, &found.method, &values);
        let returned = answer.map_err(|err| refused(err, &format!("{}.{method}", found.element)))?;
        let returned = if returned.is_empty() { String::new() } else { format!("; it returned {returned:?}") };
        Ok(format!("{}.{method} was called{returned}; what happens is seen in the states", found.element))
    }

    fn write(&self, asked: WriteArguments) -> Result<String, Failure> {
        let WriteArguments { point, value } = asked;
        let node = self.0.settings().nodes.iter().find(|node| node.id == point);
        let Some((node, limits)) = node.and_then(|node| Some((&node.node, node.writable?))) else {
            let why = format!("arguments.point: {point:?} is no node of the settings with writable");
            return Err(Failure::unsupported(why));
        };
        if !(limits.min..=limits.max).contains(&value) {
            let why = format!("arguments.value: {value} is not within {} to {}", limits.min, limits.max);
            return Err(Failure::unsupported(why));
        }
        let is_whole = value.fract() == 0.0 && value.abs() <= f64::from(u32::MAX);
        let typed = if is_whole { Value::Integer(value as i64) } else { Value::Double(value) };
        self.0.link().write(node, &typed).map_err(|err| refused(err, &format!("{point} ({node})")))?;
        Ok(format!("{value} was written to {point}"))
    }
}

fn argument(at: usize, value: &serde_json::Value) -> Result<Value, Failure> {
    use serde_json::Value as Json;
    match value {
        Json::Bool(value) => Ok(Value::Boolean(*value)),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Value::Integer(whole)),
            (None, Some(number)) => Ok(Value::Double(number)),
            (None, None) => Err(Failure::unsupported(format!("arguments.arguments[{at}]: {number} is out of range"))),
        },
        _ => Err(Failure::unsupported(format!("arguments.arguments[{at}]: must be true, false, a number or a text"))),
    }
}

/// A refusal in the server's words; busy when it may pass.
fn refused(err: Error, what: &str) -> Failure {
    match err {
        Error::Status(status) if PASSING.contains(&((status >> 16) as u16)) => {
            Failure::busy(format!("{what}: the server refuses now: {}", status_name(status)))
        }
        Error::BadRequest(why) => Failure::unsupported(format!("{what}: {why}")),
        other => other.during(what),
    }
}

impl Driver for ControllingAdi<Link> {
    type Settings = Settings;

    fn description() -> Description {
        crate::describe(Description::new("opcua-adi-control", env!("CARGO_PKG_VERSION")))
            .command_with::<CallArguments>(
                "call-method",
                "calls a method that the settings allow, as StartSingleAcquisition; its effect is seen in the states",
            )
            .command_with::<WriteArguments>("write-value", "writes a value within the settings' limits to a node")
    }

    fn open(settings: Settings) -> Result<Self, Failure> {
        ControllingAdi::new(Link::open("main")?, settings)
    }

    fn points(&self) -> Vec<Point> {
        self.0.list()
    }

    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure> {
        self.0.read(now)
    }

    fn backfill(&mut self, begin: Timestamp, end: Timestamp, next: &str) -> Result<History, Failure> {
        self.0.remembered(begin, end, next)
    }

    fn command(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        self.run(name, arguments)
    }
}
