//! Days and time zones.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::kind::{Fault, Kind, Scope, wrong_type};
use crate::config::mistake::Mistake;
use crate::config::tree::{Node, Value};

/// A day, as in `2027-03-01`.
pub(crate) struct Day;

impl Kind for Day {
    type Value = Date;

    fn expected(&self) -> String {
        "a day such as 2027-03-01".to_owned()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<Date, Vec<Fault>> {
        let (Value::Text(text) | Value::DateTime(text)) = &node.value else {
            return Err(wrong_type(node, self.expected()));
        };
        let malformed = || Mistake::Malformed { found: text.clone(), expected: self.expected(), advice: None };
        text.parse().map_err(|_| vec![malformed().into()])
    }

    fn shown(&self, value: &Date, _node: &Node) -> toml::Value {
        toml::Value::String(value.to_string())
    }
}

/// A time zone of the IANA database.
pub(crate) struct Zone;

impl Kind for Zone {
    type Value = String;

    fn expected(&self) -> String {
        "a time zone of the IANA database, such as \"Asia/Almaty\"".to_owned()
    }

    fn read(&self, node: &Node, _scope: &Scope<'_>) -> Result<String, Vec<Fault>> {
        let text = node.as_text().ok_or_else(|| wrong_type(node, self.expected()))?;
        if text == "UTC" || TimeZone::get(text).is_ok() {
            return Ok(text.to_owned());
        }
        let advice = Some("all of Kazakhstan is \"Asia/Almaty\" since 2024-03-01".to_owned());
        Err(vec![Mistake::Malformed { found: text.to_owned(), expected: self.expected(), advice }.into()])
    }
}
