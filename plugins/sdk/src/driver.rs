//! What a driver says of itself and what it does.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bindings::exports::tutin::driver::driver as contract;
use crate::failure::Failure;
use crate::samples::Samples;

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The code that knows one family of instruments. One value of it serves one configured device, one call at a time.
pub trait Driver: Sized + 'static {
    /// The settings of a device. Give each member a doc comment with its unit, default and range: it is what the
    /// administrator sees. Refuse unknown members with `#[serde(deny_unknown_fields)]`.
    type Settings: DeserializeOwned + JsonSchema;

    /// What the plugin is. The settings' schema is added by the SDK.
    fn description() -> Description;

    /// Makes the device. Opens links but sends nothing: an instrument that is switched off must still open.
    fn open(settings: Self::Settings) -> Result<Self, Failure>;

    /// The points, in the order that samples refer to. Asked for after `open`, and after a poll that says
    /// [`Samples::points_changed`].
    fn points(&self) -> Vec<Point>;

    /// Reads the instrument once.
    fn poll(&mut self, now: Timestamp) -> Result<Samples, Failure>;

    /// A page of what the instrument's own logger remembers, from `begin` (included) to `end` (excluded).
    fn backfill(&mut self, _begin: Timestamp, _end: Timestamp, _next: &str) -> Result<History, Failure> {
        Err(Failure::unsupported("this driver has no backfill"))
    }

    /// Carries out a described command. [`crate::settings::arguments`] turns `arguments` into a type.
    fn command(&mut self, name: &str, _arguments: &str) -> Result<String, Failure> {
        Err(Failure::unsupported(format!("this driver has no command {name:?}")))
    }

    /// What the next instance needs to go on without a gap.
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes over from a snapshot.
    fn restore(&mut self, _state: &[u8]) -> Result<(), Failure> {
        Err(Failure::unsupported("this driver has no snapshots"))
    }
}

/// One page of an instrument's own records.
#[derive(Debug)]
pub struct History {
    /// Oldest first, at most 10,000.
    pub samples: Samples,
    /// What to hand back for the next page; empty at the end.
    pub next: String,
}

/// One measured or reported quantity. Serialized for snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Lower case letters, digits and `_`, starting with a letter, at most 64 bytes.
    pub id: String,
    /// What it is, in words for people.
    pub label: String,
    /// UCUM code; `1` for a pure number, empty when nobody said.
    pub unit: String,
    /// What its values are.
    pub kind: PointKind,
}

/// What the values of a point are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointKind {
    /// Numbers.
    #[default]
    Number,
    /// Text.
    Text,
}

impl Point {
    /// A point with numbers.
    pub fn number(id: impl Into<String>, label: impl Into<String>, unit: impl Into<String>) -> Self {
        Point { id: id.into(), label: label.into(), unit: unit.into(), kind: PointKind::Number }
    }

    /// A point with text.
    pub fn text(id: impl Into<String>, label: impl Into<String>) -> Self {
        Point { id: id.into(), label: label.into(), unit: String::new(), kind: PointKind::Text }
    }

    /// True when the contract allows this id.
    pub fn is_id(id: &str) -> bool {
        id.len() <= 64
            && id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }

    /// A label or unit that an instrument said may hold anything; the hub takes none with control characters.
    pub(crate) fn into_contract(self) -> contract::Point {
        let visible = |text: String| text.replace(char::is_control, " ");
        let kind = match self.kind {
            PointKind::Number => 0,
            PointKind::Text => 1,
        };
        contract::Point { id: self.id, label: visible(self.label), unit: visible(self.unit), kind }
    }
}

/// What a plugin says of itself without any link.
#[derive(Debug, Clone)]
pub struct Description {
    contract: contract::Description,
}

impl Description {
    /// A plugin of this name and version, for instruments of any maker, without links or commands.
    pub fn new(name: &str, version: &str) -> Self {
        Description {
            contract: contract::Description {
                name: name.into(),
                version: version.into(),
                vendor: String::new(),
                models: Vec::new(),
                settings: String::new(),
                links: Vec::new(),
                commands: Vec::new(),
                features: 0,
            },
        }
    }

    /// The maker of the instruments and the models that the driver was written for.
    pub fn instruments(mut self, vendor: &str, models: &[&str]) -> Self {
        self.contract.vendor = vendor.into();
        self.contract.models = models.iter().map(|model| (*model).to_owned()).collect();
        self
    }

    /// Wants a Modbus link, called "main".
    pub fn modbus(self, purpose: &str) -> Self {
        self.link("main", "tutin:modbus/client", purpose)
    }

    /// Wants a line of bytes, called "main".
    pub fn stream(self, purpose: &str) -> Self {
        self.link("main", "tutin:stream/client", purpose)
    }

    /// Wants an MQTT session, called "main".
    pub fn mqtt(self, purpose: &str) -> Self {
        self.link("main", "tutin:mqtt/client", purpose)
    }

    /// Wants an OPC UA session, called "main".
    pub fn opcua(self, purpose: &str) -> Self {
        self.link("main", "tutin:opcua/client", purpose)
    }

    /// Wants a link of this name, opened through this interface.
    pub fn link(mut self, name: &str, capability: &str, purpose: &str) -> Self {
        self.contract.links.push(contract::LinkWant {
            name: name.into(),
            capability: capability.into(),
            purpose: purpose.into(),
        });
        self
    }

    /// Has a command without arguments.
    pub fn command(mut self, name: &str, purpose: &str) -> Self {
        self.contract.commands.push(contract::CommandInfo {
            name: name.into(),
            purpose: purpose.into(),
            arguments: String::new(),
        });
        self
    }

    /// Has a command with these arguments.
    pub fn command_with<A: JsonSchema>(mut self, name: &str, purpose: &str) -> Self {
        self.contract.commands.push(contract::CommandInfo {
            name: name.into(),
            purpose: purpose.into(),
            arguments: schema::<A>(),
        });
        self
    }

    /// Implements [`Driver::backfill`].
    pub fn backfill(mut self) -> Self {
        self.contract.features |= 1;
        self
    }

    /// Implements [`Driver::snapshot`] and [`Driver::restore`].
    pub fn snapshots(mut self) -> Self {
        self.contract.features |= 2;
        self
    }

    /// Names of the commands, in order.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.contract.commands.iter().map(|command| command.name.as_str())
    }

    pub(crate) fn into_contract<S: JsonSchema>(mut self) -> contract::Description {
        self.contract.settings = schema::<S>();
        self.contract
    }
}

fn schema<T: JsonSchema>() -> String {
    schemars::schema_for!(T).as_value().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_the_contract_allows() {
        let check = |id: &str, expected: bool| assert_eq!(Point::is_id(id), expected, "{id:?}");
        check("no2", true);
        check("sample_flow", true);
        check("", false);
        check("2no", false);
        check("_no", false);
        check("NO2", false);
        check("no-2", false);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }

    #[test]
    fn what_an_instrument_calls_its_values_has_no_control_characters() {
        let point = Point::number("no2", "NO2\r\u{1b}[2J", "ppb\0").into_contract();
        assert_eq!((point.label.as_str(), point.unit.as_str()), ("NO2  [2J", "ppb "));
    }

    /// A range.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Range {
        /// 1 or 2.
        range: u8,
    }

    #[test]
    fn the_description_carries_the_schemas_of_settings_and_arguments() {
        let description = Description::new("x", "0.1.0").command_with::<Range>("zero-start", "").backfill();

        let contract = description.into_contract::<Range>();

        let settings: serde_json::Value = serde_json::from_str(&contract.settings).unwrap();
        assert_eq!(settings["properties"]["range"]["description"], "1 or 2.");
        assert_eq!(contract.commands[0].arguments, contract.settings);
        assert_eq!(contract.features, 1);
    }
}
