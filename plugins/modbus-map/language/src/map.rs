//! The settings as a plan: which reads, and where in their answers each point and each rule finds its registers.

use tutin_sdk::words::Format;
use tutin_sdk::{Failure, Point, State};

use crate::cell::Cell;
use crate::effective::Effective;
use crate::expand::{Placed, expand};
use crate::identity::{self, Identity};
use crate::kind::Kind;
use crate::reads::{Read, Reads, Want};
use crate::rules::{PlacedRule, rule_sets, rules};
use crate::status::{Item, RuleSet};
use crate::write::Planned;

/// What a poll does.
#[derive(Debug)]
pub(crate) struct Map {
    /// As the map has them, one for each cell.
    of_map: Vec<Point>,
    /// As they are published.
    pub points: Vec<Point>,
    /// For each cell its place in `points`, when it has one.
    pub rows: Vec<Option<u16>>,
    /// Places of the numbers, in the order of the cells: every poll has a row for each.
    pub points_column: Vec<u16>,
    /// The cells that are text.
    pub text_cells: Vec<usize>,
    /// Units besides the device's own; link 1 is the first of them.
    pub further_units: Vec<u8>,
    pub reads: Vec<Read>,
    /// One for each point of the map, in order.
    pub cells: Vec<Cell>,
    pub rule_sets: Vec<RuleSet>,
    pub identity: Option<Identity>,
    /// What the setup wrote, where it must be found.
    pub checks: Vec<Check>,
    pub nan: State,
}

/// Cells that the setup wrote.
#[derive(Debug)]
pub(crate) struct Check {
    pub item: Item,
    pub words: Vec<u16>,
    pub label: String,
}

impl Map {
    pub fn new(effective: &Effective, setup: &[Planned]) -> Result<Self, Failure> {
        let (placed, ids) = expand(effective)?;
        let rules = rules(effective, &placed, &ids)?;
        let verified: Vec<&Planned> = setup.iter().filter(|write| write.is_verified).collect();
        let reads = Reads::plan(effective, &wants(&placed, &rules, &verified))?;
        let (rule_sets, set_of_point) = rule_sets(placed.len(), &rules, &reads)?;
        let identity = Identity::new(&placed, &reads)?;
        let checks = verified.into_iter().map(|write| {
            let item = reads.find(write.unit_id, write.table, write.span())?;
            Ok(Check { item, words: write.words.clone(), label: write.label() })
        });
        let checks = checks.collect::<Result<Vec<_>, Failure>>()?;
        let cells = placed.iter().zip(set_of_point).map(|(point, rule_set)| cell(effective, point, rule_set, &reads));
        let cells = cells.collect::<Result<Vec<_>, Failure>>()?;
        let text_cells = cells.iter().enumerate().filter(|(_, cell)| cell.kind.is_text()).map(|(index, _)| index);
        let mut map = Map {
            of_map: placed.into_iter().map(|placed| placed.point).collect(),
            points: Vec::new(),
            rows: Vec::new(),
            points_column: Vec::new(),
            text_cells: text_cells.collect(),
            further_units: reads.further_units,
            reads: reads.reads,
            cells,
            rule_sets,
            identity,
            checks,
            nan: effective.settings.nan,
        };
        map.publish();
        Ok(map)
    }

    /// Makes the list of points anew from what the instrument says. True when it is another one.
    pub fn publish(&mut self) -> bool {
        let known = match &self.identity {
            Some(identity) => identity.points(&self.of_map),
            None => self.of_map.iter().cloned().map(Some).collect(),
        };
        let mut points = Vec::with_capacity(known.len());
        self.rows.clear();
        self.points_column.clear();
        for (point, cell) in known.into_iter().zip(&self.cells) {
            let row = point.and_then(|point| {
                let row = u16::try_from(points.len()).ok()?;
                points.push(point);
                Some(row)
            });
            self.rows.push(row);
            self.points_column.extend(row.filter(|_| !cell.kind.is_text()));
        }
        let is_another = points != self.points;
        self.points = points;
        is_another
    }

    /// What the map calls its points, one for each cell.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.of_map.iter().map(|point| point.id.as_str())
    }

    /// True when the value of a cell is surely of its point, and in its unit.
    pub fn is_sure(&self, cell: usize) -> bool {
        self.identity.as_ref().is_none_or(|identity| identity.is_sure(cell))
    }
}

fn cell(effective: &Effective, point: &Placed, rule_set: Option<usize>, reads: &Reads) -> Result<Cell, Failure> {
    let item = reads.find(point.unit_id, point.table, point.span)?;
    let (kind, sentinels) = (point.kind.clone(), point.sentinels.clone());
    let is_float = matches!(kind, Kind::Number(Format::F32 | Format::F64, _));
    let smallest = if is_float { effective.settings.smallest } else { 0.0 };
    Ok(Cell { item, kind, linear: point.linear, range: point.range, smallest, sentinels, rule_set })
}

fn wants<'a>(placed: &'a [Placed], rules: &[PlacedRule], verified: &[&Planned]) -> Vec<Want<'a>> {
    let mut wants = Vec::new();
    for point in placed {
        let (unit_id, table, span) = (point.unit_id, point.table, point.span);
        wants.push(Want { unit_id, table, span, id: Some(&point.id) });
    }
    wants.extend(placed.iter().flat_map(identity::wants));
    wants.extend(rules.iter().map(|rule| -> Want<'a> { rule.want() }));
    wants.extend(verified.iter().map(|write| Want {
        unit_id: write.unit_id,
        table: write.table,
        span: write.span(),
        id: None,
    }));
    wants
}
