//! The settings with the chosen variant in them, and nothing left open that the map asks for.

use std::collections::BTreeMap;

use tutin_sdk::Failure;
use tutin_sdk::modbus::Table;
use tutin_sdk::settings::{nearest, wrong};
use tutin_sdk::words::WordOrder;

use crate::settings::about::is_proof;
use crate::settings::{Command, PointSettings, Settings, StatusRule, Variant, Write};

/// Each entry with its place in the settings, for messages.
pub(crate) type Entries<'a, T> = Vec<(String, &'a T)>;

/// What holds for this instrument.
#[derive(Debug)]
pub(crate) struct Effective<'a> {
    pub settings: &'a Settings,
    pub address_base: u8,
    pub word_order: Option<WordOrder>,
    pub points: Entries<'a, PointSettings>,
    pub rules: Entries<'a, StatusRule>,
    pub setup: Entries<'a, Write>,
    pub commands: BTreeMap<&'a str, (String, &'a Command)>,
}

impl<'a> Effective<'a> {
    pub fn new(settings: &'a Settings) -> Result<Self, Failure> {
        let chosen = chosen(settings)?;
        ask(settings, chosen.map(|(_, variant)| variant))?;
        check_proofs(settings)?;
        let mut effective = Effective {
            settings,
            address_base: settings.address_base.unwrap_or(0),
            word_order: settings.word_order,
            points: placed("points", &settings.points),
            rules: placed("status_rules", &settings.status_rules),
            setup: placed("setup", &settings.setup),
            commands: commands("commands", &settings.commands),
        };
        if let Some((name, variant)) = chosen {
            let at = |member: &str| format!("variants.{name}.{member}");
            effective.address_base = variant.address_base.unwrap_or(effective.address_base);
            effective.word_order = variant.word_order.or(effective.word_order);
            effective.points.extend(placed(&at("points"), &variant.points));
            effective.rules.extend(placed(&at("status_rules"), &variant.status_rules));
            effective.setup.extend(placed(&at("setup"), &variant.setup));
            effective.commands.extend(commands(&at("commands"), &variant.commands));
        }
        if !settings.smallest.is_finite() || settings.smallest < 0.0 {
            return Err(wrong("smallest", "must be a number from 0 on"));
        }
        if effective.address_base > 1 {
            return Err(wrong("address_base", "must be 0 or 1"));
        }
        Ok(effective)
    }

    /// The address on the wire of one that the map's author wrote.
    pub fn wire_address(&self, table: Table, address: u32, width: u16, at: &str) -> Result<u16, Failure> {
        let shift = self.settings.address_shift;
        let shift = match table {
            Table::Coil => shift.coil,
            Table::Discrete => shift.discrete,
            Table::Holding => shift.holding,
            Table::Input => shift.input,
        };
        let from_zero = i64::from(address) + i64::from(shift.unwrap_or(0)) - i64::from(self.address_base);
        if from_zero < 0 {
            let why = match shift {
                None => "must be at least 1, because address_base is 1".to_owned(),
                Some(shift) => {
                    format!("{address} is below 0 with address_shift {shift} and address_base {}", self.address_base)
                }
            };
            return Err(wrong(&format!("{at}.address"), why));
        }
        match u16::try_from(from_zero) {
            Ok(wire) if from_zero + i64::from(width) <= 65536 => Ok(wire),
            _ => Err(wrong(&format!("{at}.address"), format_args!("{address} is beyond the table's end"))),
        }
    }
}

fn placed<'a, T>(list: &str, entries: &'a [T]) -> Entries<'a, T> {
    entries.iter().enumerate().map(|(index, entry)| (format!("{list}[{index}]"), entry)).collect()
}

fn commands<'a>(table: &str, commands: &'a BTreeMap<String, Command>) -> BTreeMap<&'a str, (String, &'a Command)> {
    commands.iter().map(|(name, command)| (name.as_str(), (format!("{table}.{name}"), command))).collect()
}

fn chosen(settings: &Settings) -> Result<Option<(&str, &Variant)>, Failure> {
    let names = || settings.variants.keys().map(String::as_str);
    let Some(name) = &settings.variant else {
        return Ok(None);
    };
    if let Some((name, variant)) = settings.variants.get_key_value(name) {
        return Ok(Some((name, variant)));
    }
    let meant = nearest(name, names()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    let there: Vec<&str> = names().collect();
    Err(wrong("variant", format_args!("there is no variant {name:?}, only {}{meant}", or_list(&there))))
}

/// Refuses, all in one sentence, what the site must say and has not said.
fn ask(settings: &Settings, variant: Option<&Variant>) -> Result<(), Failure> {
    let mut open = Vec::new();
    if settings.variant.is_none() && !settings.variants.is_empty() && !settings.ask.contains_key("variant") {
        open.push(question(settings, "variant", "")?);
    }
    for (member, how) in &settings.ask {
        if !is_said(settings, variant, member)? {
            open.push(question(settings, member, how)?);
        }
    }
    let Some(first) = open.first() else { return Ok(()) };
    let rest: String = open.iter().skip(1).map(|question| format!("; settings.{question}")).collect();
    Err(Failure::settings(format!("settings.{first}{rest}")))
}

/// What is asked, from what it can be chosen, and how to find it out.
fn question(settings: &Settings, member: &str, how: &str) -> Result<String, Failure> {
    let choices = match member.split('.').next().unwrap_or_default() {
        "word_order" => WordOrder::ALL.map(WordOrder::name).join(", "),
        "address_base" => "0 when the numbers are addresses on the wire, 1 when they are one more".to_owned(),
        "variant" => settings
            .variants
            .iter()
            .map(|(name, variant)| described(name, &variant.about))
            .collect::<Vec<_>>()
            .join(", "),
        "only" => "a list of point ids, in which one * stands for any text".to_owned(),
        "address_shift" => "a number added to each address of this table, 0 for none".to_owned(),
        "units" => "a UCUM code, as [ppb] or mg/m3".to_owned(),
        _ => "a table of codes".to_owned(),
    };
    let probe = if member == "word_order" {
        "; the command probe-word-order, run with any of them set, reads once and says which one fits"
    } else {
        ""
    };
    let how = if how.is_empty() { String::new() } else { format!("; how to find out: {how}") };
    Ok(format!("{member}: the map does not know it and asks the site: {choices}{how}{probe}"))
}

fn described(name: &str, about: &str) -> String {
    if about.is_empty() { name.to_owned() } else { format!("{name} ({about})") }
}

fn is_said(settings: &Settings, variant: Option<&Variant>, member: &str) -> Result<bool, Failure> {
    let shift = settings.address_shift;
    Ok(match member {
        "word_order" => settings.word_order.or(variant.and_then(|variant| variant.word_order)).is_some(),
        "address_base" => settings.address_base.or(variant.and_then(|variant| variant.address_base)).is_some(),
        "variant" => settings.variant.is_some(),
        "only" => settings.only.is_some(),
        "address_shift.coil" => shift.coil.is_some(),
        "address_shift.discrete" => shift.discrete.is_some(),
        "address_shift.holding" => shift.holding.is_some(),
        "address_shift.input" => shift.input.is_some(),
        // A unit is asked for where a point wants it.
        _ if member == "units" || member.starts_with("units.") => true,
        _ => match member.strip_prefix("tables.") {
            Some(name) => settings.tables.contains_key(name),
            None => {
                let these = "word_order, address_base, variant, only, address_shift.TABLE, tables.NAME or units.KEY";
                return Err(wrong(&format!("ask.{member}"), format_args!("cannot be asked for; {these} can")));
            }
        },
    })
}

/// The unit that only the site knows.
pub(crate) fn unit_of_site(settings: &Settings, key: &str) -> Result<String, Failure> {
    if let Some(unit) = settings.units.get(key) {
        return Ok(unit.clone());
    }
    let member = format!("units.{key}");
    let how = settings.ask.get(&member).or_else(|| settings.ask.get("units")).map_or("", String::as_str);
    Err(Failure::settings(format!("settings.{}", question(settings, &member, how)?)))
}

fn check_proofs(settings: &Settings) -> Result<(), Failure> {
    let points = settings.points.iter().enumerate();
    let points = points.filter_map(|(index, point)| Some((format!("points[{index}].proof"), point.proof.as_deref()?)));
    let commands = settings.commands.iter();
    let commands =
        commands.filter_map(|(name, command)| Some((format!("commands.{name}.proof"), command.proof.as_deref()?)));
    let about = settings.about.iter().map(|about| ("about.proof".to_owned(), about.proof.as_str()));
    match about.chain(points).chain(commands).find(|(_, proof)| !is_proof(proof)) {
        Some((at, proof)) => {
            Err(wrong(&at, format_args!("{proof:?} is no level of proof: M, D, V or U, several with +")))
        }
        None => Ok(()),
    }
}

/// "a", "a or b", "a, b or c".
pub(crate) fn or_list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [only] => (*only).to_owned(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}
