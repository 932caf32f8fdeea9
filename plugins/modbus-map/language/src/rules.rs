//! The map's status rules, checked, and put together for each point.

use std::collections::BTreeMap;
use std::rc::Rc;

use tutin_sdk::modbus::{Span, Table};
use tutin_sdk::settings::wrong;
use tutin_sdk::{Failure, State};

use crate::codes::{Outcome, numbered, outcome};
use crate::effective::Effective;
use crate::expand::Placed;
use crate::pattern::{check, matches};
use crate::reads::{Reads, Want};
use crate::settings::{Repeat, StatusRule};
use crate::status::{Item, Otherwise, Rule, RuleSet, Says};

/// A rule of the settings, checked.
#[derive(Debug)]
pub(crate) struct PlacedRule {
    unit_id: Option<u8>,
    table: Table,
    address: u16,
    mask: u16,
    says: Says,
    /// For each point whether the rule speaks of it.
    speaks_of: Vec<bool>,
}

impl PlacedRule {
    pub fn want<'a>(&self) -> Want<'a> {
        Want { unit_id: self.unit_id, table: self.table, span: self.span(), id: None }
    }

    fn span(&self) -> Span {
        Span { address: self.address, count: 1 }
    }
}

/// The rules of the settings that speak of at least one of the points, repetitions written out. `ids` are those of all
/// points of the map, wanted or not.
pub(crate) fn rules(effective: &Effective, placed: &[Placed], ids: &[String]) -> Result<Vec<PlacedRule>, Failure> {
    let mut rules = Vec::new();
    for (at, rule) in &effective.rules {
        let mask = mask(rule, at)?;
        let says = says(effective, rule, mask, at)?;
        let once = Repeat { count: 1, stride: None, first: 0 };
        let repeat = rule.repeat.as_ref().unwrap_or(&once);
        if repeat.count == 0 {
            return Err(wrong(&format!("{at}.repeat.count"), "must be at least 1"));
        }
        for step in 0..u32::from(repeat.count) {
            let number = rule.repeat.as_ref().map(|repeat| repeat.first.saturating_add(step));
            let distance = step.saturating_mul(u32::from(repeat.stride.unwrap_or(1)));
            let speaks_of = speaks_of(rule, number, at, placed, ids)?;
            let address = effective.wire_address(rule.table, rule.address.saturating_add(distance), 1, at)?;
            if speaks_of.contains(&true) {
                let (unit_id, table) = (rule.unit_id, rule.table);
                rules.push(PlacedRule { unit_id, table, address, mask, says: says.clone(), speaks_of });
            }
        }
    }
    Ok(rules)
}

fn mask(rule: &StatusRule, at: &str) -> Result<u16, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let is_bits = rule.table.is_bits();
    Ok(match (rule.bit, rule.mask) {
        (Some(_), Some(_)) => return no("mask", "either bit or mask"),
        (Some(_), _) if is_bits => return no("bit", "is for registers; here the address is the bit"),
        (_, Some(_)) if is_bits => return no("mask", "is for registers"),
        (Some(bit @ 0..=15), None) => 1 << bit,
        (Some(_), None) => return no("bit", "must be 0 (least significant) to 15"),
        (None, Some(0)) => return no("mask", "must have a bit set"),
        (None, Some(mask)) => mask,
        (None, None) if is_bits => 1,
        (None, None) if rule.meaning.is_some() => 0x00FF,
        (None, None) => u16::MAX,
    })
}

fn says(effective: &Effective, rule: &StatusRule, mask: u16, at: &str) -> Result<Says, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let settings = effective.settings;
    let means = |text: &str| outcome(text, &settings.ne107);
    let several = [rule.codes.is_some() || rule.meaning.is_some(), rule.bits.is_some()];
    let is_one = rule.equals.is_some() || rule.bit.is_some() || !rule.is || rule.ne107.is_some();
    let is_one = is_one || rule.state != State::Valid || !rule.qualifiers.is_empty();
    if several.contains(&true) && (is_one || several == [true, true]) {
        return no("codes", "codes and meaning, or bits, or one condition (bit, equals, is, state, ne107, qualifiers)");
    }
    if rule.otherwise.is_some() && (rule.codes.is_none() || rule.meaning.is_some()) {
        return no("otherwise", "is for codes without meaning");
    }
    let limit = if rule.table.is_bits() { 1 } else { u16::MAX };
    if let Some(bits) = &rule.bits {
        if rule.table.is_bits() {
            return no("bits", "is for registers");
        }
        let bits = numbered(bits, settings, 15, &format!("{at}.bits"), means)?;
        return Ok(Says::Bits(bits.into_iter().map(|(bit, outcome)| (1 << bit, outcome)).collect()));
    }
    if rule.meaning.is_some() || rule.codes.is_some() {
        let codes = rule.codes.as_ref().map(|codes| numbered(codes, settings, limit, &format!("{at}.codes"), means));
        let codes = codes.transpose()?.unwrap_or_default();
        if let Some(code) = codes.keys().find(|code| **code & !mask != 0) {
            return no("codes", &format!("{code} can never be, because it has bits outside the mask"));
        }
        let unknown = rule.otherwise.as_deref().unwrap_or("suspect");
        let otherwise = match rule.meaning {
            Some(_) => Otherwise::PaQuality,
            None => Otherwise::Always(means(unknown).map_err(|why| wrong(&format!("{at}.otherwise"), why))?),
        };
        return Ok(Says::Codes(Rc::new(codes), otherwise));
    }
    one(effective, rule, mask, at)
}

fn one(effective: &Effective, rule: &StatusRule, mask: u16, at: &str) -> Result<Says, Failure> {
    let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
    let is_bits = rule.table.is_bits();
    if let Some(code) = rule.equals {
        if is_bits || rule.bit.is_some() {
            return no("equals", "is for whole or masked registers; a bit holds when it is set");
        }
        if code & !mask != 0 {
            return no("equals", "can never be, because it has bits outside the mask");
        }
    } else if !is_bits && rule.bit.is_none() && rule.mask.is_none() {
        return no("equals", "a register needs bit, mask or equals");
    }
    if rule.ne107.is_some() && rule.state != State::Valid {
        return no("ne107", "either state or ne107");
    }
    if rule.state == State::Valid && rule.qualifiers.is_empty() && rule.ne107.is_none() {
        return no("state", "the rule changes nothing: it needs a state other than valid, or qualifiers");
    }
    let state = rule.ne107.map_or(rule.state, |letter| effective.settings.ne107.state(letter));
    let outcome = Outcome { state, qualifiers: rule.qualifiers.iter().copied().collect() };
    Ok(Says::One { equals: rule.equals, is: rule.is, outcome })
}

fn speaks_of(
    rule: &StatusRule,
    number: Option<u32>,
    at: &str,
    placed: &[Placed],
    ids: &[String],
) -> Result<Vec<bool>, Failure> {
    let Some(patterns) = &rule.points else { return Ok(vec![true; placed.len()]) };
    let number = number.map(|number| number.to_string());
    let mut speaks_of = vec![false; placed.len()];
    for pattern in patterns {
        let pattern = number.as_ref().map_or(pattern.clone(), |number| pattern.replace("{n}", number));
        check(&pattern, || ids.iter().map(String::as_str), &format!("{at}.points"))?;
        for (speaks, placed) in speaks_of.iter_mut().zip(placed) {
            *speaks |= matches(&pattern, &placed.id);
        }
    }
    Ok(speaks_of)
}

/// Rule sets, each once, and for each point which one speaks of it.
pub(crate) fn rule_sets(
    points: usize,
    rules: &[PlacedRule],
    reads: &Reads,
) -> Result<(Vec<RuleSet>, Vec<Option<usize>>), Failure> {
    let mut sets: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut rule_sets = Vec::new();
    let mut set_of_point = Vec::with_capacity(points);
    for index in 0..points {
        let speaking = |(number, rule): (usize, &PlacedRule)| rule.speaks_of.get(index)?.then_some(number);
        let numbers: Vec<usize> = rules.iter().enumerate().filter_map(speaking).collect();
        if numbers.is_empty() {
            set_of_point.push(None);
            continue;
        }
        if let Some(set) = sets.get(&numbers) {
            set_of_point.push(Some(*set));
            continue;
        }
        let mut set = RuleSet::default();
        for rule in numbers.iter().filter_map(|number| rules.get(*number)) {
            let item: Item = reads.find(rule.unit_id, rule.table, rule.span())?;
            set.rules.push(Rule { item, mask: rule.mask, says: rule.says.clone() });
        }
        set_of_point.push(Some(rule_sets.len()));
        sets.insert(numbers, rule_sets.len());
        rule_sets.push(set);
    }
    Ok((rule_sets, set_of_point))
}
