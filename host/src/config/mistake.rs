//! Every sentence that the configuration says about a mistake, in one place.
//!
//! `Display` is what is wrong, [`Mistake::help`] what to do about it. A translation replaces this file.

use thiserror::Error;

use crate::config::problem::Severity;

/// A mistake in a configuration.
#[derive(Debug, Clone, Error)]
pub(crate) enum Mistake {
    #[error("cannot read {file}: {cause}")]
    UnreadableFile { file: String, cause: String },
    #[error("not valid TOML: {cause}")]
    Syntax { cause: String },
    #[error("{key:?} is defined twice")]
    Duplicate { key: String },
    #[error("the variable fits both {first:?} and {second:?}")]
    AmbiguousVariable { first: String, second: String },
    #[error("unknown {what} {found:?}")]
    Unknown { what: &'static str, found: String, nearest: Option<String>, known: Vec<String> },
    #[error("no {what} {found:?}")]
    NoSuch { what: String, found: String, nearest: Option<String>, defined: Vec<String> },
    #[error("expected {expected}, found {found}")]
    WrongType { expected: String, found: String, advice: Option<String> },
    #[error("missing; expected {expected}")]
    Missing { expected: String },
    #[error("{found} is out of range: expected {expected}")]
    OutOfRange { found: String, expected: String },
    #[error("{found:?} is not {expected}")]
    Malformed { found: String, expected: String, advice: Option<String> },
    #[error("is empty; expected {expected}")]
    Empty { expected: String },
    #[error("{item} stands twice in the list")]
    Repeated { item: String },
    #[error("a secret must not stand in the configuration")]
    PlainSecret,
    #[error("the secret cannot be read from {reference}: {cause}")]
    UnreadableSecret { reference: String, cause: String },
    #[error("the key cannot be used: {cause}")]
    UnusableKey { cause: String },
    #[error("it is the key of {other:?} already")]
    SameKey { other: String },
    #[error("no key is trusted, so that no plugin could run")]
    NobodyTrusted,
    #[error("expected either env or file, found {found}")]
    SecretReference { found: String },
    #[error("{longest_key} = {longest} is under {shortest_key} = {shortest}")]
    MaxUnderMin { longest_key: &'static str, longest: String, shortest_key: &'static str, shortest: String },
    #[error("equals without pointer: there is nothing to compare")]
    EqualsWithoutPointer,
    #[error("{status} is an acknowledgement and a refusal at once")]
    StatusTwice { status: u16 },
    #[error("{block} does not divide 24 h")]
    BlockDoesNotDivideDay { block: String },
    #[error(
        "0s has no count of expected samples, and source {source_name:?} takes parameters from this device; give it a time"
    )]
    NoInterval { source_name: String },
    #[error("a limit for rule set {rule_set:?}, which source {source_name:?} does not use")]
    LimitWithoutRuleSet { rule_set: String, source_name: String },
    #[error("{what} has no meaning for {unit}")]
    BasisWithoutMeaning { what: &'static str, unit: String },
    #[error("parameter {parameter:?} is {other} already: a parameter can be one companion")]
    CompanionTwice { parameter: String, other: &'static str },
    #[error("a day of {zone} does not begin with a block of {of} of rule set {from:?}")]
    DayBetweenBlocks { zone: String, of: String, from: String },
    #[error("a companion needs a parameter, a substitute, or both")]
    CompanionOfNothing,
    #[error("a parameter is taken from a point or follows from others, not both: leave device and point out")]
    DerivedFromPoint,
    #[error("the range is empty: both ends must differ, the lower one first")]
    EmptyRange,
    #[error("{problem}")]
    StatusTable { problem: String },
    #[error("source {source_name:?} has no parameter {found:?} for {what}")]
    NoSuchParameter { source_name: String, what: String, found: String, nearest: Option<String>, known: Vec<String> },
    #[error("{what} needs {role}, and source {source_name:?} has no companion {role:?}")]
    NoCompanion { what: &'static str, role: &'static str, source_name: String },
    #[error("rule set {rule_set:?} is made from {from:?}, which source {source_name:?} does not use")]
    BaseNotUsed { rule_set: String, from: String, source_name: String },
    #[error("a block of {block} cannot be made from blocks of {of} of rule set {from:?}")]
    BlockOfLonger { block: String, of: String, from: String },
    #[error("{interval} is longer than the {block} block of rule set {rule_set:?} for source {source_name:?}")]
    IntervalOverBlock { interval: String, block: String, rule_set: String, source_name: String },
    #[error("the file {file} does not exist")]
    MissingFile { file: String },
    #[error("{pattern:?} matches no {what}")]
    PatternMatchesNothing { pattern: String, what: &'static str, nearest: Option<String>, known: Vec<String> },
    #[error("the route matches nothing: none of its sources ({sources}) has one of its {what}")]
    RouteMatchesNothing { sources: String, what: &'static str },
    #[error("{address} is also the address of link {other:?}{difference}")]
    SameAddress { address: String, other: String, difference: String },
    #[error("{place} is also the {option} of link {other:?}{difference}")]
    SamePlace { option: &'static str, place: String, other: String, difference: String },
    #[error("{file} is also written by sink {other:?}")]
    SameFile { file: String, other: String },
    #[error("{id:?} is also the client of sink {other:?} at the same broker")]
    SameClient { id: String, other: String },
    #[error("either user and password, or cert_file and key_file, or none of them")]
    HalfIdentity,
    #[error("a certificate needs its key and a key its certificate: cert_file and key_file stand together")]
    HalfCertificate,
    #[error("{option} has no meaning for a device behind link {link:?}, which is {kind}")]
    NotForLink { option: &'static str, link: String, kind: &'static str },
    #[error("a device behind an MQTT broker takes nothing without topics")]
    NoTopics,
    #[error("the settings file cannot be read: {cause}")]
    SettingsFile { cause: String },
    #[error("unit {unit} is the device's own")]
    OwnUnit { unit: u8 },
    #[error("{{{placeholder}}} is nothing that {content} have, and route {route:?} sends {content} here")]
    PlaceholderWithoutValue { placeholder: String, content: &'static str, route: String, known: Vec<String> },
    #[error("no {by} uses it")]
    Unused { by: &'static str },
    #[error("the source has no parameter: it has nothing to average")]
    NoParameter,
    #[error("the averages of this source go nowhere")]
    Unrouted,
    #[error("the configuration has no device: the hub would have nothing to do")]
    NoDevice,
    #[error("device {device:?} has no point {found:?}")]
    NoSuchPoint { device: String, found: String, nearest: Option<String>, known: Vec<String> },
    #[error("point {point:?} of device {device:?} is text, which has no average")]
    TextPoint { point: String, device: String },
    #[error("point {point:?} of device {device:?} has no unit that could be converted to {to}")]
    NoUnit { point: String, device: String, to: String },
    #[error("{from} does not convert to {to}: {cause}")]
    UnitsDoNotConvert { from: String, to: String, cause: String },
    #[error("{content} have no member {found:?}, and route {route:?} sends {content} here")]
    NoSuchMember { content: &'static str, found: String, route: String, nearest: Option<String>, known: Vec<String> },
}

impl Mistake {
    /// Whether the configuration can be used all the same.
    pub fn severity(&self) -> Severity {
        match self {
            Mistake::SameAddress { .. }
            | Mistake::Unused { .. }
            | Mistake::NoParameter
            | Mistake::Unrouted
            | Mistake::NoDevice
            | Mistake::OwnUnit { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Mistake::Unknown { nearest, known, .. }
            | Mistake::PatternMatchesNothing { nearest, known, .. }
            | Mistake::NoSuchPoint { nearest, known, .. }
            | Mistake::NoSuchParameter { nearest, known, .. }
            | Mistake::NoSuchMember { nearest, known, .. } => nearest_or_known(nearest.as_ref(), "valid", known),
            Mistake::NoSuch { nearest, defined, .. } => {
                nearest_or_known(nearest.as_ref(), "defined", defined).or_else(|| Some("none is defined".to_owned()))
            }
            Mistake::PlaceholderWithoutValue { known, .. } => nearest_or_known(None, "valid", known),
            Mistake::Malformed { advice, .. } | Mistake::WrongType { advice, .. } => advice.clone(),
            Mistake::AmbiguousVariable { .. } => Some("set this option in a file".to_owned()),
            Mistake::PlainSecret => {
                Some("name where it is kept: { env = \"VARIABLE\" } or { file = \"path\" }".to_owned())
            }
            Mistake::SecretReference { .. } => Some("write { env = \"VARIABLE\" } or { file = \"path\" }".to_owned()),
            Mistake::NobodyTrusted => {
                Some("name who may sign plugins, as in [trust.keys] vendor = { file = \"vendor.pub\" }".to_owned())
            }
            Mistake::BlockDoesNotDivideDay { .. } => {
                Some("blocks must end at midnight, as with 1min, 20min, 30min or 1h".to_owned())
            }
            Mistake::NoCompanion { role, .. } => Some(format!(
                "add [sources.NAME.companions.{role}] with a parameter of the source, a substitute, or both"
            )),
            Mistake::BaseNotUsed { from, .. } => Some(format!("add {from:?} to the rule_sets of the source")),
            Mistake::BasisWithoutMeaning { .. } => Some(
                "temperature, pressure and moisture are steps of flows and mass concentrations, moisture of fractions too".to_owned(),
            ),
            Mistake::DayBetweenBlocks { .. } => Some("blocks are multiples of UTC: make the day from shorter ones".to_owned()),
            Mistake::BlockOfLonger { .. } => {
                Some("the longer block must hold a whole number of the shorter".to_owned())
            }
            Mistake::IntervalOverBlock { .. } => Some("poll more often, or the block has no samples".to_owned()),
            Mistake::SameAddress { .. } => {
                Some("many instruments take one connection only: let the devices share one link".to_owned())
            }
            Mistake::SamePlace { .. } => Some("only one link can have it: let the devices share that link".to_owned()),
            Mistake::NotForLink { .. } => Some("leave it out, or name another link".to_owned()),
            Mistake::NoTopics => {
                Some("name what the driver may subscribe to, as in topics = [\"plant/#\"]".to_owned())
            }
            Mistake::SameFile { .. } => Some("give each sink a file of its own".to_owned()),
            Mistake::SameClient { .. } => Some("a broker closes the older of two clients with one name".to_owned()),
            Mistake::TextPoint { .. } => Some("only points that are numbers can be parameters".to_owned()),
            Mistake::NoUnit { .. } => {
                Some("leave the parameter's unit out, or say the point's unit in the device's settings".to_owned())
            }
            Mistake::Unrouted => Some("add a route with take = \"averages\" that selects it".to_owned()),
            _ => None,
        }
    }
}

/// Advice by names: the nearest when there is one, else a list that a person can still read.
fn nearest_or_known(nearest: Option<&String>, title: &str, known: &[String]) -> Option<String> {
    const LISTED: usize = 40;
    if let Some(nearest) = nearest {
        return Some(format!("did you mean {nearest}?"));
    }
    let more = known.len().saturating_sub(LISTED);
    let list = known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!known.is_empty()).then(|| format!("{title}: {list}{rest}"))
}

/// The name that the writer most probably meant.
pub(crate) fn nearest<'n>(found: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = fold(found);
    let distance = |name: &str| strsim::damerau_levenshtein(&folded, &fold(name));
    let (best, distance) =
        known.into_iter().map(|name| (name, distance(name))).min_by_key(|(_, distance)| *distance)?;
    // One slip in three letters; a name that differs more is no help but a guess.
    let allowed = (folded.chars().count().max(best.chars().count()) / 3).max(1);
    (distance <= allowed && folded.chars().count() > distance).then_some(best)
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let check = |found: &str, known: &[&str], expected: Option<&str>| {
            assert_eq!(nearest(found, known.iter().copied()), expected, "{found}");
        };
        check("intervall", &["interval", "unit"], Some("interval"));
        check("lin-a", &["line-a", "line-b"], Some("line-a"));
        check("no3", &["no2", "o2"], Some("no2"));
        check("NO2", &["no2"], Some("no2"));
        check("modbus-tcp", &["modbus_tcp"], Some("modbus_tcp"));
        check("x", &["a", "b"], None);
        check("temperature", &["interval", "unit"], None);
        check("anything", &[], None);
    }
}
