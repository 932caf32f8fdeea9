//! The settings as a plan: which reads, and where in their answers each point and each rule finds its registers.

use std::collections::BTreeMap;

use tutin_sdk::modbus::{Block, Span, Table, plan_blocks};
use tutin_sdk::settings::{nearest, wrong};
use tutin_sdk::words::WordOrder;
use tutin_sdk::{Failure, Point, State};

use crate::Content;
use crate::expand::{Kind, Placed, expand, wire_address};
use crate::settings::{Settings, StatusRule};
use crate::status::{Item, Rule, RuleSet};

/// What a poll does.
#[derive(Debug)]
pub(crate) struct Map {
    pub points: Vec<Point>,
    /// 0, 1, 2 …: every poll has a row for every point.
    pub points_column: Vec<u16>,
    /// Units besides the device's own; link 1 is the first of them.
    pub further_units: Vec<u8>,
    pub reads: Vec<Read>,
    /// One for each point, in order.
    pub cells: Vec<Cell>,
    pub rule_sets: Vec<RuleSet>,
    pub nan: State,
}

/// One request of a poll.
#[derive(Debug)]
pub(crate) struct Read {
    pub link: usize,
    pub block: Block,
    /// The block in the administrator's words.
    pub label: String,
    /// Which points need it, in words.
    pub points: String,
    /// True when it bridges addresses that nobody asked for.
    pub has_gaps: bool,
}

/// Where a point finds its bits, and what they mean.
#[derive(Debug)]
pub(crate) struct Cell {
    pub read: usize,
    offset: usize,
    kind: Kind,
    linear: Option<(f64, f64)>,
    range: Option<[f64; 2]>,
    pub rule_set: Option<usize>,
}

impl Cell {
    /// The bits of the value, right aligned.
    pub fn raw(&self, content: &Content) -> Option<u64> {
        match (content, self.kind) {
            (Content::Words(words), Kind::Number(format, order)) => {
                let words = words.get(self.offset..)?.get(..usize::from(format.words()))?;
                Some(order.assemble(words))
            }
            (Content::Words(words), Kind::Bit(bit)) => words.get(self.offset).map(|word| u64::from(word >> bit & 1)),
            (Content::Bits(bits), Kind::Flag) => bits.get(self.offset).map(|bit| u64::from(*bit)),
            _ => None,
        }
    }

    /// The number that these bits stand for, in the point's unit.
    pub fn value(&self, raw: u64) -> f64 {
        self.value_as(self.kind, raw)
    }

    /// False when the instrument cannot show such a number. NaN has a state of its own.
    pub fn is_possible(&self, value: f64) -> bool {
        self.range.is_none_or(|[low, high]| value.is_nan() || (low..=high).contains(&value))
    }

    /// What is wrong with a number that cannot be, and which word order would make one that can.
    pub fn doubt(&self, raw: u64, value: f64) -> String {
        let [low, high] = self.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        let text = format!("{value:e} is not from {low} to {high}");
        let Kind::Number(format, order) = self.kind else { return text };
        let words = order.split(raw, usize::from(format.words()));
        let fits = |other: &WordOrder| {
            let value = self.value_as(Kind::Number(format, *other), other.assemble(&words));
            value.is_finite() && self.is_possible(value)
        };
        match WordOrder::ALL.into_iter().filter(|other| *other != order).find(fits) {
            Some(other) => format!("{text}; with word_order {} it would be: is the word order right?", other.name()),
            None => text,
        }
    }

    fn value_as(&self, kind: Kind, raw: u64) -> f64 {
        let number = match kind {
            Kind::Number(format, _) => format.value(raw),
            Kind::Bit(_) | Kind::Flag => raw as f64,
        };
        self.linear.map_or(number, |(scale, offset)| number * scale + offset)
    }
}

impl Map {
    pub fn new(settings: &Settings) -> Result<Self, Failure> {
        let placed = expand(settings)?;
        let rules = settings
            .status_rules
            .iter()
            .enumerate()
            .map(|(index, rule)| PlacedRule::new(settings, rule, &format!("status_rules[{index}]"), &placed))
            .collect::<Result<Vec<_>, _>>()?;
        let reads = Reads::plan(settings, &placed, &rules)?;
        let (rule_sets, set_of_point) = rule_sets(&placed, &rules, &reads)?;
        let cells = placed
            .iter()
            .zip(set_of_point)
            .map(|(point, rule_set)| {
                let Item { read, offset } = reads.find(point.unit_id, point.table, point.span)?;
                Ok(Cell { read, offset, kind: point.kind, linear: point.linear, range: point.range, rule_set })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let points: Vec<Point> = placed.into_iter().map(|placed| placed.point).collect();
        Ok(Map {
            points_column: (0..=u16::MAX).take(points.len()).collect(),
            points,
            further_units: reads.further_units,
            reads: reads.reads,
            cells,
            rule_sets,
            nan: settings.nan,
        })
    }
}

/// A rule of the settings, checked.
#[derive(Debug)]
struct PlacedRule {
    unit_id: Option<u8>,
    table: Table,
    address: u16,
    rule: Rule,
    /// For each point whether the rule speaks of it.
    speaks_of: Vec<bool>,
}

impl PlacedRule {
    fn new(settings: &Settings, rule: &StatusRule, at: &str, placed: &[Placed]) -> Result<Self, Failure> {
        let no = |member: &str, why: &str| Err(wrong(&format!("{at}.{member}"), why));
        let is_bits = rule.table.is_bits();
        let mask = match (rule.bit, rule.mask) {
            (Some(_), Some(_)) => return no("mask", "either bit or mask"),
            (Some(_), _) if is_bits => return no("bit", "is for registers; here the address is the bit"),
            (_, Some(_)) if is_bits => return no("mask", "is for registers"),
            (Some(bit @ 0..=15), None) => 1 << bit,
            (Some(_), None) => return no("bit", "must be 0 (least significant) to 15"),
            (None, Some(0)) => return no("mask", "must have a bit set"),
            (None, Some(mask)) => mask,
            (None, None) if is_bits => 1,
            (None, None) => u16::MAX,
        };
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
        if rule.state == State::Valid && rule.qualifiers.is_empty() {
            return no("state", "the rule changes nothing: it needs a state other than valid, or qualifiers");
        }
        Ok(PlacedRule {
            unit_id: rule.unit_id,
            table: rule.table,
            address: wire_address(settings, rule.address, 1, at)?,
            rule: Rule {
                item: Item { read: 0, offset: 0 },
                mask,
                equals: rule.equals,
                is: rule.is,
                state: rule.state,
                qualifiers: rule.qualifiers.iter().copied().collect(),
            },
            speaks_of: speaks_of(rule, at, placed)?,
        })
    }
}

fn speaks_of(rule: &StatusRule, at: &str, placed: &[Placed]) -> Result<Vec<bool>, Failure> {
    let Some(patterns) = &rule.points else { return Ok(vec![true; placed.len()]) };
    let ids = || placed.iter().map(|placed| placed.point.id.as_str());
    for pattern in patterns {
        if !ids().any(|id| matches(pattern, id)) {
            let meant = nearest(pattern, ids()).map_or(String::new(), |id| format!("; did you mean {id:?}?"));
            return Err(wrong(&format!("{at}.points"), format_args!("no point is called {pattern:?}{meant}")));
        }
    }
    Ok(ids().map(|id| patterns.iter().any(|pattern| matches(pattern, id))).collect())
}

fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => id.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)),
        None => pattern == id,
    }
}

/// Rule sets, each once, and for each point which one speaks of it.
fn rule_sets(
    placed: &[Placed],
    rules: &[PlacedRule],
    reads: &Reads,
) -> Result<(Vec<RuleSet>, Vec<Option<usize>>), Failure> {
    let mut sets: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut rule_sets = Vec::new();
    let mut set_of_point = Vec::with_capacity(placed.len());
    for index in 0..placed.len() {
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
            let item = reads.find(rule.unit_id, rule.table, Span { address: rule.address, count: 1 })?;
            set.rules.push(Rule { item, ..rule.rule });
        }
        set_of_point.push(Some(rule_sets.len()));
        sets.insert(numbers, rule_sets.len());
        rule_sets.push(set);
    }
    Ok((rule_sets, set_of_point))
}

/// What a point (with its id) or a rule wants of a table.
type Wanted<'a> = (Span, Option<&'a str>);

/// The requests of a poll, searchable.
struct Reads {
    further_units: Vec<u8>,
    reads: Vec<Read>,
}

impl Reads {
    fn plan(settings: &Settings, placed: &[Placed], rules: &[PlacedRule]) -> Result<Self, Failure> {
        if !(4..=Table::Input.limit()).contains(&settings.max_registers) {
            return Err(wrong("max_registers", "must be 4 to 125"));
        }
        let mut wanted: BTreeMap<(Option<u8>, Table), Vec<Wanted>> = BTreeMap::new();
        for point in placed {
            let of = wanted.entry((point.unit_id, point.table)).or_default();
            of.push((point.span, Some(&point.point.id)));
        }
        for rule in rules {
            let of = wanted.entry((rule.unit_id, rule.table)).or_default();
            of.push((Span { address: rule.address, count: 1 }, None));
        }
        let mut planned = Reads { further_units: Vec::new(), reads: Vec::new() };
        for ((unit_id, table), wanted) in wanted {
            let link = planned.link(unit_id);
            let limit = if table.is_bits() { table.limit() } else { settings.max_registers };
            for span in plan_blocks(wanted.iter().map(|(span, _)| *span), settings.max_gap, limit) {
                planned.reads.push(read(settings, unit_id, link, table, span, &wanted));
            }
        }
        Ok(planned)
    }

    fn link(&mut self, unit_id: Option<u8>) -> usize {
        let Some(unit) = unit_id else { return 0 };
        let known = self.further_units.iter().position(|known| *known == unit);
        1 + known.unwrap_or_else(|| {
            self.further_units.push(unit);
            self.further_units.len() - 1
        })
    }

    fn find(&self, unit_id: Option<u8>, table: Table, span: Span) -> Result<Item, Failure> {
        let link = match unit_id {
            None => Some(0),
            Some(unit) => self.further_units.iter().position(|known| *known == unit).map(|at| at + 1),
        };
        let found = self.reads.iter().enumerate().find_map(|(read, Read { link: of, block, .. })| {
            let whole = Span { address: block.address, count: block.count };
            let is_inside = span.address >= whole.address && span.end() <= whole.end();
            let is_here = Some(*of) == link && block.table == table && is_inside;
            is_here.then(|| Item { read, offset: usize::from(span.address - block.address) })
        });
        found.ok_or_else(|| Failure::internal(format!("{table:?} {} is in no read", span.address)))
    }
}

fn read(settings: &Settings, unit_id: Option<u8>, link: usize, table: Table, span: Span, wanted: &[Wanted]) -> Read {
    let block = Block { table, address: span.address, count: span.count };
    let unit = unit_id.map_or(String::new(), |unit| format!("unit {unit}, "));
    let label = match settings.address_base {
        0 => format!("{unit}{block}"),
        _ => format!("{unit}{block} (counted from 0)"),
    };
    let inside: Vec<_> =
        wanted.iter().filter(|(part, _)| part.address >= span.address && part.end() <= span.end()).collect();
    let without_gaps = plan_blocks(inside.iter().map(|(part, _)| *part), 0, u16::MAX);
    let ids: Vec<&str> = inside.iter().filter_map(|(_, id)| *id).collect();
    let points = match ids.as_slice() {
        [] => "status rules".to_owned(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} to {last}"),
    };
    Read { link, block, label, points, has_gaps: without_gaps.len() > 1 }
}
