//! The requests of a poll.

use std::collections::BTreeMap;

use tutin_sdk::Failure;
use tutin_sdk::modbus::{Block, Span, Table, plan_blocks};
use tutin_sdk::settings::wrong;

use crate::effective::Effective;
use crate::status::Item;

/// Bits that one request reads at most; a wider gap bridges nothing.
const WIDEST_GAP: u16 = 2000;

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

/// What a point (with its id) or something else wants of a table.
#[derive(Debug)]
pub(crate) struct Want<'a> {
    pub unit_id: Option<u8>,
    pub table: Table,
    pub span: Span,
    pub id: Option<&'a str>,
}

/// The requests of a poll, searchable.
pub(crate) struct Reads {
    pub further_units: Vec<u8>,
    pub reads: Vec<Read>,
}

impl Reads {
    pub fn plan(effective: &Effective, wants: &[Want]) -> Result<Self, Failure> {
        let settings = effective.settings;
        if !(4..=Table::Input.limit()).contains(&settings.max_registers) {
            return Err(wrong("max_registers", "must be 4 to 125"));
        }
        if settings.max_gap > WIDEST_GAP {
            return Err(wrong("max_gap", "must be 0 to 2000"));
        }
        let mut wanted: BTreeMap<(Option<u8>, Table), Vec<&Want>> = BTreeMap::new();
        for want in wants {
            wanted.entry((want.unit_id, want.table)).or_default().push(want);
        }
        let mut planned = Reads { further_units: Vec::new(), reads: Vec::new() };
        for ((unit_id, table), wanted) in wanted {
            let link = planned.link(unit_id);
            let limit = if table.is_bits() { table.limit() } else { settings.max_registers };
            for span in plan_blocks(wanted.iter().map(|want| want.span), settings.max_gap, limit) {
                if span.count > limit {
                    let why = format!("{} registers from {} must be read at once", span.count, span.address);
                    return Err(wrong("max_registers", why));
                }
                planned.reads.push(read(effective, unit_id, link, table, span, &wanted));
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

    pub fn find(&self, unit_id: Option<u8>, table: Table, span: Span) -> Result<Item, Failure> {
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

fn read(effective: &Effective, unit_id: Option<u8>, link: usize, table: Table, span: Span, wanted: &[&Want]) -> Read {
    let block = Block { table, address: span.address, count: span.count };
    let unit = unit_id.map_or(String::new(), |unit| format!("unit {unit}, "));
    let label = match effective.address_base {
        0 => format!("{unit}{block}"),
        _ => format!("{unit}{block} (counted from 0)"),
    };
    let is_inside = |part: Span| part.address >= span.address && part.end() <= span.end();
    let inside: Vec<_> = wanted.iter().filter(|want| is_inside(want.span)).collect();
    let without_gaps = plan_blocks(inside.iter().map(|want| want.span), 0, u16::MAX);
    let ids: Vec<&str> = inside.iter().filter_map(|want| want.id).collect();
    let points = match ids.as_slice() {
        [] => "status rules".to_owned(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} to {last}"),
    };
    Read { link, block, label, points, has_gaps: without_gaps.len() > 1 }
}

impl Read {
    /// What was refused, with a hint where the instrument may not have all of it.
    pub fn refusal(&self) -> String {
        let Read { label, points, .. } = self;
        let hint =
            if self.has_gaps { "; it bridges addresses that nobody asked for, max_gap = 0 avoids them" } else { "" };
        format!("{label} ({points}{hint})")
    }
}
